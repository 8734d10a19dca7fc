"""How long refused marks wait."""

from hypothesis import given
from hypothesis import strategies as st

from optsync.core.rejections import RetryClass
from optsync.core.retry import next_delay_seconds

chances = st.floats(0, 1, exclude_max=True)
attempts = st.integers(0, 32_000)
BOUNDS = {
    RetryClass.RETRY: (2, 15 * 60),
    RetryClass.FOLLOW: (2, 15 * 60),
    RetryClass.SLOW: (54 * 60, 66 * 60),
    RetryClass.LIMIT: (13.5 * 60, 66 * 60),
    RetryClass.RECONNECT: (13.5 * 60, 66 * 60),
    RetryClass.PARK: (21.6 * 3600, 26.4 * 3600),
    RetryClass.PAUSE: (21.6 * 3600, 26.4 * 3600),
}


@given(st.sampled_from(RetryClass), attempts, chances)
def test_every_delay_keeps_its_bounds_however_often_it_failed(retry: RetryClass, tried: int, chance: float) -> None:
    low, high = BOUNDS[retry]
    assert low - 0.001 <= next_delay_seconds(retry, tried, chance) <= high + 0.001


@given(st.integers(1, 31_999), chances)
def test_r13_a_locked_row_waits_longer_each_time_up_to_fifteen_minutes(tried: int, chance: float) -> None:
    before = next_delay_seconds(RetryClass.RETRY, tried, chance)
    assert before <= next_delay_seconds(RetryClass.RETRY, tried + 1, chance)
    assert next_delay_seconds(RetryClass.RETRY, tried, 1.0) == (2.0 * 2**tried if tried < 9 else 900)


def test_marks_that_failed_together_do_not_come_back_together() -> None:
    for retry in RetryClass:
        assert len({next_delay_seconds(retry, 5, chance / 10) for chance in range(10)}) == 10
