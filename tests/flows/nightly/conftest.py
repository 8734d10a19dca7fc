"""What the nightly tests share: a ledger with hand-staged nights, and a house connected to the practice org."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from optsync.config.database import Connection, Database
from tests.flows.nightly.house import House
from tests.flows.nightly.staged import Ledger
from tests.practice import PracticeOrg


@pytest.fixture
def ledger(conn: Connection) -> Ledger:
    """An org's ledger whose Salesforce is a dict."""
    return Ledger.new(conn)


@pytest.fixture
def house(database: Database, org: PracticeOrg, tmp_path: Path) -> Iterator[House]:
    """A house connected to the practice org, its switch on and its first run approved."""
    with House.connected(database, org, tmp_path) as connected:
        yield connected
