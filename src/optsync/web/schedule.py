"""The next nightly run in words: in the zone of its schedule, and in the reader's where that is another one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from optsync.core.calendar import Schedule, next_slot
from optsync.web.templatetags.web import day

WEEK = timedelta(days=6)
"""So long the name of a day says which one is meant."""


@dataclass(frozen=True, slots=True)
class NextRun:
    """`wait` is how long until then, `there` the wall clock of its schedule, `sentence` both zones in one line."""

    wait: str
    there: str
    sentence: str


def next_run(schedule: Schedule, now: datetime) -> NextRun:
    """When the next nightly run starts, in the schedule's zone, and in the reader's if its clock shows another time."""
    slot_at = next_slot(schedule, now)
    there, here = slot_at.astimezone(ZoneInfo(schedule.zone)), timezone.localtime(slot_at)
    minutes = int((slot_at - now).total_seconds() // 60)
    wait = _("in %(hours)s h %(minutes)s min") % {"hours": minutes // 60, "minutes": minutes % 60}
    if there.utcoffset() == here.utcoffset():
        return NextRun(wait, shown(there), _("Next run: %(there)s.") % {"there": shown(there)})
    both = {"there": shown(there), "here": shown(here)}
    return NextRun(wait, " = ".join(both.values()), _("Next run: %(there)s, that is %(here)s.") % both)


def shown(moment: datetime) -> str:
    """Weekday, day and time in the reader's language, with the zone's name."""
    return f"{date_format(moment, 'D')} {day(moment)} {moment:%H:%M %Z}"


def lately(moment: datetime, now: datetime) -> str:
    """When something was in the reader's zone: the time alone for today, with the name of its day for a week."""
    at = timezone.localtime(moment)
    if at.date() == timezone.localtime(now).date():
        return f"{at:%H:%M %Z}"
    return f"{date_format(at, 'l') if now - moment < WEEK else day(at)} {at:%H:%M %Z}"
