"""Events and webhooks for programs: read in order, added with a secret, tried, resent, ended."""

from datetime import UTC, datetime, timedelta

from optsync.ledger import chain
from optsync.ledger.record import opt_out
from tests.api.conftest import World
from tests.program import Program

URL = "https://hooks.example.com/optsync"


def test_events_are_read_in_order_and_from_where_one_stopped(admin: Program, world: World) -> None:
    installation = world.site.installation
    with installation.database.connect() as conn:
        chain.seal(conn)
        first = admin.get("/v1/events?limit=1").json
        assert len(first["events"]) == 1
        rest, cursor = [], first["next"]
        while (page := admin.get(f"/v1/events?cursor={cursor}&limit=50").json)["events"]:
            rest += page["events"]
            cursor = page["next"]
        ids = [int(one["id"].removeprefix("evt_")) for one in first["events"] + rest]
        assert len(ids) == len(set(ids))
        assert "sync.finished" in {one["type"] for one in rest}
        now = admin.get("/v1/events?cursor=now").json
        assert now["events"] == []
        done = opt_out(conn, installation.vault.subject_key, "event@example.org", "api")
        assert admin.get(f"/v1/events?cursor={now['next']}").json["events"] == []  # not sealed yet
        chain.seal(conn)
    for cursor_ in (now["next"], cursor):
        (event,) = admin.get(f"/v1/events?cursor={cursor_}&type=unsubscribe.created").json["events"]
        assert event["data"]["address"] == "event@example.org"
        assert event["data"]["person"] == done.address_id


def test_what_means_nothing_is_refused(admin: Program) -> None:
    assert admin.get("/v1/events?type=everything").status == 422
    for cursor in ("x", "YWZ0ZXIgMQ", "NSA5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk", "%00"):
        assert admin.get(f"/v1/events?cursor={cursor}").status == 404, cursor


def test_a_webhook_from_its_making_to_its_end(admin: Program, world: World) -> None:
    with world.site.installation.database.connect() as conn:
        chain.seal(conn)
    made = admin.ask("POST", "/v1/webhooks", {"url": URL, "types": ["unsubscribe.created"]})
    assert made.status == 201
    assert made.json["secret"].startswith("whsec_")
    here = f"/v1/webhooks/{made.json['id']}"
    assert admin.get(here).json["state"] == "active"
    assert "secret" not in admin.get("/v1/webhooks").text
    due = admin.ask("POST", f"{here}/test").json["delivery"]
    (delivery,) = admin.get(f"{here}/deliveries").json["deliveries"]
    assert (delivery["id"], delivery["type"], delivery["state"]) == (due, "webhook.test", "pending")
    assert admin.ask("POST", f"{here}/deliveries/{due}/resend").json == {"delivery": due}
    assert admin.ask("POST", f"{here}/rotate").json["secret"] != made.json["secret"]
    since = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    replayed = admin.ask("POST", f"{here}/replay", {"since": since.isoformat()})
    assert (replayed.status, datetime.fromisoformat(replayed.json["replays_since"])) == (202, since)
    for wrong in ((since - timedelta(days=31)).isoformat(), "2026-11-28T09:12:44", "yesterday", 1, None):
        refused = admin.ask("POST", f"{here}/replay", {"since": wrong})
        assert (refused.status, refused.code) == (422, "invalid"), wrong
    assert admin.ask("POST", f"{here}/disable").json["disabled_why"] == "by hand"
    assert admin.ask("POST", f"{here}/test").status == 409
    assert admin.ask("POST", f"{here}/enable").json["state"] == "active"
    assert admin.ask("DELETE", here).status == 204
    for method, path in (("GET", here), ("DELETE", here), ("POST", f"{here}/test"), ("GET", f"{here}/deliveries")):
        assert admin.ask(method, path).status == 404


def test_asked_twice_with_one_idempotency_key_each_thing_is_made_once(admin: Program, world: World) -> None:
    body = {"url": f"{URL}/once", "types": ["sync.held"]}
    first = admin.ask("POST", "/v1/webhooks", body, Idempotency_Key="hook")
    again = admin.ask("POST", "/v1/webhooks", body, Idempotency_Key="hook")
    assert (first.status, again.status) == (201, 201)
    assert again.json == {"id": first.json["id"], "secret": None}
    here = f"/v1/webhooks/{first.json['id']}"
    tests = [admin.ask("POST", f"{here}/test", Idempotency_Key="try").json["delivery"] for _ in range(2)]
    assert tests[0] == tests[1]
    assert len(admin.get(f"{here}/deliveries").json["deliveries"]) == 1
    secrets = [admin.ask("POST", f"{here}/rotate", Idempotency_Key="new").json["secret"] for _ in range(2)]
    assert secrets[0].startswith("whsec_")
    assert secrets[1] is None
    refused = [admin.ask("POST", "/v1/webhooks", body | {"types": []}, Idempotency_Key="bad").status for _ in range(2)]
    assert refused == [422, 422]
    with world.site.installation.database.connect() as conn:
        kept = str(conn.execute("SELECT answer FROM kept_answer").fetchall())
    assert first.json["secret"] not in kept
    assert secrets[0] not in kept
    admin.ask("DELETE", here)


def test_a_wrong_webhook_is_refused_with_what_to_do(admin: Program) -> None:
    wrong = "https://wrong.example.com/"
    for body in (
        {"url": "http://wrong.example.com/", "types": ["sync.held"]},
        {"url": wrong, "types": ["everything"]},
        {"url": wrong, "types": []},
        {"url": wrong},
        {"url": wrong, "types": ["sync.held"], "secret": "mine"},
    ):
        answer = admin.ask("POST", "/v1/webhooks", body)
        assert (answer.status, answer.code) == (422, "invalid"), body
    assert "wrong.example.com" not in admin.get("/v1/webhooks").text
