"""How the recipients' pages put names into sentences."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def say(sentence: str, **values: str) -> SafeString:
    """A sentence of ours with what was put into it: escaped, and apart from the direction of the text around it."""
    return format_html(sentence, **{name: format_html("<bdi>{}</bdi>", value) for name, value in values.items()})
