"""Generated people: nothing is stored, everything follows from seed and number."""

import time

import pytest

from practice_org import ids
from practice_org.people import BLOCK, Crowd, scatter_opt_outs

BOX = "HasOptedOutOfEmail"


def crowd(object_name: str, size: int = 3 * BLOCK, seed: int = 1) -> Crowd:
    ticks = scatter_opt_outs(object_name, seed, size, {BOX: 10.0})
    return Crowd(object_name, seed, size, 2 * BLOCK, ticks)


@pytest.mark.parametrize(
    ("id15", "suffix"), [("a0D30000001n7Pi", "EAI"), ("0035500001H9cak", "AAB"), ("750R0000000zxr8", "IAA")]
)
def test_suffixes_are_those_of_real_ids(id15: str, suffix: str) -> None:
    assert ids.to_18(id15) == id15 + suffix


def test_an_id_leads_back_to_its_number_and_sorts_like_it() -> None:
    numbers = [0, 1, 61, 62, 3_843, 3_844, 238_328, 5_000_000, ids.CAPACITY - 1]
    made = [ids.record_id("003", number) for number in numbers]
    assert made == sorted(made)
    assert [ids.number_of(one, "003") for one in made] == numbers
    assert ids.number_of(made[0], "00Q") is None


def test_every_address_is_found_again_and_no_other() -> None:
    people = crowd("Lead")
    by_address: dict[str, set[int]] = {}
    for number in range(people.total):
        email = people.value(number, "Email")
        if email is not None:
            by_address.setdefault(str(email), set()).add(number)
    assert all(set(people.find(address.upper())) == numbers for address, numbers in by_address.items())
    assert people.find("nobody@example.com") == people.find("ada.abel1@example.com") == []


def test_some_addresses_stand_on_several_records_and_some_records_have_none() -> None:
    leads, contacts = crowd("Lead"), crowd("Contact")
    lead_emails = [leads.value(number, "Email") for number in range(leads.size)]
    contact_emails = {contacts.value(number, "Email") for number in range(contacts.size)}
    shared = sum(email in contact_emails for email in lead_emails if email)
    doubled = len(lead_emails) - len(set(lead_emails))
    assert 0.05 < shared / leads.size < 0.12
    assert 0.02 < doubled / leads.size < 0.08
    assert 0.01 < lead_emails.count(None) / leads.size < 0.03


def test_addresses_are_fictional() -> None:
    emails = {str(crowd("Contact").value(number, "Email")) for number in range(0, 2 * BLOCK, 7)} - {"None"}
    assert all(
        email.partition("@")[2].split(".", 1)[-1].startswith(("example", "com", "org", "net")) for email in emails
    )


def test_converted_leads_live_on_as_contacts_of_the_same_address() -> None:
    leads, contacts = crowd("Lead"), crowd("Contact")
    converted = leads.converted()
    assert converted
    for number in converted:
        into = ids.number_of(str(leads.value(number, "ConvertedContactId")), "003")
        assert into == number < 2 * BLOCK
        assert contacts.value(number, "LastName") == leads.value(number, "LastName")


def test_the_recycle_bin_holds_deleted_and_merged_records_beside_the_asked_number() -> None:
    people = crowd("Contact")
    binned = range(people.size, people.total)
    merged = [number for number in binned if people.value(number, "MasterRecordId")]
    assert len(binned) == people.size // 100
    assert 0 < len(merged) < len(binned)
    master = ids.number_of(str(people.value(merged[0], "MasterRecordId")), "003")
    assert master is not None
    assert people.value(master, "Email") == people.value(merged[0], "Email")


@pytest.mark.parametrize(("size", "percent"), [(0, 10.0), (1, 100.0), (2, 50.0), (10, 30.0), (30_000, 2.0)])
def test_exactly_the_asked_share_is_ticked(size: int, percent: float) -> None:
    ticked = scatter_opt_outs("Lead", 1, size, {BOX: percent})[BOX].members()
    assert len(ticked) == round(size * percent / 100)
    assert all(0 <= number < size for number in ticked)


def test_the_same_seed_gives_the_same_people_and_another_seed_others() -> None:
    def some(seed: int) -> list[object]:
        return [crowd("Lead", seed=seed).value(number, "Email") for number in range(50)]

    assert some(1) == some(1)
    assert some(1) != some(2)


def test_five_million_people_exist_at_once() -> None:
    began = time.perf_counter()
    people = crowd("Contact", 5_000_000)
    assert people.value(4_999_999, "Id") == ids.record_id("003", 4_999_999)
    assert people.find(str(people.value(4_321_000, "Email")))
    assert time.perf_counter() - began < 1.0
