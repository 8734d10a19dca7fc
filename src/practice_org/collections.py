"""sObject Collections: up to 200 records of a request, each with its own fate (salesforce.md 2.4)."""

import itertools
from collections.abc import Callable, Sized
from typing import cast

from starlette.responses import Response
from starlette.routing import Route

from practice_org import external_ids, ids
from practice_org.errors import RefusalError, malformed_id
from practice_org.http import Call, answer, route
from practice_org.org import Org
from practice_org.records import object_of
from practice_org.rendering import as_json
from practice_org.writes import (
    create_record,
    delete_record,
    failing_trigger,
    readable_columns,
    saving_of,
    table_for,
    update_record,
    wait_for_rows,
)

RECORDS_MAX = 200
RUNS_MAX = 10
RETRIEVED_MAX = 2_000

Record = dict[str, object]
Write = Callable[[Record], Record]
"""Writes one record; what its result says beside success: `id`, and `created` after an upsert."""


def routes(org: Org) -> list[Route]:
    """Update, create and delete by /composite/sobjects, retrieve and upsert below it."""
    path = "/services/data/v{version}/composite/sobjects"
    retrieving = ("collections.retrieve", retrieve)
    return [
        route(
            org,
            path,
            PATCH=("collections.update", update),
            POST=("collections.create", create),
            DELETE=("collections.delete", delete),
        ),
        route(org, path + "/{object}", POST=retrieving, GET=retrieving),
        route(org, path + "/{object}/{field}", PATCH=("collections.upsert", upsert)),
    ]


async def update(call: Call) -> Response:
    """Results in request order. A record that fails has no `id`."""
    mentioned: set[str] = set()
    records, _ = _read(call)
    await wait_for_rows(call.org, [_id_of(record) for record in records])
    failures = _failing_triggers(call.org, records)

    def write(record: Record) -> Record:
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
        return {"id": update_record(call.org, table, full, record, saving_of(call))}

    return _write_all(call, *_read(call), write)


async def create(call: Call) -> Response:
    """Results in request order."""

    def write(record: Record) -> Record:
        return {"id": create_record(call.org, table_for(call.org, _type_of(record)), record, saving_of(call))}

    return _write_all(call, *_read(call), write)


async def delete(call: Call) -> Response:
    """Results in the order of `ids`; the ids may be of both objects."""
    wanted = [text for text in (call.query("ids") or "").split(",") if text]
    _check_count(wanted)

    def write(record: Record) -> Record:
        record_id = str(record["id"])
        full = ids.normalise(record_id)
        if full is None:
            raise malformed_id(record_id)
        return {"id": delete_record(call.org, table_for(call.org, object_of(full) or ""), full)}

    all_or_none = (call.query("allOrNone") or "").lower() == "true"
    return _write_all(call, [{"id": text} for text in wanted], all_or_none, write)


async def upsert(call: Call) -> Response:
    """Records of one object by the value of a field (since version 46); `created` tells which are new."""
    table, name = table_for(call.org, call.params["object"]), call.params["field"]
    key = external_ids.key_field(call.org, table, name).name

    def write(record: Record) -> Record:
        if _type_of(record).lower() != table.name.lower():
            raise RefusalError("INVALID_TYPE", f"every record must be a {table.name}")
        record_id, is_new = external_ids.upsert_record(call.org, table, key, record, saving_of(call))
        return {"id": record_id, "created": is_new}

    return _write_all(call, *_read(call), write)


async def retrieve(call: Call) -> Response:
    """The records in the order of `ids`, null for an id that is not found; GET takes both lists from the address."""
    table = table_for(call.org, call.params["object"])
    if call.request.method == "POST":
        body = call.json()
        wanted, names = body.get("ids"), body.get("fields")
    else:
        wanted, names = ((call.query(name) or "").split(",") for name in ("ids", "fields"))
    if not isinstance(wanted, list) or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RefusalError("JSON_PARSER_ERROR", "ids and fields must be lists of texts")
    if len(wanted) > RETRIEVED_MAX:
        raise RefusalError("NUMBER_OUTSIDE_VALID_RANGE", f"at most {RETRIEVED_MAX} ids can be retrieved in one request")
    fields = readable_columns(call.org, table.name, ["Id", *names])
    found: list[dict[str, object] | None] = []
    for record_id in wanted:
        try:
            found.append(as_json(table, table.locate_shared(record_id), fields, call.version))
        except RefusalError:
            found.append(None)
    return answer(found)


def _write_all(call: Call, records: list[Record], all_or_none: bool, write: Write) -> Response:
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
        done = write(record)
    except RefusalError as refusal:
        return {"success": False, "errors": refusal.as_record_errors()}
    return {"id": done.pop("id"), "success": True, "errors": [], **done}


def _rolled_back() -> Record:
    text = "Record rolled back because not all records were valid and the request was using AllOrNone header"
    return {"success": False, "errors": RefusalError("ALL_OR_NONE_OPERATION_ROLLED_BACK", text).as_record_errors()}


def _read(call: Call) -> tuple[list[Record], bool]:
    """The records of a request that is well-formed as a whole; else RefusalError with status 400."""
    body = call.json()
    listed = body.get("records")
    records = listed if isinstance(listed, list) else []
    _check_count(records)
    types = [_type_of(record) for record in records]
    runs = 1 + sum(before != after for before, after in itertools.pairwise(types))
    if runs > RUNS_MAX:
        text = f"maximum number of chunks of records of one type is {RUNS_MAX}; sort the records by type"
        raise RefusalError("INVALID_OPERATION", text)
    return records, bool(body.get("allOrNone", False))


def _check_count(records: Sized) -> None:
    """1 to 200 (salesforce.md 2.4)."""
    if not records:
        raise RefusalError("REQUIRED_FIELD_MISSING", "At least 1 record is required")
    if len(records) > RECORDS_MAX:
        text = f"record limit reached. cannot submit more than {RECORDS_MAX} records into this call"
        raise RefusalError("EXCEEDED_ID_LIMIT", text)


def _type_of(record: object) -> str:
    attributes = record.get("attributes") if isinstance(record, dict) else None
    if not isinstance(attributes, dict) or not isinstance(attributes.get("type"), str):
        raise RefusalError("INVALID_TYPE", "every record needs attributes with its type")
    return cast("str", attributes["type"])
