"""Recording an unsubscribe and reading them page by page."""

import pytest

from optsync.ledger.people import erase, timeline
from tests.api.conftest import World
from tests.program import Program, program


def test_a_recorded_unsubscribe_blocks_at_once_and_again_is_the_same(admin: Program) -> None:
    first = admin.post("/v1/unsubscribes", {"address": "Ann@Example.com", "source": "one-click"})
    assert first.status == 201
    assert (first.json["outcome"], first.json["source"]) == ("new", "one-click")
    assert "example.com" not in first.text
    again = admin.post("/v1/unsubscribes", {"address": " ann@example.com", "source": "manual"})
    assert again.status == 200
    assert again.json == first.json | {"outcome": "already", "owed": 0}
    stored = admin.get(f"/v1/unsubscribes/{first.json['id']}").json
    assert stored == {
        "id": first.json["id"],
        "address": "ann@example.com",
        "since_at": first.json["since_at"],
        "source": "one-click",
        "state": "active",
        "lifted_at": None,
    }
    assert admin.post("/v1/check", {"addresses": ["ann@example.com"]}).json["blocked"] == 1


def test_who_why_and_which_message_are_kept_as_evidence(admin: Program, world: World) -> None:
    body = {"address": "why@example.com", "reason": "too many, says why@example.com", "message_id": "<17@crm>"}
    assert admin.post("/v1/unsubscribes", body).status == 201
    installation = world.site.installation
    with installation.database.connect() as conn:
        (event,) = timeline(conn, installation.vault.subject_key, "why@example.com")
    assert (event.actor, event.source, event.evidence) == ("API key test", "api", {"message": "<17@crm>"})
    assert event.reason == "too many, says [address]"


@pytest.mark.parametrize("address", ["ünï@exämple.com", "'; DROP TABLE opt_out; --@x", "<script>@x", "a@b@c", "😀@x.y"])
def test_an_odd_address_is_never_refused_and_blocks(admin: Program, address: str) -> None:
    made = admin.post("/v1/unsubscribes", {"address": address})
    assert made.status == 201, made.text
    assert admin.post("/v1/check", {"addresses": [address]}).json["blocked"] == 1


@pytest.mark.parametrize("source", ["salesforce sync", "import", "follows record", "", None])
def test_a_source_that_is_not_a_program_s_is_refused(admin: Program, source: object) -> None:
    answer = admin.post("/v1/unsubscribes", {"address": "source@example.com", "source": source})
    assert (answer.status, answer.code) == (422, "invalid")


def test_pages_show_each_of_many_exactly_once(admin: Program) -> None:
    made = [admin.post("/v1/unsubscribes", {"address": f"page{n}@example.com"}) for n in range(25)]
    wanted = {answer.json["id"] for answer in made}
    seen: list[int] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        page = admin.get(f"/v1/unsubscribes?limit=10&cursor={cursor}").json
        assert len(page["unsubscribes"]) <= 10
        seen += [one["id"] for one in page["unsubscribes"]]
        cursor, pages = page["next"], pages + 1
    assert pages >= 3
    counted = admin.get("/v1/unsubscribes?limit=1&count=true").json
    assert (counted["total"], page["total"]) == (len(seen), None), "counted only for who asks"
    assert wanted <= set(seen)
    assert len(seen) == len(set(seen))


def test_several_addresses_in_one_are_refused_because_none_of_them_would_be_blocked(admin: Program) -> None:
    several = "several1@example.com, several2@example.com"
    refused = admin.post("/v1/unsubscribes", {"address": several})
    assert (refused.status, refused.code, refused.json["errors"][0]["where"]) == (422, "invalid", "/address")
    rows = [{"address": several}, {"address": "several3@example.com"}]
    answer = admin.post("/v1/unsubscribes:batch", {"unsubscribes": rows}).json
    assert [one["outcome"] for one in answer["results"]] == ["refused", "new"]
    assert "several" in answer["results"][0]["why"]


def test_no_such_unsubscribe_is_404(admin: Program) -> None:
    answer = admin.get("/v1/unsubscribes/999999999")
    assert (answer.status, answer.code) == (404, "not-found")


def test_an_erased_one_has_no_address(admin: Program, world: World) -> None:
    made = admin.post("/v1/unsubscribes", {"address": "erase.me@example.com"}).json
    installation = world.site.installation
    with installation.database.connect() as conn:
        erase(conn, installation.vault.subject_key, "erase.me@example.com", actor="test", reason="asked")
    stored = admin.get(f"/v1/unsubscribes/{made['id']}").json
    assert (stored["address"], stored["state"]) == (None, "active")


def test_the_same_idempotency_key_gives_the_same_answer(admin: Program) -> None:
    body = {"address": "once@example.com"}
    first = admin.post("/v1/unsubscribes", body, Idempotency_Key="k1")
    again = admin.post("/v1/unsubscribes", body, Idempotency_Key="k1")
    assert (first.status, again.status) == (201, 201)
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers


def test_an_idempotency_key_belongs_to_one_request_of_one_program(admin: Program, world: World) -> None:
    assert admin.post("/v1/unsubscribes", {"address": "mine@example.com"}, Idempotency_Key="k2").status == 201
    other = admin.post("/v1/unsubscribes", {"address": "other@example.com"}, Idempotency_Key="k2")
    assert (other.status, other.code) == (422, "idempotency-key-reused")
    assert admin.post("/v1/check", {"addresses": ["other@example.com"]}).json["blocked"] == 0
    elsewhere = admin.ask("POST", f"/v1/runs/{world.run_id}/retry", Idempotency_Key="k2")
    assert elsewhere.code == "idempotency-key-reused"
    stranger = program(world.site, "write")
    assert stranger.post("/v1/unsubscribes", {"address": "other@example.com"}, Idempotency_Key="k2").status == 201


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_an_idempotency_key_of_the_wrong_length_is_refused(admin: Program, key: str) -> None:
    answer = admin.post("/v1/unsubscribes", {"address": "length@example.com"}, Idempotency_Key=key)
    assert (answer.status, answer.code) == (422, "invalid")
    assert admin.post("/v1/check", {"addresses": ["length@example.com"]}).json["blocked"] == 0


def test_a_kept_answer_lasts_30_days_and_holds_no_address(admin: Program, world: World) -> None:
    body = {"address": "kept.answer@example.com"}
    admin.post("/v1/unsubscribes", body, Idempotency_Key="kept.answer@example.com")
    with world.site.installation.database.connect() as conn:
        stored = "".join(str(row) for row in conn.execute("SELECT t::text FROM kept_answer t").fetchall())
        assert "kept.answer" not in stored
        conn.execute("UPDATE kept_answer SET made_at = made_at - interval '31 days'")
        later = admin.post("/v1/unsubscribes", body, Idempotency_Key="kept.answer@example.com")
        assert (later.status, later.json["outcome"]) == (200, "already")
        row = conn.execute("SELECT count(*) FROM kept_answer WHERE made_at < clock() - interval '30 days'").fetchone()
        assert row == (0,)
