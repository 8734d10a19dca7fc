"""The next nightly run in words: there, and in the zone of the reader's browser or machine."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from optsync.core.calendar import Schedule, next_slot
from optsync.web.templatetags.web import day


@dataclass(frozen=True, slots=True)
class NextRun:
    """`there` is the org's wall clock, `detail` how long until then, `sentence` both zones in one line."""

    there: str
    detail: str
    sentence: str


def next_run(schedule: Schedule, now: datetime) -> NextRun:
    """When the next nightly run starts, in the schedule's zone and in the zone of this server."""
    slot_at = next_slot(schedule, now)
    there, here = slot_at.astimezone(ZoneInfo(schedule.zone)), timezone.localtime(slot_at)
    minutes = int((slot_at - now).total_seconds() // 60)
    wait = _("in %(hours)s h %(minutes)s min") % {"hours": minutes // 60, "minutes": minutes % 60}
    both = {"there": f"{shown(there)} {there:%Z}", "here": f"{shown(here)} {here:%Z}"}
    return NextRun(both["there"], f"{wait} ({both['here']})", _("Next run: %(there)s, that is %(here)s.") % both)


def shown(moment: datetime) -> str:
    """Weekday, day and time in the reader's language."""
    return f"{date_format(moment, 'D')} {day(moment)} {moment:%H:%M}"
