"""What each Salesforce record is owed, and who is sending it now. Act, then mark: redoing is harmless."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg

from optsync.core.addresses import hmac_pads
from optsync.core.record_ids import PREFIXES, Kind
from optsync.ledger.queries import sql
from optsync.ledger.record import again_after_deadlock

State = Literal["owed", "confirmed", "held", "parked"]
STATES: dict[str, State] = {"o": "owed", "c": "confirmed", "h": "held", "p": "parked"}
PARKED_RETRY_SECONDS = 24 * 60 * 60
CLAIM_MAX = 200
"""Marks of one claim: what one sObject Collections call carries."""
NEWEST_ONE_IN = 5
"""Who opts out during a huge backlog is among the newest; a fifth of what is sent is more than ever comes in singly."""

FOUND_TICKED = "found ticked"
"""The reason of a 'confirmed' event whose box somebody else had ticked."""

Key = tuple[int, str]
"""A mark within its org: (field number, 18-character record id)."""


@dataclass(frozen=True, slots=True)
class ClaimedMark:
    """A mark this worker may send. `normal` is the linked address; None when the record has none or it was erased."""

    field: int
    record_id: str
    attempts: int
    address_id: int | None
    normal: str | None
    state: State

    @property
    def key(self) -> Key:
        return self.field, self.record_id

    @property
    def kind(self) -> Kind:
        """The Salesforce object, from the id's prefix."""
        return PREFIXES[self.record_id[:3]]


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing is pushed to an org, or to one field (0 = all) of one object (prefix '' = all) of it."""

    org_id: int
    field: int
    prefix: str
    since_at: datetime
    until_at: datetime
    code: str
    message: str


def new_worker(conn: psycopg.Connection) -> int:
    """A worker number that was never used; the worker holds advisory lock (7001, number) for as long as it lives."""
    return int(_one(conn.execute(sql("optsync.ledger", "new_worker"))))


def newest_of(limit: int) -> int:
    """How many of a claim are the newest due ones; the rest are the oldest. A backlog drains from both ends."""
    return (limit + NEWEST_ONE_IN - 1) // NEWEST_ONE_IN


def claim(
    conn: psycopg.Connection, worker_no: int, org_id: int, limit: int = CLAIM_MAX, newest: int | None = None
) -> list[ClaimedMark]:
    """Claims up to `limit` due marks, sorted by object; a dead worker's are taken over.

    `newest` of them (one in five by default) are the newest due ones, the others the oldest.
    """
    values = {
        "worker": worker_no,
        "org": org_id,
        "limit": limit,
        "newest": newest_of(limit) if newest is None else newest,
    }
    rows = conn.execute(sql("optsync.ledger", "claim"), values, prepare=True)
    return [
        ClaimedMark(field, record_id, attempts, address_id, normal, STATES[state])
        for field, record_id, attempts, _, address_id, normal, state in rows
    ]


def still_mine(conn: psycopg.Connection, worker_no: int, org_id: int, keys: Sequence[Key]) -> list[Key]:
    """Those of the claims that are still ours; asked right before sending (rules 10). None once our lock is gone."""
    rows = conn.execute(sql("optsync.ledger", "still_mine"), _keyed(worker_no, org_id, keys), prepare=True)
    return [(field, record_id) for field, record_id in rows]


def confirm(
    conn: psycopg.Connection,
    subject_key: bytes,
    worker_no: int,
    org_id: int,
    keys: Sequence[Key],
    run_id: int | None = None,
    *,
    found_ticked: bool = False,
) -> int:
    """Settles marks whose boxes are known to be true; returns how many were still ours.

    Each has its event: 'confirmed', or 'late write' where the claim was no longer ours (rules 6). `found_ticked` says
    that somebody else had ticked them: undoing a run goes by it.
    """
    inner, outer = hmac_pads(subject_key)
    values = _keyed(worker_no, org_id, keys) | {"inner": inner, "outer": outer, "run": run_id}
    values["reason"] = FOUND_TICKED if found_ticked else None
    return int(_one(_settle(conn, "confirm", values)))


def retry_later(
    conn: psycopg.Connection, worker_no: int, org_id: int, failures: Iterable[tuple[int, str, str, float]]
) -> int:
    """Gives claims back as (field, record id, reason, delay in seconds); the marks stay owed, for ever if need be."""
    rows = list(failures)
    values = _keyed(worker_no, org_id, [row[:2] for row in rows])
    values |= {"reasons": [row[2] for row in rows], "delays": [row[3] for row in rows]}
    return _settle(conn, "retry_later", values).rowcount


def park(
    conn: psycopg.Connection,
    subject_key: bytes,
    worker_no: int,
    org_id: int,
    failures: Iterable[tuple[int, str, str]],
    run_id: int | None = None,
) -> int:
    """Parks claims as (field, record id, reason): they wait for a person and are retried daily. Returns how many."""
    rows = list(failures)
    inner, outer = hmac_pads(subject_key)
    values = _keyed(worker_no, org_id, [row[:2] for row in rows])
    values |= {"reasons": [row[2] for row in rows], "retry_seconds": PARKED_RETRY_SECONDS}
    values |= {"inner": inner, "outer": outer, "run": run_id}
    return int(_one(_settle(conn, "park", values)))


def release(conn: psycopg.Connection, worker_no: int, org_id: int, keys: Sequence[Key]) -> int:
    """Gives claims back untried, due as before."""
    return _settle(conn, "release", _keyed(worker_no, org_id, keys)).rowcount


def pause(
    conn: psycopg.Connection, org_id: int, field: int, prefix: str, seconds: float, code: str, message: str
) -> None:
    """Stops pushes of a field (0 = all) and object (prefix 00Q, 003, 001; '' = all) for some seconds; marks wait."""
    values = {"org": org_id, "field": field, "prefix": prefix, "seconds": seconds, "code": code, "message": message}
    conn.execute(sql("optsync.ledger", "pause"), values)


def pauses(conn: psycopg.Connection) -> list[Pause]:
    """The pauses that stand now, of every org."""
    return [Pause(*row) for row in conn.execute(sql("optsync.ledger", "pauses"))]


def clear_pauses(conn: psycopg.Connection, org_id: int) -> None:
    """Ends every pause of an org: after a sign-in that worked, or when somebody says retry."""
    conn.execute(sql("optsync.ledger", "clear_pauses"), [org_id])
    conn.execute(sql("optsync.ledger", "notify"))


def retry_now(
    conn: psycopg.Connection,
    org_id: int,
    reason: str | None = None,
    run_id: int | None = None,
    cause: str | None = None,
) -> int:
    """Ends an org's pauses, makes its parked and waiting marks due at once and returns how many.

    None = all of them; what a person refused stays so. `reason` is what the mark's reason starts with (a Salesforce
    code); `run_id` limits it to what that run parked, `cause` to the parked marks of one group of the issues page.
    """
    clear_pauses(conn, org_id)
    name = "retry_now_of_run" if run_id is not None else "retry_now" if cause is None else "retry_now_of_cause"
    values = {"org": org_id, "reason": reason, "run": run_id, "cause": cause}
    count = conn.execute(sql("optsync.ledger", name), values).rowcount
    conn.execute(sql("optsync.ledger", "notify"))
    return count


def retry_people(conn: psycopg.Connection, address_ids: Sequence[int]) -> int:
    """Makes the boxes and look-ups of some people due at once and returns how many; what a person refused stays so."""
    statement = sql("optsync.ledger", "retry_now_of_people")
    count = int(again_after_deadlock(lambda: _one(conn.execute(statement, {"addresses": list(address_ids)}))))
    conn.execute(sql("optsync.ledger", "notify"))
    return count


def catch_up_with_clock(conn: psycopg.Connection) -> int:
    """Makes what was never tried due at once where the clock has stepped back since it was recorded; returns how many.

    A push goes out at once (rules 2), also when the clock that said "now" was an hour ahead.
    """
    statement = sql("optsync.ledger", "due_after_clock_step")
    count = int(again_after_deadlock(lambda: _one(conn.execute(statement))))
    if count:
        conn.execute(sql("optsync.ledger", "notify"))
    return count


def _settle(conn: psycopg.Connection, name: str, values: Mapping[str, Any]) -> psycopg.Cursor:
    """Many rows may meet another's locks the other way round; only the owner settles, so redoing is harmless."""
    statement, trim = sql("optsync.ledger", name), sql("optsync.ledger", "trim_settled")
    settled = again_after_deadlock(lambda: conn.execute(statement, values, prepare=name == "confirm"))
    again_after_deadlock(lambda: conn.execute(trim, {key: values[key] for key in ("org", "records")}, prepare=True))
    return settled


def _keyed(worker_no: int, org_id: int, keys: Sequence[Key]) -> dict[str, Any]:
    return {
        "worker": worker_no,
        "org": org_id,
        "fields": [field for field, _ in keys],
        "records": [record_id for _, record_id in keys],
    }


def _one(cursor: psycopg.Cursor) -> Any:
    row = cursor.fetchone()
    assert row is not None  # an aggregate answers with one row
    return row[0]
