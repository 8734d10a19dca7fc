"""An installation as its operator has it, for the programs that ask it."""

from pathlib import Path

import pytest

from optsync.config.database import Database
from tests.installation import Installation


@pytest.fixture
def optsync(database: Database, tmp_path: Path) -> Installation:
    """An installation without an org."""
    return Installation(database, tmp_path)
