"""Bulk API 2.0 as byte streams: queries come out as CSV blocks for COPY, ticks go in as CSV blocks from COPY.

No Python runs per row. Everything takes job ids, so that a restarted run goes on with the job it had. An answer that is
short, cut, or of another shape than promised raises OddAnswer: it must fail the run, not shrink its set.

Sources: Bulk API 2.0 and Bulk API Developer Guide, "Query", "Get Results for a Query Job", "Bulk API 2.0 Ingest",
"Prepare CSV Files", "Limits".
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote as percent_encode

from optsync.core.record_ids import Kind
from optsync.salesforce.errors import JobFailed, OddAnswer, clean, code_of
from optsync.salesforce.session import Session
from optsync.seams import Seams

FIRST_POLL_SECONDS = 0.05
"""Small jobs end at once; every poll is an API call, so the pauses double until the longest."""
MAX_POLL_SECONDS = 10.0
MAX_WAIT_SECONDS = 6 * 3600
"""Salesforce itself gives up a batch after 10 tries of 10 minutes."""
MAX_UPLOAD_BYTES = 100_000_000
"""One PUT per job, 150 MB as Salesforce counts them (base64), so 100 MB of CSV: some 4 million ticks."""
MAX_ROW_BYTES = 4_096
"""Far more than any row we ask for; it bounds what a page may send for the rows it announces."""
MAX_ERROR_ROW_BYTES = 16_384
"""Rows of failed results carry Salesforce's message."""

END_STATES = frozenset({"JobComplete", "Failed", "Aborted"})

Which = Literal["successful", "failed", "unprocessed"]
_RESULTS = {"successful": "successfulResults", "failed": "failedResults", "unprocessed": "unprocessedrecords"}
_CSV = {"Accept": "text/csv"}
_JOB_ID = re.compile(r"750[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?", re.ASCII)
_RECORD_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?", re.ASCII)
_ALL_BUT_QUOTES_AND_NEWLINES = bytes(set(range(256)) - set(b'"\n'))
_ALL_BUT_COMMAS_AND_NEWLINES = bytes(set(range(256)) - set(b",\n"))


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job as Salesforce tells it. `records_processed` of an ingest job counts the failed ones too."""

    id: str
    state: str
    records_processed: int
    records_failed: int
    error_message: str | None

    @property
    def has_ended(self) -> bool:
        """JobComplete, Failed or Aborted."""
        return self.state in END_STATES


@dataclass(frozen=True, slots=True)
class FailedRow:
    """One record that an ingest job could not update, by the Id we sent (sf__Id is often empty for failures)."""

    record_id: str
    code: str
    message: str


# ---- query jobs ------------------------------------------------------------------------------------------------------


def create_query(session: Session, soql: str, all_rows: bool = False) -> str:
    """Starts a query and returns its job id. `all_rows` includes deleted and merged records. Never LIMIT or ORDER BY:
    they switch off Salesforce's splitting by key."""
    body = {
        "operation": "queryAll" if all_rows else "query",
        "query": soql,
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }
    return _info(session.request("POST", "jobs/query", json=body).json_object()).id


def query_info(session: Session, job_id: str) -> JobInfo:
    """How far a query job is."""
    return _get_info(session, "query", job_id)


def wait_for_query(
    session: Session, job_id: str, seams: Seams, on_progress: Callable[[JobInfo], None] | None = None
) -> JobInfo:
    """Waits until the query is complete. Raises JobFailed when it failed, was aborted or takes six hours.

    `on_progress` gets every poll's answer; it may raise to stop waiting (the job goes on).
    """
    info = _wait(session, "query", job_id, seams, on_progress)
    if info.state != "JobComplete":
        raise JobFailed(job_id, info.state, info.error_message or "")
    return info


def query_results(
    session: Session, job_id: str, expected_header: Sequence[str], expected_records: int | None = None
) -> Iterator[bytes]:
    """The rows of a complete query as CSV, without header lines and NUL bytes, in blocks of some 256 KiB.

    The blocks cut rows anywhere; together they are whole lines. Ends normally only when every page had the expected
    header and as many rows as it announced, the last locator was `null` and the sum is what the job says (give
    `JobInfo.records_processed` as `expected_records`, or it is asked for). Raises OddAnswer otherwise, possibly after
    blocks were yielded: the receiver must then throw all of them away.
    """
    for rows in query_pages(session, job_id, expected_header, expected_records):
        yield from rows


def query_pages(
    session: Session, job_id: str, expected_header: Sequence[str], expected_records: int | None = None
) -> Iterator[Iterator[bytes]]:
    """As `query_results`, page by page, each of whole rows: one request, begun by the first block that is taken.

    A page must be read to its end before the next one is asked for.
    """
    announced = query_info(session, job_id).records_processed if expected_records is None else expected_records
    page, received, locators = _Page(), 0, {""}
    while page.next_locator != "null" and received <= announced:
        page = _Page(page.next_locator)
        yield _page_rows(session, job_id, page, expected_header)
        received += page.records
        if page.next_locator in locators:
            raise OddAnswer("a page without the locator of the next one")
        locators.add(page.next_locator)
    if received != announced:
        raise OddAnswer(f"{received:,} rows came of {announced:,} the job speaks of")


@dataclass(slots=True)
class _Page:
    locator: str = ""
    next_locator: str = ""
    records: int = 0


def _page_rows(session: Session, job_id: str, page: _Page, header: Sequence[str]) -> Iterator[bytes]:
    """One page's rows; fills in what the page says of itself."""
    path = f"jobs/query/{_checked_id(job_id)}/results"
    if page.locator:
        path += f"?locator={percent_encode(page.locator, safe='')}"
    with session.stream(path, headers=_CSV) as stream:
        page.records = _number(stream.headers.get("sforce-numberofrecords"), "a page without its number of records")
        page.next_locator = stream.headers.get("sforce-locator", "")
        # Whether later pages repeat the header is not documented: both are borne, and the count tells them apart.
        rows = _Rows(header, may_lack_header=page.locator != "")
        for block in stream.blocks(_page_cap(page.records, header, MAX_ROW_BYTES)):
            if body := rows.take(block):
                yield body
        rows.finish(page.records)


def abort_query(session: Session, job_id: str) -> None:
    """Stops a query."""
    _set_state(session, "query", job_id, "Aborted")


def delete_query(session: Session, job_id: str) -> None:
    """Removes an ended query and its results."""
    session.request("DELETE", f"jobs/query/{_checked_id(job_id)}")


# ---- ingest jobs -----------------------------------------------------------------------------------------------------


def create_update_job(session: Session, kind: Kind) -> str:
    """Opens a job that updates records of one object and returns its id."""
    body = {
        "object": kind,
        "operation": "update",
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }
    return _info(session.request("POST", "jobs/ingest", json=body).json_object()).id


def tick_rows(record_ids: Iterable[str]) -> Iterator[bytes]:
    """`id,true` lines for `upload`, in blocks, for callers whose ids are not in a database."""
    lines: list[str] = []
    for record_id in record_ids:
        lines.append(f"{record_id},true\n")
        if len(lines) == 10_000:
            yield "".join(lines).encode("ascii")
            lines.clear()
    if lines:
        yield "".join(lines).encode("ascii")


def upload(session: Session, job_id: str, field: str, rows: Iterable[bytes]) -> int:
    """Sends a job its data in its one PUT, as it is produced, and returns the number of lines.

    `rows` are blocks, cut anywhere, of lines `ID,true` (such as COPY of a statement whose second column is the constant
    true); the header `Id,<field>` is written here. Raises ValueError for any other line, before it is sent, and for
    more than 100 MB: then the job has to be aborted. Salesforce takes no second PUT: a repeated upload needs a new job.
    """
    from optsync.salesforce.http import UPLOAD_DEADLINE_SECONDS

    checked = _CheckedTicks(field, rows)
    session.request(
        "PUT",
        f"jobs/ingest/{_checked_id(job_id)}/batches",
        content=checked,
        headers={"Content-Type": "text/csv; charset=UTF-8"},
        deadline_seconds=UPLOAD_DEADLINE_SECONDS,
    )
    return checked.lines


def split_uploads(rows: Iterable[bytes], max_bytes: int = MAX_UPLOAD_BYTES - 1_000) -> Iterator[Iterator[bytes]]:
    """The blocks in parts that fit one job each, cut at line ends. Use up each part before asking for the next.

    Raises ValueError for a single line longer than a part.
    """
    whole_lines = _whole_lines(rows)
    block = next(whole_lines, b"")

    def part() -> Iterator[bytes]:
        nonlocal block
        left = max_bytes
        while block and left:
            cut = len(block) if len(block) <= left else block.rfind(b"\n", 0, left) + 1
            if not cut and left == max_bytes:
                raise ValueError("a line is longer than an upload may be")
            if cut:
                yield block[:cut]
            left = left - cut if cut == len(block) else 0
            block = block[cut:] or next(whole_lines, b"")

    while block:
        yield part()


def close(session: Session, job_id: str) -> None:
    """Says that the upload is complete; Salesforce begins to work."""
    _set_state(session, "ingest", job_id, "UploadComplete")


def ingest_info(session: Session, job_id: str) -> JobInfo:
    """How far an ingest job is."""
    return _get_info(session, "ingest", job_id)


def wait_for_ingest(
    session: Session, job_id: str, seams: Seams, on_progress: Callable[[JobInfo], None] | None = None
) -> JobInfo:
    """Waits until the job has ended in whatever state: a failed one has results too. Raises JobFailed after 6 hours."""
    return _wait(session, "ingest", job_id, seams, on_progress)


def results(
    session: Session, job_id: str, which: Which, field: str, expected_records: int | None = None
) -> Iterator[bytes]:
    """One of an ended job's three lists as CSV rows without the header, in blocks.

    Columns: successful sf__Id, sf__Created, Id, field; failed sf__Id, sf__Error, Id, field; unprocessed Id, field.
    Join on Id: sf__Id may be empty, and the rows are not in the order of the upload. Raises OddAnswer for another
    header, a cut line, or another number of rows than the answer (or `expected_records`) says.
    """
    ours = ["Id", field]
    header = {"successful": ["sf__Id", "sf__Created"], "failed": ["sf__Id", "sf__Error"], "unprocessed": []}[
        which
    ] + ours
    with session.stream(f"jobs/ingest/{_checked_id(job_id)}/{_RESULTS[which]}", headers=_CSV) as stream:
        told = stream.headers.get("sforce-numberofrecords")
        records = expected_records if told is None else _number(told, "results with an odd number of records")
        if expected_records is not None and records != expected_records:
            raise OddAnswer(f"{records:,} {which} rows came of {expected_records:,} the job speaks of")
        # Without any number the size of the largest possible job is the cap.
        cap = MAX_UPLOAD_BYTES * 100 if records is None else _page_cap(records, header, MAX_ERROR_ROW_BYTES)
        rows = _Rows(header)
        for block in stream.blocks(cap):
            if body := rows.take(block):
                yield body
        rows.finish(records)


def failed_rows(session: Session, job_id: str, field: str, expected_records: int | None = None) -> Iterator[FailedRow]:
    """The failed records with Salesforce's code and message, one by one (this one does run per row)."""
    for _, error, record_id, _ in _parsed(results(session, job_id, "failed", field, expected_records), columns=4):
        code, _, message = error.partition(":")
        yield FailedRow(record_id, code_of(code) or "", clean(message))


def abort(session: Session, job_id: str) -> None:
    """Stops an ingest job; batches already done stay done."""
    _set_state(session, "ingest", job_id, "Aborted")


def delete(session: Session, job_id: str) -> None:
    """Removes an ended ingest job and its results."""
    session.request("DELETE", f"jobs/ingest/{_checked_id(job_id)}")


# ---- jobs of both kinds ----------------------------------------------------------------------------------------------


def _wait(
    session: Session, family: str, job_id: str, seams: Seams, on_progress: Callable[[JobInfo], None] | None
) -> JobInfo:
    waited_seconds, pause_seconds = 0.0, FIRST_POLL_SECONDS
    while True:
        info = _get_info(session, family, job_id, is_poll=True)
        if on_progress:
            on_progress(info)
        if info.has_ended:
            return info
        if waited_seconds > MAX_WAIT_SECONDS:
            raise JobFailed(job_id, info.state, "it did not end in six hours")
        seams.sleep(pause_seconds)
        waited_seconds += pause_seconds
        pause_seconds = min(2 * pause_seconds, MAX_POLL_SECONDS)


def _get_info(session: Session, family: str, job_id: str, *, is_poll: bool = False) -> JobInfo:
    path = f"jobs/{family}/{_checked_id(job_id)}"
    return _info(session.request("GET", path, is_poll=is_poll).json_object())


def _set_state(session: Session, family: str, job_id: str, state: str) -> None:
    session.request("PATCH", f"jobs/{family}/{_checked_id(job_id)}", json={"state": state})


def _info(answer: dict[str, Any]) -> JobInfo:
    job_id, state = answer.get("id"), answer.get("state")
    processed, failed = answer.get("numberRecordsProcessed", 0), answer.get("numberRecordsFailed", 0)
    if (
        not isinstance(job_id, str)
        or not isinstance(state, str)
        or type(processed) is not int
        or type(failed) is not int
    ):
        raise OddAnswer("a job without id, state or counts")
    error = answer.get("errorMessage")
    return JobInfo(_checked_id(job_id), state, processed, failed, clean(error) if error else None)


def _checked_id(job_id: str) -> str:
    if not _JOB_ID.fullmatch(job_id):
        raise OddAnswer("this is not the id of a Bulk job")
    return job_id


def _number(text: str | None, complaint: str) -> int:
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise OddAnswer(complaint)
    return int(text)


def _page_cap(records: int, header: Sequence[str], row_bytes: int) -> int:
    return 1_000 + 100 * len(header) + records * row_bytes


# ---- CSV, block by block ---------------------------------------------------------------------------------------------


class _Rows:
    """Takes a CSV body in blocks, strips its header and NULs, and counts its records without looking at each."""

    def __init__(self, header: Sequence[str], *, may_lack_header: bool = False) -> None:
        self._header = list(header)
        self._may_lack_header = may_lack_header
        self._head: bytes | None = b""
        self._records = 0
        self._is_in_quotes = False
        self._last = b"\n"

    def take(self, block: bytes) -> bytes:
        """What of this block is rows."""
        if b"\0" in block:  # Salesforce lets them through, PostgreSQL's COPY does not
            block = block.replace(b"\0", b"")
        if self._head is not None:
            block = self._without_header(self._head + block)
        if block:
            self._count(block)
            self._last = block[-1:]
        return block

    def finish(self, records: int | None) -> None:
        """Raises OddAnswer unless the body had its header, ended with a whole line and held that many records."""
        if self._head is not None:
            raise OddAnswer("a CSV body without a header line")
        if self._is_in_quotes or self._last != b"\n":
            raise OddAnswer("the last CSV line is cut off")
        if records is not None and self._records != records:
            raise OddAnswer(f"{self._records:,} rows came of {records:,} announced")

    def _without_header(self, start: bytes) -> bytes:
        line, newline, rest = start.partition(b"\n")
        if len(line) > 1_000 + 100 * len(self._header):
            raise OddAnswer("a CSV header of odd length")
        if not newline:
            self._head = start
            return b""
        try:
            found = next(csv.reader([line.decode("utf-8")]), [])
        except (UnicodeDecodeError, csv.Error):
            found = []
        self._head = None
        if found == self._header:
            return rest
        if self._may_lack_header and len(found) == len(self._header) and _RECORD_ID.fullmatch(found[0]):
            return start
        raise OddAnswer("the CSV header is not the one that was asked for")

    def _count(self, block: bytes) -> None:
        """Counts the newlines outside of quotes. Only quotes and newlines matter; a pair of quotes changes nothing."""
        marks = block.translate(None, _ALL_BUT_QUOTES_AND_NEWLINES)
        if self._is_in_quotes:
            marks = b'"' + marks
        marks = marks.replace(b'""', b"")
        outside = marks.split(b'"')
        self._records += sum(piece.count(b"\n") for piece in outside[::2])
        self._is_in_quotes = len(outside) % 2 == 0


class _CheckedTicks:
    """The body of an upload: the header, then lines `X,true` and nothing else. The last guard of "only true"."""

    def __init__(self, field: str, rows: Iterable[bytes]) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,79}", field) or field.lower() == "id":
            raise ValueError("this is not the name of a field")
        self.lines = 0
        self._header = f"Id,{field}\n".encode("ascii")
        self._rows = rows

    def __iter__(self) -> Iterator[bytes]:
        sent_bytes = len(self._header)
        yield self._header
        for block in _whole_lines(self._rows):
            lines = block.count(b"\n")
            commas_and_newlines = block.translate(None, _ALL_BUT_COMMAS_AND_NEWLINES)
            if commas_and_newlines != b",\n" * lines or block.count(b",true\n") != lines:
                raise ValueError("an upload may hold lines of an id and true only")
            sent_bytes += len(block)
            if sent_bytes > MAX_UPLOAD_BYTES:
                raise ValueError("an upload may hold 100 MB at most")
            self.lines += lines
            yield block


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks that end with a line. Raises ValueError when the last line has no end."""
    rest = b""
    for block in blocks:
        cut = block.rfind(b"\n") + 1
        if cut:
            yield rest + block[:cut]
            rest = block[cut:]
        else:
            rest += block
    if rest:
        raise ValueError("the last line has no end")


def _parsed(blocks: Iterable[bytes], columns: int) -> Iterator[list[str]]:
    """CSV rows as lists of text. Raises OddAnswer for rows of another width."""
    lines = (line.decode("utf-8", "replace") for block in _whole_lines(blocks) for line in block.splitlines(True))
    for row in csv.reader(lines):
        if len(row) != columns:
            raise OddAnswer("a CSV row of another width than its header")
        yield row
