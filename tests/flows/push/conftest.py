"""Fixtures of the push tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from optsync.config.database import Database
from tests.flows.push.world import World, open_world
from tests.practice import PracticeOrg


@pytest.fixture
def world(database: Database, org: PracticeOrg, tmp_path: Path) -> Iterator[World]:
    """A connected world without anything recorded."""
    with open_world(database, org, tmp_path) as opened:
        yield opened
