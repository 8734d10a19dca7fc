"""Undoing what a run brought in by ticks: a mistake in Salesforce, found too late for a hold (rules 8).

Only our own records are reversed. The boxes stay ticked in Salesforce, as disputed ticks that count no more until they
are gone; a file names them for whoever unticks them there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from optsync.core.addresses import hmac_pads, without_addresses
from optsync.core.record_ids import Kind, kind_of
from optsync.ledger import targets
from optsync.ledger.queries import sql
from optsync.ledger.record import again_after_deadlock


@dataclass(frozen=True, slots=True)
class RunTicks:
    """Which ticks a run took for opt-outs: its number, its org, that comparison's number, and the fields it read."""

    run_id: int
    org_id: int
    run_no: int
    fields: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """In people: unblocked, left because a worker is sending to them at this moment, and opted out by others since."""

    lifted: int
    busy: int
    stay: int


def look(conn: psycopg.Connection, subject_key: bytes, ticks: RunTicks) -> Undone:
    """What an undo would do; nobody is busy yet."""
    row = conn.execute(sql("optsync.ledger", "brought_in"), _values(subject_key, ticks)).fetchone()
    assert row is not None  # an aggregate answers with one row
    return Undone(row[0], 0, row[1])


def undo(conn: psycopg.Connection, subject_key: bytes, ticks: RunTicks, actor: str, reason: str) -> Undone:
    """Disputes the run's ticks and ends the opt-outs that they made and nobody repeated. Again is harmless: it goes on
    with who was busy."""
    values = _values(subject_key, ticks) | {"actor": actor, "reason": without_addresses(reason)}
    row = again_after_deadlock(lambda: conn.execute(sql("optsync.ledger", "undo_run"), values).fetchone())
    assert row is not None  # the function answers with one row
    return Undone(*row)


def was_undone(conn: psycopg.Connection, run_id: int) -> bool:
    """Whether somebody has undone the run before, in full or in part."""
    row = conn.execute(sql("optsync.ledger", "run_was_undone"), {"run": run_id}).fetchone()
    return row is not None and bool(row[0])


def boxes_to_untick(conn: psycopg.Connection, run_id: int) -> dict[Kind, list[tuple[str, Sequence[int]]]]:
    """The disputed boxes of an undone run, as (record id, fields), by object. A box that was seen unticked is gone."""
    found: dict[Kind, list[tuple[str, Sequence[int]]]] = {}
    for _org_id, record_id, fields in conn.execute(sql("optsync.ledger", "boxes_to_untick"), {"run": run_id}):
        if kind := kind_of(record_id):
            found.setdefault(kind, []).append((record_id, fields))
    return found


def untick_file(conn: psycopg.Connection, ticks: RunTicks, kind: Kind) -> Iterator[str]:
    """The lines of a file for Data Loader that unticks the disputed boxes of one object; empty without any.

    It is a person who uploads it: optsync itself never writes this value.
    """
    boxes = boxes_to_untick(conn, ticks.run_id).get(kind, [])
    used = {field for _, fields in boxes for field in fields}
    known = [one for one in targets.fields(conn, ticks.org_id) if one.field in used]
    if boxes:
        yield ",".join(["Id", *(one.name_on(kind) for one in known)]) + "\r\n"
    for record_id, fields in boxes:
        yield ",".join([record_id, *("false" if one.field in fields else "" for one in known)]) + "\r\n"


def _values(subject_key: bytes, ticks: RunTicks) -> dict[str, object]:
    inner, outer = hmac_pads(subject_key)
    values = {"run": ticks.run_id, "org": ticks.org_id, "run_no": ticks.run_no, "fields": list(ticks.fields)}
    return values | {"inner": inner, "outer": outer}
