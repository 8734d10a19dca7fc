"""Salesforce record ids: 15 and 18 characters name one record; 18 are stored and compared (rules 4)."""

import re
import string
from typing import Final, Literal

Kind = Literal["Lead", "Contact", "Account"]

PREFIXES: Final[dict[str, Kind]] = {"00Q": "Lead", "003": "Contact", "001": "Account"}
"""Key prefixes of the objects that carry an opt-out field; an Account is a Person Account."""

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_CAPITALS = str.maketrans(string.ascii_letters + string.digits, "0" * 26 + "1" * 26 + "0" * 10)
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[A-Z0-5]{3})?")


class BadRecordId(ValueError):  # noqa: N818 - reads as what it is, like Django's DoesNotExist
    """The text is no Salesforce id; the message says why and holds no personal data."""


def to_18(raw: str) -> str:
    """The 18-character form of a 15- or 18-character id. Raises BadRecordId.

    The suffix says which letters are capitals: for each five characters, bit k (lowest first) is set for A-Z.
    """
    text = raw.strip()
    if not _SHAPE.fullmatch(text):
        raise BadRecordId("not a Salesforce id: 15 or 18 letters and digits are expected")
    whole = text[:15] + suffix_of(text[:15])
    if len(text) == 18 and text != whole:
        raise BadRecordId(
            "the last three characters do not fit the first fifteen: were its capitals changed on the way?"
        )
    return whole


def suffix_of(id15: str) -> str:
    """The three characters that make an 18-character id of fifteen."""
    bits = id15.translate(_CAPITALS)[
        ::-1
    ]  # every pushed id passes here: one translation instead of fifteen comparisons
    return _SUFFIX[int(bits[10:15], 2)] + _SUFFIX[int(bits[5:10], 2)] + _SUFFIX[int(bits[:5], 2)]


def prefix_of(kind: Kind) -> str:
    """The key prefix of an object's ids."""
    return next(prefix for prefix, name in PREFIXES.items() if name == kind)


def kind_of(id18: str) -> Kind | None:
    """Lead, Contact or Account by the id's prefix; None for any other object."""
    return PREFIXES.get(id18[:3])
