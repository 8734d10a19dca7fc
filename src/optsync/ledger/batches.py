"""Many opt-outs of one request: each has its own outcome, and so many at once are held like an import (rules 8).

What comes in slices is one mass change: whoever calls says how many of the same origin came before, and slices that are
held join one hold.
"""

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
from optsync.ledger.record import Outcome, Recorded, Source, again_after_deadlock

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

    `owed` of a `Recorded` is the total of the rows with its source. `changed` counts the addresses that were not opted
    out before, or only by a mass change that is held.
    """

    recorded: list[Recorded]
    hold_id: int | None
    changed: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """What recording would come to, for each address in the order given, and whether the brake would hold it."""

    outcomes: list[Outcome]
    is_held: bool


def origin_of(actor: str) -> str:
    """What a hold of somebody's batches says it came from."""
    return f"batch by {actor}"


def look_ahead(conn: psycopg.Connection, subject_key: bytes, addresses: Sequence[str]) -> Ahead:
    """What `opt_out_all` would do now; writes nothing."""
    named = _named(subject_key, addresses)
    outcomes = [outcome for (outcome,) in conn.execute(sql(PACKAGE, "outcomes_ahead"), named)]
    return Ahead(outcomes, _is_mass(conn, _changed(conn, named)))


def opt_out_all(
    conn: psycopg.Connection,
    subject_key: bytes,
    wanted: Sequence[Wanted],
    *,
    actor: str,
    confirmed: bool = False,
    records: Sequence[str] = (),
    earlier: int = 0,
) -> Batch:
    """Records them all; when this returns they are committed. Each source is a commit of its own.

    More new ones than the brake allows, together with `earlier` ones of the same hour, are recorded and blocked, and
    their boxes are held, unless the preview of the set was `confirmed` (rules 8). `records` are 18-character ids that
    were named: written at once, also above the fan-out cap. Raises psycopg.Error.
    """
    changed = _changed(conn, _named(subject_key, [one.address for one in wanted]))
    is_braked = not confirmed and changed > 0 and _is_mass(conn, changed + earlier)
    held_as = origin_of(actor) if is_braked else None
    recorded, hold_id = record_all(conn, subject_key, wanted, actor=actor, held_as=held_as, records=records)
    return Batch(recorded, hold_id, changed)


def record_all(
    conn: psycopg.Connection,
    subject_key: bytes,
    wanted: Sequence[Wanted],
    *,
    actor: str | None,
    held_as: str | None,
    records: Sequence[str] = (),
) -> tuple[list[Recorded], int | None]:
    """What came of each, and the hold that keeps their boxes back when `held_as` says where they came from."""
    named = _named(subject_key, [one.address for one in wanted])
    hold_id: int | None = None
    found: list[Recorded | None] = [None] * len(wanted)
    for source in dict.fromkeys(one.source for one in wanted):
        places = [place for place, one in enumerate(wanted) if one.source == source]
        values = {
            "normals": [named["normals"][place] for place in places],
            "subjects": [named["subjects"][place] for place in places],
            "source": source,
            "actor": actor,
            "reasons": [_reason(wanted[place]) for place in places],
            "evidence": [_evidence(wanted[place]) for place in places],
            "records": list(records),
        }
        of_source, hold_id = _record(conn, values, held_as)
        for place, recorded in zip(places, of_source, strict=True):
            found[place] = recorded
    return [recorded for recorded in found if recorded is not None], hold_id


def _named(subject_key: bytes, addresses: Sequence[str]) -> dict[str, list[Any]]:
    normals = [normalize(address) for address in addresses]
    return {"normals": normals, "subjects": [subject_of(normal, subject_key) for normal in normals]}


def _changed(conn: psycopg.Connection, named: dict[str, list[Any]]) -> int:
    row = conn.execute(sql(PACKAGE, "count_batch"), named).fetchone()
    assert row is not None  # a count
    return int(row[0])


def _is_mass(conn: psycopg.Connection, changed: int) -> bool:
    return is_held(changed, 0) and is_held(changed, linked_addresses(conn))


def _record(conn: psycopg.Connection, values: dict[str, Any], held_as: str | None) -> tuple[list[Recorded], int | None]:
    def once() -> tuple[list[Recorded], int | None]:
        with conn.transaction():
            hold_id = holds.join_outbound(conn, held_as) if held_as else None
            conn.execute(sql(PACKAGE, "quick_joins"))
            rows = conn.execute(sql(PACKAGE, "record_batch"), values | {"hold": hold_id})
            return [Recorded(*row) for row in rows], hold_id

    return again_after_deadlock(once)


def _reason(wanted: Wanted) -> str | None:
    return None if wanted.reason is None else without_addresses(wanted.reason)


def _evidence(wanted: Wanted) -> Jsonb | None:
    said = wanted.evidence
    return None if said is None else Jsonb(without_person(said, normalize(wanted.address)))
