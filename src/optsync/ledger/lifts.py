"""Lifting: the only way an opt-out ends here, by an admin with a reason (rules 6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from optsync.core.addresses import hmac_pads, normalize, subject_of, without_addresses
from optsync.ledger.queries import sql
from optsync.ledger.record import again_after_deadlock

Mode = Literal["when-unticked", "now"]
Answer = Literal["lifted", "waits", "busy", "not opted out"]


@dataclass(frozen=True, slots=True)
class WaitingLift:
    """A lift that waits until every box is unticked; the person stays blocked. `normal` is None once erased."""

    address_id: int
    normal: str | None
    version: int
    asked_at: datetime


def lift(
    conn: psycopg.Connection,
    subject_key: bytes,
    address: str,
    *,
    mode: Mode,
    actor: str,
    reason: str,
    evidence: Mapping[str, Any] | None = None,
    version: int | None = None,
) -> Answer:
    """Lifts an account-wide opt-out here; one side alone comes back at the next nightly run.

    'when-unticked' waits, with the person blocked and nothing more written, until `complete`; with no org connected
    there is no box to wait for. 'busy' means a live worker is sending a box now; no new claim starts for 35 seconds.
    `version` makes it a compare-and-set: a newer opt-out wins ('not opted out' = nothing to lift any more).
    """
    normal = normalize(address)
    waits = mode == "when-unticked" and _any_org(conn)
    values = {
        "normal": normal,
        "subject": subject_of(normal, subject_key),
        "mode": "wait" if waits else "now",
        "version": version,
        "actor": actor,
        "reason": without_addresses(reason),
        "evidence": None if evidence is None else Jsonb(evidence),
    }
    return _answer(conn, "lift", values)


def waiting(conn: psycopg.Connection) -> list[WaitingLift]:
    """The lifts that wait, the oldest first; their boxes are read at least hourly."""
    return [WaitingLift(*row) for row in conn.execute(sql("optsync.ledger", "waiting_lifts"))]


def complete(
    conn: psycopg.Connection,
    subject_key: bytes,
    waited: WaitingLift,
    *,
    actor: str = "optsync",
    evidence: Mapping[str, Any] | None = None,
) -> Answer:
    """Ends a lift whose boxes were all read as false; 'not opted out' when a newer opt-out has ended the wait."""
    inner, outer = hmac_pads(subject_key)
    values = {
        "address": waited.address_id,
        "mode": "complete",
        "version": waited.version,
        "inner": inner,
        "outer": outer,
        "actor": actor,
        "reason": "every box is unticked",
        "evidence": None if evidence is None else Jsonb(evidence),
    }
    return _answer(conn, "lift_by_id", values)


def _answer(conn: psycopg.Connection, statement: str, values: Mapping[str, Any]) -> Answer:
    row = again_after_deadlock(lambda: conn.execute(sql("optsync.ledger", statement), values).fetchone())
    answer: Answer = "not opted out" if row is None else row[0]
    return answer


def _any_org(conn: psycopg.Connection) -> bool:
    row = conn.execute(sql("optsync.ledger", "any_org")).fetchone()
    return row is not None and bool(row[0])
