"""Versions, limits, counts and single records (salesforce.md 2.1, 2.3, 2.8)."""

from starlette.responses import Response
from starlette.routing import Route

from practice_org import set_up
from practice_org.describe import asked_object, summary
from practice_org.errors import RefusalError, not_found
from practice_org.http import NEWEST_VERSION, OLDEST_VERSION, OPEN, Call, answer, route
from practice_org.org import Org
from practice_org.records import Table
from practice_org.rendering import as_json, attributes
from practice_org.schema import PEOPLE, Field
from practice_org.users import INTEGRATION_USER
from practice_org.writes import create_record, delete_record, saving_of, table_for, update_record, wait_for_rows

SEASONS = ("Winter", "Spring", "Summer")


def routes(org: Org) -> list[Route]:
    """The versions list is open to all; the rest belongs to the data API."""
    data = "/services/data/v{version}"
    one = data + "/sobjects/{object}/{id}"
    return [
        route(org, "/services/data", OPEN, GET=("versions", list_versions)),
        route(org, data, GET=("resources", list_resources)),
        route(org, data + "/limits", GET=("limits", show_limits)),
        route(org, data + "/limits/recordCount", GET=("limits.record_count", count_records)),
        route(org, data + "/sobjects/{object}", POST=("record.create", create), GET=("describe.basic", show_object)),
        route(org, one, GET=("record.get", get), PATCH=("record.update", update), DELETE=("record.delete", delete)),
    ]


def release_label(version: int) -> str:
    """Version 67 is Summer '26; three releases a year."""
    releases = version - 65
    year, season = divmod(releases, 3)
    return f"{SEASONS[season]} '{26 + year}"


async def list_versions(_: Call) -> Response:
    """All versions, oldest first."""
    return answer(
        [
            {"label": release_label(v), "url": f"/services/data/v{v}.0", "version": f"{v}.0"}
            for v in range(OLDEST_VERSION, NEWEST_VERSION + 1)
        ]
    )


async def list_resources(call: Call) -> Response:
    """What this version offers here, and the caller's identity address."""
    base, identity = f"/services/data/v{call.version}", call.org.identity
    names = ("sobjects", "query", "queryAll", "limits", "jobs", "composite")
    who = f"{identity.base_url}/id/{identity.org_id}/{INTEGRATION_USER}"
    return answer({name: f"{base}/{name}" for name in names} | {"identity": who})


async def show_limits(call: Call) -> Response:
    """The org's allowances."""
    return answer(call.org.limits.as_json())


async def count_records(call: Call) -> Response:
    """Live records of the asked objects; an unknown object is left out."""
    wanted = [name for name in (call.query("sObjects") or ",".join(PEOPLE)).split(",") if name in PEOPLE]
    return answer({"sObjects": [{"count": call.org.tables[name].count(), "name": name} for name in wanted]})


async def show_object(call: Call) -> Response:
    """What the object is, and no recent items."""
    name = asked_object(call)
    return answer({"objectDescribe": summary(name, call.org.access.objects[name], call.version), "recentItems": []})


async def create(call: Call) -> Response:
    """201 with the new id."""
    table = table_for(call.org, call.params["object"])
    record_id = create_record(call.org, table, call.json(), saving_of(call))
    return created(call, table.name, {"id": record_id, "success": True, "errors": []})


def created(call: Call, object_name: str, result: dict[str, object]) -> Response:
    """201 with the address of the new record, whose `id` stands in the result."""
    response = answer(result, 201)
    response.headers["location"] = attributes(object_name, str(result["id"]), call.version)["url"]
    return response


async def get(call: Call) -> Response:
    """One live record; `fields` limits what is shown."""
    name = asked_object(call)
    if name not in PEOPLE:
        return _fixed_row(call, name)
    table = table_for(call.org, call.params["object"])
    number = _locate(table, call.params["id"])
    return answer(as_json(table, number, asked_fields(call, table.name), call.version))


async def update(call: Call) -> Response:
    """204 and an empty body."""
    table = table_for(call.org, call.params["object"])
    await wait_for_rows(call.org, [call.params["id"]])
    try:
        update_record(call.org, table, call.params["id"], call.json(), saving_of(call))
    except RefusalError as refusal:
        if refusal.code == "INVALID_CROSS_REFERENCE_KEY":
            refusal.status = call.org.behaviour.update_missing_record_status
        if refusal.code == "INSUFFICIENT_ACCESS_OR_READONLY":
            refusal.status = call.org.behaviour.insufficient_access_status
        raise
    return Response(status_code=204)


async def delete(call: Call) -> Response:
    """204; the record stands in the recycle bin."""
    delete_record(call.org, table_for(call.org, call.params["object"]), call.params["id"])
    return Response(status_code=204)


def _locate(table: Table, text: str) -> int:
    """A reader is told NOT_FOUND for an id that a writer would be told is an invalid cross reference."""
    try:
        return table.locate_shared(text)
    except RefusalError as refusal:
        if refusal.code == "INVALID_CROSS_REFERENCE_KEY":
            raise not_found() from refusal
        raise


def asked_fields(call: Call, object_name: str) -> list[Field]:
    """The fields that ?fields= names, all that our user may see without it. Raises RefusalError INVALID_FIELD."""
    names = call.query("fields")
    if names is None:
        return call.org.access.visible(object_name)
    fields = []
    for name in names.split(","):
        known = call.org.access.readable(object_name, name.strip())
        if known is None:
            raise RefusalError("INVALID_FIELD", f"\nNo such column '{name.strip()}' on entity '{object_name}'.")
        fields.append(known)
    return fields


def _fixed_row(call: Call, object_name: str) -> Response:
    rows = set_up.rows(call.org, object_name, call.version)
    row = rows.find(call.params["id"])
    if row is None:
        raise not_found()
    return answer(rows.as_json(row, asked_fields(call, object_name)))
