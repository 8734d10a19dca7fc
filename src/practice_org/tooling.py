"""Tooling by REST: what of the set-up can be asked for and changed piece by piece (salesforce.md 5.9)."""

from starlette.responses import Response
from starlette.routing import Route

from practice_org import soql, tooling_writes
from practice_org.errors import RefusalError, not_found
from practice_org.http import Call, answer, route
from practice_org.org import Org
from practice_org.row_queries import Row, Rows
from practice_org.selection import canonical
from practice_org.statement import Compare, Query
from practice_org.tooling_rows import catalog_for, tooling_rows

ONE_BY_ONE = ("SubscriberPackage", "SubscriberPackageVersion")
_WHOLE = frozenset({"metadata", "fullname"})


def routes(org: Org) -> list[Route]:
    """The query, and objects by their ids."""
    tooling = "/services/data/v{version}/tooling"
    return [
        route(org, tooling + "/query", GET=("tooling.query", query)),
        route(org, tooling + "/sobjects/{object}", POST=("tooling.create", create)),
        route(
            org,
            tooling + "/sobjects/{object}/{id}",
            GET=("tooling.get", get),
            PATCH=("tooling.update", update),
            DELETE=("tooling.delete", delete),
        ),
    ]


async def query(call: Call) -> Response:
    """Rows of Tooling's objects; `Metadata` and `FullName` come of one row at a time."""
    org = call.org
    parsed = canonical(soql.parse(call.query("q") or "", org.now().date()), catalog_for(org))
    if parsed.object_name in ONE_BY_ONE and not _names_one(parsed):
        text = "Implementation restriction: You can only perform queries of the form Id = '<some_value>'"
        raise RefusalError("MALFORMED_QUERY", text)
    rows = tooling_rows(org, parsed.object_name, call.version)
    found = rows.matching(parsed)
    if len(found) > 1 and any(column.field.lower() in _WHOLE for column in parsed.columns):
        text = (
            "When retrieving results with Metadata or FullName fields, the query qualifications must specify no more "
            f"than one row for retrieval. Result size: {len(found)}"
        )
        raise RefusalError("MALFORMED_QUERY", text)
    return answer(rows.answer(parsed, found))


def _names_one(parsed: Query) -> bool:
    where = parsed.where
    return isinstance(where, Compare) and where.field.lower() == "id" and where.operator == "="


async def get(call: Call) -> Response:
    """One row with all its fields."""
    rows, row = _asked_row(call)
    return answer(rows.as_json(row, list(rows.access.fields[rows.object_name].values())))


async def create(call: Call) -> Response:
    """201 with the new id."""
    made = tooling_writes.create(call.org, asked_object(call), call.json())
    return answer({"id": made, "success": True, "errors": [], "warnings": [], "infos": []}, 201)


async def update(call: Call) -> Response:
    """204 and an empty body."""
    rows, row = _asked_row(call)
    tooling_writes.update(call.org, rows.object_name, row, call.json())
    return Response(status_code=204)


async def delete(call: Call) -> Response:
    """204 and an empty body."""
    rows, row = _asked_row(call)
    tooling_writes.delete(call.org, rows.object_name, row)
    return Response(status_code=204)


def _asked_row(call: Call) -> tuple[Rows, Row]:
    rows = tooling_rows(call.org, asked_object(call), call.version)
    row = rows.find(call.params["id"])
    if row is None:
        raise not_found()
    return rows, row


def asked_object(call: Call) -> str:
    """The object of the path as Tooling spells it. Raises RefusalError NOT_FOUND for what our user may not see."""
    names = {name.lower(): name for name in catalog_for(call.org).objects}
    object_name = names.get(call.params["object"].lower())
    if object_name is None:
        raise not_found()
    return object_name
