"""Sentences for people: English as they stand, and still translatable, because they remember how they were made.

The command line prints a `Told` like any text; a page hands in gettext and shows it in the reader's language.
"""

from collections.abc import Callable

Translate = Callable[[str], str]


class Told(str):
    """An English sentence that knows its template and what was put into it."""

    template: str
    values: dict[str, object]


def told(template: str, **values: object) -> Told:
    """The template with its %(name)s filled in; a per cent sign in it is written twice, as gettext has it."""
    made = Told(template % values)
    made.template, made.values = template, values
    return made


def in_language(text: str, translate: Translate) -> str:
    """The sentence in the reader's language, with the sentences inside it; text from elsewhere as it is."""
    if not isinstance(text, Told):
        return translate(text) if text else ""  # gettext answers "" with the head of its catalog
    said = {
        name: in_language(value, translate) if isinstance(value, Told) else value for name, value in text.values.items()
    }
    return translate(text.template) % said


def as_plain(text: str) -> object:
    """The sentence as JSON keeps it, so that it is still translatable when it is read again."""
    if not isinstance(text, Told):
        return text
    values = {name: as_plain(value) if isinstance(value, str) else value for name, value in text.values.items()}
    return {"template": text.template, "values": values}


def from_plain(plain: object) -> str:
    """What `as_plain` was given."""
    if not isinstance(plain, dict):
        return str(plain)
    return told(
        plain["template"], **{n: from_plain(v) if isinstance(v, dict) else v for n, v in plain["values"].items()}
    )
