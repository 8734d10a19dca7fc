"""A record as REST shows it."""

from collections.abc import Iterable

from practice_org.records import Table
from practice_org.schema import Field, Value


def shown(value: Value, known: Field) -> Value:
    """Instants go out as 2024-09-10T13:57:45.000+0000, an offset without colon (salesforce.md 2.1)."""
    if known.type == "datetime" and isinstance(value, str):
        return value[:-1] + "+0000"
    return value


def attributes(object_name: str, record_id: str, version: str) -> dict[str, str]:
    """The `attributes` entry that opens every record."""
    return {"type": object_name, "url": f"/services/data/v{version}/sobjects/{object_name}/{record_id}"}


def as_json(table: Table, number: int, fields: Iterable[Field], version: str) -> dict[str, object]:
    """One record with those fields, in that order."""
    record_id = table.id_of(number)
    record: dict[str, object] = {"attributes": attributes(table.name, record_id, version)}
    for known in fields:
        relationship, dot, rest = known.name.partition(".")
        if dot:
            parent = record.setdefault(relationship, _parent(table, number, relationship, version))
            if isinstance(parent, dict):
                parent[rest] = shown(table.value(number, known.name), known)
            continue
        record[known.name] = record_id if known.name == "Id" else shown(table.value(number, known.name), known)
    return record


def _parent(table: Table, number: int, relationship: str, version: str) -> dict[str, object] | None:
    """The start of a parent's nested record; None when the lookup is empty."""
    parent_id = table.value(number, f"{relationship}Id")
    return None if parent_id is None else {"attributes": attributes("User", str(parent_id), version)}
