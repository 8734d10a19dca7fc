"""How long a refused mark waits before it is tried again. Chance is an argument: a number in [0, 1)."""

from typing import Final

from optsync.core.rejections import RetryClass

SOON_SECONDS_MIN: Final = 2.0
SOON_SECONDS_MAX: Final = 15 * 60.0
HOURLY_SECONDS: Final = 60 * 60.0
WAIT_SECONDS_MIN: Final = 15 * 60.0
WAIT_SECONDS_MAX: Final = 60 * 60.0
DAILY_SECONDS: Final = 24 * 60 * 60.0
SPREAD: Final = 0.1
"""Fixed delays vary by up to a tenth either way, so that what failed together does not come back together."""

_DOUBLINGS_MAX = 16
"""Enough to reach every maximum; a mark may count 32,000 attempts."""


def next_delay_seconds(retry: RetryClass, attempts: int, chance: float) -> float:
    """Seconds until the next attempt after `attempts` failed ones.

    RETRY and FOLLOW: full jitter between 2 s and twice as much each time, 15 min at most: up to 4 s, 8 s, 16 s ...
    SLOW: about 1 h. LIMIT and RECONNECT: from 15 min, doubling up to 1 h. PARK and PAUSE: about 24 h.
    """
    if retry in (RetryClass.RETRY, RetryClass.FOLLOW):
        return SOON_SECONDS_MIN + chance * (_double(SOON_SECONDS_MIN, attempts, SOON_SECONDS_MAX) - SOON_SECONDS_MIN)
    if retry is RetryClass.SLOW:
        return _spread(HOURLY_SECONDS, chance)
    if retry in (RetryClass.LIMIT, RetryClass.RECONNECT):
        return _spread(_double(WAIT_SECONDS_MIN, attempts - 1, WAIT_SECONDS_MAX), chance)
    return _spread(DAILY_SECONDS, chance)


def _double(start_seconds: float, times: int, max_seconds: float) -> float:
    return min(max_seconds, start_seconds * 2.0 ** min(max(times, 0), _DOUBLINGS_MAX))


def _spread(seconds: float, chance: float) -> float:
    return seconds * (1 - SPREAD + 2 * SPREAD * chance)
