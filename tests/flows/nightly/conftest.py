"""What the nightly tests share: a ledger with hand-staged nights, and a house connected to the practice org."""

import pytest

from optsync.config.database import Connection
from tests.flows.nightly.staged import Ledger


@pytest.fixture
def ledger(conn: Connection) -> Ledger:
    """An org's ledger whose Salesforce is a dict."""
    return Ledger.new(conn)
