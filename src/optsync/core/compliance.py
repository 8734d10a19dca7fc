"""Why a person's data may be used, and where it came from, as an operator records it (requirement 43).

None of it changes an opt-out: a consent is no re-subscribe (rules 6).
"""

from collections.abc import Mapping
from datetime import date
from typing import Final, Literal, get_args

Authorization = Literal[
    "consent",
    "legitimate interest",
    "performance of a contract",
    "compliance with legal obligation",
    "protection of vital interests",
    "public interest/official authority",
    "other",
]
SourceType = Literal["crm sync", "import", "manual upload", "chrome extension", "other"]
AUTHORIZATIONS: Final[tuple[Authorization, ...]] = get_args(Authorization)
SOURCE_TYPES: Final[tuple[SourceType, ...]] = get_args(SourceType)
BASIS: Final = ("authorization_type", "authorization_note", "consent_date", "consent_purpose")
ORIGIN: Final = ("source_type", "source_note")
FIELDS: Final = (*BASIS, *ORIGIN)
"""The names of the six values wherever they stand: table, columns of a file, API, command line."""

TEXT_CHARS_MAX: Final = 500
Change = dict[str, str | None]
"""Values to be stored by name; None empties one, and a name that is not there stays as it is."""


class BadCompliance(ValueError):  # noqa: N818 - read as a sentence where it is caught
    """Values that do not go together; the message is for people."""


def read_change(given: Mapping[str, str], latest_day: date, *, whole: bool = False) -> Change:
    """What given texts change; an empty one says nothing, unless they are the `whole`, which then replaces all.

    Basis (authorization type, its note, date and purpose of a consent) and origin (source type, its note) are each set
    as one. `latest_day` is the last day on which a consent can have been given. Raises BadCompliance.
    """
    cells = {name: " ".join(given.get(name, "").split()) for name in FIELDS}
    if any(len(cell) > TEXT_CHARS_MAX for cell in cells.values()):
        raise BadCompliance("longer than 500 characters")
    change: Change = {}
    if whole or any(cells[name] for name in BASIS):
        change |= _basis(cells, latest_day)
    if whole or any(cells[name] for name in ORIGIN):
        change |= _origin(cells)
    return change


def over_current(current: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The whole that comes of changing some values by name: a new type leaves what belonged to the old one behind."""
    kept = {name: current.get(name, "") for name in FIELDS}
    for half in (BASIS, ORIGIN):
        if half[0] in given:
            kept |= dict.fromkeys(half, "")
    return kept | dict(given)


def _basis(cells: Mapping[str, str], latest_day: date) -> Change:
    kind = cells["authorization_type"].lower()
    if kind and kind not in AUTHORIZATIONS:
        raise BadCompliance("no such authorization type")
    day, purpose = cells["consent_date"], cells["consent_purpose"]
    if kind == "consent" and not (day and purpose):
        raise BadCompliance("a consent needs its date and its purpose")
    if kind != "consent" and (day or purpose):
        raise BadCompliance("only a consent has a date and a purpose")
    if cells["authorization_note"] and kind != "other":
        raise BadCompliance("only the authorization type other has a note")
    return {
        "authorization_type": kind or None,
        "authorization_note": cells["authorization_note"] or None,
        "consent_date": _day(day, latest_day).isoformat() if day else None,
        "consent_purpose": purpose or None,
    }


def _origin(cells: Mapping[str, str]) -> Change:
    kind = cells["source_type"].lower()
    if kind and kind not in SOURCE_TYPES:
        raise BadCompliance("no such source type")
    if cells["source_note"] and kind != "other":
        raise BadCompliance("only the source type other has a note")
    return {"source_type": kind or None, "source_note": cells["source_note"] or None}


def _day(text: str, latest_day: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadCompliance("the consent date is no day: write it as 2026-03-31") from None
    if day > latest_day:
        raise BadCompliance("the consent date lies in the future")
    return day
