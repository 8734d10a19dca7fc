"""One person: blocked or not and why, the records with their boxes, what happened."""

from optsync.ledger.people import erase
from tests.api.conftest import World
from tests.program import Program


def test_a_person_is_found_by_address_with_records_and_boxes(admin: Program, world: World) -> None:
    person = admin.post("/v1/people/find", {"address": "Two@Example.org"}).json
    assert (person["address"], person["blocked"], person["why"]) == ("two@example.org", True, "unsubscribed (manual)")
    assert {record["id"] for record in person["records"]} == {world.lead_id, world.contact_id}
    for record in person["records"]:
        assert record["org"] == world.salesforce_id
        assert [(box["field"], box["state"]) for box in record["boxes"]] == [("HasOptedOutOfEmail", "confirmed")]
    assert admin.get(f"/v1/people/{person['id']}").json == person


def test_an_address_nobody_heard_of_is_answered_and_not_stored(admin: Program, world: World) -> None:
    asked = {"address": "who.is.that@example.org"}
    for _ in range(2):
        person = admin.post("/v1/people/find", asked).json
        assert (person["id"], person["blocked"], person["records"]) == (None, False, [])
    with world.site.installation.database.connect() as conn:
        known = conn.execute("SELECT count(*) FROM address WHERE normal = %s", [asked["address"]]).fetchone()
    assert known == (0,)


def test_a_refused_box_says_why(admin: Program, world: World) -> None:
    (record,) = admin.post("/v1/people/find", {"address": "refused@example.org"}).json["records"]
    assert record["id"] == world.refusing_id
    assert record["boxes"][0]["state"] == "parked"
    assert record["boxes"][0]["reason"].startswith("INSUFFICIENT_ACCESS")


def test_the_timeline_comes_oldest_first_page_by_page(admin: Program, world: World) -> None:
    person = admin.post("/v1/people/find", {"address": "two@example.org"}).json
    path = f"/v1/people/{person['id']}/timeline"
    whole = admin.get(path).json
    assert whole["next"] is None
    assert [event["kind"] for event in whole["events"]] == ["opted out", "confirmed", "confirmed"]
    assert {event["record_id"] for event in whole["events"]} == {None, world.lead_id, world.contact_id}
    first = admin.get(f"{path}?limit=2").json
    rest = admin.get(f"{path}?limit=2&cursor={first['next']}").json
    assert first["events"] + rest["events"] == whole["events"]
    assert rest["next"] is None


def test_an_unknown_number_is_404(admin: Program) -> None:
    for path in ("/v1/people/999999999", "/v1/people/999999999/timeline"):
        answer = admin.get(path)
        assert (answer.status, answer.code) == (404, "not-found")


def test_an_erased_person_keeps_state_and_history_without_an_address(admin: Program, world: World) -> None:
    made = admin.post("/v1/unsubscribes", {"address": "gone.person@example.org"}).json
    installation = world.site.installation
    with installation.database.connect() as conn:
        erase(conn, installation.vault.subject_key, "gone.person@example.org", actor="test", reason="asked")
    person = admin.get(f"/v1/people/{made['id']}").json
    assert (person["address"], person["blocked"]) == (None, True)
    kinds = [event["kind"] for event in admin.get(f"/v1/people/{made['id']}/timeline").json["events"]]
    assert kinds == ["opted out", "erased"]
    assert admin.post("/v1/people/find", {"address": "gone.person@example.org"}).json["id"] == made["id"]


def test_r43_compliance_data_are_put_as_a_whole_and_opt_nobody_in(admin: Program, world: World) -> None:
    number = admin.post("/v1/unsubscribes", {"address": "compliance@example.org"}).json["id"]
    path = f"/v1/people/{number}/compliance"
    assert set(admin.get(path).json.values()) == {None}
    consent = {"authorization_type": "consent", "consent_date": "2024-05-01", "consent_purpose": "Newsletter"}
    put = admin.put(path, consent | {"source_type": "crm sync"}).json
    assert put | consent == put
    assert put["set_by"].startswith("API key ")
    assert admin.get(path).json == put
    assert admin.put(path, {"source_type": "import"}).json["consent_purpose"] is None
    assert admin.get(f"/v1/people/{number}").json["blocked"]


def test_compliance_data_that_do_not_go_together_change_nothing(admin: Program, world: World) -> None:
    number = admin.post("/v1/unsubscribes", {"address": "wrong.compliance@example.org"}).json["id"]
    path = f"/v1/people/{number}/compliance"
    for wrong in ({"authorization_type": "whim"}, {"consent_date": "1.5.2024"}, {"opted_in": True}):
        assert admin.put(path, wrong).code == "invalid", wrong
    refused = admin.put(path, {"authorization_type": "consent", "consent_date": "2024-05-01"})
    assert (refused.code, refused.json["detail"]) == ("refused", "a consent needs its date and its purpose")
    assert set(admin.get(path).json.values()) == {None}
    assert admin.get("/v1/people/999999999/compliance").status == 404
