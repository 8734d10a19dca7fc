"""Where a field stands on a page layout, where it should, and how it comes there.

Layouts are looked at as Tooling describes them, which needs few rights, and changed as the Metadata API's XML, which
loses nothing; both have the same tree: layoutSections > layoutColumns > layoutItems {field, behavior} (Metadata API
Developer Guide, "Layout").
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement

NEIGHBOUR: Final = "Email"
"""People look for Email Opt Out below the address."""
LINKS: Final = "CustomLinks"
"""A section of this style holds links, no fields."""

Description = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field stands: the label of its section, what the layout lets people do with it, and the field above."""

    section: str
    behavior: str
    below: str = ""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a field should come: the numbers of section and column, and how many items stand above it there."""

    section: int
    column: int
    item: int


def place_of(layout: Description, field: str) -> Place | None:
    """Where the field stands, None when it is not on the layout."""
    for section in _sections(layout):
        for items in _columns(section):
            names = [item.get("field") for item in items]
            if field in names:
                number = names.index(field)
                above = str(names[number - 1] or "") if number else ""
                return Place(str(section.get("label") or ""), str(items[number].get("behavior") or ""), above)
    return None


def spot_for(layout: Description) -> tuple[Spot, Place] | None:
    """Below Email, else last in the first section that holds fields; None: the layout has no room for a field."""
    first = None
    for number, section in enumerate(_sections(layout)):
        label, columns = str(section.get("label") or ""), list(_columns(section))
        for column, items in enumerate(columns):
            names = [item.get("field") for item in items]
            if NEIGHBOUR in names:
                return Spot(number, column, names.index(NEIGHBOUR) + 1), Place(label, "Edit", NEIGHBOUR)
        if first is None and columns and section.get("style") != LINKS:
            last = columns[-1]
            above = str(last[-1].get("field") or "") if last else ""
            first = Spot(number, len(columns) - 1, len(last)), Place(label, "Edit", above)
    return first


def put_on(layout: Element, spot: Spot, field: str) -> None:
    """Puts the field on the layout; raises LookupError when the spot is not there."""
    section = layout.findall("layoutSections")[spot.section]
    column = section.findall("layoutColumns")[spot.column]
    items = column.findall("layoutItems")
    new = Element("layoutItems")
    SubElement(new, "behavior").text = "Edit"
    SubElement(new, "field").text = field
    children = list(column)
    column.insert(children.index(items[spot.item - 1]) + 1 if spot.item else 0, new)


def take_off(layout: Element, field: str) -> None:
    """Takes the field off the layout, wherever it stands."""
    for column in layout.iterfind("layoutSections/layoutColumns"):
        for item in column.findall("layoutItems"):
            if item.findtext("field") == field:
                column.remove(item)


def fingerprint(description: object) -> str:
    """The same for the same description, whatever the order of its names."""
    return sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def _sections(layout: Description) -> list[Description]:
    return [section for section in layout.get("layoutSections") or [] if isinstance(section, dict)]


def _columns(section: Description) -> Iterator[list[Description]]:
    """The items of every column; an empty one comes as null or without any."""
    for column in section.get("layoutColumns") or []:
        items = column.get("layoutItems") if isinstance(column, dict) else None
        yield [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
