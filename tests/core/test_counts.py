"""The two identities of the balance."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optsync.core.counts import Balance

counts = st.integers(0, 100)


@given(counts, counts, counts, counts, counts, counts)
def test_a_balance_closes_when_both_sides_count_the_same(
    linked: int, not_linked: int, confirmed: int, owed: int, held: int, parked: int
) -> None:
    marks = confirmed + owed + held + parked
    no_address = min(1, marks)
    balance = Balance(
        linked + not_linked, linked, not_linked, marks - no_address, no_address, confirmed, owed, held, parked
    )
    assert balance.closes()
    assert balance.agree == (owed == held == parked == 0)


@pytest.mark.parametrize("name", [field.name for field in fields(Balance)])
def test_one_missing_person_or_box_opens_the_balance(name: str) -> None:
    balance = Balance(**{name: 1})
    assert not balance.closes()
    assert not balance.agree


def test_the_counts_have_the_names_of_the_json_output() -> None:
    names = ["recorded", "linked", "not_linked", "pairs", "no_address", "confirmed", "owed", "held", "parked"]
    assert list(Balance().as_dict()) == names
