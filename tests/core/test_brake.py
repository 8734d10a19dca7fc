"""The brake: more than max(500, 5 % of the addresses with a live record)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optsync.core.brake import is_held


@pytest.mark.parametrize(
    ("changed", "linked", "held"),
    [
        (1, 0, False),
        (500, 0, False),
        (501, 0, True),
        (501, 10_000, True),
        (501, 10_020, False),
        (502, 10_020, True),
        (50_000, 1_000_000, False),
        (50_001, 1_000_000, True),
    ],
)
def test_a_mass_change_is_held_above_500_addresses_and_5_percent(changed: int, linked: int, held: bool) -> None:
    assert is_held(changed, linked) is held


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_the_brake_is_the_one_rule_and_nothing_else(changed: int, linked: int) -> None:
    assert is_held(changed, linked) == (changed > max(500, linked / 20))
