"""Queries: no value escapes its literal, no call is too long, no page is lost unnoticed."""

import re
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optsync import seams
from optsync.salesforce import query
from optsync.salesforce.errors import ApiRefused, OddAnswer
from optsync.salesforce.session import Session
from tests.conformance.client.wire import answer, serve
from tests.practice import PracticeOrg

SELECT = "SELECT Id FROM Lead WHERE Email IN ("
UNESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "\\": "\\", "'": "'", '"': '"'}
NASTY = st.text(alphabet=st.sampled_from("\\'\"\n\r\t\b\f%&+=#? ,();a@é€😀"), max_size=30) | st.text(max_size=30)


def read_literal(literal: str) -> str:
    """What Salesforce reads in a string literal; a quote that ends it early, or a wrong escape, is an error."""
    assert literal[0] == literal[-1] == "'"
    inside = literal[1:-1]
    assert re.fullmatch(r"(?:[^'\\]|\\.)*", inside, re.DOTALL)
    return re.sub(r"\\(.)", lambda match: UNESCAPED[match[1]], inside, flags=re.DOTALL)


@given(NASTY)
def test_a_value_stays_within_its_literal(text: str) -> None:
    try:
        literal = query.quote(text)
    except ValueError:
        assert re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", text)
    else:
        assert read_literal(literal) == text


@given(NASTY)
def test_a_query_arrives_as_it_was_meant(text: str) -> None:
    try:
        soql = SELECT + query.quote(text) + ")"
    except ValueError:
        return
    path = query.query_path(soql)
    assert re.fullmatch(r"query\?q=[!-~]+", path)
    assert not set(path[8:]) & set('#&;\\"<> ')
    assert unquote_plus(path[8:]) == soql


def test_two_hundred_thousand_random_texts_stay_within_their_literals() -> None:
    chance = seams.real().random
    for _ in range(2_000):
        texts = ["".join(chance.choices("\\'\"\n\r\t ab%_)", k=6)) for _ in range(100)]
        joined = ",".join(map(query.quote, texts))
        found = re.findall(r"'(?:[^'\\]|\\.)*'", joined, re.DOTALL)
        assert ",".join(found) == joined
        assert [read_literal(one) for one in found] == texts


@pytest.mark.parametrize("record_id", ["", "00Q", "00Q000000000001'", "00Q000000000001A", "00Q00000000000é", "x" * 19])
def test_only_ids_become_id_literals(record_id: str) -> None:
    with pytest.raises(ValueError, match="record id"):
        query.quote_id(record_id)


@given(st.lists(st.emails() | NASTY, max_size=900), st.integers(0, 3000))
def test_long_lists_are_split_into_calls_that_fit(values: list[str], fixed: int) -> None:
    usable = [value for value in values if not re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", value)]
    suffix = ")" + " " * fixed
    batches = list(query.in_batches(SELECT, usable, suffix))
    assert [value for _, batch in batches for value in batch] == usable
    for soql, batch in batches:
        assert 1 <= len(batch) <= query.MAX_LIST_VALUES
        assert soql.startswith(SELECT)
        assert soql.endswith(suffix)
        assert len(query.query_path(soql)) <= query.MAX_URI_BYTES + 1 or len(batch) == 1


def test_four_hundred_ordinary_addresses_fit_one_call(session: Session) -> None:
    addresses = [f"first.last{number}@example.com" for number in range(400)]
    batches = list(query.in_batches(SELECT, addresses, ")"))
    assert len(batches) == 1
    assert list(query.rows(session, batches[0][0])) == []


def test_the_longest_calls_are_not_refused(session: Session) -> None:
    addresses = [f"{'x' * 60}{number}@{'y' * 60}.example.com" for number in range(400)]
    batches = list(query.in_batches(SELECT, addresses, ")"))
    assert len(batches) > 1
    for soql, _ in batches:
        assert list(query.rows(session, soql)) == []


def test_all_pages_of_a_query_come(org: PracticeOrg, session: Session) -> None:
    org.reset(leads=4_500)
    sizes = [len(page) for page in query.pages(session, "SELECT Id, Email FROM Lead")]
    assert sizes == [2_000, 2_000, 500]
    assert len({row["Id"] for row in query.rows(session, "SELECT Id, Email FROM Lead")}) == 4_500
    assert query.count(session, "SELECT COUNT() FROM Lead") == 4_500


def test_addresses_are_found_exactly_whatever_they_contain(org: PracticeOrg, session: Session) -> None:
    odd = ["o'brien@example.com", "back\\slash@example.com", "plus+and&amp=#@example.com", "münchen@example.com"]
    ids = [org.create("Contact", Email=address) for address in odd]
    [(soql, _)] = query.in_batches("SELECT Id, Email FROM Contact WHERE Email IN (", odd, ")")
    assert {row["Id"]: row["Email"] for row in query.rows(session, soql)} == dict(zip(ids, odd, strict=True))


def test_deleted_records_come_with_all_rows_only(org: PracticeOrg, session: Session) -> None:
    lead = org.create("Lead", Email="gone@example.com")
    org.delete(lead)
    soql = f"SELECT Id, IsDeleted FROM Lead WHERE Id IN ({query.quote_id(lead)})"
    assert list(query.rows(session, soql)) == []
    assert [row["IsDeleted"] for row in query.rows(session, soql, all_rows=True)] == [True]


def test_a_hidden_field_is_a_refusal_with_its_code(org: PracticeOrg, session: Session) -> None:
    org.grant("Lead", "HasOptedOutOfEmail", "absent")
    with pytest.raises(ApiRefused) as refused:
        list(query.rows(session, "SELECT Id, HasOptedOutOfEmail FROM Lead"))
    assert refused.value.code == "INVALID_FIELD"


def test_a_lost_locator_ends_the_query_with_an_error(org: PracticeOrg, session: Session) -> None:
    org.reset(leads=2_500)
    org.fault("refuse", route="query.more", code="INVALID_QUERY_LOCATOR")
    received = query.pages(session, "SELECT Id FROM Lead")
    assert len(next(received)) == 2_000
    with pytest.raises(OddAnswer):
        next(received)


def page(records: int, total: int, more: str = "") -> dict[str, object]:
    found = [{"Id": f"00Q{number:015d}"} for number in range(records)]
    return {"totalSize": total, "done": not more, "records": found} | ({"nextRecordsUrl": more} if more else {})


@pytest.mark.parametrize(
    "pages",
    [
        [page(1, 2)],
        [page(2, 1)],
        [page(1, 3, "/services/data/v62.0/query/x-1"), page(1, 3)],
        [page(1, 3, "/services/data/v62.0/query/x-1"), page(0, 3, "/services/data/v62.0/query/x-1")],
        [page(1, 2, "https://evil.tld/services/data/v62.0/query/x")],
        [page(1, 2, "//evil.tld/services/data")],
        [{"totalSize": 1, "records": [{}]}],
        [{"totalSize": "1", "done": True, "records": [{}]}],
        [{"totalSize": 1, "done": True}],
        [{"totalSize": 1, "done": True, "records": [None]}],
        [[]],
    ],
)
def test_a_short_or_odd_query_answer_is_never_taken_for_the_whole(pages: list[object]) -> None:
    with serve(*map(answer, pages)) as server, server.session() as session, pytest.raises(OddAnswer):
        list(query.rows(session, "SELECT Id FROM Lead"))
