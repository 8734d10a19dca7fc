"""Marks that wait: stale snapshots, live claims, waiting lifts, carried marks, disputes and the brake."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from optsync.config.database import Connection, Database
from optsync.ledger import balance, holds, marks, record, targets
from optsync.sync import apply
from tests.flows.nightly.staged import KEY, Ledger, Night

ANN = "ann@example.com"
PATIENCE_SECONDS = 10.0


@pytest.fixture
def worker(database: Database) -> Iterator[int]:
    """A live worker's number."""
    with database.connect() as session:
        number = marks.new_worker(session)
        session.execute("SELECT pg_advisory_lock(7001, %s)", (number,))
        yield number


def test_b1_a_push_confirmed_after_the_snapshot_is_not_owed_again(ledger: Ledger) -> None:
    key = ledger.person("Contact", 1, ANN)
    ledger.opt_out(ANN)
    night = Night(ledger)
    night.read()
    ledger.push()
    night.apply()
    assert ledger.state(key) == "confirmed"


def test_b2_lift_untick_and_new_opt_out_during_the_run_is_not_confirmed_by_the_stale_snapshot(ledger: Ledger) -> None:
    key = ledger.person("Contact", 1, ANN)
    ledger.opt_out(ANN)
    ledger.push()
    night = Night(ledger)
    night.read()
    ledger.lift(ANN)
    ledger.untick(key)
    ledger.opt_out(ANN)
    night.apply()
    assert ledger.state(key) == "owed"


def test_b3_the_same_between_the_comparison_and_the_apply(ledger: Ledger) -> None:
    key = ledger.person("Contact", 1, ANN, ticked=True)
    ledger.opt_out(ANN)
    night = Night(ledger)
    night.read()
    night.decide()
    ledger.lift(ANN)
    ledger.untick(key)
    ledger.opt_out(ANN)
    apply.apply(ledger.conn, night.scope)
    assert ledger.state(key) == "owed"


@pytest.mark.parametrize("ticked", [False, True])
def test_a_live_claim_is_never_cleared(ledger: Ledger, worker: int, ticked: bool) -> None:
    key = ledger.person("Contact", 1, ANN, ticked=ticked)
    ledger.opt_out(ANN)
    assert len(marks.claim(ledger.conn, worker, ledger.org_id)) == 1
    ledger.compare()
    claims = ledger.conn.execute("SELECT record_id, claimed_by FROM mark").fetchall()
    assert claims == [(key, worker)]
    assert ledger.lift(ANN) == "busy"


def test_an_extra_mark_under_a_live_claim_stays(ledger: Ledger, worker: int) -> None:
    key = ledger.person("Contact", 1, ANN)
    ledger.opt_out(ANN)
    marks.claim(ledger.conn, worker, ledger.org_id)
    ledger.conn.execute("DELETE FROM opt_out")
    ledger.compare()
    assert ledger.state(key) == "owed"


def test_while_a_lift_waits_nothing_is_owed_and_unticked_boxes_are_held(ledger: Ledger) -> None:
    lead, contact = ledger.person("Lead", 1, ANN), ledger.person("Contact", 2, ANN)
    ledger.opt_out(ANN)
    ledger.push()
    ledger.compare()
    assert ledger.lift(ANN, "when-unticked") == "waits"
    ledger.untick(lead)
    ledger.compare()
    assert (ledger.state(lead), ledger.state(contact)) == ("held", "confirmed")
    ledger.compare()
    assert (ledger.state(lead), ledger.state(contact)) == ("held", "confirmed")
    assert ledger.is_opted_out(ANN)


def test_a_box_seen_unticked_and_then_ticked_ends_the_wait_with_a_new_version_and_owes_all(ledger: Ledger) -> None:
    lead, contact = ledger.person("Lead", 1, ANN), ledger.person("Contact", 2, ANN)
    ledger.opt_out(ANN)
    ledger.push()
    ledger.compare()
    version = ledger.conn.execute("SELECT version FROM opt_out").fetchone()
    ledger.lift(ANN, "when-unticked")
    ledger.untick(lead)
    ledger.untick(contact)
    ledger.compare()
    ledger.tick(lead)
    ledger.compare()
    assert ledger.conn.execute("SELECT lift_waits_at FROM opt_out").fetchone() == (None,)
    assert ledger.conn.execute("SELECT version FROM opt_out").fetchone() != version
    assert (ledger.state(lead), ledger.state(contact)) == ("confirmed", "owed")


def test_a_box_that_was_ticked_all_along_does_not_end_the_wait(ledger: Ledger) -> None:
    lead = ledger.person("Lead", 1, ANN, ticked=True)
    ledger.opt_out(ANN)
    ledger.lift(ANN, "when-unticked")
    ledger.compare()
    assert ledger.conn.execute("SELECT lift_waits_at IS NOT NULL FROM opt_out").fetchone() == (True,)
    assert ledger.state(lead) == "confirmed"


def test_carried_marks_are_confirmed_where_their_own_box_is_ticked_and_owed_elsewhere(ledger: Ledger) -> None:
    lead, contact = ledger.person("Lead", 1, ANN), ledger.person("Contact", 2, ANN)
    number = targets.ensure_field(ledger.conn, ledger.org_id, "Sales_Opt_Out__c", "Sales_Opt_Out__c", "Sales Opt Out")
    ledger.opt_out(ANN)
    ledger.push()
    targets.retarget(ledger.conn, ledger.org_id, {number}, "all")
    ledger.fields, ledger.read = (1, 2), (2,)
    assert ledger.state(lead, 2) == ledger.state(contact, 2) == "held"
    assert ledger.reason(lead, 2) == "carried"
    ledger.tick(lead, 2)
    ledger.compare(approved=False)
    assert (ledger.state(lead, 2), ledger.state(contact, 2)) == ("confirmed", "owed")
    assert ledger.state(lead) == ledger.state(contact) == "confirmed"  # the old boxes stay as they are


def test_a_field_of_older_opt_outs_is_confirmed_by_its_own_box_only(ledger: Ledger) -> None:
    lead = ledger.person("Lead", 1, ANN)
    number = targets.ensure_field(ledger.conn, ledger.org_id, "Sales_Opt_Out__c", "Sales_Opt_Out__c", "Sales Opt Out")
    ledger.opt_out(ANN)
    targets.retarget(ledger.conn, ledger.org_id, {number}, "new")
    ledger.fields, ledger.read = (1, 2), (2,)
    ledger.tick(lead, 2)
    ledger.compare()
    assert (ledger.state(lead, 1), ledger.state(lead, 2)) == ("owed", None)
    ledger.tick(lead, 1)
    ledger.compare()
    assert ledger.state(lead, 1) == "confirmed"


def test_a_disputed_tick_is_left_out_until_its_box_is_absent_from_a_complete_read(ledger: Ledger) -> None:
    key = ledger.person("Contact", 1, ANN, ticked=True)
    ledger.conn.execute("INSERT INTO dispute (org_id, field, record_id) VALUES (%s, 1, %s)", (ledger.org_id, key))
    ledger.compare()
    assert not ledger.is_opted_out(ANN)
    ledger.untick(key)
    ledger.compare()
    assert ledger.conn.execute("SELECT count(*) FROM dispute").fetchone() == (0,)
    ledger.tick(key)
    ledger.compare()
    assert ledger.is_opted_out(ANN)


@pytest.fixture
def crowd(ledger: Ledger) -> tuple[Ledger, list[str]]:
    """501 linked people: one above the brake's smallest limit."""
    return ledger, [ledger.person("Contact", number, f"p{number}@example.com") for number in range(501)]


def test_r18_brake_501_new_ticks_are_held_and_their_people_blocked(crowd: tuple[Ledger, list[str]]) -> None:
    ledger, keys = crowd
    for key in keys:
        ledger.tick(key)
    found = ledger.compare(approved=False)
    assert (found.recorded, found.held_in_people) == (0, 501)
    items = "SELECT count(*), count(DISTINCT address_id) FROM hold_item"
    assert ledger.conn.execute(items).fetchone() == (501, 501)
    again = ledger.compare(approved=False)
    assert (again.recorded, again.held_in) == (0, None)  # they wait; no second hold
    assert ledger.conn.execute(items).fetchone() == (501, 501)


def test_brake_a_dropped_inbound_hold_disputes_exactly_its_ticks(crowd: tuple[Ledger, list[str]]) -> None:
    ledger, keys = crowd
    for key in keys:
        ledger.tick(key)
    hold = ledger.compare(approved=False).held_in
    assert hold is not None
    holds.drop(ledger.conn, KEY, hold, "ann", "a mistake")
    ledger.compare(approved=False)
    assert ledger.conn.execute("SELECT count(*) FROM opt_out").fetchone() == (0,)
    assert ledger.conn.execute("SELECT count(*) FROM dispute").fetchone() == (501,)


def test_brake_an_applied_inbound_hold_becomes_opt_outs_confirmed_by_the_next_night(
    crowd: tuple[Ledger, list[str]],
) -> None:
    ledger, keys = crowd
    for key in keys:
        ledger.tick(key)
    hold = ledger.compare(approved=False).held_in
    assert hold is not None
    holds.apply(ledger.conn, KEY, hold, "ann")
    ledger.compare(approved=False)
    assert {ledger.state(key) for key in keys} == {"confirmed"}


def test_brake_five_hundred_new_ticks_pass(crowd: tuple[Ledger, list[str]]) -> None:
    ledger, keys = crowd
    for key in keys[:500]:
        ledger.tick(key)
    assert ledger.compare(approved=False).recorded == 500


def test_brake_501_boxes_unticked_at_once_are_held_and_not_written(crowd: tuple[Ledger, list[str]]) -> None:
    ledger, keys = crowd
    for number in range(501):
        ledger.opt_out(f"p{number}@example.com")
    ledger.push()
    ledger.compare(approved=False)
    for key in keys:
        ledger.untick(key)
    found = ledger.compare(approved=False)
    assert found.held_out_people == 501
    assert {(ledger.state(key), ledger.reason(key)) for key in keys} == {("held", "brake")}
    assert ledger.compare(approved=False).held_out is None
    assert found.held_out is not None
    holds.apply(ledger.conn, KEY, found.held_out, "ann")
    assert {ledger.state(key) for key in keys} == {"owed"}


def test_brake_single_opt_outs_whose_records_only_come_now_are_never_counted(ledger: Ledger) -> None:
    """Salesforce was away, or did not have them: a night that finds their records at last is no mass change."""
    for number in range(501):
        ledger.opt_out(f"p{number}@example.com")
    keys = [ledger.person("Contact", number, f"p{number}@example.com", linked=False) for number in range(501)]
    found = ledger.compare(approved=False, unticked=keys)
    assert (found.owed, found.held_out) == (501, None)
    assert {ledger.state(key) for key in keys} == {"owed"}


def test_brake_501_people_with_a_new_duplicate_each_are_counted(crowd: tuple[Ledger, list[str]]) -> None:
    ledger, keys = crowd
    for number in range(501):
        ledger.opt_out(f"p{number}@example.com")
    ledger.push()
    ledger.conn.execute("DELETE FROM lookup")  # each was looked up and found
    twins = [ledger.person("Lead", number, f"p{number}@example.com", linked=False) for number in range(501)]
    assert ledger.compare(approved=False, unticked=twins).held_out_people == 501
    assert {ledger.state(key) for key in keys} == {"confirmed"}


def test_brake_an_approved_run_passes(crowd: tuple[Ledger, list[str]]) -> None:
    ledger, keys = crowd
    for key in keys:
        ledger.tick(key)
    assert ledger.compare(approved=True).recorded == 501


def test_brake_a_tick_of_somebody_in_an_outbound_hold_takes_them_out_of_it(ledger: Ledger) -> None:
    lead, contact = ledger.person("Lead", 1, ANN), ledger.person("Contact", 2, ANN)
    a = record.opt_out(ledger.conn, KEY, ANN, "import")
    holds.hold_outbound(ledger.conn, ledger.org_id, "import old.csv", [(a.address_id, a.version)])
    assert ledger.state(lead) == "held"
    ledger.tick(lead)
    new = ledger.person("Contact", 3, ANN, ticked=True, linked=False)
    ledger.compare()
    assert ledger.conn.execute("SELECT count(*) FROM hold_item").fetchone() == (0,)
    assert (ledger.state(lead), ledger.state(new), ledger.state(contact)) == ("confirmed", "confirmed", "owed")


def test_the_audit_owes_a_missing_mark_and_ends_an_extra_one(ledger: Ledger) -> None:
    key = ledger.person("Contact", 1, ANN)
    other = ledger.person("Contact", 2, "bob@example.com")
    ledger.opt_out(ANN)
    ledger.conn.execute("DELETE FROM mark")
    ledger.conn.execute(
        "INSERT INTO mark (org_id, field, record_id, touched_run, state) VALUES (%s, 1, %s, 0, 'o')",
        (ledger.org_id, other),
    )
    found = ledger.compare()
    assert (found.audit_missing, found.audit_extra) == (1, 1)
    assert (ledger.state(key), ledger.state(other)) == ("owed", None)


def test_a_door_in_flight_when_the_apply_links_a_record_loses_no_mark(ledger: Ledger, database: Database) -> None:
    """The head-on race of marks.md, the door first: the apply waits for it and owes the box."""
    key = ledger.person("Contact", 1, ANN, ticked=True, linked=False)
    other = ledger.person("Lead", 2, ANN)
    night = Night(ledger)
    night.read()
    with database.connect(autocommit=False) as door, ThreadPoolExecutor(1) as pool:
        record.opt_out(door, KEY, ANN, "one-click")
        applied = pool.submit(night.apply)
        wait_until_blocked(database, ledger.conn)
        door.commit()
        applied.result()
    assert (ledger.state(key), ledger.state(other)) == ("confirmed", "owed")
    assert ledger.conn.execute("SELECT source FROM opt_out").fetchall() == [("one-click",)]
    assert balance.audit(ledger.conn, ledger.org_id, repair=False).is_even


def test_a_door_that_comes_while_the_apply_links_a_record_loses_no_mark(ledger: Ledger, database: Database) -> None:
    """The other order: the door waits for the apply, whose link it then sees."""
    key = ledger.person("Contact", 1, ANN, ticked=True, linked=False)
    other = ledger.person("Lead", 2, ANN)
    night = Night(ledger)
    night.read()
    night.decide()
    with database.connect() as door, ThreadPoolExecutor(1) as pool:
        with ledger.conn.transaction():
            apply.apply(ledger.conn, night.scope)
            came = pool.submit(record.opt_out, door, KEY, ANN, "one-click")
            wait_until_blocked(database, door)
        assert came.result().outcome == "already"
    assert (ledger.state(key), ledger.state(other)) == ("confirmed", "owed")
    assert ledger.conn.execute("SELECT source FROM opt_out").fetchall() == [("one-click",)], "undoing the run spares it"
    assert balance.audit(ledger.conn, ledger.org_id, repair=False).is_even


def wait_until_blocked(database: Database, conn: Connection) -> None:
    """Returns once that session waits for a lock of another one."""
    until = time.monotonic() + PATIENCE_SECONDS
    with database.connect() as watcher:
        blocked = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
        while watcher.execute(blocked, [conn.info.backend_pid]).fetchone() != (True,):
            assert time.monotonic() < until, "it never came to that"
            time.sleep(0.002)
