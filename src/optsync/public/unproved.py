"""Opt-outs that nobody proves with a link: an address in a form or a From is soon forged.

Above so many an hour people are blocked like any, and their boxes in Salesforce wait for a decision.
"""

import psycopg

from optsync.ledger import acts
from optsync.ledger.batches import Wanted, record_all
from optsync.ledger.record import Recorded

AN_HOUR_MAX = 100
"""Of mails without a link, and as many of the form for damaged links."""


def opt_out(conn: psycopg.Connection, subject_key: bytes, wanted: Wanted, origin: str) -> Recorded:
    """Opts out somebody whom nobody proved to be; committed when this returns. The same work whoever it is (threat T4).

    `origin` is what the hold says it came from, when there are too many.
    """
    act = acts.begin(conn, origin, 1)
    held_as = origin if act.earlier >= AN_HOUR_MAX else None
    (recorded,), _hold = record_all(conn, subject_key, [wanted], actor=None, held_as=held_as)
    acts.settle(conn, act, 0 if recorded.outcome == "already" else 1)
    return recorded
