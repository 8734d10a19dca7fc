"""Records by the value of a field: salesforce.md 2.3 (upsert) and 2.4 (upsert of Collections)."""

from tests.conformance.practice.rest import Rest

BOX = "HasOptedOutOfEmail"


def test_an_upsert_creates_with_201_and_updates_with_200(rest: Rest) -> None:
    body = {"LastName": "Berg", BOX: True}
    created = rest.call("PATCH", "sobjects/Contact/Email/new@example.com", body)
    record_id = created.json["id"]
    assert (created.status, created.json) == (201, {"id": record_id, "success": True, "errors": [], "created": True})
    assert created.headers["location"] == f"/services/data/v62.0/sobjects/Contact/{record_id}"
    record = rest.org.record(record_id)
    assert (record["Email"], record["LastName"], record[BOX]) == ("new@example.com", "Berg", True)
    again = rest.call("PATCH", "sobjects/contact/email/NEW@example.com", {"Title": "Editor"})
    assert (again.status, again.json) == (200, {"id": record_id, "success": True, "errors": [], "created": False})
    assert rest.org.record(record_id)["Title"] == "Editor"


def test_before_version_46_an_upsert_that_updates_answers_204_and_nobody_says_created(rest: Rest) -> None:
    path = "/services/data/v45.0/sobjects/Contact/Email/new@example.com"
    created = rest.call("PATCH", path, {"LastName": "Berg"})
    assert (created.status, set(created.json)) == (201, {"id", "success", "errors"})
    again = rest.call("PATCH", path, {"LastName": "Stein"})
    assert (again.status, again.body) == (204, b"")
    assert rest.org.record(created.json["id"])["LastName"] == "Stein"


def test_an_upsert_that_may_only_update_creates_nothing(rest: Rest) -> None:
    answer = rest.call("PATCH", "sobjects/Contact/Email/new@example.com?updateOnly=true", {"LastName": "Berg"})
    assert (answer.status, answer.code) == (404, "NOT_FOUND")
    assert rest.org.find("new@example.com") == []


def test_an_address_that_stands_in_two_records_is_answered_with_300_and_changes_neither(rest: Rest) -> None:
    ids = [rest.org.create("Lead", Email="two@example.com") for _ in range(2)]
    expected = [f"/services/data/v62.0/sobjects/Lead/{one}" for one in ids]
    for method, body in (("PATCH", {BOX: True}), ("GET", None), ("DELETE", None)):
        answer = rest.call(method, "sobjects/Lead/Email/two@example.com", body)
        assert (answer.status, answer.json) == (300, expected)
    assert [rest.org.record(one)[BOX] for one in ids] == [False, False]


def test_a_record_is_read_and_deleted_by_its_address(rest: Rest) -> None:
    lead = rest.org.create("Lead", Email="one@example.com")
    rest.org.delete(rest.org.create("Lead", Email="one@example.com"))
    assert rest.call("GET", "sobjects/Lead/Email/one@example.com?fields=Id").json["Id"] == lead
    assert rest.call("DELETE", "sobjects/Lead/Email/one@example.com").status == 204
    assert rest.org.record(lead)["IsDeleted"] is True
    assert rest.call("GET", "sobjects/Lead/Email/one@example.com").status == 404


def test_an_upsert_by_id_updates_and_never_gives_an_id_away(rest: Rest) -> None:
    lead = rest.org.create("Lead", Email="one@example.com")
    assert rest.call("PATCH", f"sobjects/Lead/Id/{lead}", {BOX: True}).json["created"] is False
    assert rest.org.record(lead)[BOX] is True
    assert rest.call("PATCH", "sobjects/Lead/Id/00QPr00000zzzzz", {BOX: True}).code == "INVALID_CROSS_REFERENCE_KEY"
    assert rest.call("POST", "sobjects/Lead/Id", {"LastName": "Berg", "Company": "Works"}).status == 201


def test_a_field_that_is_no_key_is_not_found(rest: Rest) -> None:
    answer = rest.call("PATCH", "sobjects/Lead/Company/Works", {BOX: True})
    assert (answer.status, answer.json) == (
        404,
        [
            {
                "message": "Provided external ID field does not exist or is not accessible: Company",
                "errorCode": "NOT_FOUND",
            }
        ],
    )


def test_an_upsert_of_collections_tells_which_are_new(rest: Rest) -> None:
    lead = rest.org.create("Lead", Email="one@example.com")
    for _ in range(2):
        rest.org.create("Lead", Email="two@example.com")
    records: list[dict[str, object]] = [
        {"Email": "one@example.com", BOX: True},
        {"Email": "new@example.com", "LastName": "Berg", "Company": "Works"},
        {"Email": "two@example.com", BOX: True},
        {BOX: True},
    ]
    body = {"records": [{"attributes": {"type": "Lead"}} | record for record in records]}
    known, new, twice, without = rest.call("PATCH", "composite/sobjects/Lead/Email", body).json
    assert known == {"id": lead, "success": True, "errors": [], "created": False}
    assert (new["success"], new["created"]) == (True, True)
    assert twice["errors"][0]["statusCode"] == "DUPLICATE_EXTERNAL_ID"
    assert without["errors"][0]["statusCode"] == "MISSING_ARGUMENT"
    assert rest.org.spy()["update_calls"] == 1


def test_an_upsert_that_says_false_is_seen(rest: Rest) -> None:
    rest.org.create("Lead", Email="one@example.com")
    rest.call("PATCH", "sobjects/Lead/Email/one@example.com", {BOX: False})
    record = {"attributes": {"type": "Lead"}, "Email": "one@example.com", BOX: False}
    rest.call("PATCH", "composite/sobjects/Lead/Email", {"records": [record]})
    assert rest.org.spy()["false_writes"] == 2


def test_a_post_may_name_another_method_in_its_address(rest: Rest) -> None:
    lead = rest.org.create("Lead", Email="one@example.com")
    assert rest.call("POST", f"sobjects/Lead/{lead}?_HttpMethod=PATCH", {BOX: True}).status == 204
    assert rest.org.record(lead)[BOX] is True
