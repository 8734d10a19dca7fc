"""Filters of the admin pages."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import get_language

register = template.Library()
DAY_FORMATS = {"de": "d.m.Y"}
"""Where the common form, 24 Nov 2026, is not the language's own."""


@register.filter
def figure(value: object) -> str:
    """A whole number with the language's thousands separators; a dash where there is none."""
    return number_format(value, use_l10n=True, force_grouping=True) if isinstance(value, int) else "–"


@register.filter
def moment(value: datetime) -> str:
    """Day and time to the second, with its zone: a history is read second by second."""
    at = timezone.localtime(value)
    return f"{day(at)} {at:%H:%M:%S %Z}"


@register.filter
def instant(text: str) -> datetime:
    """An instant that was kept as text in JSON."""
    return datetime.fromisoformat(text)


def day(at: datetime) -> str:
    """The day as the reader's language writes it; never 11/12, which two countries read differently."""
    return date_format(at, DAY_FORMATS.get(get_language() or "", "j M Y"))
