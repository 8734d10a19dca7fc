"""A run that goes on for a dead one takes over its claims, and never those of one that still lives (rules 10)."""

from optsync.config.database import Database
from optsync.ledger import marks
from optsync.ledger.queries import sql
from tests.flows.nightly.staged import Ledger

ANN = "ann@example.com"


def inherit(ledger: Ledger, before: int) -> int:
    """What a successor does with the claims that the dead run's worker made for a job."""
    values = {"org": ledger.org_id, "field": 1, "prefix": "003", "before": before, "worker": before + 1}
    return ledger.conn.execute(sql("optsync.sync", "inherit_claims"), values).rowcount


def test_claims_of_a_worker_that_still_lives_are_not_inherited(ledger: Ledger, database: Database) -> None:
    ledger.person("Contact", 1, ANN)
    ledger.opt_out(ANN)
    ledger.conn.execute(sql("optsync.sync", "sent_table"))
    with database.connect() as session:
        number = marks.new_worker(session)
        session.execute("SELECT pg_advisory_lock(7001, %s)", (number,))
        assert len(marks.claim(session, number, ledger.org_id)) == 1
        assert inherit(ledger, number) == 0, "it may be in the middle of its upload"
        session.execute("SELECT pg_advisory_unlock(7001, %s)", (number,))
        assert inherit(ledger, number) == 1
