"""What bodies have in common: what is asked is taken as it is, without guessing and without unknown fields."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

ADDRESS_LENGTH_MAX = 1_000
Address = Annotated[
    str, Field(pattern="@", min_length=3, max_length=ADDRESS_LENGTH_MAX, description="An e-mail address, as typed.")
]


WHOLE = BeforeValidator(lambda one: int(one) if isinstance(one, float) and one.is_integer() else one)
"""For a whole number as JSON has it: 4.0 is one, too. Behind its bounds, or the document loses them."""


class Asked(BaseModel):
    """A body that comes in: `"yes"` is no true, and an unknown field is a mistake, not a wish."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Told(BaseModel):
    """A body that goes out."""

    model_config = ConfigDict(from_attributes=True)
