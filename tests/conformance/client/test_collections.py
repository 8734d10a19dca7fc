"""Ticking boxes: only true, only these boxes, and each record's own answer."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from optsync import seams
from optsync.core.record_ids import Kind
from optsync.salesforce import collections, describe, limits, organization, query, versions
from optsync.salesforce.collections import Tick, TickResult
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import (
    ApiRefused,
    Busy,
    LimitExceeded,
    OddAnswer,
    SalesforceError,
    SessionRefused,
    Unreachable,
)
from optsync.salesforce.session import Session, open_session
from tests.conformance.client.wire import answer, serve
from tests.practice import PracticeOrg

FIELD = "HasOptedOutOfEmail"
LEAD, CONTACT = "00Q000000000001EAA", "003000000000001EAA"


def ids(session: Session, kind: Kind) -> list[str]:
    """Records that can be ticked: of Leads those that were not converted."""
    live = " AND IsConverted = false" if kind == "Lead" else ""
    return [row["Id"] for row in query.rows(session, f"SELECT Id FROM {kind} WHERE {FIELD} = false{live}")]


def test_a_tick_has_no_place_for_a_value() -> None:
    assert list(Tick.__dataclass_fields__) == ["kind", "record_id", "field"]


def test_only_the_id_and_true_are_sent() -> None:
    outcome = [{"id": LEAD, "success": True, "errors": []}]
    with serve(answer(outcome)) as server, server.session() as session:
        collections.tick(session, [Tick("Lead", LEAD, FIELD)])
    assert json.loads(server.requests[1].partition(b"\r\n\r\n")[2]) == {
        "allOrNone": False,
        "records": [{"attributes": {"type": "Lead"}, "id": LEAD, FIELD: True}],
    }


@pytest.mark.parametrize("field", ["Id", "id", "attributes", "", "a b", "Field'", "é", "x" * 81, "1a"])
def test_a_tick_names_a_field(field: str) -> None:
    with pytest.raises(ValueError, match="field"):
        Tick("Lead", LEAD, field)


@pytest.mark.parametrize("record_id", ["", "00Q", "00Q000000000001'", LEAD + "x", "00q000000000001EAA"])
def test_a_tick_names_a_record(record_id: str) -> None:
    with pytest.raises(ValueError, match=r"id|fifteen"):
        Tick("Lead", record_id, FIELD)


def test_ids_of_15_and_18_characters_are_one_tick() -> None:
    assert Tick("Lead", LEAD[:15], FIELD) == Tick("Lead", LEAD, FIELD)


def test_ticked_boxes_are_ticked_in_salesforce(org: PracticeOrg, session: Session) -> None:
    leads, contacts = ids(session, "Lead"), ids(session, "Contact")
    mixed = [tick for pair in zip(leads, contacts, strict=False) for tick in pair]
    ticks = [Tick("Lead" if one.startswith("00Q") else "Contact", one, FIELD) for one in mixed]
    assert len(ticks) > 20  # alternating objects would be more than the ten pieces of one call
    results = collections.tick(session, ticks)
    assert results == [TickResult(tick, ok=True) for tick in ticks]
    assert all(org.record(one)[FIELD] is True for one in mixed)
    spy = org.spy()
    assert (spy["update_calls"], spy["false_writes"]) == (1, 0)


def test_two_fields_of_one_record_travel_together(org: PracticeOrg, session: Session) -> None:
    sales = org.package(installed=True)["Lead"]
    lead = ids(session, "Lead")[0]
    results = collections.tick(session, [Tick("Lead", lead, FIELD), Tick("Lead", lead, sales)])
    assert [result.ok for result in results] == [True, True]
    assert (org.record(lead)[FIELD], org.record(lead)[sales]) == (True, True)
    assert org.spy()["records_written"] == 1


def test_each_record_has_its_own_answer_in_its_own_place(org: PracticeOrg, session: Session) -> None:
    converted, deleted, fine = (org.create("Lead", Email=f"{name}@example.com") for name in "abc")
    contact = org.create("Contact", Email="e@example.com")
    org.convert(converted)
    org.delete(deleted)
    ticks = [Tick("Lead", converted, FIELD), Tick("Contact", contact, FIELD)]
    ticks += [Tick("Lead", deleted, FIELD), Tick("Lead", fine, FIELD)]
    results = collections.tick(session, ticks)
    assert [result.tick for result in results] == ticks
    codes = [result.code for result in results]
    assert codes == ["CANNOT_UPDATE_CONVERTED_LEAD", None, "ENTITY_IS_DELETED", None]
    assert [result.ok for result in results] == [False, True, False, True]
    assert results[0].message == "cannot reference converted lead"


@pytest.mark.parametrize("status", [200, 400])
def test_a_call_in_which_every_record_fails_is_read_the_same(org: PracticeOrg, session: Session, status: int) -> None:
    org.behaviour(all_failed_collection_status=status)
    org.grant("Lead", FIELD, "read")
    lead = ids(session, "Lead")[0]
    [result] = collections.tick(session, [Tick("Lead", lead, FIELD)])
    assert (result.ok, result.code) == (False, "INVALID_FIELD_FOR_INSERT_UPDATE")


def test_a_hidden_field_fails_its_records_and_not_the_others(org: PracticeOrg, session: Session) -> None:
    lead, contact = ids(session, "Lead")[0], ids(session, "Contact")[0]
    org.grant("Lead", FIELD, "absent")
    results = collections.tick(session, [Tick("Lead", lead, FIELD), Tick("Contact", contact, FIELD)])
    assert [(result.ok, result.code) for result in results] == [(False, "INVALID_FIELD"), (True, None)]


def test_more_than_200_records_or_a_repeated_tick_is_a_mistake_of_ours(session: Session) -> None:
    many = [Tick("Lead", f"00Q{number:012d}", FIELD) for number in range(201)]
    with pytest.raises(ValueError, match="200"):
        collections.tick(session, many)
    with pytest.raises(ValueError, match="twice"):
        collections.tick(session, [many[0], many[0]])
    with pytest.raises(ValueError, match="200"):
        collections.tick(session, [])


def test_duplicate_rules_that_alert_can_be_passed() -> None:
    with serve(answer([{"id": LEAD, "success": True, "errors": []}])) as server, server.session() as session:
        collections.tick(session, [Tick("Lead", LEAD, FIELD)])
        collections.tick(session, [Tick("Lead", LEAD, FIELD)], allow_save=True)
    plain, allowed = (request.lower() for request in server.requests[1:])
    assert b"duplicate-rule" not in plain
    assert b"sforce-duplicate-rule-header: allowsave=true\r\n" in allowed


OK = {"id": LEAD, "success": True, "errors": []}


@pytest.mark.parametrize(
    "body",
    [
        [],
        [OK, OK],
        [{"id": CONTACT, "success": True, "errors": []}],
        [{"success": True, "errors": []}],
        [{"id": LEAD}],
        [{"id": LEAD, "success": "true"}],
        [None],
        {"id": LEAD, "success": True},
        b"<html>welcome</html>",
        b"",
    ],
)
def test_an_answer_that_does_not_fit_the_question_confirms_nothing(body: object) -> None:
    with serve(answer(body)) as server, server.session() as session, pytest.raises(OddAnswer):
        collections.tick(session, [Tick("Lead", LEAD, FIELD)])


def test_a_failure_without_words_is_still_a_failure() -> None:
    with serve(answer([{"success": False, "errors": []}])) as server, server.session() as session:
        [result] = collections.tick(session, [Tick("Lead", LEAD, FIELD)])
    assert (result.ok, result.code) == (False, None)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "refuse", "code": "REQUEST_LIMIT_EXCEEDED"}, LimitExceeded),
        ({"kind": "refuse", "code": "SERVER_UNAVAILABLE"}, Busy),
        ({"kind": "refuse", "code": "API_CURRENTLY_DISABLED"}, ApiRefused),
        ({"kind": "html", "status": 503}, Busy),
        ({"kind": "html", "status": 200}, OddAnswer),
        ({"kind": "reset"}, Unreachable),
        ({"kind": "reset", "moment": "after"}, Unreachable),
        ({"kind": "refuse", "code": "INVALID_SESSION_ID", "times": None}, SessionRefused),
    ],
)
def test_a_refused_call_has_its_class_and_is_sent_once(
    org: PracticeOrg, session: Session, fault: dict[str, object], kind: type[SalesforceError]
) -> None:
    lead = ids(session, "Lead")[0]
    org.fault(str(fault["kind"]), route="collections.update", **{k: v for k, v in fault.items() if k != "kind"})
    with pytest.raises(kind):
        collections.tick(session, [Tick("Lead", lead, FIELD)])
    assert org.record(lead)[FIELD] is (fault.get("moment") == "after")
    sent = [request for request in org.spy()["requests"] if request["route"] == "collections.update"]
    assert len(sent) == (2 if kind is SessionRefused else 1)


def test_five_threads_on_one_expired_session_all_succeed(org: PracticeOrg, session: Session) -> None:
    contacts = ids(session, "Contact")[:25]
    org.expire_sessions()
    org.clear_spy()
    together = threading.Barrier(5)

    def work(part: list[str]) -> list[TickResult]:
        together.wait()
        return collections.tick(session, [Tick("Contact", one, FIELD) for one in part])

    with ThreadPoolExecutor(5) as threads:
        results = [one for part in threads.map(work, [contacts[at::5] for at in range(5)]) for one in part]
    assert len(results) == 25
    assert all(result.ok for result in results)
    assert sum(request["route"] == "oauth.token" for request in org.spy()["requests"]) == 1


@pytest.mark.parametrize("kind", ["jwt", "client_credentials"])
def test_both_ways_of_signing_in_lead_to_the_same_org(org: PracticeOrg, kind: str) -> None:
    file = org.credentials_file.parent / f"{kind}.json"
    file.write_text(json.dumps(org.credentials | {"kind": kind}))
    with open_session(Credential.from_file(file), seams.real()) as session:
        assert session.org_id == org.credentials["org_id"]
        found = organization.fetch(session)
    assert found.id == org.credentials["org_id"]
    assert found.name
    assert found.edition


def test_records_are_read_by_id_with_none_for_those_that_are_gone(org: PracticeOrg, session: Session) -> None:
    lead, gone = org.create("Lead", Email="a@example.com", **{FIELD: True}), org.create("Lead", Email="b@example.com")
    org.delete(gone)
    found = collections.retrieve(session, "Lead", [gone, lead[:15]], ["Email", FIELD])
    assert found[gone] is None
    record = found[lead[:15]]
    assert record is not None
    assert (record["Id"], record["Email"], record[FIELD]) == (lead, "a@example.com", True)


def test_reading_two_thousand_records_is_one_call(org: PracticeOrg, session: Session) -> None:
    org.reset(leads=2_500)
    wanted = ids(session, "Lead")[:2_000]
    org.clear_spy()
    found = collections.retrieve(session, "Lead", wanted, [FIELD])
    assert list(found) == wanted
    assert org.spy()["api_calls"] == 1


@pytest.mark.parametrize("body", [[], [None, None], [{"Id": CONTACT}], [{}], ["x"], {}])
def test_records_in_the_wrong_place_are_not_believed(body: object) -> None:
    with serve(answer(body)) as server, server.session() as session, pytest.raises(OddAnswer):
        collections.retrieve(session, "Lead", [LEAD], [FIELD])


def test_describe_shows_what_the_user_may_see_and_edit(org: PracticeOrg, session: Session) -> None:
    org.grant("Lead", FIELD, "read")
    org.grant("Contact", FIELD, "absent")
    sales = org.package(installed=True)["Contact"]
    lead, contact = describe.object_fields(session, "Lead"), describe.object_fields(session, "Contact")
    assert (lead.name, lead.fields[FIELD].updateable, lead.fields[FIELD].type) == ("Lead", False, "boolean")
    assert lead.fields["IsConverted"].updateable is False
    assert FIELD not in contact.fields
    assert contact.fields[sales].label == "Marketo Sales Opt Out"
    assert (contact.fields[sales].custom, contact.fields["Email"].custom) == (True, False)


def test_the_version_is_offered_and_the_limits_are_told(org: PracticeOrg, session: Session) -> None:
    assert versions.offers_ours(session)
    org.limits(daily=15_000, used=100)
    daily = limits.fetch(session)["DailyApiRequests"]
    assert daily.maximum == 15_000
    assert session.limit is not None
    assert session.limit.allowed == 15_000
    assert session.http.api_calls == 1
