"""How many people one origin has brought in within the last hour, so that slices of a mass change are braked as one.

That is also how opt-outs are bounded that nobody proves with a link: an address in a form or a From is soon forged.
Above so many an hour people are blocked like any, and their boxes in Salesforce wait for a decision.

An act is noted before its people are recorded, so that two at once see each other. A decision about what was held
begins the count anew: somebody has looked.
"""

from dataclasses import dataclass

import psycopg

from optsync.ledger.batches import Wanted, record_all
from optsync.ledger.queries import sql
from optsync.ledger.record import Recorded

PACKAGE = "optsync.public"
UNPROVED_AN_HOUR = 100
"""Of mails without a link, and as many of the form for damaged links."""


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


def opt_out_unproved(conn: psycopg.Connection, subject_key: bytes, wanted: Wanted, origin: str) -> Recorded:
    """Opts out somebody whom nobody proved to be; committed when this returns. The same work whoever it is (threat T4).

    `origin` is what the hold says it came from, when there are too many.
    """
    act = begin(conn, origin, 1)
    held_as = origin if act.earlier >= UNPROVED_AN_HOUR else None
    (recorded,), _hold = record_all(conn, subject_key, [wanted], actor=None, held_as=held_as)
    settle(conn, act, 0 if recorded.outcome == "already" else 1)
    return recorded
