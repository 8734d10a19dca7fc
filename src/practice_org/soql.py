"""SOQL text to a query tree (grammar: soql.lark), and the texts that Salesforce answers when it cannot read one.

Sources: salesforce.md 7 (limits, escapes, literals) and 2.6 (error texts).
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import cast

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, VisitError

from practice_org.errors import RefusalError
from practice_org.schema import Value

STATEMENT_LENGTH_MAX = 100_000
LITERAL_LENGTH_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Literal:
    """A value of the statement; `kind` is string, boolean, null, number, datetime or date."""

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
class Group:
    """Conditions joined by `and` or by `or`."""

    joint: str
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """NOT condition."""

    part: "Condition"


Condition = Compare | Within | Group | Negation


@dataclass(frozen=True, slots=True)
class Ordering:
    """One ORDER BY item."""

    field: str
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A whole statement. `columns` None means COUNT()."""

    columns: tuple[str, ...] | None
    object_name: str
    where: Condition | None
    order: tuple[Ordering, ...]
    limit: int | None
    offset: int
    text: str


def parse(text: str) -> Query:
    """The query tree of a statement. Raises RefusalError MALFORMED_QUERY."""
    if len(text) > STATEMENT_LENGTH_MAX:
        raise malformed(f"SOQL statement cannot be longer than {STATEMENT_LENGTH_MAX} characters.")
    try:
        # with a transformer of its own, the parser's answer is what _Builder.start returned
        query = cast("Query", _parser().parse(text))
    except UnexpectedInput as error:
        raise malformed(_point_at(text, _position(error)) + _unexpected(text, _position(error))) from error
    except VisitError as error:
        raise error.orig_exc from error
    return replace(query, text=text)


def malformed(message: str) -> RefusalError:
    """The refusal of a statement that cannot be read."""
    return RefusalError("MALFORMED_QUERY", message)


def bad_column(query: Query, name: str) -> RefusalError:
    """A read names a field that is missing or hidden: "on entity", not "on sobject of type" (salesforce.md 2.6)."""
    match = re.search(rf"\b{re.escape(name)}\b", query.text)
    text = (
        f"No such column '{name}' on entity '{query.object_name}'. If you are attempting to use a custom field, be "
        "sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the "
        "appropriate names."
    )
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
    return f"\n{snippet}\n{' ' * len(before)}^\nERROR at Row:1:Column:{position + 1}\n"


def _position(error: UnexpectedInput) -> int:
    return cast("int | None", error.pos_in_stream) or 0


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

    def start(self, columns, name, where, order, limit, offset):  # type: ignore[no-untyped-def]  # lark calls it untyped
        return Query(columns, str(name), where, order or (), limit, offset or 0, text="")

    def count(self) -> None:
        return None

    def columns(self, *names: Token) -> tuple[str, ...]:
        return tuple(str(name) for name in names)

    def where(self, condition: Condition) -> Condition:
        return condition

    def all_of(self, *parts: Condition) -> Group:
        return Group("and", parts)

    def any_of(self, *parts: Condition) -> Group:
        return Group("or", parts)

    def negation(self, part: Condition) -> Negation:
        return Negation(part)

    def compare(self, name: Token, operator: Token, literal: Literal) -> Compare:
        return Compare(str(name), "!=" if operator == "<>" else str(operator), literal)

    def like(self, name: Token, pattern: Token) -> Compare:
        return Compare(str(name), "like", self.string(pattern))

    def is_in(self, name: Token, *literals: Literal) -> Within:
        return Within(str(name), literals, negated=False)

    def not_in(self, name: Token, *literals: Literal) -> Within:
        return Within(str(name), literals, negated=True)

    def string(self, token: Token) -> Literal:
        if len(token) > LITERAL_LENGTH_MAX + 2:
            raise malformed(f"a string literal cannot be longer than {LITERAL_LENGTH_MAX} characters")
        return Literal("string", unescape(str(token)))

    def datetime(self, token: Token) -> Literal:
        instant = datetime.fromisoformat(str(token)).astimezone(UTC)
        return Literal("datetime", instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z")

    def date(self, token: Token) -> Literal:
        return Literal("date", str(token))

    def number(self, token: Token) -> Literal:
        return Literal("number", int(float(token)))

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
        return int(number)
