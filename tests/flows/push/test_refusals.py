"""Requirement 13: every refusal is classified, acted upon and shown, and nothing is dropped."""

import pytest

from optsync.core.rejections import REJECTIONS, RetryClass, explain
from optsync.ledger import marks
from optsync.web import standing
from tests.flows.push.world import EMAIL, SALES, World

OF_ONE_RECORD = [
    rejection.code
    for rejection in REJECTIONS.values()
    if rejection.retry in (RetryClass.RETRY, RetryClass.SLOW, RetryClass.FOLLOW, RetryClass.PARK)
]
OF_THE_ORG = [
    rejection.code for rejection in REJECTIONS.values() if rejection.retry in (RetryClass.LIMIT, RetryClass.RECONNECT)
]
OF_AN_OBJECT = ["INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_TYPE", "NOT_FOUND"]


def test_r13_every_refusal_of_a_record_is_retried_followed_or_parked_with_its_reason(world: World) -> None:
    leads = {
        code: world.org.create("Lead", Email=f"{code.lower()}@example.com") for code in [*OF_ONE_RECORD, "BRAND_NEW"]
    }
    for code, lead in leads.items():
        # A duplicate rule that only alerts would pass the second time.
        world.org.fault("reject", code=code, message=f"says {code}", records=[lead], times=2)
        world.opt_out(f"{code.lower()}@example.com")
    world.push()
    found = world.marks()
    for code, lead in leads.items():
        retry = REJECTIONS[code].retry if code in REJECTIONS else RetryClass.PARK
        expected = "p" if retry is RetryClass.PARK or code == "DUPLICATES_DETECTED" else "o"
        assert found[lead, 1] == (expected, f"{code}: says {code}"), code
    world.push_again()
    world.push_again()
    assert all(world.is_ticked(lead) for lead in leads.values())
    assert world.balance().agree


@pytest.mark.parametrize("status", [200, 400])
def test_r13_a_call_in_which_every_record_failed_is_read_record_by_record(world: World, status: int) -> None:
    world.org.behaviour(all_failed_collection_status=status)
    leads = [world.org.create("Lead", Email=f"p{n}@example.com") for n in range(2)]
    for lead, code in zip(leads, ("UNABLE_TO_LOCK_ROW", "FIELD_CUSTOM_VALIDATION_EXCEPTION"), strict=True):
        world.org.fault("reject", code=code, records=[lead])
    world.link(*[(lead, f"p{n}@example.com") for n, lead in enumerate(leads)])
    for number in range(2):
        world.opt_out(f"p{number}@example.com")
    world.push()
    assert [world.marks()[lead, 1][0] for lead in leads] == ["o", "p"]


def test_r13_a_refusal_of_the_whole_org_pauses_it_with_one_alert_and_everything_waits(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.opt_out("ann@example.com")
    for code in OF_THE_ORG:
        status = {"REQUEST_LIMIT_EXCEEDED": 403, "LIMIT_EXCEEDED": 400}.get(code, 400)
        world.org.fault("refuse", code=code, status=status, times=None)
        for _ in range(3):
            world.push()
        assert [pause.code for pause in marks.pauses(world.conn)] == [code]
        world.org.clear_faults()
        marks.clear_pauses(world.conn, world.org_id)
        world.conn.execute("UPDATE lookup SET due_at = clock()")
    assert len(world.events("pushes paused")) == len(OF_THE_ORG)
    world.push_again()
    assert world.is_ticked(lead)


@pytest.mark.parametrize("code", OF_AN_OBJECT)
def test_r13_a_missing_permission_pauses_the_object_with_one_alert_instead_of_many(world: World, code: str) -> None:
    leads = [world.org.create("Lead", Email=f"p{n}@example.com") for n in range(12)]
    contact = world.org.create("Contact", Email="p0@example.com")
    for number in range(12):
        world.opt_out(f"p{number}@example.com")
    world.org.fault("reject", object="Lead", code=code, message=f"No such column '{EMAIL}'", times=None)
    world.push()
    assert [(pause.prefix, pause.code) for pause in marks.pauses(world.conn)] == [("00Q", code)]
    assert len(world.events("pushes paused")) == 1
    assert {world.marks()[lead, 1][0] for lead in leads} == {"o"}
    assert world.is_ticked(contact), "the other object goes on"
    world.org.clear_faults()
    world.push_again()
    assert all(world.is_ticked(lead) for lead in leads)


def test_r13_a_hidden_field_is_seen_at_the_read_and_pauses_only_that_field(world: World) -> None:
    world.choose(sync_on=True, field="both")
    lead = world.org.create("Lead", Email="ann@example.com")
    world.link((lead, "ann@example.com"))
    world.org.grant("Lead", SALES, "absent")
    world.opt_out("ann@example.com")
    world.push()
    assert (world.is_ticked(lead, EMAIL), world.is_ticked(lead, SALES)) == (True, False)
    assert [(pause.field, pause.prefix) for pause in marks.pauses(world.conn)] == [(2, "00Q")]
    world.org.grant("Lead", SALES, "edit")
    world.push_again()
    assert world.is_ticked(lead, SALES)


def test_r13_a_read_only_field_pauses_the_object(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.org.grant("Lead", EMAIL, "read")
    world.opt_out("ann@example.com")
    world.push()
    assert [(pause.prefix, pause.code) for pause in marks.pauses(world.conn)] == [
        ("00Q", "INVALID_FIELD_FOR_INSERT_UPDATE")
    ]
    world.org.grant("Lead", EMAIL, "edit")
    world.push_again()
    assert world.is_ticked(lead)


def test_a_duplicate_rule_that_only_alerts_is_passed_in_the_same_round(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.org.fault("reject", code="DUPLICATES_DETECTED", records=[lead], times=1)
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(lead)


def test_a_poisoned_call_is_halved_until_its_cause_stands_alone(world: World) -> None:
    """A record that makes Salesforce refuse the whole request must not hold up 199 others."""
    leads = [world.org.create("Lead", Email=f"p{n}@example.com") for n in range(16)]
    world.link(*[(lead, f"p{n}@example.com") for n, lead in enumerate(leads)])
    for number in range(16):
        world.opt_out(f"p{number}@example.com")
    poison = leads[5]
    world.org.fault(
        "refuse", route="collections.update", code="JSON_PARSER_ERROR", status=400, holding=poison, times=None
    )
    world.push()
    assert [lead for lead in leads if not world.is_ticked(lead)] == [poison]
    assert world.marks()[poison, 1][0] == "p"


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("kind", ["html", "reset"])
def test_an_answer_that_says_nothing_is_simply_tried_again(world: World, kind: str, moment: str) -> None:
    """500, HTML and broken connections: the write may have happened or not; the next read tells."""
    lead = world.org.create("Lead", Email="ann@example.com")
    world.org.fault(kind, route="collections.update", moment=moment)
    world.opt_out("ann@example.com")
    world.push()
    assert world.marks()[lead, 1][0] == "o"
    world.push_again()
    assert world.is_ticked(lead)
    assert world.marks()[lead, 1] == ("c", None)
    assert world.org.spy()["records_written"] == 1, "what was true already is not written again"


def test_a_session_that_expires_in_between_is_renewed_without_anybody_noticing(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.opt_out("warm@example.com")
    world.push()
    world.org.expire_sessions()
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(lead)
    assert not marks.pauses(world.conn)


def test_a_credential_that_is_revoked_stops_the_org_with_one_alert_and_all_goes_out_once_it_is_restored(
    world: World,
) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    revoked = '{"error": "invalid_grant", "error_description": "expired access/refresh token"}'
    world.org.fault("html", route="oauth.token", status=400, body=revoked, times=None)
    world.org.expire_sessions()
    world.opt_out("ann@example.com")
    for _ in range(3):
        world.conn.execute("UPDATE pause SET until = clock()")
        world.push()
    (pause,) = marks.pauses(world.conn)
    assert explain(pause.code, pause.message).retry is RetryClass.RECONNECT
    assert "expired access/refresh token" in pause.message
    assert len(world.events("pushes paused")) == 1
    assert world.org.spy()["update_calls"] == 0
    world.org.clear_faults()
    world.push_again()
    assert world.is_ticked(lead)


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_client", "invalid_client_id", "unsupported_grant_type"])
def test_every_refused_sign_in_is_told_as_one(world: World, error: str) -> None:
    world.org.fault("html", route="oauth.token", status=400, body=f'{{"error": "{error}"}}', times=None)
    world.org.expire_sessions()
    world.opt_out("ann@example.com")
    world.push()
    assert standing.look(world.conn, world.org_id, None).verdict == "sign-in refused"


def test_the_daily_limit_pauses_the_org_and_pushes_go_on_when_there_is_budget(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.org.limits(daily=10, used=10)
    world.opt_out("ann@example.com")
    world.push()
    pause = marks.pauses(world.conn)[0]
    assert pause.code == "REQUEST_LIMIT_EXCEEDED"
    assert 600 < (pause.until_at - pause.since_at).total_seconds() < 1_100, "about a quarter of an hour"
    calls = world.org.spy()["api_calls"]
    world.push()
    assert world.org.spy()["api_calls"] == calls, "nothing is asked while the pause stands"
    world.org.limits(daily=1_000)
    world.push_again()
    assert world.is_ticked(lead)


def test_retry_after_is_respected(world: World) -> None:
    world.org.create("Lead", Email="ann@example.com")
    world.org.fault("refuse", code="SERVER_UNAVAILABLE", status=503, retry_after=120, times=None)
    world.opt_out("ann@example.com")
    world.push()
    pause = marks.pauses(world.conn)[0]
    assert 115 < (pause.until_at - pause.since_at).total_seconds() < 121
