"""Repeating what may be repeated while Salesforce is busy or unreachable: reads and sign-ins, never writes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from optsync.salesforce.errors import Busy, Unreachable
from optsync.seams import Seams

if TYPE_CHECKING:  # loading it costs 0.1 s and more; see http.py
    from optsync.salesforce.http import Http

ATTEMPTS = 4
FIRST_RETRY_SECONDS = 0.25
MAX_RETRY_SECONDS = 8.0

T = TypeVar("T")


def repeated(action: Callable[[], T], http: "Http", seams: Seams) -> T:
    """What `action` gives, tried up to 4 times and never beyond the deadline that `http` is under."""
    for attempt in range(1, ATTEMPTS):
        try:
            return action()
        except (Busy, Unreachable) as error:
            pause_seconds = _pause_seconds(attempt, error, seams)
            if pause_seconds >= http.seconds_left():
                raise
            seams.sleep(pause_seconds)
    return action()


def _pause_seconds(attempt: int, error: Busy | Unreachable, seams: Seams) -> float:
    """0.25 s, 0.5 s, 1 s with up to half of it taken off at random, or what Salesforce asked for, at most 8 s."""
    asked = getattr(error, "retry_after_seconds", None) or 0.0
    backoff: float = FIRST_RETRY_SECONDS * 2 ** (attempt - 1) * seams.random.uniform(0.5, 1.0)
    return min(max(backoff, asked), MAX_RETRY_SECONDS)
