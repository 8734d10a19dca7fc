"""What a fault lets you choose, told once: the control API, the command line and the page all read it from here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

KINDS_OF_VALUE = {str: "text", int: "whole number", float: "number", list[str]: "list"}
_Number = int | float


def option(
    default: object,
    text: str,
    *,
    least: _Number = 0,
    most: _Number = math.inf,
    choices: Sequence[str] = (),
    known: Sequence[str] = (),
) -> Any:
    """A field of a fault. `text` says what it does; `least` and `most` bound numbers.

    `choices` are the only values that make sense, `known` ones worth proposing.
    """
    return field(default=default, metadata={"option": (text, least, most, tuple(choices), tuple(known))})


@dataclass(frozen=True)
class Option:
    """One field: `value` is text, whole number, number or list (of texts); an optional one may be null."""

    name: str
    value: str
    optional: bool
    default: object
    text: str
    least: _Number
    most: _Number
    choices: tuple[str, ...]
    known: tuple[str, ...]

    def check(self, value: object) -> object:
        """The value as the fault takes it. Raises ValueError."""
        if value is None and self.optional:
            return None
        if self.value == "list" and isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        if self.value == "text" and isinstance(value, str) and (not self.choices or value in self.choices):
            return value
        whole = isinstance(value, int) and not isinstance(value, bool)
        if (self.value == "whole number" and whole) or (self.value == "number" and (whole or isinstance(value, float))):
            assert isinstance(value, int | float)
            if self.least <= value <= self.most and math.isfinite(value):
                return value
        raise ValueError(f"{self.name} must be {self.wanted}")

    def parse(self, text: str) -> object:
        """The value that a person typed; for an optional field nothing, or null, is None. Raises ValueError."""
        typed = text.strip()
        if self.optional and typed in ("", "null"):
            return None
        if self.value == "list":
            return self.check([item.strip() for item in typed.split(",") if item.strip()])
        if self.value == "text":
            return self.check(text)
        try:
            return self.check(int(typed) if self.value == "whole number" else float(typed))
        except ValueError:
            raise ValueError(f"{self.name} must be {self.wanted}") from None

    def show(self, value: object) -> str:
        """The value as a person would type it."""
        if isinstance(value, list):
            return ",".join(value)
        return "" if value is None else str(value)

    @property
    def wanted(self) -> str:
        """What may be given, in words."""
        if self.choices:
            return " or ".join(self.choices)
        kind = {"list": "a list of texts", "text": "a text"}.get(self.value, f"a {self.value}")
        if self.value in ("whole number", "number"):
            kind += f" of at least {self.least}" if self.most == math.inf else f" from {self.least} to {self.most}"
        return kind + (", or null" if self.optional else "")

    def as_json(self) -> dict[str, object]:
        """The option as the control API lists it."""
        return {
            "name": self.name,
            "value": self.value,
            "optional": self.optional,
            "default": self.default,
            "text": self.text,
            "wanted": self.wanted,
            "choices": list(self.choices),
            "known": list(self.known),
        }


def options_of(kind: type) -> list[Option]:
    """The options of a fault's class, its own before those that every fault has."""
    hints = get_type_hints(kind)
    found = []
    for item in fields(kind):
        if "option" not in item.metadata:
            continue
        hint = hints[item.name]
        members = getattr(hint, "__args__", ()) if type(None) in getattr(hint, "__args__", ()) else ()
        plain = next((member for member in members if member is not type(None)), hint)
        found.append(Option(item.name, KINDS_OF_VALUE[plain], bool(members), item.default, *item.metadata["option"]))
    depth = {name: level for level, base in enumerate(kind.__mro__) for name in vars(base).get("__annotations__", ())}
    return sorted(found, key=lambda one: depth[one.name])
