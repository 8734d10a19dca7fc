"""Runs, issues, status and doctor: what an operator asks from a program."""

from collections.abc import Iterator

import pytest

from tests.api.conftest import World
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
    (issue,) = admin.get("/v1/issues").json["issues"]
    assert issue["code"].startswith("INSUFFICIENT_ACCESS")
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
    assert lonely.get("/v1/unsubscribes").json == {"unsubscribes": [], "next": None}
    assert lonely.get("/v1/runs").json == {"runs": [], "next": None}
    assert lonely.get("/v1/issues").json == {"issues": []}
    assert lonely.get("/v1/status").json == {"recorded": 0, "orgs": []}
    assert lonely.post("/v1/check", {"addresses": ["a@example.com"]}).json["allowed"] == 1
    doctor = lonely.ask("POST", "/v1/doctor")
    assert (doctor.status, doctor.code) == (409, "refused")
    assert "optsync connect" in doctor.json["next"]
