"""A SOQL statement as a tree."""

from dataclasses import dataclass
from datetime import date

from practice_org.schema import Value


@dataclass(frozen=True, slots=True)
class Literal:
    """A value of the statement; `kind` is string, boolean, null, number, datetime, date or date_word."""

    kind: str
    value: Value


@dataclass(frozen=True, slots=True)
class Compare:
    """`field operator literal`; the operator is one of = != < > <= >= like."""

    field: str
    operator: str
    literal: Literal


@dataclass(frozen=True, slots=True)
class Within:
    """`field IN (literals)`, or NOT IN."""

    field: str
    literals: tuple[Literal, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """`field IN (SELECT one field …)`, or NOT IN."""

    field: str
    query: "Query"
    negated: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by `and` or by `or`."""

    joint: str
    parts: tuple["Condition", ...]
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Negation:
    """NOT condition."""

    part: "Condition"
    depth: int = 1


Spelled = Compare | Within | Group | Negation
"""A condition that no other statement has to be answered for."""
Condition = Spelled | Joined


@dataclass(frozen=True, slots=True)
class Ordering:
    """One ORDER BY item."""

    field: str
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A field that is asked for as it stands; `alias` is empty where the statement gives none."""

    field: str
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function over the records of a group: count, count_distinct, min or max; answered under its alias."""

    function: str
    field: str
    alias: str


@dataclass(frozen=True, slots=True)
class Query:
    """A whole statement. COUNT() has neither columns nor aggregates."""

    columns: tuple[Column, ...]
    aggregates: tuple[Aggregate, ...]
    object_name: str
    where: Condition | None
    grouped: tuple[str, ...]
    order: tuple[Ordering, ...]
    limit: int | None
    offset: int
    text: str = ""
    today: date = date.min

    @property
    def is_aggregate(self) -> bool:
        """Whether it asks for figures about records instead of for records."""
        return bool(self.aggregates or self.grouped or not self.columns)
