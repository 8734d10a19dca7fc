"""The legal clock in the reader's language: the age of the oldest opt-out that is not in Salesforce, and yardsticks."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from optsync.alerts.rules import LATE_HOURS, LAW_DAYS
from optsync.config.desk import desk
from optsync.core.calendar import business_days_after
from optsync.web.templatetags.web import day

SHOWN_AFTER = timedelta(hours=1)
"""Before that the sentence above says what is on its way."""


def clock_of(since: datetime | None) -> dict[str, str] | None:
    """The line of the Overview, and its tone: a warning from a day on. None while nothing waits for long."""
    if since is None or desk().seams.now() - since < SHOWN_AFTER:
        return None
    tone = "warn" if desk().seams.now() - since >= timedelta(hours=LATE_HOURS) else "info"
    deadline = day(timezone.localtime(business_days_after(since, LAW_DAYS)))
    said = _(
        "Oldest opt-out that is not in Salesforce: %(age)s. Yardsticks: Gmail and Yahoo 48 hours, CAN-SPAM and CASL "
        "10 business days, here until %(deadline)s. The person is blocked here."
    )
    return {"tone": tone, "said": said % {"age": age_of(since), "deadline": deadline}}


def age_of(since: datetime) -> str:
    """How old, in the largest unit that says it well."""
    minutes = max(0, int((desk().seams.now() - since) / timedelta(minutes=1)))
    if minutes < 120:
        return _("%(n)s min") % {"n": minutes}
    return _("%(n)s h") % {"n": minutes // 60} if minutes < 2880 else _("%(n)s days") % {"n": minutes // 1440}
