"""When a delivery is tried again, and when no more: values in, values out."""

from dataclasses import dataclass
from typing import Final, Literal

DELAYS_SECONDS: Final = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
"""After the first attempt, the second, ...: eight attempts in some 28 hours."""
JITTER: Final = 0.1
"""Up to a tenth later, so that what failed together is not tried again together."""
GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a delivery: `again_seconds` is set for "again" only."""

    what: Literal["delivered", "again", "given up", "gone"]
    again_seconds: float | None = None


def fate_of(attempts: int, status: int | None, chance: float) -> Fate:
    """After `attempts` attempts (1 or more), the last one answered by `status` (None: not at all). `chance`: 0 to 1."""
    if status is not None and 200 <= status < 300:
        return Fate("delivered")
    if status == GONE:
        return Fate("gone")
    if attempts > len(DELAYS_SECONDS):
        return Fate("given up")
    return Fate("again", DELAYS_SECONDS[attempts - 1] * (1 + JITTER * chance))
