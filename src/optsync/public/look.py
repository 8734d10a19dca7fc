"""What every card of the recipients' pages has in common: the language, the brand, the theme."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from django.http import HttpRequest

from optsync.config.desk import desk
from optsync.public import brand as brands
from optsync.public.brand import Brand
from optsync.public.languages import Language, chosen, known, languages

OURS = ("#0b5cab", "#78b0fd")
"""The colours as shipped, as in static/public/page.css."""
BRAND_SECONDS = 10.0
"""How old the brand on a page may be. The page itself asks the database nothing: it opens while that is away."""

_lock = threading.Lock()
_seen: list[tuple[float, Brand]] = []


@dataclass(frozen=True, slots=True)
class Look:
    """The look of one page. `query` is what its links carry on: the language, when it was asked for.

    Only an admin's preview has a `theme` (light or dark) of its own, and buttons that cannot be pressed.
    """

    language: Language
    brand: Brand
    query: str
    theme: str = ""
    is_preview: bool = False

    @property
    def texts(self) -> Mapping[str, str]:
        """Its sentences by key."""
        return self.language.texts

    @property
    def languages(self) -> Sequence[Language]:
        """Those of the switcher."""
        return list(languages().values())

    @property
    def colours(self) -> tuple[str, str] | None:
        """Light and dark; None as shipped."""
        if not (self.brand.light_colour or self.brand.dark_colour):
            return None
        return self.brand.light_colour or OURS[0], self.brand.dark_colour or OURS[1]


def look_for(request: HttpRequest) -> Look:
    """The look of a recipient's page."""
    asked = known(request.GET.get("lang", ""))
    language = asked or chosen("", request.headers.get("Accept-Language", "")[:1_000])
    return Look(language, brand_now(), f"?lang={asked.code}" if asked else "")


def brand_now() -> Brand:
    """The brand, at most ten seconds old; while the database is away, the last one seen."""
    now: float = desk().seams.monotonic()
    with _lock:
        if _seen and now - _seen[0][0] < BRAND_SECONDS:
            return _seen[0][1]
        _seen[:] = [(now, _seen[0][1] if _seen else Brand())]  # others need not wait for this look
    found = _looked()
    if found is not None:
        with _lock:
            _seen[:] = [(now, found)]
    return _seen[0][1]


def _looked() -> Brand | None:
    try:
        return brands.load(desk().connection())
    except psycopg.Error:
        return None
