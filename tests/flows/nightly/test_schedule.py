"""When runs start: once a night across all workers, caught up once, never before the switch was turned on."""

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from optsync.connection.settings import Change
from optsync.core.problems import Problem
from optsync.sync import runs
from optsync.sync.runs import RunReport
from tests.flows.nightly.house import House

PACIFIC = ZoneInfo("America/Los_Angeles")


def pacific(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=PACIFIC).astimezone(UTC)


def switched_on(house: House, at: datetime) -> None:
    house.conn.execute("UPDATE settings SET sync_on_since = %s", (at,))


def slots(house: House) -> list[datetime]:
    return [
        row[0] for row in house.conn.execute("SELECT slot FROM run WHERE slot IS NOT NULL ORDER BY slot").fetchall()
    ]


@pytest.mark.parametrize("day", [datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)])
def test_r14_one_run_a_night_at_eight_pacific_also_when_the_clocks_change(house: House, day: datetime) -> None:
    switched_on(house, pacific(day.year, day.month, 1, 0) - timedelta(days=1))
    before, evening = day - timedelta(days=1), day
    house.start_due(pacific(before.year, before.month, before.day, 20))
    for minute in range(0, 60, 20):
        assert house.start_due(pacific(evening.year, evening.month, evening.day, 19, minute)) == []
    assert len(house.start_due(pacific(evening.year, evening.month, evening.day, 20))) == 1
    for hour in (20, 21, 23):
        assert house.start_due(pacific(evening.year, evening.month, evening.day, hour, 30)) == []
    assert slots(house) == [pacific(one.year, one.month, one.day, 20) for one in (before, evening)]


def test_r18_a_host_that_was_down_for_three_nights_catches_up_once(house: House) -> None:
    switched_on(house, pacific(2026, 5, 1, 12))
    assert len(house.start_due(pacific(2026, 5, 4, 9))) == 1
    assert house.start_due(pacific(2026, 5, 4, 9, 1)) == []
    assert slots(house) == [pacific(2026, 5, 3, 20)]


def test_r01_slots_before_the_switch_was_turned_on_are_not_due(house: House) -> None:
    switched_on(house, pacific(2026, 5, 1, 21))
    assert house.start_due(pacific(2026, 5, 2, 19, 59)) == []
    assert len(house.start_due(pacific(2026, 5, 2, 20))) == 1


def test_r01_with_the_switch_off_no_run_starts_at_all(house: House) -> None:
    house.switch(Change(sync_on=False))
    for day in (1, 2, 3):
        assert house.start_due(pacific(2026, 5, day, 20)) == []
    assert slots(house) == []


def test_r14_many_workers_start_one_run(house: House) -> None:
    switched_on(house, pacific(2026, 5, 1, 12))
    reports: list[list[RunReport]] = []
    threads = [
        threading.Thread(target=lambda: reports.append(house.start_due(pacific(2026, 5, 1, 20)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, reports)) == 1
    assert len(slots(house)) == 1


def test_r18_a_second_start_while_one_is_going_on_is_refused(house: House) -> None:
    with house.database.connect() as other, runs.run_lock(other, house.org_id):
        with pytest.raises(Problem, match="going on already"):
            house.sync()
        assert house.start_due(datetime.now(UTC) + timedelta(days=1)) == []
    assert house.sync().result == "proved"


def test_a_night_that_waits_for_salesforce_is_not_asked_for_each_second_when_the_next_one_is_due(house: House) -> None:
    switched_on(house, pacific(2026, 5, 1, 12))
    house.org.fault("refuse", code="REQUEST_LIMIT_EXCEEDED", route="query", times=None)
    assert house.start_due(pacific(2026, 5, 1, 20)) == []
    house.org.clear_spy()
    for second in range(3):
        assert house.start_due(pacific(2026, 5, 2, 20) + timedelta(seconds=second)) == []
    assert house.org.spy()["api_calls"] == 0, "its limit is used up, and every call makes it worse"
    house.org.clear_faults()
    house.conn.execute("UPDATE run SET options = options || jsonb_build_object('retry_at', clock() - interval '1 s')")
    assert [report.result for report in house.start_due(pacific(2026, 5, 2, 21))] == ["proved", "proved"]
    assert slots(house) == [pacific(2026, 5, day, 20) for day in (1, 2)]


def test_an_unapproved_first_run_looks_waits_for_a_go_and_is_reminded_daily(house: House) -> None:
    switched_on(house, pacific(2026, 5, 1, 12))
    house.conn.execute("UPDATE settings SET first_run_approved_at = NULL")
    contact = house.org.create("Contact", Email="ann@example.com", HasOptedOutOfEmail=True)
    for day in (1, 2):
        (report,) = house.start_due(pacific(2026, 5, day, 20))
        assert report.result == house.run(report.run_id)["result"] == "waiting for go"
        assert report.counts["recorded"] > 0
    assert not house.is_opted_out("ann@example.com")
    assert house.sync().result == "waiting for go"
    assert house.sync(approve=True).result == "proved"
    assert house.is_opted_out("ann@example.com")
    assert house.is_ticked(contact)
    (report,) = house.start_due(pacific(2026, 5, 3, 20))
    assert report.result == "proved"
