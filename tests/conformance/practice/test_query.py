"""SOQL and pages of results: salesforce.md 2.6 and 7."""

from urllib.parse import quote

import pytest

from tests.conformance.practice.rest import Rest

BOX = "HasOptedOutOfEmail"


def test_a_record_carries_its_type_and_address(rest: Rest) -> None:
    page = rest.query("SELECT Id, Email FROM Contact LIMIT 1").json
    record = page["records"][0]
    assert (page["totalSize"], page["done"]) == (1, True)
    assert list(record) == ["attributes", "Id", "Email"]
    assert record["attributes"] == {"type": "Contact", "url": f"/services/data/v62.0/sobjects/Contact/{record['Id']}"}


def test_results_come_in_pages_of_2000_or_fewer_if_asked(rest: Rest) -> None:
    rest.org.reset(contacts=2_500)
    page = rest.query("SELECT Id FROM Contact").json
    assert (page["totalSize"], page["done"], len(page["records"])) == (2_500, False, 2_000)
    rest_of_it = rest.call("GET", page["nextRecordsUrl"]).json
    assert (rest_of_it["done"], len(rest_of_it["records"])) == (True, 500)
    ids = [record["Id"] for record in page["records"] + rest_of_it["records"]]
    assert len(set(ids)) == 2_500
    for asked, given in (("batchSize=200", 200), ("batchSize=1", 200), ("BATCHSIZE = 9999", 2_000), ("odd", 2_000)):
        small = rest.query("SELECT Id FROM Contact", Sforce_Query_Options=asked).json
        assert len(small["records"]) == given


def test_a_locator_that_is_unknown_is_refused(rest: Rest) -> None:
    assert rest.call("GET", "query/0r8Pr0000000000009-2000").code == "INVALID_QUERY_LOCATOR"


def test_count_gives_only_a_size(rest: Rest) -> None:
    assert rest.query("SELECT COUNT() FROM Lead").json == {"totalSize": 30, "done": True, "records": []}


def test_an_address_is_found_without_regard_to_case(rest: Rest) -> None:
    made = rest.org.create("Lead", Email="Ada.Berg@Example.com")
    grown = rest.rows("SELECT Id, Email FROM Contact WHERE Email != null LIMIT 1")[0]
    assert rest.rows("SELECT Id FROM Lead WHERE Email = 'ada.berg@example.COM'") == [{"Id": made}]
    found = rest.rows(f"SELECT Id FROM Contact WHERE Email IN ('x@y.z', '{grown['Email'].upper()}')")
    assert {"Id": grown["Id"]} in found


def test_a_changed_address_is_found_and_the_old_one_no_longer(rest: Rest) -> None:
    before = rest.rows("SELECT Id, Email FROM Contact WHERE Email != null LIMIT 1")[0]
    rest.org.edit(before["Id"], Email="moved@example.com")
    assert rest.rows("SELECT Id FROM Contact WHERE Email = 'moved@example.com'") == [{"Id": before["Id"]}]
    assert {"Id": before["Id"]} not in rest.rows(f"SELECT Id FROM Contact WHERE Email = '{before['Email']}'")


def test_ticked_and_unticked_make_the_whole(rest: Rest) -> None:
    ticked = rest.rows(f"SELECT Id FROM Contact WHERE {BOX} = true")
    unticked = rest.rows(f"SELECT Id FROM Contact WHERE {BOX} = false")
    assert (len(ticked), len(unticked)) == (4, 36)
    rest.org.edit(unticked[0]["Id"], **{BOX: True})
    rest.org.edit(ticked[0]["Id"], **{BOX: False})
    now = {row["Id"] for row in rest.rows(f"SELECT Id FROM Contact WHERE {BOX} = true")}
    assert now == {row["Id"] for row in [unticked[0], *ticked[1:]]}


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("LastName = 'beta'", ["Beta"]),
        ("LastName != 'Beta' AND Title = 'X'", ["Alpha", "Gamma", "O'Neil"]),
        ("LastName < 'Gamma' AND Title = 'X'", ["Alpha", "Beta"]),
        ("LastName >= 'Gamma' AND Title = 'X'", ["Gamma", "O'Neil"]),
        ("LastName LIKE '%a' AND (NOT LastName LIKE 'b%') AND Title = 'X'", ["Alpha", "Gamma"]),
        ("LastName LIKE '_eta'", ["Beta"]),
        (r"LastName = 'O\'Neil'", ["O'Neil"]),
        ("LastName NOT IN ('Alpha', 'Beta') AND Title = 'X'", ["Gamma", "O'Neil"]),
        ("(LastName = 'Alpha' OR LastName = 'Beta') AND Phone = null", ["Alpha", "Beta"]),
        ("Phone = null AND Title = 'X'", ["Alpha", "Beta", "Gamma"]),
        ("Phone <> null AND Title = 'X'", ["O'Neil"]),
        (f"({BOX} = true OR LastName = 'Beta') AND Title = 'X'", ["Beta", "Gamma"]),
    ],
)
def test_conditions_select_what_they_say(rest: Rest, where: str, names: list[str]) -> None:
    rest.org.reset(contacts=0)
    rest.org.create("Contact", LastName="Alpha", Title="X")
    rest.org.create("Contact", LastName="Beta", Title="X")
    rest.org.create("Contact", LastName="Gamma", Title="X", **{BOX: True})
    rest.org.create("Contact", LastName="O'Neil", Title="X", Phone="1")
    rows = rest.rows(f"SELECT LastName FROM Contact WHERE {where} ORDER BY LastName")
    assert [row["LastName"] for row in rows] == names


def test_order_limit_and_offset(rest: Rest) -> None:
    rest.org.reset(contacts=0)
    for name in ("Beta", "Alpha", "Gamma"):
        rest.org.create("Contact", LastName=name)
    rows = rest.rows("SELECT LastName FROM Contact ORDER BY LastName DESC LIMIT 2 OFFSET 1")
    assert [row["LastName"] for row in rows] == ["Beta", "Alpha"]


def test_what_changed_since_an_instant(rest: Rest) -> None:
    changed = rest.org.create("Contact", Email="ada@example.com")
    rows = rest.rows("SELECT Id, SystemModstamp FROM Contact WHERE SystemModstamp >= 2026-01-01T00:00:00Z")
    assert [row["Id"] for row in rows] == [changed]
    assert rest.query("SELECT COUNT() FROM Contact WHERE SystemModstamp < 2026-01-01T00:00:00+02:00").json[
        "totalSize"
    ] == (40)


def test_query_all_shows_the_recycle_bin(rest: Rest) -> None:
    gone = rest.org.create("Lead", Email="gone@example.com")
    rest.org.delete(gone)
    assert rest.rows("SELECT Id FROM Lead WHERE Email = 'gone@example.com'") == []
    rows = rest.rows("SELECT Id, IsDeleted FROM Lead WHERE Email = 'gone@example.com'", everything=True)
    assert rows == [{"Id": gone, "IsDeleted": True}]
    rest.org.undelete(gone)
    assert rest.rows("SELECT Id FROM Lead WHERE Email = 'gone@example.com'") == [{"Id": gone}]


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("SELECT Nothing FROM Contact", "INVALID_FIELD", "No such column 'Nothing' on entity 'Contact'"),
        ("SELECT Id FROM Accout", "INVALID_TYPE", "ERROR at Row:1:Column:16\nsObject type 'Accout' is not supported"),
        ("SELECT Id", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Lead WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY", "token: 'OR'"),
        (f"SELECT Id FROM Lead WHERE {BOX} = 'true'", "INVALID_FIELD", "must be of type boolean"),
        ("SELECT Id FROM Lead WHERE SystemModstamp > '2026-01-01'", "INVALID_FIELD", "must be of type dateTime"),
        ("SELECT Id FROM Lead WHERE Email = '" + "x" * 4_001 + "'", "MALFORMED_QUERY", "4000"),
    ],
)
def test_a_wrong_statement_is_refused_with_salesforces_words(rest: Rest, text: str, code: str, part: str) -> None:
    answer = rest.query(text)
    assert (answer.status, answer.code) == (400, code)
    assert part in answer.json[0]["message"]


def test_the_columns_of_a_query_are_described_instead_of_its_records(rest: Rest) -> None:
    text = quote("SELECT Contact.Id, Email, HasOptedOutOfEmail, Owner.Name, Owner.Email FROM Contact")
    answer = rest.call("GET", f"query?q={text}&columns=true").json
    assert (answer["entityName"], answer["keyPrefix"], answer["idSelected"]) == ("Contact", "003", True)
    assert "records" not in answer
    columns = {column["columnName"]: column for column in answer["columnMetadata"]}
    assert list(columns) == ["Id", "Email", "HasOptedOutOfEmail", "Owner"]
    assert (columns["HasOptedOutOfEmail"]["booleanType"], columns["Email"]["textType"]) == (True, True)
    assert [column["columnName"] for column in columns["Owner"]["joinColumns"]] == ["Name", "Email"]
    counted = rest.call("GET", "query?q=SELECT+COUNT(Id)+n+FROM+Lead&columns=true").json["columnMetadata"]
    assert [(column["columnName"], column["aggregate"]) for column in counted] == [("n", True)]


def test_columns_that_do_not_exist_are_refused(rest: Rest) -> None:
    assert rest.call("GET", "query?q=SELECT+Nope+FROM+Lead&columns=true").code == "INVALID_FIELD"
