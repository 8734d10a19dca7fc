"""What a query's columns are: the answer to ?columns=true, which carries no records (salesforce.md 2.6)."""

from practice_org.catalog import Catalog
from practice_org.schema import Field
from practice_org.selection import readable
from practice_org.set_up_schema import ALL_PREFIXES
from practice_org.statement import Query

_APEX_TYPES = {"id": "Id", "reference": "Id", "boolean": "Boolean", "datetime": "Datetime", "date": "Date"}

Column = dict[str, object]


def describe_columns(parsed: Query, access: Catalog) -> dict[str, object]:
    """The columns in their order; a parent's fields stand together below their relationship."""
    columns: dict[str, Column] = {}
    for asked in parsed.columns:
        known = readable(parsed, access, asked.field)
        relationship, dot, rest = known.name.rpartition(".")
        if not dot:
            columns[known.name] = _of_field(known, known.name)
            continue
        joined = columns.setdefault(relationship, _column(relationship, "Object", foreign_key=f"{relationship}Id"))
        children = joined["joinColumns"]
        assert isinstance(children, list)
        children.append(_of_field(known, rest))
    for figure in parsed.aggregates:
        columns[figure.alias] = _column(figure.alias, "Integer", aggregate=True) | {"numberType": True}
    return {
        "columnMetadata": list(columns.values()),
        "entityName": parsed.object_name,
        "groupBy": bool(parsed.grouped),
        "idSelected": "Id" in columns,
        "keyPrefix": ALL_PREFIXES.get(parsed.object_name),
    }


def _of_field(known: Field, name: str) -> Column:
    kind = _APEX_TYPES.get(known.type, "String")
    return _column(name, kind) | {
        "booleanType": kind == "Boolean",
        "custom": known.custom,
        "insertable": known.createable,
        "textType": kind == "String",
        "updatable": known.updateable,
    }


def _column(name: str, kind: str, *, aggregate: bool = False, foreign_key: str | None = None) -> Column:
    return {
        "aggregate": aggregate,
        "apexType": kind,
        "booleanType": False,
        "columnName": name,
        "custom": False,
        "displayName": name,
        "foreignKeyName": foreign_key,
        "insertable": False,
        "joinColumns": [],
        "numberType": False,
        "textType": False,
        "updatable": False,
    }
