"""A run that a page asks for: one at a time, done by the worker, seen while it goes on, and stopped."""

import pytest

from optsync.connection import settings
from optsync.connection.settings import Change
from optsync.core.problems import Problem
from optsync.sync import asking, nightly, runs
from tests.flows.nightly.house import House

ANN = "ann@example.com"


def result_of(house: House, run_id: int) -> tuple[str, str | None]:
    row = house.run(run_id)
    return row["state"], row["result"]


def test_r19_a_run_that_was_asked_for_waits_for_the_worker_and_is_done_once(house: House) -> None:
    house.sync()
    contact = house.org.create("Contact", Email=ANN, HasOptedOutOfEmail=True)
    run_id = asking.ask(house.conn, house.org_id, "jane")
    assert result_of(house, run_id) == ("asked", None)
    assert not house.is_opted_out(ANN)
    (report,) = house.start_due()
    assert (report.run_id, report.kind, report.result) == (run_id, "by hand", "proved")
    assert house.is_opted_out(ANN)
    assert house.is_ticked(contact)
    assert house.start_due() == []
    assert house.run(run_id)["by_whom"] == "jane"


def test_two_who_ask_at_once_get_one_run(house: House) -> None:
    house.sync()
    asking.ask(house.conn, house.org_id, "jane")
    for dry_run in (False, True):
        with pytest.raises(Problem, match="going on already"):
            asking.ask(house.conn, house.org_id, "joe", dry_run=dry_run)
    assert len(house.start_due()) == 1


def test_with_the_switch_off_only_a_dry_run_is_begun(house: House) -> None:
    house.sync()
    house.switch(Change(sync_on=False))
    with pytest.raises(Problem, match="switch Sync to Salesforce is off"):
        asking.ask(house.conn, house.org_id, "jane")
    house.org.create("Contact", Email=ANN, HasOptedOutOfEmail=True)
    run_id = asking.ask(house.conn, house.org_id, "jane", dry_run=True)
    (report,) = house.start_due()
    assert (report.run_id, report.result, report.counts["recorded"]) == (run_id, "dry run", 1)
    assert result_of(house, run_id) == ("finished", "dry run")
    assert not house.is_opted_out(ANN)


def test_a_switch_that_goes_off_after_somebody_asked_refuses_the_run_and_its_row_says_why(house: House) -> None:
    house.sync()
    run_id = asking.ask(house.conn, house.org_id, "jane")
    house.switch(Change(sync_on=False))
    assert house.start_due() == []
    assert result_of(house, run_id) == ("finished", "failed")
    assert "switch" in house.run(run_id)["report"]["error"]["what"]


def test_r25_the_first_run_needs_the_go_of_an_admin_which_asking_may_give(house: House) -> None:
    house.conn.execute("UPDATE settings SET first_run_approved_at = NULL")
    with pytest.raises(Problem, match="waits for an admin's go"):
        asking.ask(house.conn, house.org_id, "jane")
    assert settings.load(house.conn, house.org_id).first_run_approved_at is None
    run_id = asking.ask(house.conn, house.org_id, "admin", go=True)
    (report,) = house.start_due()
    assert (report.run_id, report.kind, report.result) == (run_id, "first", "proved")
    assert settings.load(house.conn, house.org_id).first_run_approved_at is not None


def test_a_dry_run_is_in_the_history_and_no_comparison(house: House) -> None:
    asking.ask(house.conn, house.org_id, "jane", dry_run=True)
    house.start_due()
    assert not runs.has_compared(house.conn, house.org_id), "it must not stand in for the first run"
    assert runs.last_sweep_at(house.conn, house.org_id) is None


def test_a_dry_run_that_cannot_reach_salesforce_has_failed_and_holds_no_night_up(house: House) -> None:
    house.sync()
    run_id = asking.ask(house.conn, house.org_id, "jane", dry_run=True)
    house.org.fault("refuse", code="REQUEST_LIMIT_EXCEEDED", route="query", times=None)
    house.start_due()
    house.org.clear_faults()
    assert result_of(house, run_id) == ("finished", "failed")
    assert asking.unfinished(house.conn, house.org_id) is None


def test_a_run_tells_what_it_is_doing_and_how_long_the_last_one_took(house: House) -> None:
    house.sync()
    run_id = asking.ask(house.conn, house.org_id, "jane")
    seen: list[asking.Now] = []

    def watch(_doing: str, _count: int) -> None:
        now = asking.now(house.conn, run_id)
        assert now is not None
        seen.append(now)

    first = asking.now(house.conn, run_id)
    assert first is not None
    assert (first.state, first.step) == ("asked", "asked")
    nightly.start_due(house.database, house.vault, house.seams, progress=watch)
    steps = list(dict.fromkeys((now.step, now.what) for now in seen))
    assert steps.index(("reading", "Lead")) < steps.index(("reading", "Contact")) < steps.index(("comparing", ""))
    assert [step for step, _ in steps].index("writing") < len(steps) - 1
    assert all(now.left_seconds is not None and now.left_seconds >= 0 for now in seen if now.state == "running")
    last = asking.now(house.conn, run_id)
    assert last is not None
    assert (last.state, last.left_seconds) == ("finished", None)


def test_without_an_earlier_run_no_time_is_promised(house: House) -> None:
    run_id = asking.ask(house.conn, house.org_id, "jane")
    assert asking.left_seconds("reading", 1.0, {}, {}) is None
    now = asking.now(house.conn, run_id)
    assert now is not None
    assert now.left_seconds is None


def test_the_time_left_goes_by_the_boxes_of_both_runs() -> None:
    phases = {
        "reading": {"seconds": 10},
        "applying": {"seconds": 2},
        "writing": {"seconds": 20},
        "proving": {"seconds": 5},
    }
    last = {"phases": phases, "counts": {"owed": 100}}
    assert asking.left_seconds("reading", 4.0, {}, last) == 6 + 2 + 20 + 5
    assert asking.left_seconds("writing", 1.0, {"applied": {"owed": 200}}, last) == 39 + 5
    assert asking.left_seconds("reading", 99.0, {}, last) == 2 + 20 + 5
    assert asking.left_seconds("asked", 0.0, {}, last) == 37


def test_a_run_nobody_has_begun_is_cancelled_at_once(house: House) -> None:
    house.sync()
    run_id = asking.ask(house.conn, house.org_id, "jane")
    assert asking.cancel(house.conn, run_id, "joe")
    assert not asking.cancel(house.conn, run_id, "joe")
    assert house.start_due() == []
    assert result_of(house, run_id) == ("finished", "cancelled")


@pytest.mark.parametrize("at", ["ticked Contact", "comparing", "writing", "proving"])
def test_a_cancelled_run_stops_at_its_next_step_and_the_next_one_does_the_rest(house: House, at: str) -> None:
    house.sync()
    contact = house.org.create("Contact", Email=ANN)
    house.link(contact, "Contact", ANN)
    house.opt_out(ANN)
    run_id = asking.ask(house.conn, house.org_id, "jane")

    def stop(doing: str, _count: int) -> None:
        if doing == at:
            asking.cancel(house.conn, run_id, "joe")

    (report,) = nightly.start_due(house.database, house.vault, house.seams, progress=stop)
    assert report.result == "cancelled"
    assert result_of(house, run_id) == ("finished", "cancelled")
    assert house.start_due() == [], "it does not go on by itself"
    assert house.sync().result == "proved"
    assert house.is_ticked(contact)
    assert house.org.spy()["false_writes"] == 0


def test_a_worker_that_dies_leaves_an_asked_run_to_the_next_one(house: House) -> None:
    house.sync()
    run_id = asking.ask(house.conn, house.org_id, "jane")

    def die(doing: str, _count: int) -> None:
        if doing == "comparing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nightly.start_due(house.database, house.vault, house.seams, progress=die)
    assert result_of(house, run_id) == ("running", None)
    (report,) = house.start_due()
    assert (report.run_id, report.result) == (run_id, "proved")
