"""Whatever a statement asks: the org returns what a plain filter over all of its rows returns (salesforce.md 7)."""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.practice.rest import Rest

BOX = "HasOptedOutOfEmail"
FIELDS = {
    "Id": "id",
    "Email": "text",
    "LastName": "text",
    "Phone": "text",
    "Title": "text",
    BOX: "boolean",
    "IsConverted": "boolean",
    "IsDeleted": "boolean",
    "SystemModstamp": "datetime",
    "ConvertedDate": "date",
    "ConvertedContactId": "id",
    "MasterRecordId": "id",
    "Owner.Name": "text",
}
OF_LEADS = frozenset({"IsConverted", "ConvertedDate", "ConvertedContactId"})
SORTED_BY = ("Email", "Title", BOX, "SystemModstamp", "Phone")

Row = dict[str, Any]


@dataclass(frozen=True)
class Condition:
    """A condition as SOQL, and as a plain filter of rows that knows nothing of the org's own."""

    soql: str
    holds: Callable[[Row], bool]


def fields_of(object_name: str) -> dict[str, str]:
    """The fields that the object has, with their kinds."""
    return {name: kind for name, kind in FIELDS.items() if object_name == "Lead" or name not in OF_LEADS}


def rows_of(rest: Rest, object_name: str) -> list[Row]:
    """Every row of the object, those in the recycle bin too, with flat names."""
    rows = rest.rows(f"SELECT {', '.join(fields_of(object_name))} FROM {object_name}", everything=True)
    for row in rows:
        row["Owner.Name"] = row.pop("Owner")["Name"]
    return rows


def quoted(text: str) -> str:
    """A literal between quotes."""
    escapes = {"\\": r"\\", "'": r"\'", "\n": r"\n", "\t": r"\t", '"': r"\""}
    return "'" + "".join(escapes.get(letter, letter) for letter in text) + "'"


def written(value: Any, kind: str, zone_hours: int = 0) -> str:
    """A value as a literal; instants in a zone of one's choice."""
    if value is None:
        return "null"
    if kind == "boolean":
        return "true" if value else "FALSE"
    if kind == "date":
        return str(value)
    if kind == "datetime":
        zone = timezone(timedelta(hours=zone_hours))
        return datetime.fromisoformat(value).astimezone(zone).isoformat().replace("+00:00", "Z")
    return quoted(str(value))


def key(value: Any, kind: str) -> Any:
    """What makes two values equal, or one greater: text without case, ids by their 15 characters."""
    if value is None or kind in ("boolean", "date"):
        return value
    if kind == "datetime":
        return datetime.fromisoformat(value)
    return str(value)[:15] if kind == "id" else str(value).lower()


COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a is not None and b is not None and a < b,
    "<=": lambda a, b: a is not None and b is not None and a <= b,
    ">": lambda a, b: a is not None and b is not None and a > b,
    ">=": lambda a, b: a is not None and b is not None and a >= b,
}


@st.composite
def comparisons(draw: st.DrawFn, rows: list[Row], kinds: dict[str, str]) -> Condition:
    """One comparison of a field with values that occur, with others that do not, or with null."""
    name = draw(st.sampled_from(sorted(kinds)))
    kind = kinds[name]
    values = sorted({row[name] for row in rows if row[name] is not None})
    some: st.SearchStrategy[Any] = st.sampled_from(values) | st.sampled_from(values[-2:]) if values else st.none()
    if kind == "text":
        some |= st.sampled_from(["", "O'Neil", "nobody@example.com", "a\\b", "M", "%", "_"])
        some |= some.map(lambda text: str(text).swapcase())
    if kind == "id":
        some |= some.map(lambda text: text and text[:15])
    if kind != "boolean":
        some |= st.none()
    form = draw(st.sampled_from(["compare", "in", "like"] if kind == "text" else ["compare", "in"]))
    if form == "compare":
        value = draw(some)
        ordered = kind in ("text", "datetime", "date") and value is not None
        operator = draw(st.sampled_from(sorted(COMPARED) if ordered else ["=", "!=", "<>"]))
        literal = written(value, kind, draw(st.integers(-11, 14)))
        wanted, compared = key(value, kind), COMPARED[operator]
        return Condition(f"{name} {operator} {literal}", lambda row: compared(key(row[name], kind), wanted))
    if form == "in":
        chosen = draw(st.lists(some, min_size=1, max_size=4))
        keys, negated = {key(value, kind) for value in chosen}, draw(st.booleans())
        words = f"{name} {'NOT IN' if negated else 'in'} ({', '.join(written(value, kind) for value in chosen)})"
        return Condition(words, lambda row: (key(row[name], kind) in keys) != negated)
    return draw(likes(name, [str(value) for value in values]))


@st.composite
def likes(draw: st.DrawFn, name: str, values: list[str]) -> Condition:
    """LIKE with wildcards anywhere, plain or escaped."""
    text = draw(st.sampled_from(values or ["a"]))
    start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    parts = [
        draw(st.sampled_from(["", "%", "_"])),
        text[start:end],
        draw(st.sampled_from(["", "%", "_", r"\%", r"\_"])),
    ]
    expression = ""
    for part in parts:
        if part in ("%", "_"):
            expression += ".*" if part == "%" else "."
        else:
            expression += re.escape(part.replace("\\", ""))
    pattern = re.compile(expression, re.IGNORECASE | re.DOTALL)
    soql = f"{name} LIKE '{parts[0]}{quoted(parts[1])[1:-1]}{parts[2]}'"
    return Condition(soql, lambda row: row[name] is not None and pattern.fullmatch(row[name]) is not None)


def joined(parts: list[Condition], word: str) -> Condition:
    """The parts between parentheses, as SOQL wants words of different kinds."""
    how = all if word == "AND" else any
    return Condition(
        "(" + f" {word} ".join(part.soql for part in parts) + ")", lambda row: how(part.holds(row) for part in parts)
    )


def conditions(rows: list[Row], kinds: dict[str, str]) -> st.SearchStrategy[Condition]:
    """Comparisons, joined and negated."""
    return st.recursive(
        comparisons(rows, kinds),
        lambda inner: (
            inner.map(lambda part: Condition(f"(NOT {part.soql})", lambda row: not part.holds(row)))
            | st.builds(joined, st.lists(inner, min_size=2, max_size=3), st.sampled_from(["AND", "OR"]))
        ),
        max_leaves=5,
    )


def populate(rest: Rest) -> None:
    """Generated people, and beside them what people do to records."""
    org = rest.org
    org.reset(leads=70, contacts=90, opted_out=20, seed=5)
    made = [org.create(kind, LastName=name, Phone=phone) for kind in ("Lead", "Contact") for name, phone in ODD]
    org.edit(made[0], **{BOX: True}, Email="Ann@Example.com")
    org.convert(made[1])
    org.merge(made[3], made[2])
    org.delete(made[-1])
    org.edit(rest.rows(f"SELECT Id FROM Contact WHERE {BOX} = true LIMIT 1")[0]["Id"], **{BOX: False})


ODD: list[tuple[str, str | None]] = [("O'Neil", None), ("a\\b", "50%"), ("50_", "M"), ("Ünal", "m"), ("ünal", None)]


@dataclass(frozen=True)
class Part:
    """ORDER BY, LIMIT and OFFSET, of which Bulk knows the first two."""

    order: list[tuple[str, bool, bool]]
    limit: int | None
    offset: int = 0

    @property
    def soql(self) -> str:
        """As it stands at the end of a statement."""
        items = [f"{name}{' DESC' * down}{' NULLS LAST' * nulls_last}" for name, down, nulls_last in self.order]
        words = f" ORDER BY {', '.join(items)}" if items else ""
        words += "" if self.limit is None else f" LIMIT {self.limit}"
        return words + (f" OFFSET {self.offset}" if self.offset else "")

    def of(self, rows: list[Row], kinds: dict[str, str]) -> list[Row]:
        """The rows in that order, and as many as asked for."""
        found = rows
        for name, down, nulls_last in reversed(self.order):
            nulls = [row for row in found if row[name] is None]
            others = [row for row in found if row[name] is not None]
            others.sort(key=lambda row: key(row[name], kinds[name]), reverse=down)
            found = [*others, *nulls] if nulls_last else [*nulls, *others]
        return found[self.offset : None if self.limit is None else self.offset + self.limit]

    def keys(self, rows: list[Row], kinds: dict[str, str]) -> list[list[Any]]:
        """What the order looks at: rows that are equal in it may come either way."""
        return [[key(row[name], kinds[name]) for name, *_ in self.order] for row in rows]


def parts(offset_max: int) -> st.SearchStrategy[Part]:
    """One or two orders, of different fields."""
    order = st.lists(
        st.tuples(st.sampled_from(SORTED_BY), st.booleans(), st.booleans()), max_size=2, unique_by=lambda item: item[0]
    )
    return st.builds(Part, order, st.none() | st.integers(0, 30), st.integers(0, offset_max))


def check_rest(rest: Rest, object_name: str, rows: list[Row]) -> None:
    """Pages of query and queryAll, in any order and part."""
    kinds = fields_of(object_name)

    @settings(max_examples=150, deadline=None)
    @given(
        conditions(rows, kinds),
        st.booleans(),
        parts(offset_max=10),
    )
    def check(condition: Condition, everything: bool, part: Part) -> None:
        wanted = [row for row in rows if (everything or not row["IsDeleted"]) and condition.holds(row)]
        text = f"SELECT Id, {', '.join(SORTED_BY)} FROM {object_name} WHERE {condition.soql}"
        found = rest.rows(text, everything=everything)
        assert sorted(row["Id"] for row in found) == sorted(row["Id"] for row in wanted), text
        found = rest.rows(text + part.soql, everything=everything)
        assert part.keys(found, kinds) == part.keys(part.of(wanted, kinds), kinds), text + part.soql

    check()


def check_bulk(rest: Rest, object_name: str, rows: list[Row]) -> None:
    """The rows of a query job; where an order or a limit makes a difference, those of the same query by REST."""

    @settings(max_examples=60, deadline=None)
    @given(conditions(rows, fields_of(object_name)), st.booleans(), parts(offset_max=0))
    def check(condition: Condition, everything: bool, part: Part) -> None:
        text = f"SELECT Id, Email, {BOX} FROM {object_name} WHERE {condition.soql}{part.soql}"
        if part.order or part.limit is not None:
            wanted = rest.rows(text, everything=everything)
        else:
            wanted = [row for row in rows if (everything or not row["IsDeleted"]) and condition.holds(row)]
        job = rest.bulk_query(text, "queryAll" if everything else "query")
        lines = rest.call("GET", f"jobs/query/{job}/results").body.decode().splitlines()
        expected = [[row["Id"], row["Email"] or "", "true" if row[BOX] else "false"] for row in wanted]
        found = list(csv.reader(lines))[1:]
        assert (found if part.order else sorted(found)) == (expected if part.order else sorted(expected)), text

    check()


def test_a_query_returns_what_a_plain_filter_over_all_rows_returns(rest: Rest) -> None:
    populate(rest)
    for object_name in ("Lead", "Contact"):
        check_rest(rest, object_name, rows_of(rest, object_name))


def test_a_bulk_query_returns_the_same(rest: Rest) -> None:
    populate(rest)
    for object_name in ("Lead", "Contact"):
        check_bulk(rest, object_name, rows_of(rest, object_name))
