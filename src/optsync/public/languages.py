"""The languages of the unsubscribe page: one short file each in `locale/`, read once.

A table of sentences instead of gettext: recipients' languages are many and their texts few, admins' the other way
round. A file whose `checked` is false is a machine's draft; docs/how-to/unsubscribe-links.md lists those.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from django.utils.translation.trans_real import parse_accept_lang_header

RIGHT_TO_LEFT = frozenset({"ar", "he"})
ALIASES = {"no": "nb", "iw": "he", "zh": "zh-hans", "zh-tw": "zh-hant", "zh-hk": "zh-hant", "zh-mo": "zh-hant"}
"""What browsers say for languages that we name otherwise; in lower case, as they are compared."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its code (BCP 47), its own name, whether a native speaker has checked it, its sentences by key."""

    code: str
    name: str
    checked: bool
    texts: Mapping[str, str]

    @property
    def direction(self) -> str:
        """As HTML's `dir` wants it."""
        return "rtl" if self.code in RIGHT_TO_LEFT else "ltr"


CODE_CHARS_MAX = 35
"""As long as a language tag gets (RFC 5646, 4.4.1); whoever sends more would have us look for hours."""


@cache
def languages() -> dict[str, Language]:
    """Every language by its code in lower case, in the order of their names."""
    found = []
    for file in resources.files("optsync.public").joinpath("locale").iterdir():
        if file.name.endswith(".toml"):
            texts = tomllib.loads(file.read_text(encoding="utf-8"))
            found.append(Language(file.name[:-5], texts.pop("name"), texts.pop("checked"), texts))
    return {one.code.lower(): one for one in sorted(found, key=lambda one: one.name.casefold())}


def chosen(asked: str, accepted: str) -> Language:
    """The language asked for, else the first one that the browser accepts (the header's text), else English."""
    wanted = [asked] + [code for code, weight in parse_accept_lang_header(accepted.lower()) if weight > 0]
    return next((found for code in wanted if (found := known(code))), languages()["en"])


def known(code: str) -> Language | None:
    """The nearest language of ours: the one itself, else the same without its region; None for what we do not speak."""
    part = code[:CODE_CHARS_MAX].lower()
    while part:
        found = languages().get(ALIASES.get(part, part))
        if found:
            return found
        part = part.rpartition("-")[0]
    return None
