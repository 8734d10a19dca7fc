"""Which records a WHERE clause means, found without reading records wherever arithmetic or a set can tell.

A `Selection` is a set of record numbers or the complement of one. Every condition is turned into the narrowest
selection that surely holds all its matches; only where that is not exact are the candidates compared one by one.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from practice_org import ids
from practice_org.catalog import Catalog
from practice_org.date_words import spelled_out
from practice_org.errors import RefusalError
from practice_org.people import LAST_BIRTH
from practice_org.records import Table
from practice_org.schema import Field, Value
from practice_org.soql import bad_column, bad_field, bad_object, bad_parent, malformed
from practice_org.statement import Compare, Condition, Group, Joined, Literal, Negation, Query, Spelled, Within

Test = Callable[[int], bool]

COMPARED_BETWEEN_PAUSES = 20_000
"""Records looked at between two pauses, so that one slow query does not hold up the others."""


@dataclass(frozen=True, slots=True)
class Selection:
    """`members`, or all records but `members`. `exact` when every selected record is known to match."""

    members: frozenset[int] | set[int]
    complement: bool = False
    exact: bool = True

    def __and__(self, other: "Selection") -> "Selection":
        exact = self.exact and other.exact
        if self.complement and other.complement:
            return Selection(self.members | other.members, complement=True, exact=exact)
        if self.complement:
            return Selection(other.members - self.members, exact=exact)
        if other.complement:
            return Selection(self.members - other.members, exact=exact)
        return Selection(self.members & other.members, exact=exact)

    def __or__(self, other: "Selection") -> "Selection":
        both = ~Selection(self.members, self.complement) & ~Selection(other.members, other.complement)
        return Selection(both.members, not both.complement, self.exact and other.exact)

    def __invert__(self) -> "Selection":
        """The rest. Of an inexact selection nothing is known, so all records remain candidates."""
        return Selection(self.members, not self.complement) if self.exact else ANY


ALL = Selection(frozenset(), complement=True)
ANY = Selection(frozenset(), complement=True, exact=False)


@dataclass(frozen=True)
class Match:
    """A query bound to a table: its candidates, and the test for those that are not surely matches."""

    table: Table
    selection: Selection
    test: Test
    binned: bool

    def numbers(self) -> Iterator[int | None]:
        """The matching record numbers in id order; None now and then as a pause during a long search."""
        chosen, excluded = self.selection, self.table.excluded(binned=self.binned)
        candidates = range(self.table.next_number) if chosen.complement else sorted(chosen.members)
        for seen, number in enumerate(candidates):
            if seen % COMPARED_BETWEEN_PAUSES == COMPARED_BETWEEN_PAUSES - 1:
                yield None
            if chosen.complement and number in chosen.members:
                continue
            if number in excluded:
                continue
            if chosen.exact or self.test(number):
                yield number

    def count(self) -> int | None:
        """How many records match, if that is known without reading them; else None."""
        if not self.selection.exact:
            return None
        members, excluded = self.selection.members, self.table.excluded(binned=self.binned)
        if self.selection.complement:
            return self.table.next_number - len(members | excluded)
        return len(members - excluded)


def bind(query: Query, table: Table, access: Catalog, *, binned: bool) -> Match:
    """Checks the query's fields and literals against the user's access. Raises RefusalError."""
    check_fields(query, access)
    if query.where is None:
        return Match(table, ALL, lambda _: True, binned)
    binder = _Binder(query, table, access)
    return Match(table, binder.select(query.where), binder.test(query.where), binned)


def canonical(query: Query, access: Catalog) -> Query:
    """The query with its object's name in Salesforce's spelling. Raises RefusalError INVALID_TYPE."""
    for name, level in access.objects.items():
        if name.lower() == query.object_name.lower() and level != "absent":
            return replace(query, object_name=name)
    raise bad_object(query)


def check_fields(query: Query, access: Catalog) -> None:
    """Whether our user may ask for the query's fields; conditions aside. Raises RefusalError."""
    seen: set[str] = set()
    for column in query.columns:
        name = readable(query, access, column.field).name
        if name in seen:
            raise bad_field(query, column.field, f"duplicate field selected: {name}")
        seen.add(name)
    others = (*(item.field for item in query.aggregates), *query.grouped, *(item.field for item in query.order))
    for field in others:
        readable(query, access, field)


def readable(query: Query, access: Catalog, name: str) -> Field:
    """The field behind a name in the statement, its own or a parent's. Raises RefusalError INVALID_FIELD."""
    known = access.readable(query.object_name, name)
    if known is not None:
        return known
    if "." in name and access.parent(query.object_name, name.partition(".")[0]) is None:
        raise bad_parent(query, name)
    raise bad_column(query, name.rpartition(".")[2])


class Valued(Protocol):
    """Whatever has numbered records with values."""

    def value(self, number: int, name: str) -> Value:
        """The current value of a field."""


class Tester:
    """Decides about single records, from their values alone."""

    def __init__(self, query: Query, table: Valued, access: Catalog) -> None:
        self.query, self.records, self.access = query, table, access

    def test(self, condition: Condition) -> Test:
        """The condition as a function of a record's number. Raises RefusalError for what the field cannot be asked."""
        if isinstance(condition, Negation):
            part = self.test(condition.part)
            return lambda number: not part(number)
        if isinstance(condition, Group):
            parts = [self.test(part) for part in condition.parts]
            joined = all if condition.joint == "and" else any
            return lambda number: joined(part(number) for part in parts)
        if isinstance(condition, Joined):
            raise malformed("semi join sub-selects are only for queries")
        known = readable(self.query, self.access, condition.field)
        plain = self.plain(known, condition)
        if isinstance(plain, Group | Negation):
            return self.test(plain)
        name, value = known.name, self.records.value
        if isinstance(plain, Within):
            wanted = frozenset(folded(_full(known, literal.value)) for literal in plain.literals)
            return lambda number: (folded(value(number, name)) in wanted) != plain.negated
        decide = _decision(plain.operator, _full(known, plain.literal.value))
        return lambda number: decide(value(number, name))

    def plain(self, known: Field, condition: Compare | Within) -> Spelled:
        """The condition with its date words spelled out, and checked against the field's type."""
        if known.type in ("date", "datetime"):
            spelled = spelled_out(condition, known.type, self.query.today)
            if isinstance(spelled, Group | Negation):
                return spelled
            condition = spelled
        for literal in condition.literals if isinstance(condition, Within) else (condition.literal,):
            _check_type(known, literal)
        if isinstance(condition, Compare) and condition.operator not in _OPERATORS.get(known.type, _ALL_OPERATORS):
            raise bad_field(self.query, condition.field, f"invalid operator on {known.type} field")
        return condition


class _Binder(Tester):
    """One pass over a condition of a table; `select` narrows, `test` decides."""

    def __init__(self, query: Query, table: Table, access: Catalog) -> None:
        super().__init__(query, table, access)
        self.table = table

    def select(self, condition: Condition) -> Selection:
        if isinstance(condition, Negation):
            return ~self.select(condition.part)
        if isinstance(condition, Group):
            parts = [self.select(part) for part in condition.parts]
            result = parts[0]
            for part in parts[1:]:
                result = result & part if condition.joint == "and" else result | part
            return result
        if isinstance(condition, Joined):
            return ANY
        known = readable(self.query, self.access, condition.field)
        plain = self.plain(known, condition)
        if isinstance(plain, Group | Negation):
            return self.select(plain)
        if isinstance(plain, Within):
            found = self._equal(known, plain.literals)
            return ~found if plain.negated else found
        return self._compare(known, plain)

    def _compare(self, known: Field, condition: Compare) -> Selection:
        if condition.operator == "=":
            return self._equal(known, (condition.literal,))
        if condition.operator == "!=":
            return ~self._equal(known, (condition.literal,))
        if known.name in ("SystemModstamp", "LastModifiedDate") and condition.operator in (">", ">="):
            return self._changed_since(str(condition.literal.value))
        return ANY

    def _equal(self, known: Field, literals: tuple[Literal, ...]) -> Selection:
        if "." in known.name:
            return ANY
        if known.type == "boolean":
            wanted = {bool(literal.value) for literal in literals}
            return ALL if len(wanted) == 2 else self._checked(known, wanted.pop())
        texts = [literal.value for literal in literals if isinstance(literal.value, str)]
        if known.name == "Email" and not texts:
            return Selection(self.table.without_email())
        if len(texts) < len(literals):
            return ANY
        if known.name == self.table.email_field:
            return Selection({number for text in texts for number in self.table.find(text)})
        if known.name == "Id":
            return Selection(self._by_id(texts))
        return ANY

    def _checked(self, known: Field, wanted: bool) -> Selection:
        if known.name == "IsDeleted":
            return Selection(self.table.deleted, complement=not wanted)
        if known.name in ("IsConverted", "IsPersonAccount") or known.name in self.table.checkboxes():
            return Selection(self.table.ticked(known.name), complement=not wanted)
        return ANY

    def _by_id(self, texts: list[str]) -> set[int]:
        prefix, found = self.table.crowd.prefix, set()
        for text in texts:
            full = ids.normalise(text)
            number = ids.number_of(full, prefix) if full else None
            if number is not None and number < self.table.next_number:
                found.add(number)
        return found

    def _changed_since(self, instant: str) -> Selection:
        """Records as they were born are all older than `LAST_BIRTH`, so only changed ones need a look."""
        return Selection(set(self.table.changes), exact=False) if instant > LAST_BIRTH else ANY


def _full(known: Field, value: Value) -> Value:
    """Ids compare in their 18-character form, which is safe to fold."""
    if known.type in ("id", "reference") and isinstance(value, str):
        return ids.normalise(value) or value
    return value


def folded(value: Value) -> Value:
    """A value as comparisons see it: text without case."""
    return value.lower() if isinstance(value, str) else value


def _decision(operator: str, literal: Value) -> Callable[[Value], bool]:
    """Compares text without case. Null equals only null, and is neither smaller nor greater than anything."""
    wanted = folded(literal)
    if operator == "=":
        return lambda value: folded(value) == wanted
    if operator == "!=":
        return lambda value: folded(value) != wanted
    if operator == "like":
        pattern = _like_pattern(str(wanted))
        return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None
    text = str(wanted)
    order: dict[str, Callable[[str], bool]] = {
        "<": lambda value: value < text,
        ">": lambda value: value > text,
        "<=": lambda value: value <= text,
        ">=": lambda value: value >= text,
    }
    decide = order[operator]
    return lambda value: value is not None and decide(str(folded(value)))


def _like_pattern(pattern: str) -> re.Pattern[str]:
    wild = {"%": ".*", "_": "."}
    parts = re.findall(r"\\[_%]|.", pattern, re.DOTALL)
    text = "".join(re.escape(part[1:]) if len(part) == 2 else wild.get(part, re.escape(part)) for part in parts)
    return re.compile(text, re.IGNORECASE | re.DOTALL)


_ALL_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">=", "like"})
_OPERATORS = {"boolean": frozenset({"=", "!="}), **dict.fromkeys(("id", "reference"), _ALL_OPERATORS - {"like"})}
_KINDS = {"boolean": ("boolean",), "datetime": ("datetime",), "date": ("date",)}
_WORDS = {"boolean": "boolean", "datetime": "dateTime", "date": "date"}


def _check_type(known: Field, literal: Literal) -> None:
    """Salesforce refuses '2026-01-01' for an instant and 'true' for a checkbox."""
    allowed = _KINDS.get(known.type, ("string",))
    if literal.kind in allowed or (literal.kind == "null" and known.type != "boolean"):
        return
    word = _WORDS.get(known.type, "string")
    quotes = "should be enclosed in quotes" if word == "string" else "should not be enclosed in quotes"
    text = f"\nvalue of filter criterion for field '{known.name}' must be of type {word} and {quotes}"
    raise RefusalError("INVALID_FIELD", text)
