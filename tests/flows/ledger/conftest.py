"""Every test of the ledger works at a desk of its own."""

import pytest

from optsync.config.database import Connection, Database
from tests.flows.ledger.desk import Desk


@pytest.fixture
def desk(conn: Connection, database: Database) -> Desk:
    """A fresh ledger with one org."""
    return Desk.open(conn, database)
