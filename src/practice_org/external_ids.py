"""Records by the value of a field instead of their id: read, upsert, delete (salesforce.md 2.3).

Email is the one such field that Lead and Contact have beside Id (`idLookup` in describe); the same address may stand in
several records, then the answer is 300 with their addresses.
"""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.routing import Route

from practice_org.errors import RefusalError
from practice_org.http import Call, answer, route
from practice_org.org import Org
from practice_org.records import Table
from practice_org.rendering import as_json, attributes
from practice_org.rest import asked_fields, create, created
from practice_org.rules import Saving
from practice_org.schema import ID_LOOKUPS, Field
from practice_org.writes import (
    DEFAULT_SAVING,
    create_record,
    delete_record,
    saving_of,
    table_for,
    update_record,
    wait_for_rows,
)

BODY_SINCE = 46
"""Since then an upsert that updates answers 200 with a body; before, 204 without one."""


def routes(org: Org) -> list[Route]:
    """Both take what describes and single records leave over."""
    objects = "/services/data/v{version}/sobjects/{object}"
    return [
        # an upsert by Id without an id creates, since version 37
        route(org, objects + "/Id", POST=("record.create", create)),
        route(
            org,
            objects + "/{field}/{value:path}",
            GET=("record.get", get),
            PATCH=("record.upsert", upsert),
            DELETE=("record.delete", delete),
        ),
    ]


async def get(call: Call) -> Response:
    """The one record with that value."""
    table = table_for(call.org, call.params["object"])
    found = find(call.org, table, call.params["field"], call.params["value"])
    if len(found) > 1:
        return _ambiguous(call, table, found)
    if not found:
        raise _not_found(call.params["value"])
    return answer(as_json(table, found[0], asked_fields(call, table.name), call.version))


async def upsert(call: Call) -> Response:
    """201 for a new record, 200 (before version 46: 204) for one that was there; ?updateOnly=true never creates."""
    table, body = table_for(call.org, call.params["object"]), call.json()
    name, value = call.params["field"], call.params["value"]
    found = find(call.org, table, name, value)
    if len(found) > 1:
        return _ambiguous(call, table, found)
    if not found and (call.query("updateOnly") or "").lower() == "true":
        raise _not_found(value)
    await wait_for_rows(call.org, map(table.id_of, found))
    record_id, is_new = write(call.org, table, found, {name: value}, body, saving_of(call))
    result: dict[str, object] = {"id": record_id, "success": True, "errors": []}
    if float(call.version) >= BODY_SINCE:
        result["created"] = is_new
    elif not is_new:
        return Response(status_code=204)
    return created(call, table.name, result) if is_new else answer(result)


async def delete(call: Call) -> Response:
    """204; the record stands in the recycle bin."""
    table = table_for(call.org, call.params["object"])
    found = find(call.org, table, call.params["field"], call.params["value"])
    if len(found) > 1:
        return _ambiguous(call, table, found)
    if not found:
        raise _not_found(call.params["value"])
    delete_record(call.org, table, table.id_of(found[0]))
    return Response(status_code=204)


def find(org: Org, table: Table, name: str, value: object) -> list[int]:
    """The live records with that value, compared without case. Raises RefusalError for a field that is no such key.

    An id that is not a live record's is refused as an update refuses it: upsert never gives ids away.
    """
    key = key_field(org, table, name)
    if key.name == "Id":
        return [table.locate_shared(value)]
    gone = table.excluded(binned=False)
    return [number for number in table.find(str(value)) if number not in gone]


def key_field(org: Org, table: Table, name: str) -> Field:
    """The field if records can be found by it. Raises RefusalError NOT_FOUND."""
    known = org.access.readable(table.name, name)
    if known is None or known.name not in ID_LOOKUPS:
        raise _not_found(name)
    return known


def write(
    org: Org,
    table: Table,
    found: list[int],
    key: dict[str, object],
    fields: Mapping[str, object],
    saving: Saving = DEFAULT_SAVING,
) -> tuple[str, bool]:
    """Updates the one record of `found`, or creates one with its key; its id, and whether it is new."""
    if found:
        return update_record(org, table, table.id_of(found[0]), fields, saving), False
    return create_record(org, table, {**fields, **key}, saving), True


def upsert_record(
    org: Org, table: Table, key: str, values: Mapping[str, object], saving: Saving = DEFAULT_SAVING
) -> tuple[str, bool]:
    """One record among many, found by its own value of the field `key`; its id, and whether it is new.

    Raises RefusalError, also when several records match.
    """
    value = next((value for name, value in values.items() if name.lower() == key.lower()), None)
    fields = {name: value for name, value in values.items() if name.lower() != key.lower()}
    if value in (None, ""):
        raise RefusalError("MISSING_ARGUMENT", f"{key} not specified", fields=[key])
    found = find(org, table, key, value)
    if len(found) > 1:
        matches = ", ".join(table.id_of(number) for number in found)
        text = f"{key}: more than one record found for external id field: [{matches}]"
        raise RefusalError("DUPLICATE_EXTERNAL_ID", text, fields=[key])
    return write(org, table, found, {key: value}, fields, saving)


def _ambiguous(call: Call, table: Table, found: list[int]) -> Response:
    """The addresses of all that match."""
    return answer([attributes(table.name, table.id_of(number), call.version)["url"] for number in found], 300)


def _not_found(text: str) -> RefusalError:
    message = f"Provided external ID field does not exist or is not accessible: {text}"
    return RefusalError("NOT_FOUND", message, status=404)
