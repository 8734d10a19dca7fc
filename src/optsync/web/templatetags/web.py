"""Filters of the admin pages."""

from datetime import UTC, datetime

from django import template
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language

register = template.Library()
DAY_FORMATS = {"de": "d.m.Y"}
"""Where the common form, 24 Nov 2026, is not the language's own."""


@register.filter
def took(seconds: float | None) -> str:
    """A duration as a person reads it: 0.08 s, 12 s, 3 min, 5 h; a dash for none. Number and unit stay on one line."""
    if seconds is None:
        return "–"
    if seconds < 120:
        decimals = 2 if isinstance(seconds, float) and seconds < 10 else 0
        return f"{number_format(round(seconds, decimals), decimals)}\N{NO-BREAK SPACE}s"
    minutes = round(seconds / 60)
    number, unit = (minutes, "min") if minutes < 120 else (minutes // 60, "h")
    return f"{number_format(number)}\N{NO-BREAK SPACE}{unit}"


@register.filter
def figure(value: object) -> str:
    """A whole number with the language's thousands separators; a dash where there is none."""
    return number_format(value, use_l10n=True, force_grouping=True) if isinstance(value, int) else "–"


@register.filter
def seconds(value: float) -> str:
    """A short time: at least a second, because a scanner's burst may be shorter."""
    return f"{max(1, round(value))} s"


@register.filter
def when(value: datetime | None) -> SafeString:
    """A moment as an element: in the zone of the page's reader, UTC on hover, ISO for programs; a dash for none."""
    if not value:  # a template gives "" for what is not there
        return SafeString("–")
    utc = f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), utc, moment(value))


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
