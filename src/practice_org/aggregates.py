"""Figures about records: COUNT(), and rows of COUNT, COUNT_DISTINCT, MIN and MAX, grouped or not (salesforce.md 7)."""

from array import array
from collections.abc import Callable, Sequence

from practice_org.catalog import Catalog
from practice_org.errors import RefusalError
from practice_org.ordering import ordered, part
from practice_org.rendering import shown
from practice_org.schema import Field, Value
from practice_org.selection import Valued, folded, readable
from practice_org.soql import bad_field
from practice_org.statement import Ordering, Query

GROUPS_MAX = 2_000
_UNGROUPABLE = frozenset({"datetime", "textarea"})

_FUNCTIONS: dict[str, Callable[[Sequence[Value]], object]] = {
    "count": len,
    "count_distinct": lambda values: len({folded(value) for value in values}),
    "min": lambda values: min(values, key=_sort_key, default=None),
    "max": lambda values: max(values, key=_sort_key, default=None),
}
"""What each makes of the values that are not null."""


def sized(total: int, query: Query) -> dict[str, object]:
    """The answer to COUNT(): a size and no records."""
    return {"totalSize": total if query.limit is None else min(total, query.limit), "done": True, "records": []}


def figures(query: Query, table: Valued, access: Catalog, numbers: "array[int]") -> dict[str, object]:
    """The answer to a query with aggregates: one AggregateResult for each group, or for all records together."""
    by = [_groupable(query, access, name) for name in query.grouped]
    groups: dict[tuple[Value, ...], list[int]] = {} if by else {(): []}
    order = query.order or tuple(Ordering(known.name, descending=False, nulls_last=False) for known in by)
    for number in ordered(order, query, table, access, numbers):
        groups.setdefault(tuple(folded(table.value(number, known.name)) for known in by), []).append(number)
    chosen = part(query, list(groups.values()))
    if len(chosen) > GROUPS_MAX:
        text = "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch"
        raise RefusalError("EXCEEDED_ID_LIMIT", text)
    rows = [_row(query, table, access, members) for members in chosen]
    return {"totalSize": len(rows), "done": True, "records": rows}


def _groupable(query: Query, access: Catalog, name: str) -> Field:
    known = readable(query, access, name)
    if known.type in _UNGROUPABLE:
        raise bad_field(query, name, f"field '{known.name}' can not be grouped in a query call")
    return known


def _row(query: Query, table: Valued, access: Catalog, members: Sequence[int]) -> dict[str, object]:
    row: dict[str, object] = {"attributes": {"type": "AggregateResult"}}
    for column in query.columns:
        known = readable(query, access, column.field)
        row[column.alias or known.name.rpartition(".")[2]] = shown(table.value(members[0], known.name), known)
    for aggregate in query.aggregates:
        known = readable(query, access, aggregate.field)
        values = [value for number in members if (value := table.value(number, known.name)) is not None]
        result = _FUNCTIONS[aggregate.function](values)
        row[aggregate.alias] = shown(result, known) if isinstance(result, str) else result
    return row


def _sort_key(value: Value) -> str:
    return str(folded(value))
