"""The doctor names each defect, and passes once it is put right."""

import ast
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from optsync.config.database import Database
from optsync.config.vault import Vault, refuse_foreign
from optsync.connection import doctor
from optsync.connection.canary import NAME
from optsync.connection.checks import TITLES, Check, setup_link
from optsync.ledger import marks
from optsync.salesforce import query
from optsync.webhooks import sources
from optsync.webhooks.providers import PROVIDERS, Policy
from tests.config.pooler import transaction_pooler
from tests.flows.push.world import EMAIL, SALES, World, become_worker
from tests.servers import environment
from tests.soundness import MEMBERS, hide, let_read, make_sound, select, show

SOUND = {
    "sign-in",
    "org",
    "version",
    "api",
    "field.Lead.1",
    "field.Contact.1",
    "object.Lead",
    "object.Contact",
    "user",
    "all-records",
    "converted",
    "layouts.Lead",
    "layouts.Contact",
    "readers.Lead",
    "readers.Contact",
    "validation-rules",
    "duplicate-rules",
    "package",
    "events",
    "pubsub",
    "api-budget",
    "bulk-budget",
    "event-budget",
    "clock",
    "keys",
    "pauses",
    "parked",
    "durability",
    "public-url",
    "direct",
    "chain",
    "worker",
}


@pytest.fixture
def world(world: World) -> World:
    """A world in which there is nothing to find."""
    make_sound(world.org)
    return world


def examine(world: World, **other: Any) -> dict[str, Check]:
    """All checks by their id; `other` stands in for a part of the world."""
    vault: Callable[[], Vault] = other.get("vault", lambda: world.vault)
    database, seams = other.get("database", world.database), other.get("seams", world.seams)
    url, canary = other.get("public_url"), other.get("canary", False)
    found = doctor.run(world.conn, vault, world.org_id, database, seams, public_url=url, canary=canary)
    return {check.id: check for check in found}


def defects(world: World, **other: Any) -> dict[str, str]:
    """The state of what does not pass; each says why, and what to do about it."""
    found = {name: check for name, check in examine(world, **other).items() if check.state != "pass"}
    assert all(check.why and (check.fix or check.state == "skip") for check in found.values()), found
    return {name: check.state for name, check in found.items()}


def test_a_sound_installation_passes_everything(world: World) -> None:
    found = examine(world)
    assert {check.state for check in found.values()} == {"pass"}, found
    assert set(found) == SOUND


def test_a_hidden_and_a_read_only_field_are_named_with_their_object(world: World) -> None:
    world.choose(sync_on=True, field="sales")
    world.org.grant("Lead", EMAIL, "absent")
    world.org.grant("Contact", SALES, "read")
    failed = {name: check for name, check in examine(world).items() if check.state == "fail"}
    assert "field.Contact.2" in failed
    assert "Contact" in failed["field.Contact.2"].why
    assert "read-only" in failed["field.Contact.2"].why
    assert all(check.fix for check in failed.values())


def test_too_little_budget_and_a_pause_are_warnings(world: World) -> None:
    world.org.limits(daily=1_000, used=900)
    marks.pause(world.conn, world.org_id, 1, "00Q", 60, "INVALID_FIELD", "No such column")
    found = examine(world)
    assert (found["api-budget"].state, found["pauses"].state) == ("warn", "warn")
    assert "INVALID_FIELD" in found["pauses"].why


def test_the_budget_is_compared_with_what_waits_and_a_night_take(world: World) -> None:
    world.org.limits(daily=15_000, used=0)
    assert "take up to 120" in examine(world)["api-budget"].title
    world.org.limits(daily=300, used=100)
    assert examine(world)["api-budget"].state == "pass", "66 % are left, and enough for a night"
    world.org.limits(daily=300, used=200)
    found = examine(world)["api-budget"]
    assert (found.state, "take up to 120" in found.why) == ("warn", True), "more than a fifth, yet not enough"


def test_a_budget_that_nobody_tells_is_no_defect(world: World) -> None:
    world.org.fault("html", route="limits", status=403)
    assert defects(world) == {"bulk-budget": "skip", "event-budget": "skip"}, (
        "the header of every answer tells the calls too"
    )


def test_without_a_worker_it_says_so(world: World) -> None:
    world.lock.execute("SELECT pg_advisory_unlock_all()")
    assert defects(world) == {"worker": "warn"}


@pytest.mark.parametrize("away", [False, True])
def test_a_failed_sign_in_is_a_finding_and_skips_what_hangs_on_it(world: World, away: bool) -> None:
    if away:
        world.org.fault("html", route="oauth.token", status=502, times=None)
    else:
        world.org.behaviour(app_approved=False)
    found = examine(world)
    assert (found["sign-in"].state, found["org"].state, found["durability"].state) == ("fail", "skip", "pass")
    assert found["sign-in"].fix
    if not away:
        assert "user hasn't approved this consumer" in found["sign-in"].why
        assert "pre-authorise" in found["sign-in"].fix


def test_a_sign_in_that_leads_to_another_org_is_a_finding(world: World) -> None:
    world.conn.execute("UPDATE org SET salesforce_id = '00D000000000009EAA' WHERE org_id = %s", [world.org_id])
    assert defects(world) == {"org": "fail", "api": "skip", "fields": "skip"}


def test_a_version_that_salesforce_has_retired_is_a_finding(world: World) -> None:
    world.org.fault("html", route="versions", status=200, body='[{"version": "70.0"}]')
    assert defects(world) == {"version": "fail"}


def test_an_answer_that_no_check_expects_is_a_finding_too(world: World) -> None:
    world.org.fault("refuse", route="describe", code="API_CURRENTLY_DISABLED")
    world.org.fault("html", route="versions", status=200)
    assert defects(world) == {"version": "fail", "fields": "fail"}


def test_an_object_that_may_not_be_read_or_edited_is_named(world: World) -> None:
    lead = {"name": "Lead", "label": "Lead", "updateable": False, "fields": []}
    world.org.fault("html", route="describe", path="/Lead/", status=200, body=json.dumps(lead))
    world.org.fault("refuse", route="describe", path="/Contact/", status=404, code="NOT_FOUND")
    found = defects(world)
    assert (found["object.Lead"], found["object.Contact"]) == ("fail", "fail")


def test_a_clock_that_is_wrong_is_a_warning(world: World) -> None:
    now = world.seams.now
    assert defects(world, seams=replace(world.seams, now=lambda: now() + timedelta(minutes=10))) == {"clock": "warn"}


def test_a_key_file_that_does_not_fit_is_a_finding(world: World, tmp_path: Path) -> None:
    other = Vault.load_or_create(environment(tmp_path / "other"), world.seams)
    skipped = {"sign-in": "skip", "org": "skip", "api": "skip", "fields": "skip"}
    assert defects(world, vault=lambda: other) == {"keys": "fail", **skipped}
    damaged = environment(tmp_path / "damaged")
    damaged.key_file.parent.mkdir(parents=True)
    damaged.key_file.touch(mode=0o600)
    assert defects(world, vault=lambda: Vault.load_or_create(damaged, world.seams)) == {"keys": "fail", **skipped}


def test_a_secret_of_a_webhook_or_provider_that_cannot_be_read_is_named(world: World, tmp_path: Path) -> None:
    other, provider = Vault.load_or_create(environment(tmp_path / "other"), world.seams), PROVIDERS["mailgun"]
    token_bytes = world.seams.token_bytes
    sources.add(world.conn, world.vault, token_bytes, provider, Policy(), signing_key="a-key", actor="test")
    assert defects(world) == {}
    world.conn.execute("UPDATE mail_source SET signing_key = %s", [other.encrypt(b"a-key")])
    found = examine(world)["keys"]
    assert (found.state, "mail provider mailgun" in found.why) == ("fail", True)
    assert examine(world)["sign-in"].state == "pass", "the credential of Salesforce is another thing"


def test_only_an_address_that_recipients_reach_by_https_is_sound_for_a_real_org(world: World) -> None:
    world.conn.execute("UPDATE connection SET is_practice = false")
    for url, word in (
        (None, "is not set"),
        ("http://127.0.0.1:8000", "this machine"),
        ("http://u.example.com", "https"),
    ):
        found = examine(world, public_url=url)["public-url"]
        assert (found.state, word in found.why) == ("warn", True)
    assert examine(world, public_url="https://u.example.com")["public-url"].state == "pass"
    world.conn.execute("UPDATE connection SET is_practice = true")


def test_r43_a_key_that_would_know_no_erased_person_is_a_finding_though_it_reads_the_credentials(world: World) -> None:
    refuse_foreign(world.vault, world.conn)  # as every start does: the first key is remembered
    assert defects(world) == {}
    other = replace(world.vault, subject_key=b"another subject key of 32 bytes!")
    skipped = {"sign-in": "skip", "org": "skip", "api": "skip", "fields": "skip"}
    assert defects(world, vault=lambda: other) == {"keys": "fail", **skipped}


def test_a_session_that_may_lose_what_it_acknowledged_is_a_finding(world: World) -> None:
    world.conn.execute("SET synchronous_commit = off")
    assert defects(world) == {"durability": "fail"}


def test_a_transaction_pooler_is_refused(world: World) -> None:
    with transaction_pooler(world.database.dsn, 2) as dsn:
        assert defects(world, database=Database(dsn)) == {"direct": "fail"}


def test_events_that_nobody_seals_are_a_warning(world: World) -> None:
    world.opt_out("ann@example.com")
    world.conn.execute("SET optsync.clock_offset = 300")
    assert defects(world) == {"chain": "warn"}


@dataclass(frozen=True)
class Planted:
    """A defect and how somebody puts it right; `other` stands in for a part of the world, as in `examine`."""

    plant: Callable[[World], object]
    mend: Callable[[World], object]
    other: Callable[[World], dict[str, Any]] = lambda _world: {}


def late(world: World) -> dict[str, Any]:
    """A clock that is ten minutes ahead."""
    now = world.seams.now
    return {"seams": replace(world.seams, now=lambda: now() + timedelta(minutes=10))}


def refuse_one(world: World) -> None:
    """A Contact that sharing keeps from our user, and whose box waits for that."""
    world.org.permit(modify_all_data=False)
    world.org.share(world.org.create("Contact", Email="shared@example.com"), "read")
    world.opt_out("shared@example.com")
    world.push()


def share_it(world: World) -> None:
    """Somebody shares that Contact with our user."""
    world.org.share(str(world.org.find("shared@example.com")[0]["Id"]), "edit")
    world.push_again()


def stand_still(world: World) -> None:
    """Five minutes in which nobody seals."""
    world.opt_out("ann@example.com")
    world.conn.execute("SET optsync.clock_offset = 300")


def clear(world: World) -> None:
    """No faults any more."""
    world.org.clear_faults()


def other_key(world: World) -> dict[str, Any]:
    """A key file that was made for another database."""
    return {"vault": lambda: Vault.load_or_create(environment(world.vault.path.parent / "other"), world.seams)}


def other_licence(world: World) -> None:
    """The integration user has a licence without Leads."""
    row = {"Name": "Integration User", "IsActive": True, "Profile": {"UserLicense": {"Name": "Salesforce Platform"}}}
    body = json.dumps({"totalSize": 1, "done": True, "records": [row]})
    world.org.fault("html", route="query", path="FROM+User+", status=200, body=body, times=None)


def with_package(world: World) -> None:
    """The sales field was chosen, and then its package was removed."""
    world.choose(sync_on=True, field="sales")
    world.org.package(installed=False)


def map_the_lead(world: World) -> None:
    """Somebody maps the sales field of Lead to that of Contact."""
    world.org.call("POST", "/lead-mapping", {"lead": SALES, "contact": SALES})


def with_canary(world: World) -> dict[str, Any]:
    """A look with the canary, which does not wait."""
    return {"canary": True, "seams": replace(world.seams, sleep=lambda _seconds: None)}


RENAME = "UPDATE org SET salesforce_id = %s WHERE org_id = %s"
PLANTED = {
    "sign-in": Planted(
        lambda w: w.org.behaviour(app_approved=False),
        lambda w: w.org.behaviour(app_approved=True),
    ),
    "org": Planted(
        lambda w: w.conn.execute(RENAME, ["00D000000000009EAA", w.org_id]),
        lambda w: w.conn.execute(RENAME, [w.connected.salesforce_id, w.org_id]),
    ),
    "version": Planted(
        lambda w: w.org.fault("html", route="versions", status=200, body='[{"version": "70.0"}]'), clear
    ),
    "api": Planted(
        lambda w: w.org.fault("refuse", route="query", code="API_DISABLED_FOR_ORG", status=403, times=None), clear
    ),
    "fields": Planted(lambda w: w.org.fault("html", route="describe", status=200, times=None), clear),
    "field": Planted(
        lambda w: w.org.grant("Lead", EMAIL, "absent"),
        lambda w: w.org.grant("Lead", EMAIL, "edit"),
    ),
    "object": Planted(lambda w: w.org.grant_object("Contact", "read"), lambda w: w.org.grant_object("Contact", "edit")),
    "user": Planted(other_licence, clear),
    "all-records": Planted(lambda w: w.org.permit(modify_all_data=False), lambda w: w.org.permit(modify_all_data=True)),
    "converted": Planted(
        lambda w: w.org.permit(view_and_edit_converted_leads=False),
        lambda w: w.org.permit(view_and_edit_converted_leads=True),
    ),
    "layouts": Planted(lambda w: show(w.org, "Contact", EMAIL, None), lambda w: show(w.org, "Contact", EMAIL)),
    "validation-rules": Planted(
        lambda w: w.org.rule("validation", "Lead", when="Company = 'Never'"), lambda w: w.org.clear_rules()
    ),
    "duplicate-rules": Planted(lambda w: w.org.rule("duplicate", "Contact"), lambda w: w.org.clear_rules()),
    "package": Planted(with_package, lambda w: w.org.package(installed=True)),
    "mapping": Planted(lambda w: w.choose(sync_on=True, field="sales"), map_the_lead),
    "readers": Planted(lambda w: hide(w.org, "Contact", EMAIL), lambda w: let_read(w.org, "Contact", EMAIL)),
    "events": Planted(lambda w: select(w.org, "LeadChangeEvent"), lambda w: select(w.org, *MEMBERS)),
    "pubsub": Planted(lambda w: w.org.pubsub(reachable=False), lambda w: w.org.pubsub(reachable=True)),
    "event-budget": Planted(
        lambda w: w.org.limits(change_events_left=4_999), lambda w: w.org.limits(change_events_left=5_000)
    ),
    "canary": Planted(lambda w: w.org.flow(unsets=True), lambda w: w.org.flow(unsets=False), with_canary),
    "api-budget": Planted(lambda w: w.org.limits(daily=1_000, used=900), lambda w: w.org.limits(daily=1_000, used=10)),
    "bulk-budget": Planted(lambda w: w.org.limits(bulk_queries_left=3), lambda w: w.org.limits(bulk_queries_left=900)),
    "clock": Planted(lambda _w: None, lambda _w: None, late),
    "keys": Planted(lambda _w: None, lambda _w: None, other_key),
    "public-url": Planted(
        lambda w: w.conn.execute("UPDATE connection SET is_practice = false"),
        lambda w: w.conn.execute("UPDATE connection SET is_practice = true"),
    ),
    "pauses": Planted(
        lambda w: marks.pause(w.conn, w.org_id, 1, "00Q", 60, "INVALID_FIELD", "No such column"),
        lambda w: marks.clear_pauses(w.conn, w.org_id),
    ),
    "parked": Planted(refuse_one, share_it),
    "durability": Planted(
        lambda w: w.conn.execute("SET synchronous_commit = off"),
        lambda w: w.conn.execute("SET synchronous_commit = on"),
    ),
    "chain": Planted(stand_still, lambda w: w.conn.execute("SET optsync.clock_offset = 0")),
    "worker": Planted(lambda w: w.lock.execute("SELECT pg_advisory_unlock_all()"), lambda w: become_worker(w.lock)),
}
"""Every check with a defect that it finds and the fix after which it passes."""

WITHOUT: dict[str, str] = {
    "direct": "its defect is a pooler in between: test_a_transaction_pooler_is_refused",
}
"""Checks whose defect cannot be planted like the others, and where they are tested."""


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_defect_is_found_and_its_fix_makes_the_next_run_pass(world: World, kind: str) -> None:
    def of_kind(**other: Any) -> list[Check]:
        return [check for name, check in examine(world, **other).items() if name.split(".")[0] == kind]

    planted = PLANTED[kind]
    planted.plant(world)
    found = [check for check in of_kind(**planted.other(world)) if check.state in ("warn", "fail")]
    assert found
    assert all(check.why and check.fix for check in found)
    planted.mend(world)
    mended = with_canary(world) if kind == "canary" else {}
    assert {check.state for check in of_kind(**mended)} <= {"pass"}


def kinds_in_code() -> Iterator[str]:
    """The first word of every check's id, read off the calls that make checks."""
    makers = {"Check", "refused", "tried", "skipped", "looked"}
    for file in Path(doctor.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers):
                continue
            for argument in node.args[:1]:
                text = argument.values[0] if isinstance(argument, ast.JoinedStr) else argument
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield text.value.split(".")[0]


def test_no_check_is_without_a_planted_defect(world: World) -> None:
    world.choose(sync_on=True, field="sales")
    kinds = {name.split(".")[0] for name in examine(world, **with_canary(world))} | set(TITLES) | set(kinds_in_code())
    assert kinds == set(PLANTED) | set(WITHOUT)


def test_who_may_not_look_at_the_mapping_of_leads_is_told_where_to_look(world: World) -> None:
    world.choose(sync_on=True, field="sales")
    world.org.permit(modify_metadata=False, modify_all_data=False)
    found = examine(world)["mapping"]
    assert (found.state, "could not look" in found.why) == ("skip", True)
    assert "look by hand" in found.fix


def test_what_our_user_may_not_see_of_setup_is_skipped_and_no_failure(world: World) -> None:
    world.org.permit(view_setup=False)
    unseen = {"layouts.Lead", "layouts.Contact", "readers.Lead", "readers.Contact"}
    unseen |= {"validation-rules", "duplicate-rules", "events"}
    assert defects(world) == dict.fromkeys(unseen, "skip")
    assert "View Setup and Configuration" in examine(world)["layouts.Lead"].fix


def test_without_a_client_for_pubsub_the_check_says_what_to_install(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    assert defects(world) == {"pubsub": "skip"}
    assert "optsync[events]" in examine(world)["pubsub"].fix


def test_the_layouts_without_the_field_are_named_and_decide_in_professional_edition(world: World) -> None:
    show(world.org, "Contact", EMAIL, None)
    found = examine(world)["layouts.Contact"]
    assert (found.state, "HasOptedOutOfEmail on Contact (Sales) Layout" in found.why) == ("warn", True)
    world.org.edition("Professional Edition", api_add_on=True)
    found = examine(world)["layouts.Contact"]
    assert (found.state, "the layout decides" in found.why) == ("fail", True)


def test_the_canary_leaves_no_lead_behind_and_never_writes_false(world: World) -> None:
    assert examine(world, **with_canary(world))["canary"].state == "pass"
    assert world.org.spy()["false_writes"] == 0
    with world.session() as session:
        assert list(query.rows(session, f"SELECT Id FROM Lead WHERE LastName = '{NAME}'")) == []


def test_a_canary_that_could_not_be_made_or_deleted_says_so(world: World) -> None:
    world.org.rule("validation", "Lead", when=f"LastName = '{NAME}'")
    found = examine(world, **with_canary(world))["canary"]
    assert (found.state, "no test Lead could be made" in found.why) == ("skip", True)
    world.org.clear_rules()
    world.org.fault("refuse", route="record.delete", code="DELETE_FAILED", status=400)
    found = examine(world, **with_canary(world))["canary"]
    assert (found.state, "00Q" in found.why) == ("warn", True)


def test_in_professional_edition_the_page_layout_is_the_fix(world: World) -> None:
    row = {"Id": world.connected.salesforce_id, "Name": "Acme", "OrganizationType": "Professional Edition"}
    body = json.dumps({"totalSize": 1, "done": True, "records": [row]})
    world.org.grant("Lead", EMAIL, "absent")
    assert "Permission Sets" in examine(world)["field.Lead.1"].fix
    world.org.fault("html", route="query", status=200, body=body)
    fix = examine(world)["field.Lead.1"].fix
    assert "page layout" in fix
    assert "Lead" in fix


def test_a_finding_leads_to_the_page_of_setup_and_a_practice_org_has_none(world: World) -> None:
    page = setup_link("https://acme.my.salesforce.com", False, "PermSets/home")
    assert page == "https://acme.my.salesforce.com/lightning/setup/PermSets/home"
    world.org.grant("Lead", EMAIL, "absent")
    assert examine(world)["field.Lead.1"].link == ""
