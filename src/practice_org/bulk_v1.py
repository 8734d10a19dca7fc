"""Bulk API 1.0, which older clients speak: jobs, batches as CSV or JSON, and their results (salesforce.md 3.3)."""

import asyncio
import csv
import io
import json
from datetime import datetime

from starlette.responses import Response
from starlette.routing import Route

from practice_org import bulk_ingest, bulk_query, external_ids
from practice_org.bulk_common import find_job
from practice_org.bulk_v1_jobs import Batch, BatchJob, batch_info, job_info
from practice_org.bulk_v1_wire import (
    Info,
    batch_list,
    info,
    read_values,
    refused,
    result_list,
    speaks_json,
    typed,
)
from practice_org.errors import RefusalError
from practice_org.http import Call, Handler, Rules, route
from practice_org.jobs import IngestJob, QueryJob
from practice_org.org import Org
from practice_org.rendering import attributes
from practice_org.schema import PEOPLE

QUERIES = ("query", "queryAll")
RULES = Rules(session_header="x-sfdc-session", refuse=refused)
_CSV, _JSON = "text/csv", "application/json"


def routes(org: Org) -> list[Route]:
    """Jobs and batches; clients name their session in a header of its own."""
    jobs = "/services/async/{version}/job"
    one = jobs + "/{id}"
    batches = one + "/batch"

    def made(path: str, **handlers: tuple[str, Handler]) -> Route:
        return route(org, path, RULES, **handlers)

    return [
        made(jobs, POST=("bulk1.create", create)),
        made(one, GET=("bulk1.get", show), POST=("bulk1.close", change)),
        made(batches, POST=("bulk1.batch", add), GET=("bulk1.batches", show_batches)),
        made(batches + "/{batch}", GET=("bulk1.batch_get", show_batch)),
        made(batches + "/{batch}/request", GET=("bulk1.request", show_request)),
        made(batches + "/{batch}/result", GET=("bulk1.result", show_result)),
        made(batches + "/{batch}/result/{result}", GET=("bulk1.query_result", show_query_result)),
    ]


async def create(call: Call) -> Response:
    """201 with an open job."""
    asked = read_values(call)
    operation, content_type = asked.get("operation", ""), asked.get("contentType", "XML")
    names = {name.lower(): name for name in PEOPLE if call.org.access.objects[name] != "absent"}
    object_name = names.get(asked.get("object", "").lower())
    if operation not in (*QUERIES, *bulk_ingest.OPERATIONS):
        raise RefusalError("InvalidJob", f"Unknown operation: {operation}")
    if object_name is None:
        raise RefusalError("InvalidEntity", f"Entity '{asked.get('object', '')}' is not supported by the Bulk API.")
    if content_type not in ("CSV", "JSON"):
        raise RefusalError("InvalidJob", f"contentType must be CSV or JSON here: {content_type}")
    job = BatchJob(call.org.jobs.new_id(), operation, object_name, call.version, call.org.now(), "Open")
    job.content_type = content_type
    if operation == "upsert":
        job.key = _key(call, object_name, asked.get("externalIdFieldName", ""))
    call.org.jobs.by_id[job.id] = job
    return info(job_info(job), "jobInfo", as_json=speaks_json(call.request), status=201)


def _key(call: Call, object_name: str, asked: str) -> str:
    try:
        return external_ids.key_field(call.org, call.org.tables[object_name], asked).name
    except RefusalError as refusal:
        text = f"Field name provided, {asked} does not match an External ID for {object_name}"
        raise RefusalError("InvalidJob", text) from refusal


async def show(call: Call) -> Response:
    """The job with the figures of all its batches."""
    return info(job_info(_job(call)), "jobInfo", as_json=speaks_json(call.request))


async def change(call: Call) -> Response:
    """Closes or aborts; what is queued is done all the same."""
    job, state = _job(call), read_values(call).get("state", "")
    if state not in ("Closed", "Aborted"):
        raise RefusalError("InvalidJobState", f"A job cannot be given the state {state}")
    job.state, job.changed_at = state, call.org.now()
    return info(job_info(job), "jobInfo", as_json=speaks_json(call.request))


async def add(call: Call) -> Response:
    """201 with a queued batch; its work begins at once."""
    job = _job(call)
    if job.state != "Open":
        raise RefusalError("InvalidJobState", f"The job is {job.state}; batches are taken only while it is Open")
    work = _query_of(job, call) if job.operation in QUERIES else _rows_of(job, call)
    batch = Batch("751" + call.org.jobs.new_id()[3:], work)
    job.batches.append(batch)
    batch.work.task = asyncio.create_task(_run(call.org, job, batch))
    return info(batch_info(job, batch), "batchInfo", as_json=job.content_type == "JSON", status=201)


def _query_of(job: BatchJob, call: Call) -> QueryJob:
    """A statement that cannot be done fails its batch, not the request."""
    query = call.body.decode("utf-8", "replace")
    return QueryJob(job.id, job.operation, job.object_name, job.version, call.org.now(), "UploadComplete", query=query)


def _rows_of(job: BatchJob, call: Call) -> IngestJob:
    work = IngestJob(job.id, job.operation, job.object_name, job.version, call.org.now(), "UploadComplete")
    work.key = job.key
    work.content = call.body if job.content_type == "CSV" else _as_csv(call.body)
    work.columns = bulk_ingest.header_of(work)
    call.seen.fields.update(name for name in work.columns if name.lower() != "id")
    call.seen.records = max(0, work.content.count(b"\n") - 1)
    call.seen.says_false = bulk_ingest.says_false(call.org, work)
    return work


def _as_csv(body: bytes) -> bytes:
    """Rows of JSON as rows of CSV, null as #N/A. Raises RefusalError."""
    try:
        records = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusalError("InvalidBatch", "Failed to parse the batch as JSON") from error
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise RefusalError("InvalidBatch", "The batch must be a list of records")
    names = list(dict.fromkeys(name for record in records for name in record if name != "attributes"))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(record.get(name, "")) for name in names] for record in records)
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> str:
    if value is None:
        return bulk_ingest.NULL
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _run(org: Org, job: BatchJob, batch: Batch) -> None:
    work = batch.work
    if isinstance(work, IngestJob):
        await bulk_ingest.run_in_order(org, work, lambda row: batch.results.append(_write(org, work, row)))
        return
    await bulk_query.run_unchecked(org, work)


def _write(org: Org, work: IngestJob, row: bulk_ingest.Row) -> Info:
    """One row's result."""
    try:
        written, is_new = bulk_ingest.write(org, work, row)
    except RefusalError as refusal:
        work.failed += 1
        return {"success": False, "created": False, "id": None, "errors": refusal.as_record_errors()}
    return {"success": True, "created": is_new, "id": written, "errors": []}


async def show_batches(call: Call) -> Response:
    """All batches in the order they came."""
    job = _job(call)
    return batch_list([batch_info(job, batch) for batch in job.batches], as_json=job.content_type == "JSON")


async def show_batch(call: Call) -> Response:
    """One batch."""
    job = _job(call)
    return info(batch_info(job, _batch(call, job)), "batchInfo", as_json=job.content_type == "JSON")


async def show_request(call: Call) -> Response:
    """What the client sent, rows as CSV or JSON."""
    job = _job(call)
    work = _batch(call, job).work
    if isinstance(work, QueryJob):
        return typed(work.query, _CSV)
    if job.content_type == "CSV":
        return typed(work.content, _CSV)
    return typed(json.dumps(list(bulk_ingest.rows_of(work))), _JSON)


async def show_result(call: Call) -> Response:
    """A result per row in the order of the batch; of a query the ids of its results."""
    job = _job(call)
    batch = _batch(call, job)
    if batch.work.state not in ("JobComplete", "Failed"):
        raise RefusalError("InvalidBatch", "Batch not completed")
    if isinstance(batch.work, QueryJob):
        return result_list([batch.result_id], as_json=job.content_type == "JSON")
    if job.content_type == "JSON":
        return typed(json.dumps(batch.results), _JSON)
    lines = ['"Id","Success","Created","Error"']
    for result in batch.results:
        cells = [result["id"] or "", result["success"], result["created"], _told(result["errors"])]
        lines.append(",".join('"' + _cell(cell).replace('"', '""') + '"' for cell in cells))
    return typed("\n".join(lines) + "\n", _CSV)


def _told(errors: object) -> str:
    """CODE:message:fields -- as in Bulk API 2.0; empty without an error."""
    first = errors[0] if isinstance(errors, list) and errors else None
    return f"{first['statusCode']}:{first['message']}:{','.join(first['fields'])}--" if first else ""


async def show_query_result(call: Call) -> Response:
    """All rows of a query."""
    job = _job(call)
    batch = _batch(call, job)
    work = batch.work
    wanted = call.params["result"][:15] == batch.result_id[:15]
    if not wanted or not isinstance(work, QueryJob) or work.state != "JobComplete":
        raise RefusalError("InvalidBatch", "No such result")
    assert work.spool is not None
    text = work.header + work.spool.read(0, work.spool.offset_of(work.spool.rows))
    if job.content_type == "CSV":
        return typed(text, _CSV)
    rows = csv.DictReader(io.StringIO(text.decode(), newline=""))
    return typed(json.dumps([_record(call.org, job, row) for row in rows]), _JSON)


def _record(org: Org, job: BatchJob, row: dict[str, str]) -> Info:
    """A row as JSON: instants are milliseconds since 1970 there."""
    record: Info = {"attributes": attributes(job.object_name, row.get("Id", ""), job.version)}
    for name, text in row.items():
        known = org.access.readable(job.object_name, name)
        value: object = text or None
        if known is not None and known.type == "boolean":
            value = text == "true"
        elif known is not None and known.type == "datetime" and text:
            value = int(datetime.fromisoformat(text).timestamp() * 1000)
        parent, dot, rest = name.rpartition(".")
        place = record.setdefault(parent, {}) if dot else record
        assert isinstance(place, dict)
        place[rest] = value
    return record


def _job(call: Call) -> BatchJob:
    try:
        return find_job(call, BatchJob)
    except RefusalError as refusal:
        raise RefusalError("InvalidJob", f"Unable to find job with id: {call.params['id']}") from refusal


def _batch(call: Call, job: BatchJob) -> Batch:
    for batch in job.batches:
        if batch.id[:15] == call.params["batch"][:15]:
            return batch
    raise RefusalError("InvalidBatch", f"Unable to find batch with id: {call.params['batch']}")
