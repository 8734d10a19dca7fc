"""The doors through which time, chance and ids enter; everything else is handed a `Seams`.

Nothing but this module may call the clock, sleep, randomness or id functions (ruff's banned-api enforces it), so that a
simulator can hold all of them. HTTP has its own door in `optsync.salesforce.http`.

`OPTSYNC_CLOCK_OFFSET` (seconds, may be negative) shifts the clock of a whole process and, through
`optsync.config.database`, of every database session it opens, so that tests and rehearsals can live on another day.
"""

import os
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random, SystemRandom


@dataclass(frozen=True, slots=True)
class Seams:
    """Clock, sleep, randomness and ids. `now` is timezone-aware UTC; `monotonic` and `sleep` are in seconds."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    new_id: Callable[[], str]
    token_bytes: Callable[[int], bytes]
    random: Random = field(repr=False)
    wait: Callable[[threading.Event, float], bool]
    """Waits at most that many seconds for the event; True when it was set."""


def clock_offset_seconds() -> float:
    """The shift asked for by OPTSYNC_CLOCK_OFFSET; 0.0 when unset. Raises ValueError for anything but a number."""
    return float(os.environ.get("OPTSYNC_CLOCK_OFFSET") or 0.0)


def real() -> Seams:
    """The machine's own clock, sleep, randomness and ids."""
    offset = timedelta(seconds=clock_offset_seconds())
    return Seams(
        now=lambda: datetime.now(UTC) + offset,
        monotonic=time.monotonic,
        sleep=time.sleep,
        new_id=lambda: str(uuid.uuid4()),
        token_bytes=secrets.token_bytes,
        random=SystemRandom(),
        wait=lambda event, seconds: event.wait(seconds),
    )
