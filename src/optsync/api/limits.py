"""How many requests a key may make, as a token bucket for each key and limit.

In the process, not in PostgreSQL: there it would cost every request, also a GET, a write. Each web worker counts for
itself, so an installation with four of them lets through up to four times as much; the machine is as well protected.
"""

import math
import threading
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `quota` requests at once, refilled evenly within `window_seconds`."""

    name: str
    quota: int
    window_seconds: int

    @property
    def per_second(self) -> float:
        """How fast it refills."""
        return self.quota / self.window_seconds


ORDINARY: Final = Limit("ordinary", 300, 30)
SENDING: Final = Limit("sending", 2_000, 1)
"""Asking before a mail and recording an unsubscribe: a sender must never be slowed down below 1,000 a second."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a limit after a request; `wait_seconds` above 0 = the request is one too many."""

    limit: Limit
    left: float
    wait_seconds: float

    @property
    def headers(self) -> dict[str, str]:
        """RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11)."""
        full_in = math.ceil((self.limit.quota - self.left) / self.limit.per_second)
        headers = {
            "RateLimit-Policy": f'"{self.limit.name}";q={self.limit.quota};w={self.limit.window_seconds}',
            "RateLimit": f'"{self.limit.name}";r={int(self.left)};t={full_in}',
        }
        if self.wait_seconds:
            headers["Retry-After"] = str(math.ceil(self.wait_seconds))
        return headers


class Buckets:
    """The buckets of this process: as many as there are keys in use, times two."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: dict[tuple[int, str], tuple[float, float]] = {}

    def take(self, key_id: int, limit: Limit, now_seconds: float) -> Quota:
        """Counts one request at a moment of a clock that never steps back."""
        with self._lock:
            left, before = self._buckets.get((key_id, limit.name), (float(limit.quota), now_seconds))
            left = min(limit.quota, left + (now_seconds - before) * limit.per_second)
            wait = 0.0 if left >= 1 else (1 - left) / limit.per_second
            left -= 0 if wait else 1
            self._buckets[key_id, limit.name] = (left, now_seconds)
        return Quota(limit, left, wait)
