"""Queries of objects with few rows, made when asked for: the org, its users, its set-up (salesforce.md 5.8)."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from practice_org.aggregates import figures, sized
from practice_org.catalog import Catalog
from practice_org.ordering import ordered, part
from practice_org.rendering import shown
from practice_org.schema import Field, Value
from practice_org.selection import Tester, check_fields, readable
from practice_org.statement import Query

Row = Mapping[str, object]
RowsOf = Callable[[str], Sequence[Row]]


@dataclass(frozen=True)
class Rows:
    """An object's rows, numbered as they stand. `rows_of` gives those of its parents; `base` is where records live."""

    object_name: str
    access: Catalog
    rows_of: RowsOf
    base: str

    @property
    def rows(self) -> Sequence[Row]:
        """All rows of the object."""
        return self.rows_of(self.object_name)

    def value(self, number: int, name: str) -> Value:
        """A field of the row, or of a parent such as Profile.UserLicense.Name; what is no plain value is as nothing."""
        value = self._value(self.object_name, self.rows[number], name)
        return value if isinstance(value, str | bool | int) else None

    def matching(self, parsed: Query) -> "array[int]":
        """The rows that a statement means, ordered and cut as it says. Raises RefusalError for what it may not ask."""
        check_fields(parsed, self.access)
        test = Tester(parsed, self, self.access).test(parsed.where) if parsed.where is not None else None
        found = array("q", (number for number in range(len(self.rows)) if test is None or test(number)))
        if parsed.is_aggregate:
            return found
        return part(parsed, ordered(parsed.order, parsed, self, self.access, found))

    def answer(self, parsed: Query, numbers: "array[int]") -> dict[str, object]:
        """The answer to the statement, once its rows are found."""
        if parsed.aggregates or parsed.grouped:
            return figures(parsed, self, self.access, numbers)
        if not parsed.columns:
            return sized(len(numbers), parsed)
        fields = [readable(parsed, self.access, column.field) for column in parsed.columns]
        records = [self.as_json(self.rows[number], fields) for number in numbers]
        return {"totalSize": len(records), "done": True, "records": records}

    def as_json(self, row: Row, fields: Sequence[Field]) -> dict[str, object]:
        """One record with those fields; parents are nested, null where the lookup is empty."""
        record = self._opened(self.object_name, row)
        for known in fields:
            self._put(record, self.object_name, row, known, known.name)
        return record

    def find(self, record_id: str) -> Row | None:
        """The row with that id, of 15 or 18 characters."""
        return self._by_id(self.object_name, record_id)

    def _put(self, record: dict[str, object], object_name: str, row: Row, known: Field, name: str) -> None:
        relationship, dot, rest = name.partition(".")
        if not dot:
            record[name] = shown(cast("Value", row.get(name)), known)
            return
        target, parent = self._parent(object_name, row, relationship)
        if parent is None:
            record[relationship] = None
            return
        nested = record.setdefault(relationship, self._opened(target, parent))
        self._put(cast("dict[str, object]", nested), target, parent, known, rest)

    def _opened(self, object_name: str, row: Row) -> dict[str, object]:
        return {"attributes": {"type": object_name, "url": f"{self.base}/sobjects/{object_name}/{row['Id']}"}}

    def _value(self, object_name: str, row: Row, name: str) -> object:
        relationship, dot, rest = name.partition(".")
        if not dot:
            return row.get(name)
        target, parent = self._parent(object_name, row, relationship)
        return None if parent is None else self._value(target, parent, rest)

    def _parent(self, object_name: str, row: Row, relationship: str) -> tuple[str, Row | None]:
        target = self.access.parent(object_name, relationship) or ""
        parent_id = row.get(f"{relationship}Id")
        return target, self._by_id(target, str(parent_id)) if parent_id else None

    def _by_id(self, object_name: str, record_id: str) -> Row | None:
        return next((row for row in self.rows_of(object_name) if record_id in (row["Id"], str(row["Id"])[:15])), None)
