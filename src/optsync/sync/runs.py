"""Sync runs: their rows, who may start one, and what a dead process left behind.

One run per (org, slot) across any number of workers: the row of a slot can be inserted once. One run at a time per org:
whoever runs holds the advisory lock (7002, org) on a session of its own; a row that says running without anybody
holding that lock is a dead one's, and the next to look goes on with it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from optsync.connection import settings
from optsync.core.calendar import newest_due_slot
from optsync.core.problems import Problem
from optsync.core.told import as_plain, told
from optsync.ledger.queries import sql
from optsync.seams import Seams

PACKAGE: Final = "optsync.sync"
RUN_LOCK: Final = 7002

Kind = Literal["nightly", "by hand", "first", "dry run"]
Progress = Callable[[str, int], None]
"""Told of every phase and count: ("Reading ticked Lead", 1200)."""


def no_progress(what: str, count: int) -> None:
    """For whoever does not watch."""


@dataclass(slots=True)
class Timing:
    """How long a phase took and how many API calls it cost; `polls` are those that only waited for a job."""

    seconds: float = 0.0
    api_calls: int = 0
    polls: int = 0


@dataclass(slots=True)
class RunReport:
    """What a run did. `result` is proved (n disputed), partly done, not proved, failed, held, waiting for go, dry run,
    cancelled.
    `counts` are in people or boxes; `rest` groups what is not done by reason; `org_calls` are the API calls of 24 hours
    that all programs have used and that the org allows, by Salesforce's last word."""

    run_id: int | None
    org_id: int
    kind: str
    result: str
    counts: dict[str, int] = field(default_factory=dict)
    phases: dict[str, Timing] = field(default_factory=dict)
    rest: list[dict[str, Any]] = field(default_factory=list)
    samples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    error: dict[str, str] | None = None
    org_calls: dict[str, int] | None = None
    seconds: float = 0.0
    by_whom: str = ""
    started_at: datetime | None = None

    @property
    def api_calls(self) -> int:
        """All API calls of the run, polls included."""
        return sum(timing.api_calls for timing in self.phases.values())

    def as_dict(self) -> dict[str, Any]:
        """For --json and for the run's row."""
        return asdict(self) | {
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "api_calls": self.api_calls,
            "polls": sum(timing.polls for timing in self.phases.values()),
        }


@dataclass(slots=True)
class Begun:
    """A run that this process may do: a new one, one that was asked for, or a dead one's that goes on."""

    run_id: int
    kind: Kind
    options: dict[str, Any]
    jobs: dict[str, str]
    counts: dict[str, Any]
    phase: str
    started_at: datetime
    state: str = "running"


class Cancelled(Exception):  # noqa: N818  not an error: somebody wants the run to stop
    """Ends a run between two of its steps."""


@contextmanager
def run_lock(conn: psycopg.Connection, org_id: int) -> Iterator[None]:
    """Keeps every other run of the org away. Raises Problem when one is going on: a second start is refused."""
    if not _value(conn.execute("SELECT pg_try_advisory_lock(%s, %s)", (RUN_LOCK, org_id))):
        raise Problem(
            told("a sync run of this org is going on already"),
            told("two runs at once would do the same work twice; nothing was started"),
            told("watch it with: optsync status"),
        )
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%s, %s)", (RUN_LOCK, org_id))


def begin(
    conn: psycopg.Connection, org_id: int, kind: Kind, by: str, slot: datetime | None, options: Mapping[str, Any]
) -> int | None:
    """A new run's number; None when the slot has its run already."""
    values = {"org": org_id, "slot": slot, "kind": kind, "by": by, "options": Jsonb(dict(options))}
    row = conn.execute(sql(PACKAGE, "begin_run"), values).fetchone()
    return int(row[0]) if row else None


def unfinished(conn: psycopg.Connection, org_id: int) -> Begun | None:
    """The run that a dead process left behind, or that waits for Salesforce; ask only while holding `run_lock`."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql(PACKAGE, "unfinished_run"), {"org": org_id}).fetchone()
    if row is None:
        return None
    return Begun(**{name: value for name, value in row.items() if name != "is_due"})


def take(conn: psycopg.Connection, begun: Begun) -> bool:
    """Begins, or goes on with, a run; False when it was cancelled meanwhile. Only while holding `run_lock`."""
    started_at = _value(conn.execute(sql(PACKAGE, "take_run"), {"run_id": begun.run_id}))
    begun.started_at = started_at or begun.started_at
    return started_at is not None


def tell_progress(conn: psycopg.Connection, run_id: int, doing: str, count: int) -> None:
    """Says what the run is doing this second. Raises Cancelled when somebody wants it to stop."""
    values = {"run_id": run_id, "doing": doing, "count": count}
    if _value(conn.execute(sql(PACKAGE, "tell_progress"), values)) is not None:
        raise Cancelled


def enter_phase(conn: psycopg.Connection, run_id: int, phase: str, counts: Mapping[str, Any] | None = None) -> None:
    """Says what the run is doing now."""
    values = {"run_id": run_id, "phase": phase, "counts": Jsonb(dict(counts or {}))}
    conn.execute(sql(PACKAGE, "enter_phase"), values)


def remember_job(conn: psycopg.Connection, run_id: int, name: str, job_id: str | None) -> None:
    """Stores the id of a Salesforce job, so that a successor goes on with it; None: it does not."""
    conn.execute(sql(PACKAGE, "remember_job"), {"run_id": run_id, "jobs": Jsonb({name: job_id})})


def remember_options(conn: psycopg.Connection, run_id: int, options: Mapping[str, Any]) -> None:
    """Stores what a successor needs to decide as this process would have."""
    conn.execute(sql(PACKAGE, "remember_options"), {"run_id": run_id, "options": Jsonb(dict(options))})


def finish(conn: psycopg.Connection, report: RunReport) -> None:
    """Stores a run's end."""
    stored = report.as_dict() | (told_of(report.error) if report.error else {})
    values = {"run_id": report.run_id, "result": report.result, "report": Jsonb(stored)}
    conn.execute(sql(PACKAGE, "finish_run"), values)


def interrupt(conn: psycopg.Connection, report: RunReport, error: Mapping[str, str], seconds: float) -> None:
    """Leaves a run for later: it is due again after some seconds and goes on where it stopped."""
    values = {"run_id": report.run_id, "error": Jsonb({"error": dict(error)} | told_of(error)), "seconds": seconds}
    conn.execute(sql(PACKAGE, "interrupt_run"), values)


def told_of(error: Mapping[str, str]) -> dict[str, object]:
    """The sentences of an error beside their English, so that a page can say them in its reader's language."""
    return {"error_told": {name: as_plain(text) for name, text in error.items()}}


def report(conn: psycopg.Connection, run_id: int) -> dict[str, Any] | None:
    """One run as it is shown: its row, with the report that it stored at its end."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql(PACKAGE, "run_report"), {"run_id": run_id}).fetchone()


def before(conn: psycopg.Connection, run_id: int, limit: int) -> list[dict[str, Any]]:
    """The next older runs of every org, as `report` gives each; the newest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql(PACKAGE, "runs_before"), {"run_id": run_id, "limit": limit}).fetchall()


def has_compared(conn: psycopg.Connection, org_id: int) -> bool:
    """Whether this org was ever compared: before that its run is the first and needs a go (rules 5.7)."""
    return bool(_value(conn.execute(sql(PACKAGE, "has_compared"), {"org": org_id})))


def last_sweep_at(conn: psycopg.Connection, org_id: int) -> datetime | None:
    """When everything was last read afresh; None for never."""
    found: datetime | None = _value(conn.execute(sql(PACKAGE, "last_sweep"), {"org": org_id}))
    return found


def is_doubtful(conn: psycopg.Connection, org_id: int) -> bool:
    """Whether everything must be read afresh: the org was connected again, or its field changed (rules 5.4)."""
    return bool(_value(conn.execute(sql(PACKAGE, "is_doubtful"), {"org": org_id})))


@dataclass(frozen=True, slots=True)
class Due:
    """A slot that has come and has no run yet (slot set), or a run that was asked for or left behind (slot None)."""

    org_id: int
    slot: datetime | None


def due(conn: psycopg.Connection, seams: Seams) -> list[Due]:
    """What a worker has to start now, cheap enough to ask each second.

    Slots before the switch was turned on are not due; of several missed ones only the newest is. While a run waits for
    Salesforce to be back, nothing is due in its org: the next slot would only go on with it, and ask too early.
    """
    found = []
    for (org_id,) in conn.execute(sql(PACKAGE, "connected_orgs")).fetchall():
        chosen = settings.load(conn, org_id)
        left_behind = _left_behind(conn, org_id, sync_on=chosen.sync_on)
        if left_behind == "waits":
            continue
        slot = None
        if chosen.sync_on_since is not None:
            slot = newest_due_slot(chosen.schedule, seams.now(), chosen.sync_on_since)
        taken = {"org": org_id, "slot": slot}
        if slot is not None and not _value(conn.execute(sql(PACKAGE, "slot_is_taken"), taken)):
            found.append(Due(org_id, slot))
        elif left_behind and _is_free(conn, org_id):
            found.append(Due(org_id, None))
    return found


def _left_behind(conn: psycopg.Connection, org_id: int, *, sync_on: bool) -> Literal["is due", "waits"] | None:
    """Whether a run that is not over may begin or go on now, or waits until Salesforce is asked again; None without
    one. With the switch off only what somebody asked for is begun, and a dry run gone on with: that one writes nothing.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql(PACKAGE, "unfinished_run"), {"org": org_id}).fetchone()
    if row is None or not (sync_on or row["state"] == "asked" or row["kind"] == "dry run"):
        return None
    return "is due" if row["is_due"] else "waits"


def _is_free(conn: psycopg.Connection, org_id: int) -> bool:
    """Whether nobody runs this org now. The lock is taken and given back: only its absence tells a dead run."""
    if not _value(conn.execute("SELECT pg_try_advisory_lock(%s, %s)", (RUN_LOCK, org_id))):
        return False
    conn.execute("SELECT pg_advisory_unlock(%s, %s)", (RUN_LOCK, org_id))
    return True


def _value(cursor: psycopg.Cursor) -> Any:
    row = cursor.fetchone()
    return row[0] if row else None
