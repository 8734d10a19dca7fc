"""What people paste: addresses and record ids between line ends, commas, semicolons and tabs; nothing goes silently."""

import pytest

from optsync.core.typed_list import Entry, entries_of


def test_entries_are_separated_as_a_sheet_does_and_each_counts_once() -> None:
    text = "Ann@Example.com\r\nben@example.com; ann@example.com,\tCora <cora@example.com>\n\n"
    assert [entry.address for entry in entries_of(text)] == ["ann@example.com", "ben@example.com", "cora@example.com"]


def test_ids_of_15_and_18_characters_are_one_record() -> None:
    assert [entry.record_id for entry in entries_of("00Q000000000001\n00Q000000000001EAA")] == ["00Q000000000001EAA"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ann.example.com", "neither an e-mail address nor a record id"),
        ("ann@", "not an e-mail address"),
        ("an n@example.com", "not an e-mail address"),
        ("500000000000001", "the id is of another object than Lead, Contact or Account"),
        ("00q000000000001EAA", "the last three characters do not fit the first fifteen: were its capitals changed on"),
    ],
)
def test_what_names_nobody_comes_back_with_its_reason(text: str, why: str) -> None:
    (entry,) = entries_of(text)
    assert entry.text == text
    assert entry.why.startswith(why)
    assert (entry.address, entry.record_id) == ("", "")


def test_nothing_is_no_entry_and_a_zero_byte_is_nothing() -> None:
    assert entries_of(" ,;\n\t\0\r\n") == []
    assert entries_of("\0a@b.example\0") == [Entry("a@b.example", address="a@b.example")]
