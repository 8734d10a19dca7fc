"""Filters of the admin pages."""

from django import template
from django.utils.formats import number_format

register = template.Library()


@register.filter
def figure(value: object) -> str:
    """A whole number with the language's thousands separators; a dash where there is none."""
    return number_format(value, use_l10n=True, force_grouping=True) if isinstance(value, int) else "–"
