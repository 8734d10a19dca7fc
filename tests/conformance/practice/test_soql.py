"""SOQL's grammar: names, parents, counts, operators, date words, limits and refusals (salesforce.md 7)."""

from datetime import date

import pytest

from practice_org.date_words import period
from tests.conformance.practice.rest import Rest

BOX = "HasOptedOutOfEmail"
JOIN = "Id IN (SELECT ConvertedContactId FROM Lead)"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT Lead.Id, Lead.Email FROM Lead",
        "SELECT l.Id, l.Email FROM Lead l",
        "SELECT l.Id, Email FROM Lead AS l WHERE l.Id != null ORDER BY Lead.Id",
        "select id, email from lead where ( not lead.id = null )",
    ],
)
def test_names_may_be_qualified_and_answers_have_plain_keys(rest: Rest, text: str) -> None:
    assert rest.rows(text) == rest.rows("SELECT Id, Email FROM Lead")


def test_a_column_named_twice_is_refused(rest: Rest) -> None:
    answer = rest.query("SELECT Id, Lead.Id FROM Lead")
    assert (answer.code, "duplicate field selected: Id" in answer.json[0]["message"]) == ("INVALID_FIELD", True)


def test_a_parents_fields_come_nested_with_attributes_of_their_own(rest: Rest) -> None:
    made = rest.org.create("Lead", Email="ada@example.com")
    rows = rest.rows(f"SELECT Owner.Name, Owner.Email, Id FROM Lead WHERE Id = '{made}'")
    user = rest.rows(f"SELECT OwnerId FROM Lead WHERE Id = '{made}'")[0]["OwnerId"]
    owner = rows[0].pop("Owner")
    assert owner.pop("attributes") == {"type": "User", "url": f"/services/data/v62.0/sobjects/User/{user}"}
    assert (owner["Name"], rows) == ("Practice Admin", [{"Id": made}])


def test_a_parents_field_selects_and_sorts(rest: Rest) -> None:
    made = rest.org.create("Lead", Email="ada@example.com")
    assert rest.rows("SELECT Id FROM Lead WHERE CreatedBy.Name = 'practice admin'") == [{"Id": made}]
    rows = rest.rows("SELECT Id FROM Lead ORDER BY LastModifiedBy.Name DESC LIMIT 1")
    assert rows == [{"Id": made}]


def test_a_parents_field_is_a_column_of_bulk_results(rest: Rest) -> None:
    job = rest.bulk_query(f"SELECT Id, Owner.Name FROM Contact WHERE {BOX} = false")
    lines = rest.call("GET", f"jobs/query/{job}/results").body.decode().splitlines()
    assert lines[0] == '"Id","Owner.Name"'
    assert {line.split(",")[1] for line in lines[1:]} == {'"Integration User"'}


def test_an_unknown_parent_is_told_as_salesforce_does(rest: Rest) -> None:
    answer = rest.query("SELECT Nobody.Name FROM Lead")
    assert answer.code == "INVALID_FIELD"
    assert "Didn't understand relationship 'Nobody' in field path." in answer.json[0]["message"]


def test_a_counted_column_is_one_aggregate_row(rest: Rest) -> None:
    rest.org.create("Lead")
    page = rest.query("SELECT COUNT(Id), COUNT(Email) FROM Lead").json
    with_address = rest.query("SELECT COUNT() FROM Lead WHERE Email != null").json["totalSize"]
    assert page["records"] == [{"attributes": {"type": "AggregateResult"}, "expr0": 31, "expr1": with_address}]
    assert rest.rows("SELECT COUNT(Id) total FROM Lead WHERE Email = 'nobody@example.com'") == [{"total": 0}]


def test_records_are_counted_by_group(rest: Rest) -> None:
    rest.org.reset(leads=0, contacts=0)
    for title, phone in (("B", "2"), ("b", "2"), ("A", "9"), (None, "1")):
        rest.org.create("Lead", LastName="X", Phone=phone, **({"Title": title} if title else {}))
    figures = "COUNT(Id), COUNT_DISTINCT(Phone) phones, MIN(Phone), MAX(Phone) most"
    found = rest.rows(f"SELECT Title, {figures} FROM Lead GROUP BY Title")
    assert found == [
        {"Title": None, "expr0": 1, "phones": 1, "expr1": "1", "most": "1"},
        {"Title": "A", "expr0": 1, "phones": 1, "expr1": "9", "most": "9"},
        {"Title": "B", "expr0": 2, "phones": 1, "expr1": "2", "most": "2"},
    ]
    ordered = "SELECT l.Title kind, COUNT(l.Id) n FROM Lead l GROUP BY Title ORDER BY Title DESC NULLS LAST LIMIT 2"
    assert rest.rows(ordered) == [{"kind": "B", "n": 2}, {"kind": "A", "n": 1}]
    by_owner = rest.rows("SELECT Owner.Name, COUNT(Id) FROM Lead GROUP BY Owner.Name")
    assert by_owner == [{"Name": "Practice Admin", "expr0": 4}]
    assert rest.rows("SELECT MAX(Email), COUNT_DISTINCT(Email) FROM Lead") == [{"expr0": None, "expr1": 0}]
    assert rest.rows("SELECT Name, COUNT(Id) FROM User GROUP BY Name LIMIT 1") == [
        {"Name": "Integration User", "expr0": 1}
    ]


def test_groups_do_not_come_in_pages(rest: Rest) -> None:
    rest.org.reset(contacts=2_500)
    answer = rest.query("SELECT Email, COUNT(Id) FROM Contact GROUP BY Email")
    assert answer.code == "EXCEEDED_ID_LIMIT"
    assert "does not support queryMore(), use LIMIT" in answer.json[0]["message"]
    assert len(rest.rows("SELECT Email, COUNT(Id) FROM Contact GROUP BY Email LIMIT 5")) == 5


def test_an_inner_statement_stands_for_the_ids_it_finds(rest: Rest) -> None:
    leads = [rest.org.create("Lead", Email=f"p{n}@example.com") for n in range(2)]
    contacts = [rest.org.convert(lead) for lead in leads]
    inner = "SELECT ConvertedContactId FROM Lead WHERE Lead.Email = 'p0@example.com' AND CreatedDate = TODAY"
    ours = "CreatedBy.Name = 'Practice Admin'"
    assert rest.rows(f"SELECT Id FROM Contact WHERE Id IN ({inner})") == [{"Id": contacts[0]}]
    assert rest.rows(f"SELECT Id FROM Contact WHERE {ours} AND Id NOT IN ({inner})") == [{"Id": contacts[1]}]
    assert rest.rows("SELECT Id FROM Contact WHERE Id IN (SELECT ConvertedContactId FROM Lead WHERE Id = null)") == []
    by_admin = "OwnerId IN (SELECT Id FROM User WHERE Name LIKE '%Admin')"
    assert rest.query(f"SELECT COUNT() FROM Contact WHERE {by_admin}").json["totalSize"] == 2
    job = rest.bulk_query(f"SELECT Id FROM Contact WHERE Id IN ({inner})")
    lines = rest.call("GET", f"jobs/query/{job}/results").body.decode().splitlines()
    assert lines == ['"Id"', f'"{contacts[0]}"']


FISCAL = [
    *(f"{when}_FISCAL_{unit}" for when in ("LAST", "THIS", "NEXT") for unit in ("QUARTER", "YEAR")),
    *(f"{when}_N_FISCAL_{unit}S:2" for when in ("LAST", "NEXT") for unit in ("QUARTER", "YEAR")),
    *(f"N_FISCAL_{unit}S_AGO:2" for unit in ("QUARTER", "YEAR")),
]


@pytest.mark.parametrize("word", FISCAL)
def test_fiscal_periods_are_those_of_the_calendar(word: str) -> None:
    assert period(word, date(2026, 3, 4)) == period(word.replace("_FISCAL", ""), date(2026, 3, 4))


def test_every_date_word_is_read(rest: Rest) -> None:
    plain = [f"{when}_{unit}" for when in ("LAST", "THIS", "NEXT") for unit in ("WEEK", "MONTH", "QUARTER", "YEAR")]
    counted = [
        f"{when}_N_{unit}S:3" for when in ("LAST", "NEXT") for unit in ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")
    ]
    ago = [f"N_{unit}S_AGO:3" for unit in ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")]
    days = ["YESTERDAY", "TODAY", "TOMORROW", "LAST_90_DAYS", "NEXT_90_DAYS"]
    for word in (*days, *plain, *counted, *ago, *FISCAL):
        for field in ("CreatedDate", "ConvertedDate"):
            answer = rest.query(f"SELECT COUNT() FROM Lead WHERE {field} = {word}")
            assert answer.status == 200, (word, answer.body)


def test_counts_respect_a_limit(rest: Rest) -> None:
    assert rest.query("SELECT COUNT() FROM Lead LIMIT 5").json["totalSize"] == 5


def test_users_are_filtered_like_any_object(rest: Rest) -> None:
    assert len(rest.rows("SELECT Id FROM User")) == 2
    assert rest.rows("SELECT Name FROM User WHERE Name LIKE 'Integration%'") == [{"Name": "Integration User"}]
    assert rest.rows("SELECT Id FROM User WHERE IsActive = false") == []
    assert rest.query("SELECT COUNT() FROM Organization").json["totalSize"] == 1


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("100\\%", ["100%"]),
        ("100%", ["100%", "1000"]),
        ("a\\_b", ["a_b"]),
        ("a_b", ["a_b", "axb"]),
        ("", []),
        ("%\\'%", ["it's"]),
    ],
)
def test_like_takes_escaped_wildcards_as_they_stand(rest: Rest, pattern: str, names: list[str]) -> None:
    for name in ("100%", "1000", "a_b", "axb", "it's"):
        rest.org.create("Contact", LastName=name, Title="LIKE")
    rows = rest.rows(
        f"SELECT LastName FROM Contact WHERE LastName LIKE '{pattern}' AND Title = 'LIKE' ORDER BY LastName"
    )
    assert [row["LastName"] for row in rows] == names


@pytest.mark.parametrize("direction", ["", "DESC"])
def test_texts_are_sorted_without_regard_to_case_and_nulls_come_first(rest: Rest, direction: str) -> None:
    for name, phone in (("b", "2"), ("A", "1"), ("C", None)):
        rest.org.create("Contact", LastName=name, Title="SORT", **({"Phone": phone} if phone else {}))
    rows = rest.rows(f"SELECT LastName FROM Contact WHERE Title = 'SORT' ORDER BY LastName {direction}")
    assert [row["LastName"] for row in rows] == (["C", "b", "A"] if direction else ["A", "b", "C"])
    rows = rest.rows(f"SELECT LastName FROM Contact WHERE Title = 'SORT' ORDER BY Phone {direction}")
    assert rows[0]["LastName"] == "C"
    rows = rest.rows(f"SELECT LastName FROM Contact WHERE Title = 'SORT' ORDER BY Phone {direction} NULLS LAST")
    assert rows[2]["LastName"] == "C"


@pytest.mark.parametrize(
    ("word", "first", "end"),
    [
        ("TODAY", "2026-03-04", "2026-03-05"),
        ("yesterday", "2026-03-03", "2026-03-04"),
        ("TOMORROW", "2026-03-05", "2026-03-06"),
        ("THIS_WEEK", "2026-03-01", "2026-03-08"),
        ("LAST_WEEK", "2026-02-22", "2026-03-01"),
        ("NEXT_WEEK", "2026-03-08", "2026-03-15"),
        ("THIS_MONTH", "2026-03-01", "2026-04-01"),
        ("LAST_MONTH", "2026-02-01", "2026-03-01"),
        ("NEXT_MONTH", "2026-04-01", "2026-05-01"),
        ("LAST_90_DAYS", "2025-12-04", "2026-03-05"),
        ("NEXT_90_DAYS", "2026-03-05", "2026-06-03"),
        ("THIS_QUARTER", "2026-01-01", "2026-04-01"),
        ("LAST_QUARTER", "2025-10-01", "2026-01-01"),
        ("NEXT_QUARTER", "2026-04-01", "2026-07-01"),
        ("THIS_YEAR", "2026-01-01", "2027-01-01"),
        ("LAST_YEAR", "2025-01-01", "2026-01-01"),
        ("NEXT_YEAR", "2027-01-01", "2028-01-01"),
        ("THIS_FISCAL_QUARTER", "2026-01-01", "2026-04-01"),
        ("LAST_N_DAYS:2", "2026-03-02", "2026-03-05"),
        ("NEXT_N_DAYS:2", "2026-03-05", "2026-03-07"),
        ("N_DAYS_AGO:2", "2026-03-02", "2026-03-03"),
        ("LAST_N_WEEKS:2", "2026-02-15", "2026-03-01"),
        ("NEXT_N_WEEKS:1", "2026-03-08", "2026-03-15"),
        ("N_WEEKS_AGO:1", "2026-02-22", "2026-03-01"),
        ("LAST_N_MONTHS:3", "2025-12-01", "2026-03-01"),
        ("N_MONTHS_AGO:14", "2025-01-01", "2025-02-01"),
        ("LAST_N_QUARTERS:1", "2025-10-01", "2026-01-01"),
        ("NEXT_N_YEARS:2", "2027-01-01", "2029-01-01"),
    ],
)
def test_a_date_word_is_a_period_of_whole_days(word: str, first: str, end: str) -> None:
    """Today is Wednesday, 4 March 2026; weeks begin on Sunday."""
    assert period(word, date(2026, 3, 4)) == (date.fromisoformat(first), date.fromisoformat(end))


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("CreatedDate = TODAY", True),
        ("CreatedDate >= LAST_N_DAYS:3", True),
        ("CreatedDate <= LAST_MONTH", False),
        ("CreatedDate > YESTERDAY", True),
        ("CreatedDate < TODAY", False),
        ("CreatedDate != TODAY", False),
        ("CreatedDate IN (TODAY, YESTERDAY)", True),
        ("CreatedDate NOT IN (TODAY)", False),
        ("ConvertedDate != TODAY", True),
    ],
)
def test_a_date_word_compares_as_its_period(rest: Rest, condition: str, found: bool) -> None:
    made = rest.org.create("Lead")
    assert ({"Id": made} in rest.rows(f"SELECT Id FROM Lead WHERE {condition}")) is found


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("SELECT Id Name FROM Lead", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
        ("SELECT Id FROM Lead LIMIT 1.5", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Lead LIMIT -1", "MALFORMED_QUERY", "ERROR at Row:1:Column:27"),
        ("SELECT Id\nFROM Lead\nWHERE Id ==", "MALFORMED_QUERY", "ERROR at Row:3:Column:11"),
        ("SELECT Id FROM Lead OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
        ("SELECT Id FROM Lead WHERE CreatedDate > 2026-13-45T99:00:00Z", "MALFORMED_QUERY", "2026-13-45T99:00:00Z"),
        ("SELECT Id FROM Lead WHERE ConvertedDate > 2026-02-31", "MALFORMED_QUERY", "2026-02-31"),
        ("SELECT Id FROM Lead WHERE CreatedDate > 0001-01-01T00:00:00+14:00", "MALFORMED_QUERY", "0001-01-01"),
        ("SELECT Id FROM Lead WHERE Email = 5", "INVALID_FIELD", "must be of type string"),
        ("SELECT Id FROM Lead WHERE Email = TODAY", "INVALID_FIELD", "must be of type string"),
        ("SELECT Id FROM Lead WHERE Email = " + "9" * 5_000, "INVALID_FIELD", "must be of type string"),
        ("SELECT Id, COUNT(Id) FROM Lead", "MALFORMED_QUERY", "must be grouped or aggregated"),
        ("SELECT Id FROM Lead GROUP BY Status", "MALFORMED_QUERY", "must be grouped or aggregated: Id"),
        ("SELECT COUNT(Id) FROM Lead ORDER BY Email", "MALFORMED_QUERY", "must be grouped or aggregated: Email"),
        ("SELECT COUNT(Id) FROM Lead GROUP BY CreatedDate", "INVALID_FIELD", "'CreatedDate' can not be grouped"),
        (
            "SELECT Id FROM Lead WHERE LeadSource INCLUDES ('Web')",
            "INVALID_FIELD",
            "invalid operator on picklist field",
        ),
        ("SELECT Id FROM Lead WHERE Email EXCLUDES ('a;b')", "INVALID_FIELD", "invalid operator on email field"),
        ("SELECT Id FROM Lead WHERE CreatedDate = THIS_FISCAL_WEEK", "MALFORMED_QUERY", "token: 'THIS_FISCAL_WEEK'"),
        ("SELECT Id FROM Lead WHERE CreatedDate = LAST_N_DAYS:x", "MALFORMED_QUERY", "token: 'LAST_N_DAYS'"),
        ("SELECT Id FROM Lead WHERE Email = 'a' AND NOT (Phone = 'b')", "MALFORMED_QUERY", "token: 'NOT'"),
        ("SELECT Id FROM Lead WHERE NOT Email = 'a' OR Phone = 'b'", "MALFORMED_QUERY", "token: 'OR'"),
        ("SELECT Id FROM Lead WHERE Email = 'it's'", "MALFORMED_QUERY", "token: 's'"),
        ("SELECT Id FROM Lead WHERE Email = 'open", "MALFORMED_QUERY", "token: '''"),
        ("SELECT FROM Lead", "MALFORMED_QUERY", "token: 'FROM'"),
        ("SELECT * FROM Lead", "MALFORMED_QUERY", "token: '*'"),
        ("", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Lead WHERE Id IN (SELECT Id FROM Lead)", "MALFORMED_QUERY", "on the same object type"),
        (f"SELECT Id FROM Contact WHERE {JOIN} OR Email = null", "MALFORMED_QUERY", "not allowed with the 'OR'"),
        (f"SELECT Id FROM Contact WHERE {JOIN} AND {JOIN} AND {JOIN}", "MALFORMED_QUERY", "Maximum 2 semi join"),
        (f"SELECT Id FROM Lead WHERE OwnerId IN (SELECT Id FROM User WHERE {JOIN})", "MALFORMED_QUERY", "Nesting of"),
        ("SELECT Id FROM Contact WHERE Id IN (SELECT Email FROM Lead)", "INVALID_FIELD", "point to the same object"),
        ("SELECT Id FROM Contact WHERE Email IN (SELECT Email FROM Lead)", "INVALID_FIELD", "point to the same object"),
        ("SELECT Id FROM Contact WHERE Id IN (SELECT Id FROM Lead)", "INVALID_FIELD", "point to the same object"),
        ("SELECT Id FROM Contact WHERE Id IN (SELECT Id FROM Nothing)", "INVALID_TYPE", "'Nothing' is not supported"),
        (f"SELECT Id FROM Lead WHERE {BOX} > true", "INVALID_FIELD", "invalid operator"),
        ("SELECT Id FROM Lead WHERE Id LIKE '00Q%'", "INVALID_FIELD", "invalid operator on id field"),
        (
            "SELECT Id FROM Lead WHERE " + "(NOT (Id = null OR " * 200 + "Id = null" + "))" * 200,
            "QUERY_TOO_COMPLICATED",
            "",
        ),
        ("SELECT Id FROM Lead WHERE " + "(" * 3_000 + "Id = null", "MALFORMED_QUERY", "unexpected token"),
    ],
)
def test_a_statement_that_cannot_be_answered_is_refused_with_its_place(
    rest: Rest, text: str, code: str, part: str
) -> None:
    answer = rest.query(text)
    assert (answer.status, answer.code) == (400, code)
    assert part in answer.json[0]["message"]


TAIL = " Lead WHERE Email = 'a' AND Phone = 'b' OR Title = 'c'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "SELECT Id FROM Lead WHERE",
            f"\nSELECT Id FROM Lead WHERE\n{' ' * 25}^\nERROR at Row:1:Column:26\nunexpected token: '<EOF>'",
        ),
        (
            "SELECT Id\nFROM Lead\nWHERE Email = 'a' AND Phone = 'b' OR Title = 'c'",
            f"\n{TAIL}\n{' ' * 40}^\nERROR at Row:3:Column:35\nunexpected token: 'OR'",
        ),
    ],
)
def test_a_refusal_shows_the_place_with_a_caret_below_it(rest: Rest, text: str, message: str) -> None:
    answer = rest.query(text)
    assert answer.json == [{"message": message, "errorCode": "MALFORMED_QUERY"}]


def test_a_statement_has_at_most_100_000_characters(rest: Rest) -> None:
    start = "SELECT Id FROM Lead WHERE Email IN ('"
    fitting = start + "','".join(["x" * 997] * 100)[: 100_000 - len(start) - 2] + "')"
    for text, status in ((fitting, 200), (fitting + " ", 400)):
        answer = rest.call("POST", "jobs/query", {"operation": "query", "query": text})
        assert (len(text), answer.status) == (100_000 + (status == 400), status), answer.body
    assert "100000 characters" in answer.json[0]["message"]


def test_deep_parentheses_are_answered_or_refused_but_never_break_the_org(rest: Rest) -> None:
    for depth in (50, 2_000):
        answer = rest.query("SELECT Id FROM Lead WHERE " + "(" * depth + "Id = null" + ")" * depth)
        assert answer.status in (200, 400)


def test_a_locator_ends_with_its_life(rest: Rest) -> None:
    rest.org.reset(contacts=2_500)
    address = rest.query("SELECT Id FROM Contact").json["nextRecordsUrl"]
    assert rest.call("GET", address).status == 200
    rest.org.behaviour(query_locator_seconds=0)
    assert rest.call("GET", address).code == "INVALID_QUERY_LOCATOR"
