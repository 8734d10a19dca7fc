"""What an org's own rules, held rows and maintenance do to a night."""

import pytest

from optsync.ledger import marks
from optsync.salesforce.errors import SalesforceError
from optsync.sync import staging, writing
from tests.flows.nightly.house import House

PEOPLE = 240
"""Two chunks of a Bulk job, which takes 200 rows through the triggers at a time."""


@pytest.fixture
def many(house: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Opted-out Contacts with a phone number, 40 to an Account, whose boxes go out by a Bulk job."""
    house.org.reset(leads=0, contacts=0)
    house.sync()
    monkeypatch.setattr(writing, "COLLECTIONS_MAX_MARKS", 20)
    keys = []
    for number in range(PEOPLE):
        account = f"001Pr00000000{number % 6:02d}"
        keys.append(house.org.create("Contact", Email=f"p{number}@example.com", Phone="5", AccountId=account))
        house.link(keys[-1], "Contact", f"p{number}@example.com")
        house.opt_out(f"p{number}@example.com")
    return keys


def ticked(house: House, keys: list[str]) -> list[str]:
    """Those whose box Salesforce shows as ticked."""
    return [key for key in keys if house.is_ticked(key)]


def push_again(house: House) -> None:
    """Rounds of a worker's sender, after every delay is over, until nothing is due."""
    marks.retry_now(house.conn, house.org_id)
    while house.push():
        pass


def test_a_night_in_read_only_mode_is_interrupted_and_goes_on_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "PAGES_MAX_RECORDS", 1)
    lead = house.org.create("Lead", Email="ann@example.com")
    house.opt_out("ann@example.com")
    house.org.maintenance(read_only=True)
    with pytest.raises(SalesforceError, match="maintenance"):
        house.sync()
    assert house.conn.execute("SELECT state, options ? 'retry_at' FROM run").fetchone() == ("interrupted", True)
    house.org.maintenance(read_only=False)
    house.conn.execute("UPDATE run SET options = options || jsonb_build_object('retry_at', clock() - interval '1 s')")
    (report,) = house.start_due()
    assert (report.result, house.is_ticked(lead)) == ("proved", True)


def test_batches_that_fight_for_an_account_cost_time_but_no_opt_out(house: House, many: list[str]) -> None:
    house.org.behaviour(bulk_batch_rows=60, bulk_chunk_seconds=0.05, row_lock_wait_seconds=0)
    house.sync()
    locked = house.conn.execute("SELECT count(*) FROM mark WHERE reason LIKE 'UNABLE_TO_LOCK_ROW%'").fetchone()
    assert locked is not None
    assert locked[0] > 0, "some rows lost the fight"
    house.org.behaviour(bulk_chunk_seconds=0)
    push_again(house)
    assert ticked(house, many) == many
    assert house.balance().closes()


def test_a_trigger_that_fails_on_one_row_of_a_job_does_not_keep_the_others_waiting_for_a_day(
    house: House, many: list[str]
) -> None:
    house.org.edit(many[7], Phone=None)
    house.org.rule("trigger", "Contact", when="Phone = null")
    house.sync()
    assert ticked(house, many) == many[:7] + many[8:]
    assert house.balance().parked == 1
    assert house.org.spy()["false_writes"] == 0
