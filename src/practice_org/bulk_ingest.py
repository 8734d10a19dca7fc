"""Bulk ingest jobs: create, upload once, close, poll, three result files (salesforce.md 3.2)."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from practice_org import clock, external_ids
from practice_org.bulk_common import abort, asked_state, checked_layout, find_job, wait_in_queue
from practice_org.csv_rows import DELIMITERS, LINE_ENDINGS
from practice_org.errors import RefusalError
from practice_org.faults.results import Page
from practice_org.faults.transport import reset_connection
from practice_org.http import Call, answer, route
from practice_org.jobs import IngestJob
from practice_org.org import Org
from practice_org.row_locks import keys_of
from practice_org.schema import PEOPLE, Value
from practice_org.writes import create_record, delete_record, failing_trigger, update_record, wait_for_rows

OPERATIONS = ("update", "insert", "upsert", "delete")
UPLOAD_BYTES_MAX = 150 * 1024 * 1024
# Python's own limit would end the work on a cell that Salesforce refuses in words
csv.field_size_limit(UPLOAD_BYTES_MAX)
CHUNK_ROWS = 200
"""Triggers see 200 rows at a time (salesforce.md 3.2)."""
BATCHES_AT_ONCE = 4

NULL = "#N/A"
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})
_MAY_SAY_FALSE = re.compile(rb'(?i)(?:^|[,;|^`\t\n"])(?:false|0|#n/a)(?:$|[,;|^`\t\r\n"])', re.MULTILINE)

RESULT_FILES = {"successfulresults": "success", "failedresults": "failure", "unprocessedrecords": "rest"}

Row = dict[str, str]


def routes(org: Org) -> list[Route]:
    """Jobs, their content and their result files."""
    jobs = "/services/data/v{version}/jobs/ingest"
    one = jobs + "/{id}"
    return [
        route(org, jobs, POST=("bulk.ingest.create", create), GET=("bulk.ingest.list", list_jobs)),
        route(
            org,
            one,
            GET=("bulk.ingest.get", show),
            PATCH=("bulk.ingest.close", change),
            DELETE=("bulk.ingest.delete", delete),
        ),
        route(org, one + "/batches", PUT=("bulk.ingest.upload", upload)),
        route(org, one + "/{file}", GET=("bulk.ingest.results", result_file)),
    ]


async def create(call: Call) -> Response:
    """An open job; its content goes to `contentUrl`."""
    body = call.json()
    delimiter, line_end = checked_layout(body)
    object_name, operation = str(body.get("object", "")), str(body.get("operation", ""))
    known = {name.lower(): name for name in PEOPLE if call.org.access.objects[name] != "absent"}
    if object_name.lower() not in known:
        raise RefusalError("INVALIDENTITY", f"Entity '{object_name}' is not supported by the Bulk API.")
    if operation not in OPERATIONS:
        raise RefusalError("INVALIDJOB", f"operation must be one of {', '.join(OPERATIONS)}: {operation}")
    name = known[object_name.lower()]
    job = IngestJob(call.org.jobs.new_id(), operation, name, call.version, call.org.now(), "Open", delimiter, line_end)
    if operation == "upsert":
        job.key = _key(call, name, body)
    call.org.jobs.by_id[job.id] = job
    return answer(job.as_created())


def _key(call: Call, object_name: str, body: dict[str, object]) -> str:
    """The field that an upsert finds records by. Raises RefusalError."""
    asked = str(body.get("externalIdFieldName") or "")
    if not asked:
        raise RefusalError("INVALIDJOB", "externalIdFieldName is required for an upsert")
    try:
        return external_ids.key_field(call.org, call.org.tables[object_name], asked).name
    except RefusalError as refusal:
        text = (
            f"InvalidJob : Field name provided, {asked} does not match an External ID, Salesforce Id, or indexed field"
        )
        raise RefusalError("INVALIDJOB", f"{text} for {object_name}") from refusal


async def upload(call: Call) -> Response:
    """201 and nothing else. A second upload is accepted here and refused at the close."""
    job = find_job(call, IngestJob)
    if job.state != "Open":
        raise RefusalError(
            "INVALIDJOBSTATE", f"the job is in state {job.state}; content is taken only while it is Open"
        )
    if len(call.body) > UPLOAD_BYTES_MAX:
        return Response(status_code=413)
    job.uploads += 1
    job.content = call.body
    call.seen.fields.update(name for name in header_of(job) if name.lower() != "id")
    call.seen.records = max(0, call.body.count(b"\n") - 1)
    call.seen.says_false = says_false(call.org, job)
    return Response(status_code=201)


async def change(call: Call) -> Response:
    """Closes the job, which starts it, or aborts it."""
    job = find_job(call, IngestJob)
    state = asked_state(call)
    if state == "Aborted":
        abort(call, job)
        return answer(job.as_polled())
    if state != "UploadComplete" or job.state != "Open":
        raise RefusalError("INVALIDJOBSTATE", f"a job in state {job.state} cannot be given the state {state}")
    if job.uploads > 1:
        text = f"Found multipe contents for job: <{job.id}>, please 'Close' / 'Abort' / 'Delete' the current Job"
        raise RefusalError("INVALIDJOB", text)
    job.state = "UploadComplete"
    job.task = asyncio.create_task(_run(call.org, job))
    return answer(job.as_created())


async def list_jobs(call: Call) -> Response:
    """All ingest jobs, the newest last."""
    jobs = [job.as_created() for job in call.org.jobs.by_id.values() if isinstance(job, IngestJob)]
    return answer({"done": True, "records": jobs, "nextRecordsUrl": None})


async def show(call: Call) -> Response:
    """The job's state."""
    return answer(find_job(call, IngestJob).as_polled())


async def delete(call: Call) -> Response:
    """Job and results are gone."""
    call.org.jobs.remove(find_job(call, IngestJob))
    return Response(status_code=204)


async def result_file(call: Call) -> Response:
    """One of the three files, its name in any case. No rows: the header only."""
    job = find_job(call, IngestJob)
    kind = RESULT_FILES.get(call.params["file"].lower())
    if kind is None:
        raise RefusalError("NOT_FOUND", "The requested resource does not exist", status=404)
    second = {"success": ["sf__Created"], "failure": ["sf__Error"], "rest": []}[kind]
    first = ["sf__Id"] if second else []
    delimiter = DELIMITERS[job.delimiter]
    header = delimiter.join([f'"{name}"' for name in first + second] + job.columns)
    rows = {"success": job.succeeded_rows, "failure": job.failed_rows, "rest": job.unprocessed_rows}[kind]
    line_end = LINE_ENDINGS[job.line_end]
    body = "".join(row + line_end for row in rows).encode()
    page = Page((header + line_end).encode(), "", len(body))
    for fault in call.org.faults.for_results(call.seen.route, call.seen.path):
        fault.spoil(page)
    headers = {"Sforce-NumberOfRecords": str(len(rows))}
    return StreamingResponse(_send(call.request, page, body), media_type="text/csv", headers=headers)


async def _send(request: Request, page: Page, body: bytes) -> AsyncIterator[bytes]:
    for chunk in page.spoiled([body]):
        yield chunk
    if page.cut:
        reset_connection(request)


async def _run(org: Org, job: IngestJob) -> None:
    """Processes the rows in order. A bad column or line ending fails the whole job with nothing processed."""
    fault = await wait_in_queue(org, job)
    problem = _problem(org, job)
    if problem:
        job.finish("Failed", org.now(), problem)
        return
    rows = rows_of(job)
    processed = islice(rows, fault.after_records) if fault is not None else rows
    await asyncio.gather(*(_work(org, job, processed) for _ in range(BATCHES_AT_ONCE)))
    job.unprocessed_rows += [_as_line(job, row.values()) for row in rows]
    # the files are not in the order of the upload (salesforce.md 3.2)
    job.succeeded_rows.reverse()
    job.failed_rows.reverse()
    if fault is not None:
        job.finish("Failed", org.now(), fault.message)
    else:
        job.finish("JobComplete", org.now())


async def run_in_order(org: Org, job: IngestJob, process: Callable[[Row], None]) -> None:
    """The rows of a batch of Bulk API 1.0, whose results stand in the order of the rows."""
    fault = await wait_in_queue(org, job)
    problem = fault.message if fault is not None else _unknown_column(org, job)
    if problem:
        job.finish("Failed", org.now(), problem)
        return
    for row in rows_of(job):
        job.processed += 1
        process(row)
    job.finish("JobComplete", org.now())


async def _work(org: Org, job: IngestJob, rows: Iterator[Row]) -> None:
    """Takes batch after batch, as long as there are rows; others do the same beside it."""
    while batch := list(islice(rows, org.behaviour.bulk_batch_rows)):
        for start in range(0, len(batch), CHUNK_ROWS):
            await _process_chunk(org, job, batch[start : start + CHUNK_ROWS])


async def _process_chunk(org: Org, job: IngestJob, chunk: list[Row]) -> None:
    """One transaction: its rows are locked from the first write to its end."""
    table, id_column = org.tables[job.object_name], _id_column(job)
    await wait_for_rows(org, (row.get(id_column) for row in chunk))
    records = ((table, row.get(id_column), _fields(org, job, row)) for row in chunk)
    failure = failing_trigger(org, records) if job.operation == "update" else None
    written = [_process(org, job, row, failure) for row in chunk]
    if org.behaviour.bulk_chunk_seconds:
        keys = [key for record_id in written if record_id for key in keys_of(table, table.locate(record_id))]
        with org.row_locks.hold(keys):
            await clock.sleep(org.behaviour.bulk_chunk_seconds)
    else:
        await clock.sleep(0)


def _process(org: Org, job: IngestJob, row: Row, failure: RefusalError | None) -> str | None:
    """One row: written, or refused with its reason; returns the id of a written record."""
    job.processed += 1
    try:
        if failure is not None:
            raise failure
        record_id, is_new = write(org, job, row)
    except RefusalError as refusal:
        job.failed += 1
        shown = row.get(_id_column(job), "") if org.behaviour.failed_rows_carry_id else ""
        job.failed_rows.append(_as_line(job, [shown, refusal.as_bulk_error(), *row.values()]))
        return None
    job.succeeded_rows.append(_as_line(job, [record_id, str(is_new).lower(), *row.values()]))
    return record_id


def write(org: Org, job: IngestJob, row: Row) -> tuple[str, bool]:
    """The record's id, and whether it is new."""
    table, id_column = org.tables[job.object_name], _id_column(job)
    record_id = row.get(id_column, "")
    if job.operation in ("update", "delete") and not record_id:
        raise RefusalError("MISSING_ARGUMENT", f"Id not specified in {job.operation} call", fields=["Id"])
    if job.operation == "delete":
        return delete_record(org, table, record_id), False
    fields = _fields(org, job, row)
    if job.operation == "insert":
        return create_record(org, table, fields), True
    if job.operation == "upsert":
        if job.key != "Id":
            return external_ids.upsert_record(org, table, job.key, fields)
        # an upsert by Id creates what has none
        return external_ids.write(org, table, [table.locate_shared(record_id)] if record_id else [], {}, fields)
    return update_record(org, table, record_id, fields), False


def _fields(org: Org, job: IngestJob, row: Row) -> dict[str, Value]:
    """What the row says to write, its id aside."""
    id_column = _id_column(job)
    return {name: _value(org, job, name, text) for name, text in row.items() if text and name != id_column}


def _value(org: Org, job: IngestJob, name: str, text: str) -> Value:
    """An empty cell is ignored before this; #N/A is null."""
    if text == NULL:
        return None
    known = org.access.readable(job.object_name, name)
    if known is not None and known.type == "boolean":
        folded = text.lower()
        return True if folded in _TRUE else False if folded in _FALSE else text
    return text


def _problem(org: Org, job: IngestJob) -> str:
    """Why the whole job fails; empty if it does not."""
    job.columns = header_of(job)
    crlf = b"\r\n" in job.content[: job.content.find(b"\n") + 1]
    if crlf != (job.line_end == "CRLF"):
        return f"LineEnding is invalid on user data. Current LineEnding setting is {job.line_end}"
    return _unknown_column(org, job)


def _unknown_column(org: Org, job: IngestJob) -> str:
    """The complaint about the first column that does not exist for our user; empty without one."""
    for name in job.columns:
        if org.access.readable(job.object_name, name) is None:
            return f"InvalidBatch : Field name not found : {name}"
    return ""


def header_of(job: IngestJob) -> list[str]:
    """The names of its columns."""
    first_line = job.content.partition(b"\n")[0].decode("utf-8", "replace").strip("\r\ufeff")
    return next(csv.reader([first_line], delimiter=DELIMITERS[job.delimiter]), [])


def _id_column(job: IngestJob) -> str:
    return next((name for name in job.columns if name.lower() == "id"), "Id")


def rows_of(job: IngestJob) -> Iterator[Row]:
    """The rows after the header."""
    text = io.StringIO(job.content.decode("utf-8-sig", "replace"), newline="")
    for cells in islice(csv.reader(text, delimiter=DELIMITERS[job.delimiter]), 1, None):
        if cells:
            yield dict(zip(job.columns, cells, strict=False))


def _as_line(job: IngestJob, cells: Iterable[str]) -> str:
    between = f'"{DELIMITERS[job.delimiter]}"'
    quoted = between.join([cell.replace('"', '""') for cell in cells])
    return f'"{quoted}"'


def says_false(org: Org, job: IngestJob) -> bool:
    """Whether any cell unticks a checkbox or empties a field; a quick look decides for almost all uploads."""
    if not _MAY_SAY_FALSE.search(job.content):
        return False
    boxes = {name.lower() for name in org.access.checkboxes(job.object_name)}
    job.columns = header_of(job)
    for row in rows_of(job):
        for name, text in row.items():
            if text == NULL or (text.lower() in _FALSE and name.lower() in boxes):
                return True
    return False
