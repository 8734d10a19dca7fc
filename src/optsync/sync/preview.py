"""What a run would do, found by doing it and taking it back: the same statements, one transaction, rolled back.

Nothing is written anywhere: not in Salesforce, not here, not even the run's row.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from optsync.core.addresses import mask
from optsync.ledger.queries import sql
from optsync.sync import apply, sweep
from optsync.sync.apply import Applied, Scope

PACKAGE: Final = "optsync.sync"
SAMPLES: Final = 20
BOXES_PER_CALL: Final = 200
JOB_CALLS: Final = 6
"""Create, upload, close, read the state, and the lists of the refused and the unprocessed."""
BOXES_WITHOUT_JOB: Final = 2_000


@dataclass(frozen=True, slots=True)
class Preview:
    """Counts both ways and examples with masked addresses. `write_calls` estimates the API calls of the writes."""

    applied: Applied
    would_set: int = 0
    already_set: int = 0
    no_record: int = 0
    write_calls: int = 0
    samples: dict[str, list[dict[str, str]]] = field(default_factory=dict)


class _TakeBack(Exception):  # noqa: N818  not an error: the way out of a transaction that must not commit
    """Ends the rehearsal."""


def rehearse(conn: psycopg.Connection, scope: Scope, *, swept: bool) -> Preview:
    """Applies the comparison and takes it back. Doors of the same addresses wait for those moments, as for a run's.
    `swept`: all unticked records were read, so that those of people whom the ticks opt out are known, too."""
    found: list[Preview] = []
    try:
        with conn.transaction():
            applied = apply.apply(conn, scope)
            if swept:
                sweep.link_fresh(conn, scope)
            found.append(_look(conn, scope, applied))
            raise _TakeBack
    except _TakeBack:
        return found[0]


def _look(conn: psycopg.Connection, scope: Scope, applied: Applied) -> Preview:
    params = {"org": scope.org_id, "samples": SAMPLES}
    would_set, already_set, no_record = _row(conn, "preview_counts", params)
    samples = {
        "to Salesforce": _samples(conn, "sample_owed", params),
        "from Salesforce": _samples(conn, "sample_fresh", params),
    }
    return Preview(applied, would_set, already_set, no_record, write_calls(would_set), samples)


def write_calls(boxes: int) -> int:
    """API calls for so many boxes, polls apart."""
    return -(-boxes // BOXES_PER_CALL) if boxes <= BOXES_WITHOUT_JOB else 2 * JOB_CALLS


def _samples(conn: psycopg.Connection, name: Any, params: dict[str, Any]) -> list[dict[str, str]]:
    rows = conn.execute(sql(PACKAGE, name), params).fetchall()
    return [
        {"address": mask(normal) if normal else "…", "record": record_id, "why": why} for normal, record_id, why in rows
    ]


def _row(conn: psycopg.Connection, name: Any, params: dict[str, Any]) -> tuple[int, ...]:
    row = conn.execute(sql(PACKAGE, name), params).fetchone()
    assert row is not None  # an aggregate answers with one row
    return row
