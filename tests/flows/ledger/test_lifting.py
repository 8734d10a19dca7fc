"""Lifting here: an admin's act, never beside a write in flight, ended by any newer opt-out (rules 6)."""

from optsync.ledger import lifts, marks, people, targets
from optsync.ledger.people import Link
from tests.flows.ledger.desk import KEY, ORG_ID_18, Desk, contact


def opted_out(desk: Desk, *record_ids: str) -> None:
    desk.link("ann@example.com", *record_ids)
    desk.opt_out("ann@example.com")


def test_r23_a_lift_records_who_and_why(desk: Desk) -> None:
    opted_out(desk, contact(1))
    assert desk.lift("ann@example.com", evidence={"letter": 4}) == "lifted"
    entry = people.timeline(desk.conn, KEY, "ann@example.com")[-1]
    assert (entry.kind, entry.actor, entry.reason, entry.evidence) == ("lifted", "kim", "asked by phone", {"letter": 4})


def test_r22_a_lift_deletes_every_mark_of_the_person_parked_ones_and_queued_pushes_too(desk: Desk) -> None:
    opted_out(desk, contact(1), contact(2))
    with desk.worker() as worker:
        first, second = worker.claim()
        marks.park(worker.conn, KEY, worker.number, desk.org_id, [(*first.key, "NO_ACCESS: x")])
        marks.release(worker.conn, worker.number, desk.org_id, [second.key])
        assert desk.lift("ann@example.com") == "lifted"
        assert worker.claim() == []
    assert desk.states() == {}
    assert desk.count("SELECT count(*) FROM lookup") == 0
    desk.balance()


def test_while_a_live_worker_is_sending_the_lift_is_busy_and_no_new_claim_starts(desk: Desk) -> None:
    opted_out(desk, contact(1), contact(2))
    with desk.worker() as worker:
        [mark] = worker.claim(1)
        assert desk.lift("ann@example.com") == "busy"
        assert desk.is_blocked("ann@example.com")
        assert worker.claim() == []
        marks.confirm(worker.conn, KEY, worker.number, desk.org_id, [mark.key])
        assert desk.lift("ann@example.com") == "lifted"


def test_the_claim_of_a_dead_worker_does_not_stop_a_lift(desk: Desk) -> None:
    opted_out(desk, contact(1))
    with desk.worker() as worker:
        worker.claim()
    assert desk.lift("ann@example.com") == "lifted"


def test_a_lift_that_waits_keeps_the_person_blocked_and_writes_nothing_more(desk: Desk) -> None:
    opted_out(desk, contact(1))
    assert desk.lift("ann@example.com", "when-unticked") == "waits"
    assert desk.is_blocked("ann@example.com")
    assert desk.states() == {(1, contact(1)): ("held", "lift")}
    desk.link("ann@example.com", contact(2))
    assert desk.states()[1, contact(2)] == ("held", "lift")
    with desk.worker() as worker:
        assert worker.claim() == []
    assert marks.retry_now(desk.conn, desk.org_id) == 0
    assert desk.balance().held == 2


def test_a_waiting_lift_is_completed_by_its_own_version_only(desk: Desk) -> None:
    opted_out(desk, contact(1))
    desk.lift("ann@example.com", "when-unticked")
    [waited] = lifts.waiting(desk.conn)
    desk.opt_out("ann@example.com")

    assert lifts.complete(desk.conn, KEY, waited) == "not opted out"

    assert desk.is_blocked("ann@example.com")
    assert desk.state_of(contact(1)) == "owed"
    assert lifts.waiting(desk.conn) == []


def test_a_completed_wait_is_a_lift(desk: Desk) -> None:
    opted_out(desk, contact(1))
    desk.lift("ann@example.com", "when-unticked")
    desk.lift("ann@example.com", "when-unticked")
    [waited] = lifts.waiting(desk.conn)
    assert lifts.complete(desk.conn, KEY, waited, evidence={"boxes": 1}) == "lifted"
    assert desk.kinds("ann@example.com") == ["opted out", "lift asked", "lifted"]
    assert lifts.complete(desk.conn, KEY, waited) == "not opted out"


def test_a_repeat_during_the_wait_owes_every_box_again_also_confirmed_ones(desk: Desk) -> None:
    opted_out(desk, contact(1), contact(2))
    desk.confirm_all()
    desk.lift("ann@example.com", "when-unticked")
    before = desk.find("ann@example.com").opt_outs[0]

    again = desk.opt_out("ann@example.com", "one-click")

    assert (again.outcome, again.owed) == ("again", 2)
    after = desk.find("ann@example.com").opt_outs[0]
    assert again.version == after.version > before.version
    assert (after.lift_waits_at, after.source) == (None, "one-click")
    assert desk.state_of(contact(1)) == desk.state_of(contact(2)) == "owed"
    assert desk.opt_out("ann@example.com").outcome == "already"


def test_an_opt_out_that_came_again_is_due_in_the_target_of_today_only(desk: Desk) -> None:
    opted_out(desk, contact(1))
    desk.confirm_all()
    desk.lift("ann@example.com", "when-unticked")
    sales = targets.ensure_field(desk.conn, desk.org_id, "Sales__c", "Sales__c", "Sales")
    targets.retarget(desk.conn, desk.org_id, {sales}, "new")
    desk.opt_out("ann@example.com")
    assert desk.states() == {(sales, contact(1)): ("owed", None)}
    desk.balance()


def test_a_stale_version_lifts_nothing(desk: Desk) -> None:
    opted_out(desk, contact(1))
    stale = desk.opt_out("ann@example.com").version
    desk.lift("ann@example.com")
    desk.opt_out("ann@example.com")
    assert desk.lift("ann@example.com", version=stale) == "not opted out"
    assert desk.is_blocked("ann@example.com")


def test_nobody_and_a_lifted_person_are_not_opted_out(desk: Desk) -> None:
    assert desk.lift("nobody@example.com") == "not opted out"
    opted_out(desk, contact(1))
    desk.lift("ann@example.com")
    assert desk.lift("ann@example.com") == "not opted out"


def test_without_any_org_there_is_no_box_to_wait_for(desk: Desk) -> None:
    assert targets.register_org(desk.conn, ORG_ID_18) == desk.org_id
    desk.conn.execute("TRUNCATE org CASCADE")
    desk.opt_out("ann@example.com")
    assert desk.lift("ann@example.com", "when-unticked") == "lifted"


def test_an_erased_persons_lift_can_wait_and_complete(desk: Desk) -> None:
    opted_out(desk, contact(1))
    people.erase(desk.conn, KEY, "ann@example.com", actor="kim", reason="article 17")
    assert desk.lift("ann@example.com", "when-unticked") == "waits"
    [waited] = lifts.waiting(desk.conn)
    assert waited.normal is None
    assert lifts.complete(desk.conn, KEY, waited) == "lifted"
    assert desk.kinds("ann@example.com")[-1] == "lifted"


def test_one_of_two_links_is_enough_to_bring_all_back_when_the_person_opts_out_again(desk: Desk) -> None:
    opted_out(desk, contact(1), contact(2))
    desk.lift("ann@example.com")
    people.link(desk.conn, KEY, desk.org_id, [Link(contact(3), "Contact", "ann@example.com")], "n")
    assert desk.states() == {}
    desk.opt_out("ann@example.com", "salesforce sync", named=[contact(2)])
    assert desk.balance().owed == 3
