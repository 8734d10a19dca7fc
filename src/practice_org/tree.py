"""/composite/tree/{object}: creates up to 200 records, all of them or none."""

from starlette.responses import Response
from starlette.routing import Route

from practice_org.errors import RefusalError
from practice_org.http import Call, answer, route
from practice_org.org import Org
from practice_org.records import Table
from practice_org.writes import create_record, saving_of, table_for

RECORDS_MAX = 200

Record = dict[str, object]


def routes(org: Org) -> list[Route]:
    """The one route; Lead and Contact have no children, so every tree is flat."""
    return [route(org, "/services/data/v{version}/composite/tree/{object}", POST=("tree.create", create))]


async def create(call: Call) -> Response:
    """201 with an id per reference; 400 with the errors, and then nothing is created."""
    table, records = table_for(call.org, call.params["object"]), _read(call)
    before = {name: known.snapshot() for name, known in call.org.tables.items()}
    results = [_create_one(call, table, name, record) for name, record in records]
    failed = [result for result in results if "errors" in result]
    if failed:
        call.org.tables = before
    return answer({"hasErrors": bool(failed), "results": failed or results}, 400 if failed else 201)


def _create_one(call: Call, table: Table, name: str, record: Record) -> Record:
    try:
        return {"referenceId": name, "id": create_record(call.org, table, record, saving_of(call))}
    except RefusalError as refusal:
        return {"referenceId": name, "errors": refusal.as_record_errors()}


def _read(call: Call) -> list[tuple[str, Record]]:
    """The records by reference id. Raises RefusalError with status 400 for what is no such list."""
    records = call.json().get("records")
    if not isinstance(records, list) or not records:
        raise RefusalError("REQUIRED_FIELD_MISSING", "At least 1 record is required")
    if len(records) > RECORDS_MAX:
        text = f"record limit reached. cannot submit more than {RECORDS_MAX} records into this call"
        raise RefusalError("EXCEEDED_ID_LIMIT", text)
    read = []
    for record in records:
        attributes = record.get("attributes") if isinstance(record, dict) else None
        name = attributes.get("referenceId") if isinstance(attributes, dict) else None
        if not isinstance(name, str):
            raise RefusalError("INVALID_INPUT", "Include a reference ID for each record in the request.")
        read.append((name, record))
    return read
