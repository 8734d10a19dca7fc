"""When the nightly run is due: one slot per local day, across daylight-saving changes too (rules 5, requirement 14);
and business days, for the legal clock."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Schedule:
    """A wall-clock time in a zone. Raises ValueError for an unknown zone or a time that carries a zone of its own."""

    at: time = time(20, 0)
    zone: str = "America/Los_Angeles"

    def __post_init__(self) -> None:
        if self.at.tzinfo is not None:
            raise ValueError("the time of a schedule has no zone of its own")
        try:
            ZoneInfo(self.zone)
        except (OSError, ValueError, LookupError) as error:
            raise ValueError(f"unknown time zone {self.zone!r}: use a name such as America/Los_Angeles") from error


def newest_due_slot(schedule: Schedule, now: datetime, since: datetime) -> datetime | None:
    """The newest slot in (since, now] in UTC, or None. `since`: when the switch was turned on; none was due before.

    A missed night is caught up once, because only the newest slot counts. Raises ValueError for naive instants.
    """
    _require_aware(since)
    slot = max(slot for slot in _slots_around(schedule, now) if slot <= now)
    return slot if slot > since else None


def next_slot(schedule: Schedule, now: datetime) -> datetime:
    """The first slot after `now`, in UTC. Raises ValueError for a naive instant."""
    return min(slot for slot in _slots_around(schedule, now) if slot > now)


def business_days_after(instant: datetime, days: int) -> datetime:
    """The same time of day so many business days later: Monday to Friday, in UTC.

    Holidays count as business days: a deadline computed this way is never later than the law's. Raises ValueError for
    a naive instant.
    """
    _require_aware(instant)
    later = instant.astimezone(UTC)
    while days > 0:
        later += timedelta(days=1)
        days -= later.weekday() < SATURDAY
    return later


def _slots_around(schedule: Schedule, now: datetime) -> list[datetime]:
    """The slots of the local days around `now`: some on either side, even where a zone once skipped a whole day."""
    _require_aware(now)
    today = now.astimezone(ZoneInfo(schedule.zone)).date()
    return [_slot_of(schedule, today + timedelta(days=days)) for days in (-2, -1, 0, 1, 2)]


def _slot_of(schedule: Schedule, day: date) -> datetime:
    """The slot of one local day: a skipped hour uses the offset before the change, a repeated one its first pass.

    Where the hour before midnight is skipped (Nuuk), that is the next day; then the offset after the change counts.
    """
    zone = ZoneInfo(schedule.zone)
    slot = datetime.combine(day, schedule.at.replace(fold=0), tzinfo=zone).astimezone(UTC)
    if slot.astimezone(zone).date() == day:
        return slot
    return datetime.combine(day, schedule.at.replace(fold=1), tzinfo=zone).astimezone(UTC)


def _require_aware(instant: datetime) -> None:
    if instant.utcoffset() is None:
        raise ValueError("an instant without a time zone")
