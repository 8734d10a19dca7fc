"""The brake's holds: a mass change waits for a decision while its people are blocked (rules 8)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import psycopg

from optsync.core.addresses import hmac_pads, mask, without_addresses
from optsync.core.problems import Problem
from optsync.ledger.queries import sql
from optsync.ledger.record import again_after_deadlock

Direction = Literal["from Salesforce", "to Salesforce", "fan-out", "scanner"]
DIRECTIONS: dict[str, Direction] = {"i": "from Salesforce", "o": "to Salesforce", "f": "fan-out", "s": "scanner"}
"""A 'scanner' hold keeps nothing back: its people are opted out and pushed; it is a list to review (optsync.public)."""
SAMPLE_ADDRESSES = 5
HOLD_ID_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Hold:
    """A mass change that waits: how many addresses and, from Salesforce, ticked boxes; `sample` is masked."""

    hold_id: int
    direction: Direction
    origin: str
    org_id: int | None
    made_at: datetime
    addresses: int
    boxes: int
    sample: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HoldOver:
    """A mass change that needs no decision any more. `decision` is 'applied' or 'dropped', None when nobody was left in
    it; `addresses` is how many people it was about, None where that was not kept."""

    hold_id: int
    direction: Direction
    origin: str
    org_id: int | None
    made_at: datetime
    decided_at: datetime | None
    decision: str | None
    decided_by: str | None
    note: str | None
    addresses: int | None


def undecided(conn: psycopg.Connection, most: int | None = None, *, scanners: bool = True) -> list[Hold]:
    """The holds that wait for a decision, the oldest first; at most so many, with lists of scanners or without."""
    return [
        Hold(hold_id, DIRECTIONS[direction], origin, org_id, made_at, addresses, boxes, sample(conn, hold_id))
        for hold_id, direction, origin, org_id, made_at, addresses, boxes in conn.execute(
            sql("optsync.ledger", "undecided_holds"), {"most": most, "scanners": scanners}
        ).fetchall()
    ]


def count_undecided(conn: psycopg.Connection) -> int:
    """How many mass changes wait for a decision."""
    row = conn.execute(sql("optsync.ledger", "count_undecided")).fetchone()
    assert row is not None  # a count
    return int(row[0])


def over(conn: psycopg.Connection, most: int, before: int = HOLD_ID_MAX, hold_id: int | None = None) -> list[HoldOver]:
    """Mass changes that need no decision any more, the newest first; `hold_id` asks for one of them."""
    rows = conn.execute(sql("optsync.ledger", "holds_over"), {"most": most, "before": before, "hold": hold_id})
    return [HoldOver(number, DIRECTIONS[direction], *rest) for number, direction, *rest in rows.fetchall()]


def ignored_ticks(conn: psycopg.Connection, hold_id: int) -> int:
    """How many ticks of a dropped mass change are still in Salesforce, as far as we know, and ignored."""
    row = conn.execute(sql("optsync.ledger", "count_disputes"), [hold_id]).fetchone()
    assert row is not None  # a count
    return int(row[0])


def sample(conn: psycopg.Connection, hold_id: int, count: int = SAMPLE_ADDRESSES) -> tuple[str, ...]:
    """Some of its addresses, masked."""
    rows = conn.execute(sql("optsync.ledger", "hold_sample"), [hold_id, count])
    return tuple(_masked(normal) for (normal,) in rows)


def records(conn: psycopg.Connection, hold_id: int, count: int) -> list[tuple[str, str]]:
    """Some of the records that were ticked, spread evenly over all, each with its masked address; none for a hold that
    does not come from Salesforce."""
    rows = conn.execute(sql("optsync.ledger", "hold_records"), [hold_id, count]).fetchall()
    return [(record_id, _masked(normal)) for record_id, normal in rows]


def people_csv(conn: psycopg.Connection, hold_id: int, *, ignored: bool = False) -> Iterator[bytes]:
    """The people of an undecided hold and their ticked records, as CSV that no spreadsheet runs.

    `ignored` asks for the ticks of a dropped one that are still ignored.
    """
    statement = sql("optsync.ledger", "hold_disputes_csv" if ignored else "hold_people_csv")
    with conn.cursor().copy(statement, [hold_id]) as copy:
        for block in copy:
            yield bytes(block)


def hold_inbound(conn: psycopg.Connection, org_id: int, origin: str, ticks: Sequence[tuple[int, int, str]]) -> int:
    """Blocks people whose ticks came in a mass, as (address id, field, record id), without recording opt-outs yet.

    Returns the hold's number.
    """
    with conn.transaction():
        hold_id = _open(conn, "i", origin, org_id)
        addresses, fields, records = (list(column) for column in zip(*ticks, strict=True))
        values = {"hold": hold_id, "org": org_id, "addresses": addresses, "fields": fields, "records": records}
        conn.execute(sql("optsync.ledger", "hold_ticks"), values)
    return hold_id


def hold_outbound(
    conn: psycopg.Connection, org_id: int | None, origin: str, addresses: Sequence[tuple[int, int | None]]
) -> int:
    """Holds the owed marks of opted-out addresses back, as (address id, version of the opt-out that the set created).

    The version is None for an opt-out that existed before: a drop does not lift that one. Returns the hold's number.
    """
    with conn.transaction():
        hold_id = _open(conn, "o", origin, org_id)
        ids, versions = [a for a, _ in addresses], [v for _, v in addresses]
        conn.execute(sql("optsync.ledger", "hold_marks"), {"hold": hold_id, "addresses": ids, "versions": versions})
    return hold_id


def join_outbound(conn: psycopg.Connection, origin: str, only: int | None = None) -> int:
    """The undecided outbound hold that opt-outs join in the open transaction; begun where there is none.

    None joins the latest of this origin within the hour, a number `only` that hold (0 = one of its own).
    """
    conn.execute(sql("optsync.ledger", "lock_for_holds"))
    row = conn.execute(sql("optsync.ledger", "hold_to_join"), {"origin": origin, "only": only}).fetchone()
    return int(row[0]) if row else _open(conn, "o", origin, None)


def apply(conn: psycopg.Connection, subject_key: bytes, hold_id: int, actor: str) -> int:
    """Releases a hold: its ticks become opt-outs, its marks are owed. Returns the addresses; Problem when decided."""
    inner, outer = hmac_pads(subject_key)
    values = {"hold": hold_id, "inner": inner, "outer": outer, "actor": actor}
    return _decided(conn, "apply_hold", values)


def drop(conn: psycopg.Connection, subject_key: bytes, hold_id: int, actor: str, note: str | None) -> int:
    """Refuses a hold: its ticks are disputed, its own opt-outs lifted, its other marks parked.

    Returns how many addresses are left because a worker is sending to them at this moment; then the hold stays
    undecided: drop it again. Raises Problem when it is unknown or decided.
    """
    inner, outer = hmac_pads(subject_key)
    values = {"hold": hold_id, "inner": inner, "outer": outer, "actor": actor, "note": note and without_addresses(note)}
    return _decided(conn, "drop_hold", values)


def _open(conn: psycopg.Connection, direction: str, origin: str, org_id: int | None) -> int:
    values = {"direction": direction, "origin": origin, "org": org_id}
    row = conn.execute(sql("optsync.ledger", "open_hold"), values).fetchone()
    assert row is not None  # the statement answers with the row it made
    return int(row[0])


def _decided(conn: psycopg.Connection, statement: str, values: Mapping[str, Any]) -> int:
    row = again_after_deadlock(lambda: conn.execute(sql("optsync.ledger", statement), values).fetchone())
    if row is None or row[0] is None:
        raise Problem(
            f"there is no undecided hold {values['hold']}",
            "it was decided before, or the number is wrong; nothing was changed",
            "see the holds that wait: optsync hold list",
        )
    return int(row[0])


def _masked(normal: str | None) -> str:
    return "(erased)" if normal is None else mask(normal)
