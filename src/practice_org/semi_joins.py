"""`field IN (SELECT …)`: the inner statement is answered first, and its ids stand in its place (salesforce.md 7)."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

from practice_org.catalog import Catalog
from practice_org.errors import RefusalError
from practice_org.schema import Field
from practice_org.selection import canonical, readable
from practice_org.soql import malformed
from practice_org.statement import Condition, Group, Joined, Literal, Negation, Query, Within

JOINS_MAX = 2

Answer = Callable[[Query], Awaitable[list[str]]]
"""The ids that an inner statement gives."""


async def without_joins(query: Query, access: Catalog, answer: Answer) -> Query:
    """The same query with plain lists of ids. Raises RefusalError for what Salesforce does not join."""
    if query.where is None:
        return query
    joins = _joins(query.where)
    if len(joins) > JOINS_MAX:
        raise malformed(f"Maximum {JOINS_MAX} semi join sub-selects are allowed")
    if not joins:
        return query
    found = []
    for join in joins:
        inner = canonical(replace(join.query, text=query.text, today=query.today), access)
        _check(query, join.field, inner, access)
        found.append(Within(join.field, tuple(Literal("string", text) for text in await answer(inner)), join.negated))
    return replace(query, where=_replaced(query.where, iter(found)))


def _joins(condition: Condition) -> list[Joined]:
    if isinstance(condition, Group):
        found = [join for part in condition.parts for join in _joins(part)]
        if found and condition.joint == "or":
            raise malformed("Semi join sub-selects are not allowed with the 'OR' operator")
        return found
    if isinstance(condition, Negation):
        return _joins(condition.part)
    return [condition] if isinstance(condition, Joined) else []


def _check(query: Query, name: str, inner: Query, access: Catalog) -> None:
    """Both fields must be ids of the same object, asked of two different ones."""
    if inner.where is not None and _joins(inner.where):
        raise malformed("Nesting of semi join sub-selects is not supported")
    if inner.object_name == query.object_name:
        raise malformed("The inner and outer selects should not be on the same object type")
    outer = readable(query, access, name)
    selected = readable(inner, access, inner.columns[0].field)
    if "" in (pair := {_points_to(query, outer), _points_to(inner, selected)}) or len(pair) > 1:
        text = (
            f"The selected field '{selected.name}' in the subquery and the left operand field in the where expression "
            "in the outer query should point to the same object type"
        )
        raise RefusalError("INVALID_FIELD", text)


def _points_to(query: Query, known: Field) -> str:
    if known.type == "id" or known.name == "MasterRecordId":
        return query.object_name
    return known.reference_to[0] if known.type == "reference" else ""


def _replaced(condition: Condition, found: Iterator[Within]) -> Condition:
    """The condition with what was found in the place of each join, in order."""
    if isinstance(condition, Group):
        return replace(condition, parts=tuple(_replaced(part, found) for part in condition.parts))
    if isinstance(condition, Negation):
        return replace(condition, part=_replaced(condition.part, found))
    return next(found) if isinstance(condition, Joined) else condition
