"""The command as a process, on a database of the test's own; some tests also with a practice org."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from optsync.config.database import Database
from tests.installation import Installation
from tests.practice import PracticeOrg


@pytest.fixture
def optsync(database: Database, tmp_path: Path) -> Installation:
    """An installation without an org."""
    return Installation(database, tmp_path)


@pytest.fixture(scope="package")
def practice_server() -> Iterator[PracticeOrg]:
    """One practice org for all tests of this folder."""
    with PracticeOrg.start(leads=20, contacts=30, grant_opt_out=True) as org:
        yield org


@pytest.fixture
def org(practice_server: PracticeOrg) -> PracticeOrg:
    """The org as at its start."""
    practice_server.reset()
    return practice_server


@pytest.fixture
def connected(optsync: Installation, org: PracticeOrg) -> Installation:
    """An installation that is connected to the practice org."""
    done = optsync.run("connect", "--credentials", str(org.credentials_file))
    assert done.code == 0, done.err
    return optsync
