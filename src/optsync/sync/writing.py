"""The write phase: what is owed after the comparison goes out, by Collections when there is little, by one ingest job
per object and field when there is much. Only ids and the constant true leave; the results are joined back in SQL.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.sql import SQL

from optsync.core.addresses import hmac_pads
from optsync.core.record_ids import PREFIXES, prefix_of
from optsync.core.rejections import RetryClass, explain
from optsync.core.retry import next_delay_seconds
from optsync.ledger import marks
from optsync.ledger.queries import sql
from optsync.salesforce import bulk
from optsync.salesforce.errors import JobFailed, SalesforceError, clean
from optsync.seams import Seams
from optsync.sync import push, records
from optsync.sync.line import HIDDEN_SECONDS, Line
from optsync.sync.refusals import may_be_of_another
from optsync.sync.runs import Progress, no_progress
from optsync.sync.staging import Jobs, blocks_out, copy_blocks

if TYPE_CHECKING:
    from optsync.config.database import Database

PACKAGE: Final = "optsync.sync"
COLLECTIONS_MAX_MARKS: Final = 2_000
"""Up to here 200 a call are cheaper and sooner; above, an ingest job."""
ROUNDS_MAX: Final = 200
"""Push rounds of 1,000 marks and 400 look-ups in one run; what is left is the worker's."""
HEARTBEAT_SECONDS: Final = 10.0
JOB_RETRY_SECONDS: Final = 15 * 60.0


@dataclass(slots=True)
class Written:
    """What went out, in boxes."""

    confirmed: int = 0
    already_true: int = 0
    parked: int = 0
    put_off: int = 0
    jobs: int = 0


@contextmanager
def claiming(database: "Database", seams: Seams) -> Iterator[int]:
    """A worker number whose advisory lock (7001, n) lives as long as this block, on a session of its own that says
    something every 10 s beside whatever HTTP call is going on."""
    with database.connect() as session:
        number = marks.new_worker(session)
        session.execute("SELECT pg_advisory_lock(7001, %s)", (number,))
        ended = threading.Event()
        beat = threading.Thread(target=_beat, args=(session, ended, seams), name="run heartbeat", daemon=True)
        beat.start()
        try:
            yield number
        finally:
            ended.set()
            beat.join()


def write(line: Line, jobs: Jobs, run_id: int, worker_before: int | None, progress: Progress = no_progress) -> Written:
    """Sends everything that is due for the org. Trouble becomes a reason or a pause; nothing is dropped. `progress` is
    told how many boxes are done; what it raises ends the writing between two calls."""
    written = Written()
    due = _due(line)
    unfinished = {name.removeprefix("ingest ") for name in jobs.known if name.startswith("ingest ")}
    line.conn.execute(sql(PACKAGE, "sent_table"))
    sendings = []
    for prefix, field_no, count in due + _leftover(due, unfinished):
        if count > COLLECTIONS_MAX_MARKS or f"{prefix} {field_no}" in unfinished:
            sendings += _start_job(line, jobs, prefix, field_no, worker_before, written)
    line.conn.execute("ANALYZE sent")
    for sending in sendings:  # Salesforce works on all of them meanwhile
        _finish_job(line, jobs, run_id, sending, written, progress)
    for _ in range(ROUNDS_MAX):
        progress("writing", _done(written))
        if not _due(line) or not _push(line, written):
            break
    return written


def _done(written: Written) -> int:
    """The boxes that need nothing more from this run."""
    return written.confirmed + written.already_true + written.parked + written.put_off


def _push(line: Line, written: Written) -> bool:
    result = push.push_due(line)
    written.confirmed += result.ticked
    written.already_true += result.already_true
    written.parked += result.parked
    written.put_off += result.put_off
    return result.claimed > 0


def _leftover(due: list[tuple[str, int, int]], unfinished: set[str]) -> list[tuple[str, int, int]]:
    """Jobs of a dead run whose boxes are not due again, because they are claimed still."""
    seen = {f"{prefix} {field_no}" for prefix, field_no, _ in due}
    return [(name.split()[0], int(name.split()[1]), 0) for name in sorted(unfinished - seen)]


@dataclass(frozen=True, slots=True)
class Sending:
    """One ingest job on its way: so many boxes of one field and object."""

    name: str
    job_id: str
    field_name: str
    boxes: int
    values: dict[str, Any]


def _start_job(
    line: Line, jobs: Jobs, prefix: str, field_no: int, worker_before: int | None, written: Written
) -> list[Sending]:
    """Claims what one job sends and uploads it; an empty list when there is nothing to send or it could not be sent."""
    values = {
        "org": line.org_id,
        "field": field_no,
        "prefix": prefix,
        "worker": line.worker_no,
        "before": worker_before,
    }
    kind = PREFIXES[prefix]
    field_name = line.fields[field_no].name_on(kind)
    name = f"ingest {prefix} {field_no}"
    claim = sql(PACKAGE, "inherit_claims" if name in jobs.known else "claim_for_job")
    boxes = line.conn.execute(claim, values).rowcount
    if not boxes:
        return []
    try:
        job_id = _upload(line, jobs, name, kind, field_name, values)
    except (SalesforceError, ValueError) as error:
        _give_back(line, values, error, written)
        jobs.forget(name)
        return []
    return [Sending(name, job_id, field_name, boxes, values)]


def _finish_job(line: Line, jobs: Jobs, run_id: int, sending: Sending, written: Written, progress: Progress) -> None:
    """Waits for one job and settles its boxes by what it says."""
    before = _done(written)

    def polled(now: bulk.JobInfo) -> None:
        _say_something(line)
        progress("writing", before + now.records_processed)

    try:
        info = bulk.wait_for_ingest(line.session, sending.job_id, line.seams, polled)
        _take_results(line, info, sending)
        if info.state != "JobComplete" and not info.records_processed:
            raise JobFailed(sending.job_id, info.state, info.error_message or "")
    except (SalesforceError, ValueError) as error:
        _give_back(line, sending.values, error, written)
        jobs.forget(sending.name)
        return
    written.jobs += 1
    _settle(line, run_id, sending, written)
    jobs.forget(sending.name)


def _give_back(line: Line, values: dict[str, Any], error: Exception, written: Written) -> None:
    """A job that did not do its work: its boxes are due again after a while."""
    reason = f"{type(error).__name__}: {clean(str(error))}"[:300]
    values = values | {"seconds": JOB_RETRY_SECONDS, "reason": reason}
    written.put_off += line.conn.execute(sql(PACKAGE, "give_back"), values).rowcount


def _upload(line: Line, jobs: Jobs, name: str, kind: Any, field_name: str, values: dict[str, Any]) -> str:
    """The job, with its rows uploaded and closed; a dead run's job that Salesforce works on is only awaited."""
    job_id = jobs.known.get(name)
    if job_id is not None:
        info = bulk.ingest_info(line.session, job_id)
        if info.state != "Open":
            return job_id
        bulk.abort(line.session, job_id)  # whether its one upload arrived whole is not known: a new job is sure
        jobs.forget(name)
    job_id = jobs.get(name, lambda: bulk.create_update_job(line.session, kind))
    chosen = SQL(
        "COPY (SELECT record_id, 'true' FROM sent WHERE prefix = {prefix} AND field = {field}) TO STDOUT (FORMAT csv)"
    )
    rows = blocks_out(line.conn, chosen.format(prefix=values["prefix"], field=values["field"]))
    bulk.upload(line.session, job_id, field_name, rows)
    bulk.close(line.session, job_id)
    return job_id


def _take_results(line: Line, info: bulk.JobInfo, sending: Sending) -> None:
    """What was refused and what was left out, into temp tables; the rest succeeded."""
    field_name = sending.field_name
    line.conn.execute(sql(PACKAGE, "outcome_tables"))
    if info.records_failed:
        rows = bulk.results(line.session, info.id, "failed", field_name, info.records_failed)
        copy_blocks(line.conn, SQL("COPY job_failed FROM STDIN"), rows)
    if info.records_processed < sending.boxes:
        rows = bulk.results(line.session, info.id, "unprocessed", field_name)
        copy_blocks(line.conn, SQL("COPY job_unprocessed FROM STDIN"), rows)
    if info.records_failed or info.records_processed < sending.boxes:
        line.conn.execute(sql(PACKAGE, "leave_undone"), sending.values)


def _settle(line: Line, run_id: int, sending: Sending, written: Written) -> None:
    inner, outer = hmac_pads(line.subject_key)
    values = sending.values | {"inner": inner, "outer": outer, "run_id": run_id}
    _rule(line, values, sending.boxes)
    row = line.conn.execute(sql(PACKAGE, "confirm_sent"), values).fetchone()
    written.confirmed += row[0] if row else 0
    row = line.conn.execute(sql(PACKAGE, "settle_refused"), values).fetchone()
    written.parked += row[0] if row else 0
    written.put_off += row[1] if row else 0
    values |= {"seconds": 0.0, "reason": None}
    written.put_off += line.conn.execute(sql(PACKAGE, "give_back"), values).rowcount


def _rule(line: Line, values: dict[str, Any], sent: int) -> None:
    """Each code once: what it means for the boxes that met it, out of so many."""
    for code, message, met in line.conn.execute(sql(PACKAGE, "failure_codes")).fetchall():
        ruling = explain(code, message).retry
        if values["prefix"] == prefix_of("Contact") and records.may_be_a_person(line.session, code):
            ruling = RetryClass.FOLLOW
        seconds = next_delay_seconds(ruling, 1, line.seams.random.random())
        if ruling is RetryClass.PAUSE:
            seconds = HIDDEN_SECONDS
            text = clean(message)
            marks.pause(line.conn, line.org_id, values["field"], values["prefix"], seconds, code, text)
        is_searched = 1 < met < sent and may_be_of_another(code, message)
        if ruling is RetryClass.FOLLOW or is_searched:
            seconds = 0.0  # the push right after follows it, or finds the one that is the cause
        action = "park" if ruling is RetryClass.PARK and not is_searched else "later"
        line.conn.execute("INSERT INTO ruling VALUES (%s, %s, %s)", (code, action, seconds))


def _due(line: Line) -> list[tuple[str, int, int]]:
    rows = line.conn.execute(sql(PACKAGE, "count_due"), {"org": line.org_id}).fetchall()
    return [(prefix, field_no, count) for prefix, field_no, count in rows]


def _say_something(line: Line) -> None:
    """A database session that is silent for long looks dead to what lies on the way."""
    line.conn.execute("SELECT 1")


def _beat(session: psycopg.Connection, ended: threading.Event, seams: Seams) -> None:
    while not seams.wait(ended, HEARTBEAT_SECONDS):
        try:
            session.execute("SELECT 1")
        except psycopg.Error:
            return  # fenced, or the database is away: the claims are void, and whoever settles finds out
