"""Runs, issues, status and doctor: what an operator asks from a program."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator

import pytest

from optsync.seams import real
from optsync.sync.nightly import start_due
from tests.api.conftest import World, end_unfinished_run
from tests.installation import Installation, served
from tests.program import Program, program
from tests.servers import Servers


def test_a_run_is_listed_and_shown_by_itself(admin: Program, world: World) -> None:
    page = admin.get("/v1/runs").json
    assert page["next"] is None
    (run,) = [run for run in page["runs"] if run["id"] == world.run_id]
    assert (run["org"], run["state"], run["result"], run["by"]) == (
        world.salesforce_id,
        "finished",
        "partly done",
        "test",
    )
    assert run["counts"]["confirmed"] == 2
    assert run["api_calls"] > 0
    assert admin.get(f"/v1/runs/{world.run_id}").json == run


def test_no_such_run_is_404(admin: Program) -> None:
    for answer in (admin.get("/v1/runs/99999"), admin.ask("POST", "/v1/runs/99999/retry")):
        assert (answer.status, answer.code) == (404, "not-found")


def test_a_refusal_is_an_issue_with_cause_and_next_step_and_can_be_tried_again(admin: Program, world: World) -> None:
    issues = admin.get("/v1/issues").json["issues"]
    (issue,) = [one for one in issues if one["code"].startswith("INSUFFICIENT_ACCESS")]
    assert (issue["org"], issue["boxes"], issue["people"]) == (world.salesforce_id, 1, 1)
    assert issue["title"]
    assert issue["next"]
    assert issue["object"] in ("Lead", "Contact")
    assert issue["first_seen_at"] <= issue["last_seen_at"]
    assert (issue["muted_until"], issue["came_back"]) == (None, False)
    with world.site.installation.database.connect() as conn:
        conn.execute("UPDATE mark SET due_at = clock() + interval '1 day' WHERE record_id = %s", [world.refusing_id])
    retry = admin.post("/v1/issues/retry", {"code": issue["code"]}, Idempotency_Key="again")
    assert (retry.status, retry.json) == (200, {"due": 1})
    assert admin.post("/v1/issues/retry", {"code": issue["code"]}, Idempotency_Key="again").json == {"due": 1}
    assert admin.post("/v1/issues/retry", {"code": "NO_SUCH_CODE"}).json == {"due": 0}
    with world.site.installation.database.connect() as conn:
        conn.execute("UPDATE mark SET due_at = clock() + interval '1 day' WHERE record_id = %s", [world.refusing_id])
    named = {"code": issue["code"], "cause": issue["cause"]}
    assert admin.post("/v1/issues/retry", named | {"cause": "1-0"}).json == {"due": 0}
    assert admin.post("/v1/issues/retry", named | {"code": "NO_SUCH_CODE"}).json == {"due": 0}
    assert admin.post("/v1/issues/retry", named).json == {"due": 1}
    assert admin.ask("POST", f"/v1/runs/{world.run_id}/retry").status == 200


def test_an_org_that_is_not_ours_is_refused(admin: Program, world: World) -> None:
    for path in ("/v1/issues", "/v1/status"):
        assert admin.get(f"{path}?org={world.salesforce_id[:15]}").status == 200
        answer = admin.get(f"{path}?org=00D000000000001AAA")
        assert (answer.status, answer.code) == (404, "not-found")
        assert admin.get(f"{path}?org=00D").code == "not-found"


def test_status_is_that_of_the_command_line(admin: Program, world: World) -> None:
    status = admin.get("/v1/status").json
    said = world.site.installation.run("status", "--json").json()
    (org,) = status["orgs"]
    assert (org["org"], org["verdict"], org["sentence"]) == (world.salesforce_id, said["verdict"], said["sentence"])
    assert org["balance"] == said["balance"]
    assert org["closes"]
    assert org["next_run_at"] is not None


def test_what_a_run_parked_is_read_box_by_box(admin: Program, world: World) -> None:
    page = admin.get(f"/v1/runs/{world.run_id}/rejects?limit=1").json
    (reject,) = page["rejects"]
    assert (reject["record"], reject["field"]) == (world.refusing_id, "HasOptedOutOfEmail")
    assert reject["code"].startswith("INSUFFICIENT_ACCESS")
    assert reject["said"]
    assert reject["title"]
    assert reject["next"]
    assert page["next"] is None
    person = admin.get(f"/v1/people/{reject['person']}").json
    assert world.refusing_id in {record["id"] for record in person["records"]}
    cursor = urlsafe_b64encode(f"after {reject['id']}".encode()).decode()
    after = admin.get(f"/v1/runs/{world.run_id}/rejects?cursor={cursor}").json
    assert after == {"rejects": [], "next": None}
    assert admin.get("/v1/runs/99999/rejects").code == "not-found"


def test_a_preview_is_asked_for_done_by_a_worker_and_read(admin: Program, world: World) -> None:
    installation = world.site.installation
    end_unfinished_run(world)
    asked = admin.ask("POST", f"/v1/preview?org={world.salesforce_id}", Idempotency_Key="tonight")
    assert asked.status == 202
    preview = asked.json
    assert (preview["state"], preview["would_set"], preview["is_even"]) == ("asked", None, None)
    again = admin.ask("POST", f"/v1/preview?org={world.salesforce_id}", Idempotency_Key="tonight")
    assert (again.status, again.json, again.headers["Idempotency-Replayed"]) == (202, preview, "true")
    busy = admin.ask("POST", "/v1/preview")
    assert (busy.status, busy.code) == (409, "refused")
    contact = world.org.create("Contact", Email="ticked.in.salesforce@example.org")
    world.org.edit(contact, HasOptedOutOfEmail=True)
    start_due(installation.database, installation.vault, real())
    done = admin.get(f"/v1/preview/{preview['id']}").json
    assert (done["state"], done["result"], done["org"]) == ("finished", "dry run", world.salesforce_id)
    assert done["by"].startswith("API key")
    assert done["would_record"] == 1
    assert done["is_even"] is False
    assert done["expected_api_calls"] > 0
    (concerned,) = done["from_salesforce"]
    assert (concerned["record"], concerned["why"]) == (contact, "ticked in Salesforce")
    assert "ticked.in.salesforce" not in concerned["address"]
    assert admin.get("/v1/preview").json == done
    assert admin.get(f"/v1/preview/{world.run_id}").code == "not-found"  # that run was none
    assert admin.post("/v1/check", {"addresses": ["ticked.in.salesforce@example.org"]}).json["allowed"] == 1
    world.org.delete(contact)


def test_what_the_doctor_found_is_read_without_asking_salesforce(admin: Program, world: World) -> None:
    found = admin.ask("POST", "/v1/doctor").json
    assert admin.get("/v1/doctor").json == found
    assert admin.get(f"/v1/doctor?org={world.salesforce_id}").json["checked_at"] == found["checked_at"]


def test_the_doctor_looks_afresh(admin: Program, world: World) -> None:
    findings = admin.ask("POST", "/v1/doctor").json
    assert findings["org"] == world.salesforce_id
    states = {check["id"]: check["state"] for check in findings["checks"]}
    assert states["sign-in"] == "pass"
    assert states["worker"] == "warn"
    assert all(check["why"] and check["fix"] for check in findings["checks"] if check["state"] in ("warn", "fail"))


@pytest.fixture(scope="module")
def lonely(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A program at an installation without an org, without anything."""
    with (
        postgres_servers.fresh_database("embedded") as database,
        served(Installation(database, tmp_path_factory.mktemp("lonely"))) as site,
    ):
        yield program(site, "admin")


def test_an_empty_installation_answers_with_empty_lists(lonely: Program) -> None:
    assert lonely.get("/v1/unsubscribes").json == {"unsubscribes": [], "next": None, "total": None}
    assert lonely.get("/v1/runs").json == {"runs": [], "next": None}
    assert lonely.get("/v1/issues").json == {"issues": []}
    assert lonely.get("/v1/status").json == {"recorded": 0, "orgs": []}
    assert lonely.post("/v1/check", {"addresses": ["a@example.com"]}).json["allowed"] == 1
    doctor = lonely.ask("POST", "/v1/doctor")
    assert (doctor.status, doctor.code) == (409, "refused")
    assert "optsync connect" in doctor.json["next"]
