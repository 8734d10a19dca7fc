"""One slot per local day, on daylight-saving days too."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optsync.core.calendar import Schedule, newest_due_slot, next_slot

PACIFIC = Schedule()
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
ZONES = ["America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Nuuk", "UTC"]
TIMES = [time(20, 0), time(2, 30), time(1, 30), time(0, 0), time(23, 45), time(2, 0), time(3, 0)]
instants = st.datetimes(datetime(2025, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
schedules = st.builds(Schedule, st.sampled_from(TIMES) | st.times(), st.sampled_from(ZONES))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("day", "slot"),
    [
        ("2026-03-07", "2026-03-08T04:00Z"),
        ("2026-03-08", "2026-03-09T03:00Z"),
        ("2026-10-31", "2026-11-01T03:00Z"),
        ("2026-11-01", "2026-11-02T04:00Z"),
    ],
)
def test_r14_the_run_is_at_20_00_pacific_on_the_days_the_clocks_change(day: str, slot: str) -> None:
    midnight = datetime.combine(date.fromisoformat(day), time(0), ZoneInfo("America/Los_Angeles"))
    assert next_slot(PACIFIC, midnight) == at(slot)


@pytest.mark.parametrize("day", ["2026-03-08", "2026-11-01"])
@pytest.mark.parametrize("clock", [time(20, 0), time(1, 30), time(2, 30)])
def test_r14_a_day_of_change_has_exactly_one_slot_even_in_a_skipped_or_repeated_hour(day: str, clock: time) -> None:
    schedule = Schedule(clock)
    zone = ZoneInfo(schedule.zone)
    start = datetime.combine(date.fromisoformat(day), time(0), zone)
    end = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(0), zone)
    slot = next_slot(schedule, start.astimezone(UTC) - timedelta(microseconds=1))
    assert start <= slot < end
    assert next_slot(schedule, slot) >= end


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("clock", TIMES)
def test_r14_ten_years_have_one_slot_for_every_local_day(zone: str, clock: time) -> None:
    schedule = Schedule(clock, zone)
    day, last = date(2025, 1, 1), date(2035, 1, 1)
    slot = next_slot(schedule, datetime.combine(day, time(0), ZoneInfo(zone)) - timedelta(microseconds=1))
    while day < last:
        assert slot.astimezone(ZoneInfo(zone)).date() == day
        slot, day = next_slot(schedule, slot), day + timedelta(days=1)


@given(schedules, instants)
def test_the_newest_due_slot_and_the_next_one_are_neighbours_around_now(schedule: Schedule, now: datetime) -> None:
    newest, following = newest_due_slot(schedule, now, LONG_AGO), next_slot(schedule, now)
    assert newest is not None
    assert newest <= now < following
    assert next_slot(schedule, newest) == following
    assert newest.tzinfo is UTC
    assert timedelta(hours=22) <= following - newest <= timedelta(hours=26)


@given(schedules, instants, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_slots_before_the_switch_was_turned_on_are_not_due(schedule: Schedule, now: datetime, ago: timedelta) -> None:
    slot = newest_due_slot(schedule, now, now - ago)
    assert slot is None or now - ago < slot <= now
    if ago >= timedelta(hours=26):
        assert slot is not None


def test_r18_after_a_week_of_downtime_one_slot_is_due_and_then_none() -> None:
    now = at("2026-06-20T12:00Z")
    slot = newest_due_slot(PACIFIC, now, at("2026-06-10T12:00Z"))
    assert slot == at("2026-06-20T03:00Z")
    assert newest_due_slot(PACIFIC, now, slot) is None


def test_a_zone_that_once_skipped_a_whole_day_still_has_a_newest_and_a_next_slot() -> None:
    apia = Schedule(time(20, 0), "Pacific/Apia")  # there was no 30 December 2011
    now = at("2011-12-30T12:00Z")
    newest = newest_due_slot(apia, now, LONG_AGO)
    assert newest is not None
    assert newest <= now < next_slot(apia, now)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "PST8PDT2"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        Schedule(zone=zone)


def test_naive_instants_are_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        next_slot(PACIFIC, datetime(2026, 1, 1))  # noqa: DTZ001 - the naive instant is the point
