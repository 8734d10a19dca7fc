"""The one door in: a person must not be mailed any more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import psycopg
from psycopg.types.json import Jsonb

from optsync.core.addresses import normalize, subject_of, without_addresses, without_person
from optsync.ledger.queries import sql

Source = Literal[
    "clicked link",
    "one-click",
    "mail",
    "manual",
    "bulk",
    "bounce",
    "complaint",
    "mail provider",
    "import",
    "api",
    "salesforce sync",
    "follows record",
]
Outcome = Literal["new", "already", "again"]
WHOLE_ACCOUNT = 0
"""The scope that syncs. Any other scope is one sender and never makes marks (requirement 36)."""

DEADLOCKS_MAX = 4
"""Large acts can meet the same small one more than once."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of recording: 'new', 'already' (nothing changed), or 'again' (during or after a lift).

    `version` is the opt-out's, for compare-and-set; `owed` counts the boxes that are now owed.
    """

    address_id: int
    outcome: Outcome
    version: int
    owed: int


def opt_out(
    conn: psycopg.Connection,
    subject_key: bytes,
    address: str,
    source: Source,
    *,
    scope: int = WHOLE_ACCOUNT,
    actor: str | None = None,
    reason: str | None = None,
    evidence: Mapping[str, Any] | None = None,
    named: Sequence[str] = (),
) -> Recorded:
    """Records an opt-out; when this returns it is committed, and every box that is due is owed (rules 3).

    One round trip, one commit, on an autocommit connection. `named` are 18-character record ids that were named or
    ticked: they are written at once, also above the fan-out cap. Never refuses an address. Raises psycopg.Error when it
    is not recorded.
    """
    normal = normalize(address)
    values = {
        "normal": normal,
        "subject": subject_of(normal, subject_key),
        "source": source,
        "scope": scope,
        "actor": actor,
        "reason": reason and without_addresses(reason),
        "evidence": None if evidence is None else Jsonb(without_person(evidence, normal)),
        "named": list(named),
    }
    statement = sql("optsync.ledger", "record_opt_out")
    row = again_after_deadlock(lambda: conn.execute(statement, values, prepare=True).fetchone())
    assert row is not None  # the function answers with one row
    return Recorded(*row)


def again_after_deadlock(act: Callable[[], Answer]) -> Answer:
    """Does it again when PostgreSQL chose it to end a deadlock; redoing is harmless (marks.md 6)."""
    for _ in range(DEADLOCKS_MAX):
        try:
            return act()
        except psycopg.errors.DeadlockDetected:
            continue
    return act()
