"""The histogram counts every unsubscribe once, and only those that people made one by one."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optsync.config.database import Database
from optsync.ledger.targets import EMAIL_OPT_OUT
from optsync.web import propagation
from optsync.web.propagation import Propagation
from tests.flows.ledger.desk import Desk, contact


@given(st.lists(st.floats(0, 1e7), min_size=1).map(sorted))
def test_every_duration_falls_into_one_bar(seconds: list[float]) -> None:
    found = Propagation(tuple(seconds))
    assert sum(found.bars) == len(seconds)
    assert found.percentile(50) <= found.percentile(99) <= seconds[-1]


def test_limits_belong_to_the_slower_bar() -> None:
    assert Propagation((0.5, 1.0, 4.9, 5.0, 299.0, 300.0)).bars == (1, 1, 1, 1, 0, 1, 1)


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    with database.connect() as conn:
        yield Desk.open(conn, database)


def test_what_was_confirmed_since_the_unsubscribe_counts_and_imports_do_not(desk: Desk) -> None:
    assert propagation.look(desk.conn, desk.org_id) is None
    for number, source in enumerate(("one-click", "import", "manual")):
        desk.link(f"p{number}@example.com", contact(number))
        desk.opt_out(f"p{number}@example.com", source)  # type: ignore[arg-type]  # from a table
    desk.opt_out("waiting@example.com")
    desk.confirm_all()
    found = propagation.look(desk.conn, desk.org_id)
    assert found is not None
    assert len(found.seconds) == 2
    assert desk.state_of(contact(0), EMAIL_OPT_OUT) == "confirmed"
