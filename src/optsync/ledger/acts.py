"""How many people one origin has brought in within the last hour, so that slices of a mass change are braked as one.

An act is noted before its people are recorded, so that two at once see each other. A decision about what was held
begins the count anew: somebody has looked.
"""

from dataclasses import dataclass

import psycopg

from optsync.ledger.queries import sql

PACKAGE = "optsync.ledger"


@dataclass(frozen=True, slots=True)
class Act:
    """One of an origin. `earlier` counts the people of the others within the last hour."""

    act_id: int
    earlier: int


def begin(conn: psycopg.Connection, origin: str, people: int) -> Act:
    """Notes an act that names so many people."""
    row = conn.execute(sql(PACKAGE, "begin_act"), {"origin": origin, "people": people}).fetchone()
    assert row is not None  # INSERT ... RETURNING
    return Act(row[0], earlier(conn, origin, row[0]))


def settle(conn: psycopg.Connection, act: Act, people: int) -> None:
    """Says how many of them were new."""
    conn.execute(sql(PACKAGE, "settle_act"), {"act": act.act_id, "people": people})


def earlier(conn: psycopg.Connection, origin: str, but: int = 0) -> int:
    """How many people an origin has brought in within the last hour, but for one act."""
    row = conn.execute(sql(PACKAGE, "people_of_acts"), {"origin": origin, "act": but}).fetchone()
    assert row is not None  # a sum
    return int(row[0])
