"""How many people one origin has brought in within the last hour, so that slices of a mass change are braked as one.

An act is noted before its people are recorded, so that two at once see each other. A decision about what was held
begins the count anew: somebody has looked.
"""

from dataclasses import dataclass

import psycopg

from optsync.ledger.queries import sql

PACKAGE = "optsync.public"


@dataclass(frozen=True, slots=True)
class Act:
    """One of an origin. `earlier` counts the people of the others within the last hour."""

    act_id: int
    earlier: int


def begin(conn: psycopg.Connection, origin: str, people: int) -> Act:
    """Notes an act that names so many people."""
    row = conn.execute(sql(PACKAGE, "begin_act"), {"origin": origin, "people": people}).fetchone()
    assert row is not None  # INSERT ... RETURNING
    counted = conn.execute(sql(PACKAGE, "people_of_acts"), {"origin": origin, "act": row[0]}).fetchone()
    assert counted is not None  # a sum
    return Act(row[0], int(counted[0]))


def settle(conn: psycopg.Connection, act: Act, people: int) -> None:
    """Says how many of them were new."""
    conn.execute(sql(PACKAGE, "settle_act"), {"act": act.act_id, "people": people})
