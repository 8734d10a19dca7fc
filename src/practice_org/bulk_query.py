"""Bulk query jobs: create, poll, results by locator, result pages for parallel reading (salesforce.md 3.1)."""

import asyncio
import base64
import binascii
import zlib
from collections.abc import AsyncIterator, Iterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from practice_org import clock
from practice_org.bulk_common import abort, asked_state, checked_layout, find_job, wait_in_queue
from practice_org.csv_rows import DELIMITERS, LINE_ENDINGS, Layout, Rows
from practice_org.errors import RefusalError, not_found
from practice_org.faults.results import Page
from practice_org.faults.transport import reset_connection
from practice_org.http import Call, answer, route
from practice_org.jobs import QueryJob
from practice_org.ordering import ordered, part
from practice_org.org import Org
from practice_org.query import columns_of, matching, read
from practice_org.schema import PEOPLE
from practice_org.selection import bind
from practice_org.spool import Spool
from practice_org.statement import Query

CHUNK_BYTES = 512 * 1024
GZIP_LEVEL = 1
RESULT_PAGES = 5
RESULT_PAGES_SINCE = 58


def routes(org: Org) -> list[Route]:
    """Jobs, results and result pages."""
    jobs = "/services/data/v{version}/jobs/query"
    one = jobs + "/{id}"
    return [
        route(org, jobs, POST=("bulk.query.create", create), GET=("bulk.query.list", list_jobs)),
        route(
            org,
            one,
            GET=("bulk.query.get", show),
            PATCH=("bulk.query.abort", change),
            DELETE=("bulk.query.delete", delete),
        ),
        route(org, one + "/results", GET=("bulk.query.results", results)),
        route(org, one + "/resultPages", GET=("bulk.query.result_pages", result_pages)),
    ]


async def create(call: Call) -> Response:
    """Checks the statement at once and starts the job."""
    body = call.json()
    operation = str(body.get("operation", ""))
    if operation not in ("query", "queryAll"):
        raise RefusalError("INVALIDJOB", f"operation must be query or queryAll: {operation}")
    delimiter, line_end = checked_layout(body)
    try:
        parsed = await _checked(call.org, str(body.get("query", "")))
    except RefusalError as refusal:
        code = refusal.code if call.org.behaviour.bulk_query_error_keeps_code else "API_ERROR"
        raise RefusalError(code, refusal.message) from refusal
    job = QueryJob(
        call.org.jobs.new_id(),
        operation,
        parsed.object_name,
        call.version,
        call.org.now(),
        "UploadComplete",
        delimiter,
        line_end,
        query=parsed.text,
    )
    call.org.jobs.by_id[job.id] = job
    job.task = asyncio.create_task(_run(call.org, job, parsed))
    return answer(job.as_created())


async def _checked(org: Org, text: str) -> Query:
    """The statement, if Bulk takes it. Raises RefusalError."""
    parsed = await read(org, text)
    if parsed.object_name not in PEOPLE:
        raise RefusalError("INVALIDENTITY", f"Entity '{parsed.object_name}' is not supported by the Bulk API.")
    if parsed.is_aggregate:
        raise RefusalError("API_ERROR", "Aggregate Relationships not supported in Bulk Query")
    if parsed.offset:
        raise RefusalError("API_ERROR", "OFFSET is not supported in Bulk Query")
    bind(parsed, org.tables[parsed.object_name], org.access, binned=False)
    return parsed


async def _run(org: Org, job: QueryJob, parsed: Query) -> None:
    """Writes all rows to the spool, pausing between pieces so that the org goes on answering."""
    fault = await wait_in_queue(org, job)
    if fault is not None:
        job.finish("Failed", org.now(), fault.message)
        return
    table = org.tables[parsed.object_name].snapshot()
    match = bind(parsed, table, org.access, binned=job.operation == "queryAll")
    fields = columns_of(parsed, org.access)
    layout = Layout(DELIMITERS[job.delimiter], LINE_ENDINGS[job.line_end])
    job.header = layout.header([known.name for known in fields])
    job.spool = Spool()
    rendered = Rows(match, fields, layout)
    if parsed.order or parsed.limit is not None:
        found = part(parsed, ordered(parsed.order, parsed, table, org.access, await matching(match)))
        chunks = rendered.of(found)
    else:
        chunks = rendered.chunks()
    for chunk, rows in chunks:
        job.spool.add(chunk, rows)
        await clock.sleep(0)
    job.spool.finish()
    job.processed = job.spool.rows
    job.finish("JobComplete", org.now())


async def run_unchecked(org: Org, job: QueryJob) -> None:
    """The same for Bulk API 1.0, where a statement that cannot be done fails its job."""
    try:
        parsed = await _checked(org, job.query)
        if parsed.object_name != job.object_name:
            raise RefusalError("INVALID_TYPE", f"the job is about {job.object_name}, not {parsed.object_name}")
    except RefusalError as refusal:
        job.finish("Failed", org.now(), f"InvalidBatch : Failed to process query: {refusal.code}: {refusal.message}")
        return
    await _run(org, job, parsed)


async def list_jobs(call: Call) -> Response:
    """All query jobs, the newest last."""
    jobs = [job.as_created() for job in call.org.jobs.by_id.values() if isinstance(job, QueryJob)]
    return answer({"done": True, "records": jobs, "nextRecordsUrl": None})


async def show(call: Call) -> Response:
    """The job's state."""
    return answer(find_job(call, QueryJob).as_polled())


async def change(call: Call) -> Response:
    """A query job can only be aborted."""
    job = find_job(call, QueryJob)
    if asked_state(call) != "Aborted":
        raise RefusalError("INVALIDJOBSTATE", "the only state that a query job can be given is Aborted")
    abort(call, job)
    return answer(job.as_polled())


async def delete(call: Call) -> Response:
    """Job and results are gone."""
    call.org.jobs.remove(find_job(call, QueryJob))
    return Response(status_code=204)


async def results(call: Call) -> Response:
    """One page as CSV; 204 while there is none to give."""
    job = find_job(call, QueryJob)
    _check_version(call, job)
    if job.state != "JobComplete" or job.spool is None:
        return Response(status_code=204)
    start, wanted = _start(call, job.spool), _wanted(call)
    end = min(start + wanted, job.spool.rows)
    first = call.query("locator") is None
    header = job.header if first or call.org.behaviour.bulk_header_on_every_page else b""
    first_byte, end_byte = job.spool.offset_of(start), job.spool.offset_of(end)
    page = Page(header, _locator(end) if end < job.spool.rows else "null", end_byte - first_byte)
    for fault in call.org.faults.for_results(call.seen.route, call.seen.path):
        fault.spoil(page)
    return _stream(call.request, page, _read(job.spool, first_byte, end_byte), end - start)


def _stream(request: Request, page: Page, body: Iterator[bytes], rows: int) -> Response:
    """The body goes out compressed whenever the client takes gzip (salesforce.md 3.1)."""
    headers = {"Sforce-NumberOfRecords": str(rows), "Sforce-Locator": page.locator}
    packed = "gzip" in request.headers.get("accept-encoding", "")
    if packed:
        headers["Content-Encoding"] = "gzip"
    return StreamingResponse(_send(request, page, body, packed=packed), media_type="text/csv", headers=headers)


async def _send(request: Request, page: Page, body: Iterator[bytes], *, packed: bool) -> AsyncIterator[bytes]:
    gzip = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for chunk in page.spoiled(body):
        yield await asyncio.to_thread(gzip.compress, chunk) if packed else chunk
    if page.cut:
        reset_connection(request)
    if packed:
        yield gzip.flush()


def _read(spool: Spool, start: int, end: int) -> Iterator[bytes]:
    for offset in range(start, end, CHUNK_BYTES):
        yield spool.read(offset, min(offset + CHUNK_BYTES, end))


async def result_pages(call: Call) -> Response:
    """Up to five addresses of pages, to be read in parallel."""
    job = find_job(call, QueryJob)
    _check_version(call, job)
    if float(call.version) < RESULT_PAGES_SINCE:
        raise not_found()
    if job.state != "JobComplete" or job.spool is None:
        return Response(status_code=204)
    behaviour, base = call.org.behaviour, f"/services/data/v{call.version}/jobs/query/{job.id}"
    start, size = _start(call, job.spool), behaviour.bulk_page_records
    starts = range(start, max(job.spool.rows, 1), size)
    pages = [{"resultUrl": f"{base}/results?locator={_locator(row)}"} for row in starts[:RESULT_PAGES]]
    done = len(starts) <= RESULT_PAGES
    more = None if done else f"{base}/resultPages?locator={_locator(starts[RESULT_PAGES])}"
    return answer({"resultPages": pages, behaviour.result_pages_next_key: more, "done": done})


def _check_version(call: Call, job: QueryJob) -> None:
    """Results are read with the version that created the job (salesforce.md 0.11)."""
    if call.version != job.version:
        text = f"The API version of the job is {job.version}, the request's is {call.version}"
        raise RefusalError("INVALIDVERSION", text, status=409)


def _locator(row: int) -> str:
    """Opaque to clients: the row number in base64 without padding, as MTAwMDA looks."""
    return base64.b64encode(str(row).encode()).decode().rstrip("=")


def _start(call: Call, spool: Spool) -> int:
    text = call.query("locator")
    if text is None:
        return 0
    try:
        row = int(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError) as error:
        raise RefusalError("INVALID_QUERY_LOCATOR", "invalid query locator") from error
    if not 0 <= row <= spool.rows:
        raise RefusalError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return row


def _wanted(call: Call) -> int:
    text = call.query("maxRecords")
    if text is None:
        return call.org.behaviour.bulk_page_records
    if not text.isdigit() or int(text) < 1:
        raise RefusalError("INVALIDJOB", "maxRecords must be a positive number")
    return int(text)
