"""Many opt-outs of one request: each has its own outcome, and so many at once are held like an import (rules 8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from optsync.core.addresses import normalize, subject_of, without_addresses, without_person
from optsync.core.brake import is_held
from optsync.ledger import holds
from optsync.ledger.balance import linked_addresses
from optsync.ledger.queries import sql
from optsync.ledger.record import Recorded, Source, again_after_deadlock

PACKAGE = "optsync.ledger"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One opt-out to be recorded."""

    address: str
    source: Source
    reason: str | None = None
    evidence: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of each, in the order given; `hold_id` when the boxes of all of them wait for a decision.

    `owed` of a `Recorded` is the total of the rows with its source.
    """

    recorded: list[Recorded]
    hold_id: int | None


def opt_out_all(conn: psycopg.Connection, subject_key: bytes, wanted: Sequence[Wanted], *, actor: str) -> Batch:
    """Records them all; when this returns they are committed. Each source is a commit of its own.

    More new ones than the brake allows are recorded and blocked, and their boxes are held. Raises psycopg.Error.
    """
    normals = [normalize(one.address) for one in wanted]
    subjects = [subject_of(normal, subject_key) for normal in normals]
    row = conn.execute(sql(PACKAGE, "count_batch"), {"normals": normals, "subjects": subjects}).fetchone()
    assert row is not None  # a count
    held = is_held(row[0], 0) and is_held(row[0], linked_addresses(conn))
    hold_id = holds.open_outbound(conn, f"batch by {actor}") if held else None
    found: list[Recorded | None] = [None] * len(wanted)
    for source in dict.fromkeys(one.source for one in wanted):
        places = [place for place, one in enumerate(wanted) if one.source == source]
        values = {
            "normals": [normals[place] for place in places],
            "subjects": [subjects[place] for place in places],
            "source": source,
            "actor": actor,
            "reasons": [_reason(wanted[place]) for place in places],
            "evidence": [_evidence(wanted[place]) for place in places],
            "hold": hold_id,
        }
        for place, recorded in zip(places, _record(conn, values), strict=True):
            found[place] = recorded
    return Batch([recorded for recorded in found if recorded is not None], hold_id)


def _record(conn: psycopg.Connection, values: dict[str, Any]) -> list[Recorded]:
    def once() -> list[Recorded]:
        with conn.transaction():
            conn.execute(sql(PACKAGE, "quick_joins"))
            return [Recorded(*row) for row in conn.execute(sql(PACKAGE, "record_batch"), values)]

    return again_after_deadlock(once)


def _reason(wanted: Wanted) -> str | None:
    return None if wanted.reason is None else without_addresses(wanted.reason)


def _evidence(wanted: Wanted) -> Jsonb | None:
    said = wanted.evidence
    return None if said is None else Jsonb(without_person(said, normalize(wanted.address)))
