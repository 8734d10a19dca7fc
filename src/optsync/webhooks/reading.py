"""Reading events in the order in which they were sealed: what `/v1/events` and `optsync listen` show."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from optsync.core.addresses import hmac_pads
from optsync.ledger.queries import sql
from optsync.webhooks.endpoints import PACKAGE
from optsync.webhooks.types import Event, event_of, kinds_of

BEHIND_ALL = 2**63 - 1
SEALS_MAX = 10_000
"""How many seals one page looks through: with few events of the asked types among many it may come back short."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order of seals: behind event `event_id` of seal `seal_no`. Nothing is ever inserted before it."""

    seal_no: int = 0
    event_id: int = 0


def newest_place(conn: psycopg.Connection) -> Place:
    """Behind everything that is sealed now."""
    row = conn.execute(sql(PACKAGE, "newest_seal")).fetchone()
    assert row is not None  # an aggregate answers with one row
    return Place(row[0], BEHIND_ALL)


def read_after(
    conn: psycopg.Connection, subject_key: bytes, place: Place, types: Iterable[str], limit: int
) -> tuple[list[Event], Place]:
    """Up to `limit` events behind a place, the oldest first, and the place to go on from.

    Fewer events and a further place: many seals were looked through without finding more; go on from there.
    """
    inner, outer = hmac_pads(subject_key)
    values: dict[str, Any] = {"seal": place.seal_no, "event": place.event_id, "seals": SEALS_MAX, "limit": limit}
    values |= {"kinds": kinds_of(types), "inner": inner, "outer": outer}
    newest = newest_place(conn)  # before the look: what is sealed between the two is looked at next time
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql(PACKAGE, "sealed_events"), values).fetchall()
    if len(rows) == limit:
        place = Place(rows[-1]["seal_no"], rows[-1]["event_id"])
    else:
        looked_through = min(newest.seal_no, place.seal_no + SEALS_MAX - 1)
        last = max(looked_through, rows[-1]["seal_no"] if rows else 0, place.seal_no)
        place = Place(last, BEHIND_ALL)
    return list(events_of(conn, rows).values()), place


def events_of(conn: psycopg.Connection, rows: Sequence[Mapping[str, Any]]) -> dict[int, Event]:
    """The events that rows name (event_id, address_id), by their number and in that order."""
    values = {"events": [row["event_id"] for row in rows], "people": [row["address_id"] for row in rows]}
    with conn.cursor(row_factory=dict_row) as cursor:
        found = {row["event_id"]: event_of(row) for row in cursor.execute(sql(PACKAGE, "events_by_id"), values)}
    return {row["event_id"]: found[row["event_id"]] for row in rows}
