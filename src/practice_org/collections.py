"""sObject Collections: up to 200 records of a request, each with its own fate (salesforce.md 2.4)."""

import itertools
from collections.abc import Callable
from typing import cast

from starlette.responses import Response
from starlette.routing import Route

from practice_org import ids
from practice_org.errors import RefusalError
from practice_org.http import Call, answer, route
from practice_org.org import Org
from practice_org.rendering import as_json
from practice_org.writes import (
    check_columns,
    create_record,
    failing_trigger,
    saving_of,
    table_for,
    update_record,
    wait_for_rows,
)

RECORDS_MAX = 200
RUNS_MAX = 10
RETRIEVED_MAX = 2_000

Record = dict[str, object]
Write = Callable[[Record], str]


def routes(org: Org) -> list[Route]:
    """Update and create by /composite/sobjects, retrieve by /composite/sobjects/{object}."""
    path = "/services/data/v{version}/composite/sobjects"
    return [
        route(org, path, PATCH=("collections.update", update), POST=("collections.create", create)),
        route(org, path + "/{object}", POST=("collections.retrieve", retrieve)),
    ]


async def update(call: Call) -> Response:
    """Results in request order. A record that fails has no `id`."""
    mentioned: set[str] = set()
    records, _ = _read(call)
    await wait_for_rows(call.org, [_id_of(record) for record in records])
    failures = _failing_triggers(call.org, records)

    def write(record: Record) -> str:
        record_id = _id_of(record)
        if not record_id:
            raise RefusalError("MISSING_ARGUMENT", "Id not specified in an update call", fields=["Id"])
        full = ids.normalise(str(record_id)) or str(record_id)
        if full in mentioned and call.org.behaviour.duplicate_id_fails_in_collection:
            raise RefusalError("DUPLICATE_VALUE", f"duplicate id in the request: {full}", fields=["Id"])
        mentioned.add(full)
        table = table_for(call.org, _type_of(record))
        failure = failures.get(table.name)
        if failure is not None:
            raise failure
        return update_record(call.org, table, full, record, saving_of(call))

    return _write_all(call, write)


async def create(call: Call) -> Response:
    """Results in request order."""

    def write(record: Record) -> str:
        return create_record(call.org, table_for(call.org, _type_of(record)), record, saving_of(call))

    return _write_all(call, write)


async def retrieve(call: Call) -> Response:
    """The records in the order of `ids`, null for an id that is not found."""
    table, body = table_for(call.org, call.params["object"]), call.json()
    wanted, names = body.get("ids"), body.get("fields")
    if not isinstance(wanted, list) or not isinstance(names, list):
        raise RefusalError("JSON_PARSER_ERROR", "ids and fields must be lists")
    if len(wanted) > RETRIEVED_MAX:
        raise RefusalError("NUMBER_OUTSIDE_VALID_RANGE", f"at most {RETRIEVED_MAX} ids can be retrieved in one request")
    check_columns(call.org, table.name, names)
    fields = [call.org.access.fields[table.name][name.lower()] for name in dict.fromkeys(["Id", *names])]
    found: list[dict[str, object] | None] = []
    for record_id in wanted:
        try:
            found.append(as_json(table, table.locate_shared(record_id), fields, call.version))
        except RefusalError:
            found.append(None)
    return answer(found)


def _write_all(call: Call, write: Write) -> Response:
    records, all_or_none = _read(call)
    before = {name: table.snapshot() for name, table in call.org.tables.items()} if all_or_none else None
    results = [_write_one(write, record) for record in records]
    failed = sum(not result["success"] for result in results)
    if before is not None and failed:
        call.org.tables = before
        results = [_rolled_back() if result["success"] else result for result in results]
    status = call.org.behaviour.all_failed_collection_status if failed == len(results) else 200
    return answer(results, status)


def _failing_triggers(org: Org, records: list[Record]) -> dict[str, RefusalError]:
    """The objects whose records all fail because a trigger does on one of them."""
    failures = {}
    for name, table in org.tables.items():
        of_table = [(table, _id_of(record), record) for record in records if _type_of(record).lower() == name.lower()]
        failure = failing_trigger(org, of_table)
        if failure is not None:
            failures[name] = failure
    return failures


def _id_of(record: Record) -> object:
    return record.get("id", record.get("Id"))


def _write_one(write: Write, record: Record) -> Record:
    try:
        return {"id": write(record), "success": True, "errors": []}
    except RefusalError as refusal:
        return {"success": False, "errors": refusal.as_record_errors()}


def _rolled_back() -> Record:
    text = "Record rolled back because not all records were valid and the request was using AllOrNone header"
    return {"success": False, "errors": RefusalError("ALL_OR_NONE_OPERATION_ROLLED_BACK", text).as_record_errors()}


def _read(call: Call) -> tuple[list[Record], bool]:
    """The records of a request that is well-formed as a whole; else RefusalError with status 400."""
    body = call.json()
    records = body.get("records")
    if not isinstance(records, list) or not records:
        raise RefusalError("REQUIRED_FIELD_MISSING", "At least 1 record is required")
    if len(records) > RECORDS_MAX:
        raise RefusalError(
            "EXCEEDED_MAX_SIZE_REQUEST", f"record count exceeds the limit: {len(records)} > {RECORDS_MAX}"
        )
    types = [_type_of(record) for record in records]
    runs = 1 + sum(before != after for before, after in itertools.pairwise(types))
    if runs > RUNS_MAX:
        text = f"maximum number of chunks of records of one type is {RUNS_MAX}; sort the records by type"
        raise RefusalError("INVALID_OPERATION", text)
    return records, bool(body.get("allOrNone", False))


def _type_of(record: object) -> str:
    attributes = record.get("attributes") if isinstance(record, dict) else None
    if not isinstance(attributes, dict) or not isinstance(attributes.get("type"), str):
        raise RefusalError("INVALID_TYPE", "every record needs attributes with its type")
    return cast("str", attributes["type"])
