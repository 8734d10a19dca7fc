"""SOQL text to a query tree (grammar: soql.lark), and the texts that Salesforce answers when it cannot read one.

Sources: salesforce.md 7 (limits, escapes, literals) and 2.6 (error texts).
"""

import itertools
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import cast

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, UnexpectedToken, VisitError

from practice_org.errors import RefusalError
from practice_org.statement import (
    Aggregate,
    Column,
    Compare,
    Condition,
    Group,
    Joined,
    Literal,
    Negation,
    Ordering,
    Query,
    Within,
)

STATEMENT_LENGTH_MAX = 100_000
LITERAL_LENGTH_MAX = 4_000
OFFSET_MAX = 2_000
DEPTH_MAX = 100
"""Conditions within conditions; a bound of our own, beyond what people write."""


def parse(text: str, today: date) -> Query:
    """The query tree of a statement; `today` is what its date words count from. Raises RefusalError MALFORMED_QUERY."""
    if len(text) > STATEMENT_LENGTH_MAX:
        raise malformed(f"SOQL statement cannot be longer than {STATEMENT_LENGTH_MAX} characters.")
    try:
        # with a transformer of its own, the parser's answer is what _Builder.start returned
        query = cast("Query", _parser().parse(text))
    except UnexpectedInput as error:
        position = _position(error, len(text.rstrip()))
        raise malformed(_point_at(text, position) + _unexpected(text, position)) from error
    except VisitError as error:
        raise error.orig_exc from error
    return replace(query, text=text, today=today)


def malformed(message: str) -> RefusalError:
    """The refusal of a statement that cannot be read."""
    return RefusalError("MALFORMED_QUERY", message)


def bad_column(query: Query, name: str) -> RefusalError:
    """A read names a field that is missing or hidden: "on entity", not "on sobject of type" (salesforce.md 2.6)."""
    text = (
        f"No such column '{name}' on entity '{query.object_name}'. If you are attempting to use a custom field, be "
        "sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the "
        "appropriate names."
    )
    return bad_field(query, name, text)


def bad_parent(query: Query, name: str) -> RefusalError:
    """A field path goes through a relationship that is not there (salesforce.md 7)."""
    text = (
        f"Didn't understand relationship '{name.partition('.')[0]}' in field path. If you are attempting to use a "
        "custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your "
        "WSDL or the describe call for the appropriate names."
    )
    return bad_field(query, name, text)


def bad_field(query: Query, name: str, text: str) -> RefusalError:
    """INVALID_FIELD with the place of the field's first mention."""
    match = re.search(rf"\b{re.escape(name)}\b", query.text)
    return RefusalError("INVALID_FIELD", _point_at(query.text, match.start() if match else 0) + text)


def bad_object(query: Query) -> RefusalError:
    """The statement reads from an object that the org does not have (salesforce.md 2.6)."""
    match = re.search(rf"\b{re.escape(query.object_name)}\b", query.text)
    text = (
        f"sObject type '{query.object_name}' is not supported. If you are attempting to use a custom object, be sure "
        "to append the '__c' after the entity name. Please reference your WSDL or the describe call for the "
        "appropriate names."
    )
    return RefusalError("INVALID_TYPE", _point_at(query.text, match.start() if match else 0) + text)


def _point_at(text: str, position: int) -> str:
    before, after = text[max(0, position - 40) : position], text[position : position + 40]
    snippet = (before + after).replace("\n", " ")
    row, column = text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
    return f"\n{snippet}\n{' ' * len(before)}^\nERROR at Row:{row}:Column:{column}\n"


def _position(error: UnexpectedInput, end: int) -> int:
    """Where the parser stopped; a statement that ends too early stops at its end, not at its last word."""
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return end
    position = cast("int | None", error.pos_in_stream)
    return 0 if position is None else position


def _unexpected(text: str, position: int) -> str:
    if position >= len(text.rstrip()):
        return "unexpected token: '<EOF>'"
    word = re.match(r"[\w.]+|.", text[position:], re.DOTALL)
    return f"unexpected token: '{word[0] if word else ''}'"


@lru_cache(maxsize=1)
def _parser() -> Lark:
    grammar = Path(__file__).with_name("soql.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=True, transformer=_Builder())


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def unescape(quoted: str) -> str:
    r"""The text of a quoted literal; \_ and \% keep their backslash for LIKE."""
    inner = quoted[1:-1]
    if "\\" not in inner:
        return inner
    return re.sub(
        r"\\(.)", lambda m: m[0] if m[1] in "_%" else _ESCAPES.get(m[1].lower(), m[1]), inner, flags=re.DOTALL
    )


@v_args(inline=True)
class _Builder(Transformer[Token, Query]):
    """Turns the parser's tree into the classes above; a method's name is the grammar's alias."""

    def start(self, selected, name, alias, where, grouped, order, limit, offset):  # type: ignore[no-untyped-def]  # lark's call
        strip = _Unqualified({str(name).lower(), str(alias or name).lower()})
        columns = tuple(replace(item, field=strip.name(item.field)) for item in selected if isinstance(item, Column))
        counted = (item for item in selected if isinstance(item, Aggregate))
        aggregates = tuple(replace(item, field=strip.name(item.field)) for item in counted)
        by = tuple(strip.name(field) for field in grouped or ())
        ordered = tuple(replace(item, field=strip.name(item.field)) for item in order or ())
        _check_grouping(columns, aggregates, by, ordered)
        where = where and strip.condition(where)
        return Query(columns, aggregates, str(name), where, by, ordered, limit, offset or 0)

    def count(self, _: Token) -> tuple[()]:
        return ()

    def column(self, name: Token, alias: Token | None) -> Column:
        return Column(str(name), str(alias or ""))

    def aggregate(self, function: Token, name: Token, alias: Token | None) -> Aggregate:
        return Aggregate(str(function).lower(), str(name), str(alias or ""))

    def columns(self, *items: Column | Aggregate) -> tuple[Column | Aggregate, ...]:
        unnamed = itertools.count()
        return tuple(
            replace(item, alias=f"expr{next(unnamed)}") if isinstance(item, Aggregate) and not item.alias else item
            for item in items
        )

    def grouping(self, *names: Token) -> tuple[str, ...]:
        return tuple(str(name) for name in names)

    def where(self, condition: Condition) -> Condition:
        return condition

    def all_of(self, *parts: Condition) -> Group:
        return Group("and", parts, _depth(parts))

    def any_of(self, *parts: Condition) -> Group:
        return Group("or", parts, _depth(parts))

    def negation(self, part: Condition) -> Negation:
        return Negation(part, _depth((part,)))

    def compare(self, name: Token, operator: Token, literal: Literal) -> Compare:
        return Compare(str(name), "!=" if operator == "<>" else str(operator), literal)

    def like(self, name: Token, pattern: Token) -> Compare:
        return Compare(str(name), "like", self.string(pattern))

    def is_in(self, name: Token, *literals: Literal) -> Within:
        return Within(str(name), literals, negated=False)

    def not_in(self, name: Token, *literals: Literal) -> Within:
        return Within(str(name), literals, negated=True)

    def subquery(self, column: Token, name: Token, where: Condition | None) -> Query:
        strip = _Unqualified({str(name).lower()})
        where = where and strip.condition(where)
        return Query((Column(strip.name(str(column))),), (), str(name), where, (), (), None, 0)

    def in_query(self, name: Token, query: Query) -> Joined:
        return Joined(str(name), query, negated=False)

    def not_in_query(self, name: Token, query: Query) -> Joined:
        return Joined(str(name), query, negated=True)

    def inclusion(self, name: Token, operator: Token, *literals: Token) -> Compare:
        return Compare(str(name), str(operator).lower(), self.string(literals[0]))

    def string(self, token: Token) -> Literal:
        if len(token) > LITERAL_LENGTH_MAX + 2:
            raise malformed(f"a string literal cannot be longer than {LITERAL_LENGTH_MAX} characters")
        return Literal("string", unescape(str(token)))

    def datetime(self, token: Token) -> Literal:
        try:
            instant = datetime.fromisoformat(str(token)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise malformed(f"Invalid dateTime: {token}") from error
        return Literal("datetime", instant.isoformat()[:19] + f".{instant.microsecond // 1000:03d}Z")

    def date(self, token: Token) -> Literal:
        try:
            return Literal("date", date.fromisoformat(str(token)).isoformat())
        except ValueError as error:
            raise malformed(f"Invalid date: {token}") from error

    def date_word(self, token: Token) -> Literal:
        return Literal("date_word", str(token))

    def number(self, token: Token) -> Literal:
        return Literal("number", str(token))

    def true(self, _: Token) -> Literal:
        return Literal("boolean", value=True)

    def false(self, _: Token) -> Literal:
        return Literal("boolean", value=False)

    def null(self, _: Token) -> Literal:
        return Literal("null", None)

    def order(self, *items: Ordering) -> tuple[Ordering, ...]:
        return items

    def ordering(self, name: Token, direction: Token | None, nulls: Token | None) -> Ordering:
        descending = direction is not None and direction.upper() == "DESC"
        return Ordering(str(name), descending, nulls is not None and nulls.upper().endswith("LAST"))

    def limit(self, number: Token) -> int:
        return int(number)

    def offset(self, number: Token) -> int:
        if int(number) > OFFSET_MAX:
            text = f"Maximum SOQL offset allowed is {OFFSET_MAX}"
            raise RefusalError("NUMBER_OUTSIDE_VALID_RANGE", text)
        return int(number)


def _check_grouping(
    columns: tuple[Column, ...], aggregates: tuple[Aggregate, ...], by: tuple[str, ...], order: tuple[Ordering, ...]
) -> None:
    """Beside figures stand only fields by which the records are grouped, and only these may have an alias."""
    if not aggregates and not by:
        if any(column.alias for column in columns):
            raise malformed("only aggregate expressions use field aliasing")
        return
    known = {field.lower() for field in by}
    for column in columns:
        if column.field.lower() not in known:
            raise malformed(f"Field must be grouped or aggregated: {column.field}")
    for ordering in order:
        if ordering.field.lower() not in known:
            raise malformed(f"Ordered field must be grouped or aggregated: {ordering.field}")


def _depth(parts: tuple[Condition, ...]) -> int:
    depth = 1 + max(part.depth if isinstance(part, Group | Negation) else 0 for part in parts)
    if depth > DEPTH_MAX:
        text = "Query is either selecting too many fields or the filter conditions are too complicated."
        raise RefusalError("QUERY_TOO_COMPLICATED", text)
    return depth


@dataclass(frozen=True, slots=True)
class _Unqualified:
    """Takes the object's name or its alias off the front of field names."""

    prefixes: set[str]

    def name(self, name: str) -> str:
        prefix, dot, rest = name.partition(".")
        return rest if dot and prefix.lower() in self.prefixes else name

    def condition(self, condition: Condition) -> Condition:
        if isinstance(condition, Group):
            return replace(condition, parts=tuple(self.condition(part) for part in condition.parts))
        if isinstance(condition, Negation):
            return replace(condition, part=self.condition(condition.part))
        return replace(condition, field=self.name(condition.field))
