"""15 and 18 characters name one Salesforce record."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optsync.core.record_ids import BadRecordId, kind_of, to_18

ids_15 = st.text(string.ascii_letters + string.digits, min_size=15, max_size=15)
REAL_IDS = [
    "a0D30000001n7PiEAI",
    "0035500001H9cakAAB",
    "750R0000000zxr8IAA",
    "003ak00000jvIfpAAE",
    "750ak000009AVi5AAG",
    "00Q8t0000024px3EAA",
    "000000000000000AAA",
]


@pytest.mark.parametrize("id18", REAL_IDS)
def test_real_ids_get_the_suffix_that_salesforce_gave_them(id18: str) -> None:
    assert to_18(id18[:15]) == id18 == to_18(id18)


@given(ids_15)
def test_r03_a_15_and_an_18_character_id_are_the_same_record(id15: str) -> None:
    assert to_18(to_18(id15)) == to_18(id15)
    assert to_18(id15).startswith(id15)


@given(ids_15, ids_15)
def test_ids_that_differ_in_capitals_only_stay_apart_even_where_case_is_lost(one: str, other: str) -> None:
    assert (to_18(one).lower() == to_18(other).lower()) == (one == other)


@given(ids_15.filter(lambda text: text != text.lower()))
def test_an_id_whose_capitals_were_lost_on_the_way_is_refused(id15: str) -> None:
    with pytest.raises(BadRecordId, match="capitals"):
        to_18(id15.lower() + to_18(id15)[15:])


@pytest.mark.parametrize(
    "raw", ["", "003", "0035500001H9cakAA", "0035500001H9cak-AB", "0035500001H9ca é", "x" * 19, "٣" * 15]
)
def test_what_is_no_id_is_refused(raw: str) -> None:
    with pytest.raises(BadRecordId):
        to_18(raw)


def test_white_space_around_an_id_does_not_matter() -> None:
    assert to_18(" 0035500001H9cak\r\n") == "0035500001H9cakAAB"


def test_the_prefix_tells_lead_contact_and_account_apart() -> None:
    kinds = [kind_of(to_18(prefix + "0" * 12)) for prefix in ("00Q", "003", "001", "005", "00q")]
    assert kinds == ["Lead", "Contact", "Account", None, None]
