"""What bodies have in common: what is asked is taken as it is, without guessing and without unknown fields."""

import json
import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from optsync.core.addresses import names_several

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d")
ADDRESS_LENGTH_MAX = 1_000
Address = Annotated[
    str, Field(pattern="@", min_length=3, max_length=ADDRESS_LENGTH_MAX, description="An e-mail address, as typed.")
]


SEVERAL: Final = "this names several e-mail addresses: give one"


def one_alone(address: str) -> str:
    """Raises ValueError for a text that names several: each of them must be recorded, or none."""
    if names_several(address):
        raise ValueError(SEVERAL)
    return address


OneAddress = Annotated[Address, AfterValidator(one_alone)]
"""Of one person. Behind Address, so that the document stays the same."""

NOT_BLANK = r"[^\s\x00-\x20\x85]"
"""A text that says something. No space alone would not do: Python counts control characters as spaces, pydantic not."""

WHOLE = BeforeValidator(lambda one: int(one) if isinstance(one, float) and one.is_integer() else one)
"""For a whole number as JSON has it: 4.0 is one, too. Behind its bounds, or the document loses them."""


def in_rfc_3339(one: object) -> object:
    """An instant is a text with date and time. Raises ValueError: a number of seconds is none."""
    if not isinstance(one, str) or not RFC_3339.match(one):
        raise ValueError("an instant such as 2026-11-28T09:12:44Z is needed")
    return one


Instant = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(in_rfc_3339)]
"""A moment with its offset."""


def from_json(body: bytes) -> Any:
    """What a body says, as RFC 8259 has it: no NaN, and no name twice in an object, of which one would be lost.

    Raises ValueError or RecursionError for a body that is no JSON.
    """
    return json.loads(body.decode(), object_pairs_hook=unique, parse_constant=no_constant)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object with each name once. Raises ValueError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def no_constant(name: str) -> Any:
    """NaN and Infinity are no JSON. Raises ValueError."""
    raise ValueError(f"{name} is no JSON")


class Asked(BaseModel):
    """A body that comes in: `"yes"` is no true, and an unknown field is a mistake, not a wish."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Told(BaseModel):
    """A body that goes out."""

    model_config = ConfigDict(from_attributes=True)
