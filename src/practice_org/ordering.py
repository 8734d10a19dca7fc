"""ORDER BY, OFFSET and LIMIT (salesforce.md 7)."""

from array import array
from collections.abc import Sequence
from typing import TypeVar

from practice_org.catalog import Catalog
from practice_org.schema import Value
from practice_org.selection import Valued, readable
from practice_org.statement import Ordering, Query

Item = TypeVar("Item", bound=Sequence[object])


def ordered(
    order: Sequence[Ordering], query: Query, table: Valued, access: Catalog, numbers: "array[int]"
) -> "array[int]":
    """The record numbers in that order; equal ones keep theirs. Nulls come first unless told otherwise."""
    for ordering in reversed(order):
        name = readable(query, access, ordering.field).name
        numbers = array("q", _sorted(ordering, table, name, numbers))
    return numbers


def part(query: Query, items: Item) -> Item:
    """What OFFSET and LIMIT leave."""
    end = None if query.limit is None else query.offset + query.limit
    return items[query.offset : end]  # type: ignore[return-value]  # a part of a sequence is of its type


def _sorted(ordering: Ordering, table: Valued, name: str, numbers: "array[int]") -> list[int]:
    keys: dict[int, Value] = {number: table.value(number, name) for number in numbers}
    nulls = [number for number in numbers if keys[number] is None]
    rest = sorted(
        (number for number in numbers if keys[number] is not None),
        key=lambda number: str(keys[number]).lower(),
        reverse=ordering.descending,
    )
    return rest + nulls if ordering.nulls_last else nulls + rest
