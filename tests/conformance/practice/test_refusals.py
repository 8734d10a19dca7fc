"""What an org refuses, said alike at every door: single records, Collections, Bulk (salesforce.md 5.5, 5.7)."""

import csv
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.conformance.practice.rest import Rest
from tests.practice import ControlError, PracticeOrg

BOX = "HasOptedOutOfEmail"


@dataclass
class Said:
    """What a door said about one record; empty when it was written."""

    code: str = ""
    message: str = ""
    fields: list[str] = field(default_factory=list)
    status: int = 0


def by_single_record(rest: Rest, object_name: str, record_id: str) -> Said:
    """PATCH of one record."""
    answer = rest.call("PATCH", f"sobjects/{object_name}/{record_id}", {BOX: True})
    if answer.status == 204:
        return Said()
    error = answer.json[0]
    return Said(error["errorCode"], error["message"], error.get("fields", []), answer.status)


def by_collections(rest: Rest, object_name: str, record_id: str) -> Said:
    """The only record of an sObject Collections update."""
    answer = rest.update({"type": object_name, "id": record_id, BOX: True})
    result = answer.json[0]
    if result["success"]:
        return Said()
    assert set(result) == {"success", "errors"}
    error = result["errors"][0]
    return Said(error["statusCode"], error["message"], error["fields"], answer.status)


def by_bulk(rest: Rest, object_name: str, record_id: str) -> Said:
    """The only row of an ingest job."""
    job = rest.ingest(f"Id,{BOX}\n{record_id},true\n", object_name)
    text = rest.call("GET", f"jobs/ingest/{job['id']}/failedResults").body.decode()
    failed = list(csv.DictReader(text.splitlines(keepends=True)))
    assert job["numberRecordsFailed"] == len(failed)
    if not failed:
        return Said()
    code, _, rest_of_it = failed[0]["sf__Error"].partition(":")
    message, _, fields = rest_of_it.removesuffix("--").rpartition(":")
    return Said(code, message, [name for name in fields.strip().split(",") if name])


DOORS: dict[str, Callable[[Rest, str, str], Said]] = {
    "single record": by_single_record,
    "collections": by_collections,
    "bulk": by_bulk,
}


@dataclass
class Case:
    """A behaviour of an org: how it comes about, what it says, and how it ends."""

    begin: Callable[[PracticeOrg, str], object]
    code: str
    message: str
    end: Callable[[PracticeOrg, str], object]
    fields: list[str] = field(default_factory=list)
    status: int = 400
    object_name: str = "Lead"


FULL = {"kind": "validation", "object_name": "Lead", "when": f"{BOX} = true AND Phone = null", "field": "Phone"}


def begin_a_duplicate_rule(org: PracticeOrg, record_id: str) -> None:
    """A second record with the same address, and a rule that minds."""
    org.create("Lead", Email=org.record(record_id)["Email"])
    org.rule("duplicate", "Lead")


def begin_a_transaction(org: PracticeOrg, record_id: str) -> None:
    """Somebody else's, for which nobody waits."""
    org.behaviour(row_lock_wait_seconds=0)
    org.lock_row(record_id, held=True)


CASES = {
    "a field is read-only": Case(
        lambda org, _: org.grant("Lead", BOX, "read"),
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        f"Unable to create/update fields: {BOX}. Please check the security settings of this field",
        lambda org, _: org.grant("Lead", BOX, "edit"),
        fields=[BOX],
    ),
    "an object is read-only": Case(
        lambda org, _: org.grant_object("Lead", "read"),
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "entity type cannot be updated: Lead",
        lambda org, _: org.grant_object("Lead", "edit"),
    ),
    "a record is not shared": Case(
        lambda org, one: org.share(one, "absent"),
        "INVALID_CROSS_REFERENCE_KEY",
        "invalid cross reference id",
        lambda org, one: org.share(one, "edit"),
        status=404,
    ),
    "a record is shared for reading": Case(
        lambda org, one: org.share(one, "read"),
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "insufficient access rights on object id",
        lambda org, _: org.permit(modify_all_data=True),
    ),
    "an approval holds a record": Case(
        lambda org, one: org.lock(one, locked=True),
        "ENTITY_IS_LOCKED",
        "the entity is locked for editing",
        lambda org, one: org.lock(one, locked=False),
    ),
    "a validation rule": Case(
        lambda org, _: org.rule(**FULL, message="Opt-outs need a phone number, please."),
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "Opt-outs need a phone number, please.",
        lambda org, one: org.edit(one, Phone="5"),
        fields=["Phone"],
    ),
    "a validation rule about the whole record": Case(
        lambda org, _: org.rule("validation", "Lead", message="No."),
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "No.",
        lambda org, _: org.clear_rules(),
    ),
    "a trigger fails": Case(
        lambda org, _: org.rule("trigger", "Lead", when="Phone = null", message="System.DmlException: no phone"),
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "LeadTrigger: execution of BeforeUpdate\n\ncaused by: System.DmlException: no phone\n\n",
        lambda org, one: org.edit(one, Phone="5"),
    ),
    "a duplicate rule": Case(
        begin_a_duplicate_rule,
        "DUPLICATES_DETECTED",
        "Use one of these records?",
        lambda org, one: org.edit(one, Email="unique@example.com"),
    ),
    "somebody else's transaction": Case(
        begin_a_transaction,
        "UNABLE_TO_LOCK_ROW",
        "unable to obtain exclusive access to this record or 1 records: 00Q",
        lambda org, one: org.lock_row(one, held=False),
    ),
    "a converted Lead": Case(
        lambda org, one: org.convert(one),
        "CANNOT_UPDATE_CONVERTED_LEAD",
        "cannot reference converted lead",
        lambda org, _: org.permit(view_and_edit_converted_leads=True),
    ),
    "a deleted record": Case(
        lambda org, one: org.delete(one),
        "ENTITY_IS_DELETED",
        "entity is deleted",
        lambda org, one: org.undelete(one),
        status=404,
    ),
    "a merged record": Case(
        lambda org, one: org.merge(one, org.create("Contact")),
        "ENTITY_IS_DELETED",
        "entity is deleted",
        lambda org, one: org.undelete(one),
        status=404,
        object_name="Contact",
    ),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("case", CASES)
def test_every_door_refuses_the_same_in_the_same_words_and_passes_it_afterwards(
    rest: Rest, case: str, door: str
) -> None:
    behaviour, send = CASES[case], DOORS[door]
    one = rest.org.create(behaviour.object_name, Email="ann@example.com")
    behaviour.begin(rest.org, one)
    said = send(rest, behaviour.object_name, one)
    assert (said.code, said.message[: len(behaviour.message)]) == (behaviour.code, behaviour.message)
    assert said.fields == behaviour.fields
    assert said.status == {"single record": behaviour.status, "collections": 200, "bulk": 0}[door]
    assert rest.org.record(one)[BOX] is False
    behaviour.end(rest.org, one)
    assert send(rest, behaviour.object_name, one) == Said()
    assert rest.org.record(one)[BOX] is True


@pytest.mark.parametrize("door", DOORS)
def test_a_record_deleted_for_good_is_an_id_that_never_was(rest: Rest, door: str) -> None:
    one = rest.org.create("Lead")
    rest.org.delete(one)
    rest.org.purge(one)
    said = DOORS[door](rest, "Lead", one)
    assert (said.code, said.message) == ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")


def test_a_hidden_field_fails_a_record_a_collections_item_and_a_whole_bulk_job(rest: Rest) -> None:
    one = rest.org.create("Lead")
    rest.org.grant("Lead", BOX, "absent")
    for door in (by_single_record, by_collections):
        said = door(rest, "Lead", one)
        assert (said.code, said.message) == ("INVALID_FIELD", f"No such column '{BOX}' on sobject of type Lead")
    job = rest.ingest(f"Id,{BOX}\n{one},true\n", "Lead")
    assert (job["state"], job["numberRecordsProcessed"]) == ("Failed", 0)
    assert job["errorMessage"] == f"InvalidBatch : Field name not found : {BOX}"


def test_all_validation_rules_that_strike_are_told_at_once(rest: Rest) -> None:
    one = rest.org.create("Lead")
    for name in ("Phone", "Title"):
        rest.org.rule("validation", "Lead", when=f"{name} = null", message=f"{name} please", field=name)
    rest.org.rule("validation", "Lead", when="LastName = null", message="never")
    errors = rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True}).json
    assert [(error["message"], error["fields"]) for error in errors] == [
        ("Phone please", ["Phone"]),
        ("Title please", ["Title"]),
    ]
    assert len(rest.update({"type": "Lead", "id": one, BOX: True}).json[0]["errors"]) == 2
    lines = rest.file(rest.ingest(f"Id,{BOX}\n{one},true\n", "Lead"), "failedResults")
    code = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert f'"{code}:Phone please:Phone --{code}:Title please:Title --"' in lines[1]


def test_a_rule_sees_fields_that_our_user_does_not_and_new_records_too(rest: Rest) -> None:
    rest.org.grant("Lead", "Phone", "absent")
    rest.org.rule("validation", "Lead", when="Phone = null", message="Phone please")
    made = rest.call("POST", "sobjects/Lead", {"LastName": "Berg", "Company": "Berg"})
    assert (made.status, made.code) == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")


@pytest.mark.parametrize("whole", [True, False])
def test_a_failing_trigger_refuses_all_that_went_through_it_together(rest: Rest, whole: bool) -> None:
    rest.org.behaviour(failed_trigger_fails_its_chunk=whole)
    bad, good, other = rest.org.create("Lead"), rest.org.create("Lead", Phone="5"), rest.org.create("Contact")
    rest.org.rule("trigger", "Lead", when="Phone = null")
    records = [
        {"type": kind, "id": one, BOX: True} for kind, one in (("Lead", bad), ("Lead", good), ("Contact", other))
    ]
    results = rest.update(*records).json
    assert [result["success"] for result in results] == [False, not whole, True]
    third = rest.org.create("Lead", Phone="5")
    job = rest.ingest(f"Id,{BOX}\n{bad},true\n{third},true\n", "Lead")
    assert job["numberRecordsFailed"] == (2 if whole else 1)
    assert rest.org.record(third)[BOX] is not whole


def test_a_duplicate_rule_shows_what_it_found_and_one_that_alerts_lets_pass_who_insists(rest: Rest) -> None:
    one, twin = (rest.org.create("Contact", Email="ann@example.com") for _ in range(2))
    rest.org.rule("duplicate", "Contact")
    error = rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: True}).json[0]
    found = error["duplicateResult"]
    assert set(error) == {"duplicateResult", "errorCode", "message"}
    assert (found["allowSave"], found["duplicateRuleEntityType"]) == (True, "Contact")
    (match,) = found["matchResults"]
    assert (match["size"], match["matchRecords"][0]["record"]) == (
        1,
        {"attributes": {"type": "Contact", "url": f"/services/data/v62.0/sobjects/Contact/{twin}"}, "Id": twin},
    )
    rest.org.behaviour(duplicate_result_key="duplicateResut")
    assert "duplicateResut" in rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: True}).json[0]
    header = {"Sforce_Duplicate_Rule_Header": "allowSave=true; includeRecordDetails=false"}
    assert rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: True}, **header).status == 204
    body = {"records": [{"attributes": {"type": "Contact"}, "id": twin, BOX: True}]}
    assert rest.call("PATCH", "composite/sobjects", body, **header).json[0]["success"] is True


def test_who_insists_passes_a_duplicate_rule_by_upsert_and_tree_too(rest: Rest) -> None:
    one, twin = (rest.org.create("Contact", Email="ann@example.com") for _ in range(2))
    rest.org.rule("duplicate", "Contact")
    insists = {"Sforce_Duplicate_Rule_Header": "allowSave=true"}
    path = f"sobjects/Contact/Id/{one}"
    assert rest.call("PATCH", path, {BOX: True}).code == "DUPLICATES_DETECTED"
    assert rest.call("PATCH", path, {BOX: True}, **insists).status == 200
    records = [{"attributes": {"type": "Contact"}, "Id": twin, BOX: True}]
    upserted = rest.call("PATCH", "composite/sobjects/Contact/Id", {"records": records}, **insists).json[0]
    assert upserted["success"] is True
    third = {"attributes": {"type": "Contact", "referenceId": "r"}, "LastName": "Berg", "Email": "ann@example.com"}
    tree = {"records": [third]}
    assert rest.call("POST", "composite/tree/Contact", tree).json["results"][0]["errors"]
    assert rest.call("POST", "composite/tree/Contact", tree, **insists).status == 201


def test_a_duplicate_rule_that_blocks_lets_nobody_pass(rest: Rest) -> None:
    one, _ = (rest.org.create("Contact", Email="ann@example.com") for _ in range(2))
    rest.org.rule("duplicate", "Contact", blocks=True)
    header = {"Sforce_Duplicate_Rule_Header": "allowSave=true"}
    answer = rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: True}, **header)
    assert (answer.code, answer.json[0]["duplicateResult"]["allowSave"]) == ("DUPLICATES_DETECTED", False)


def test_a_duplicate_rule_may_look_only_where_its_field_is_written(rest: Rest) -> None:
    one, _ = (rest.org.create("Contact", Email="ann@example.com") for _ in range(2))
    rest.org.rule("duplicate", "Contact")
    rest.org.behaviour(duplicate_rules_run_on_any_edit=False)
    assert rest.call("PATCH", f"sobjects/Contact/{one}", {BOX: True}).status == 204
    assert rest.call("PATCH", f"sobjects/Contact/{one}", {"Email": "ann@example.com"}).code == "DUPLICATES_DETECTED"


def test_a_write_waits_for_a_row_that_is_held_and_then_passes(rest: Rest) -> None:
    """The Contacts of one Account are locked together: a batch that holds one of them holds up the other."""
    account = rest.rows("SELECT AccountId FROM Contact LIMIT 1")[0]["AccountId"]
    first, second = (row["Id"] for row in rest.rows(f"SELECT Id FROM Contact WHERE AccountId = '{account}' LIMIT 2"))
    rest.org.behaviour(bulk_chunk_seconds=0.3)
    created = rest.call("POST", "jobs/ingest", {"object": "Contact", "operation": "update"}).json["id"]
    rest.call("PUT", f"jobs/ingest/{created}/batches", f"Id,{BOX}\n{first},true\n".encode())
    rest.call("PATCH", f"jobs/ingest/{created}", {"state": "UploadComplete"})
    assert rest.call("PATCH", f"sobjects/Contact/{second}", {BOX: True}).status == 204
    assert rest.job("ingest", created)["numberRecordsFailed"] == 0


def test_parallel_batches_of_a_bulk_job_fight_for_the_account_of_their_contacts(rest: Rest) -> None:
    rows = rest.rows("SELECT Id, AccountId FROM Contact ORDER BY AccountId, Id LIMIT 12")
    by_account: dict[str, list[str]] = {}
    for row in rows:
        by_account.setdefault(row["AccountId"], []).append(row["Id"])
    accounts = [ids for ids in by_account.values() if len(ids) == 3]
    mixed = [ids[place] for place in range(3) for ids in accounts]
    rest.org.behaviour(bulk_batch_rows=len(accounts), bulk_chunk_seconds=0.05, row_lock_wait_seconds=0)
    job = rest.ingest(f"Id,{BOX}\n" + "".join(f"{one},true\n" for one in mixed))
    assert job["numberRecordsFailed"] == 2 * len(accounts), "the first batch holds every Account"
    assert '"UNABLE_TO_LOCK_ROW:' in rest.file(job, "failedResults")[1]
    grouped = [one for ids in accounts for one in ids]
    rest.org.behaviour(bulk_batch_rows=3)
    again = rest.ingest(f"Id,{BOX}\n" + "".join(f"{one},true\n" for one in grouped))
    assert again["numberRecordsFailed"] == 0, "sorted by Account, no batch needs another one's"


@pytest.mark.parametrize(("whole", "status"), [(True, 503), (False, 400)])
def test_in_read_only_mode_everything_can_be_read_and_nothing_written(rest: Rest, whole: bool, status: int) -> None:
    one, code = rest.org.create("Lead"), "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
    rest.org.behaviour(maintenance_refuses_requests=whole)
    rest.org.maintenance(read_only=True)
    assert len(rest.rows(f"SELECT Id FROM Lead WHERE Id = '{one}'")) == 1
    assert rest.call("GET", "sobjects/Lead/describe").status == 200
    for method, path, body in (
        ("PATCH", f"sobjects/Lead/{one}", {BOX: True}),
        ("POST", "sobjects/Lead", {"LastName": "Berg", "Company": "Berg"}),
        ("DELETE", f"sobjects/Lead/{one}", None),
    ):
        answer = rest.call(method, path, body)
        assert (answer.status, answer.code) == (status, code)
    answer = rest.update({"type": "Lead", "id": one, BOX: True})
    assert answer.status == (503 if whole else 200)
    said = answer.json[0]["errorCode"] if whole else answer.json[0]["errors"][0]["statusCode"]
    assert said == code
    for family, job in (
        ("query", {"operation": "query", "query": "SELECT Id FROM Lead"}),
        ("ingest", {"object": "Lead", "operation": "update"}),
    ):
        refused = rest.call("POST", f"jobs/{family}", job)
        assert (refused.status, refused.code) == (503, code)
    rest.org.maintenance(read_only=False)
    assert rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True}).status == 204


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("surprise", {}),
        ("validation", {"when": "Nothing__c = 'x'"}),
        ("validation", {"when": "Phone ="}),
        ("trigger", {"what": "x"}),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rest: Rest, kind: str, values: dict[str, str]) -> None:
    with pytest.raises(ControlError):
        rest.org.rule(kind, "Lead", **values)
    with pytest.raises(ControlError):
        rest.org.rule("validation", "Organization")
