"""API keys: shown once, kept as a keyed hash, ended by time or by hand."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from optsync.access import keys
from tests.installation import Site
from tests.program import Answer, Program, program

QUESTION = {"addresses": ["ann@example.com"]}


def test_the_command_line_makes_a_key_that_opens_and_revokes_it(site: Site) -> None:
    made = site.installation.run("api-keys", "make", "crm sender", "--scope", "check", "--days", "30")
    assert made.code == 0, made.err
    key = made.out.strip()
    assert Program(site, key).post("/v1/check", QUESTION).status == 200
    listed = site.installation.run("api-keys", "list", "--json").json()["keys"]
    (row,) = [row for row in listed if row["name"] == "crm sender"]
    assert row["scopes"] == ["check"]
    assert row["state"] == "active"
    assert row["last_used_at"] is not None
    assert key not in site.installation.run("api-keys", "list").out
    assert site.installation.run("api-keys", "revoke", row["handle"]).code == 0
    refused = Program(site, key).post("/v1/check", QUESTION)
    assert (refused.status, refused.code) == (401, "key-refused")
    assert site.installation.run("api-keys", "revoke", row["handle"]).code == 1


@pytest.mark.parametrize("name", ["", " ", "\0", "\x1e\x1f", "\x85"])
def test_a_name_that_says_nothing_makes_no_key(site: Site, name: str) -> None:
    asked = program(site, "admin").post("/v1/keys", {"name": name, "scopes": ["check"]})
    assert (asked.status, asked.json["errors"][0]["where"]) == (422, "/name")


def test_wrong_use_of_the_command_line_makes_no_key(site: Site) -> None:
    before = site.installation.run("api-keys", "list", "--json").json()
    for arguments in (["make", "x"], ["make", "x", "--scope", "root"], ["make", " ", "--scope", "check"]):
        assert site.installation.run("api-keys", *arguments).code == 2
    assert site.installation.run("api-keys", "list", "--json").json() == before


def test_no_table_holds_the_key_and_its_hash_is_keyed(site: Site) -> None:
    asking = program(site, "check")
    with site.installation.database.connect() as conn:
        stored = "".join(str(row) for row in conn.execute("SELECT * FROM api_key").fetchall())
    assert asking.key not in stored
    assert asking.key.split("_", maxsplit=3)[3] not in stored  # the secret; it may hold a _ itself
    assert keys.hash_of(asking.key, b"one") != keys.hash_of(asking.key, b"another")


def test_making_and_revoking_are_events(site: Site) -> None:
    asking = program(site, "read")
    handle = asking.key.split("_")[2]
    with site.installation.database.connect() as conn:
        keys.revoke(conn, handle, actor="test")
        found = conn.execute("SELECT kind FROM event WHERE evidence ->> 'key' = %s ORDER BY event_id", [handle])
        assert [kind for (kind,) in found] == ["API key made", "API key revoked"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda key: key[:-1],
        lambda key: key + "A",
        lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
        lambda key: key.replace("os_live_", "os_test_"),
        lambda key: "os_live_000000000000_" + "A" * 43,
        lambda key: "'; DROP TABLE api_key; --",
    ],
    ids=["cut", "longer", "flipped", "prefix", "unknown", "sql"],
)
def test_a_key_that_is_not_exactly_right_opens_nothing(site: Site, damage: Callable[[str], str]) -> None:
    wrong = damage(program(site, "check").key)
    refused = Program(site, wrong).post("/v1/check", QUESTION)
    assert (refused.status, refused.code) == (401, "key-refused")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "os_live_000000000000_x"])
def test_without_a_bearer_key_one_is_asked_for(site: Site, header: str) -> None:
    refused = Program(site).post("/v1/check", QUESTION, Authorization=header)
    assert (refused.status, refused.code) == (401, "key-missing")


def test_an_expired_key_says_so(site: Site) -> None:
    asking = program(site, "check", days=1)
    assert asking.post("/v1/check", QUESTION).status == 200
    with site.installation.database.connect() as conn:
        handle = asking.key.split("_")[2]
        conn.execute("UPDATE api_key SET expires_at = clock() - interval '1 second' WHERE handle = %s", [handle])
    refused = asking.post("/v1/check", QUESTION)
    assert (refused.status, refused.code) == (401, "key-expired")


def test_the_last_use_is_written_at_most_hourly(site: Site) -> None:
    asking = program(site, "check")
    handle = asking.key.split("_")[2]
    with site.installation.database.connect() as conn:

        def last_use() -> object:
            row = conn.execute("SELECT last_used_at FROM api_key WHERE handle = %s", [handle]).fetchone()
            assert row is not None
            return row[0]

        asking.post("/v1/check", QUESTION)
        first = last_use()
        asking.post("/v1/check", QUESTION)
        assert first is not None
        assert last_use() == first
        conn.execute("UPDATE api_key SET last_used_at = clock() - interval '61 min' WHERE handle = %s", [handle])
        asking.post("/v1/check", QUESTION)
        assert last_use() > first  # type: ignore[operator]


def test_a_program_makes_a_key_that_opens_what_was_said_and_nothing_else(admin: Program, site: Site) -> None:
    made = admin.post("/v1/keys", {"name": "  crm  ", "scopes": ["check"], "days": 30})
    assert made.status == 201
    key = Program(site, made.json["key"])
    assert (made.json["name"], made.json["scopes"], made.json["state"]) == ("crm", ["check"], "active")
    assert made.json["made_by"].startswith("API key")
    assert key.post("/v1/check", QUESTION).status == 200
    assert key.get("/v1/status").code == "scope-missing"
    listed = admin.get("/v1/keys?limit=1")
    assert made.json["key"] not in listed.text
    assert listed.json["keys"][0]["handle"] == made.json["handle"]
    older = admin.get(f"/v1/keys?cursor={listed.json['next']}").json["keys"]
    assert made.json["handle"] not in {one["handle"] for one in older}
    here = f"/v1/keys/{made.json['handle']}"
    assert admin.ask("DELETE", here).status == 204
    assert key.post("/v1/check", QUESTION).code == "key-refused"
    for method, path in (("DELETE", here), ("POST", f"{here}/rotate"), ("DELETE", "/v1/keys/000000000000")):
        assert admin.ask(method, path).code == "not-found"


def test_a_key_that_is_rotated_works_beside_its_successor_for_a_day(admin: Program, site: Site) -> None:
    old = program(site, "check", days=30)
    handle = old.key.split("_")[2]
    rotated = admin.ask("POST", f"/v1/keys/{handle}/rotate")
    assert rotated.status == 201
    assert rotated.json["scopes"] == ["check"]
    for key in (old, Program(site, rotated.json["key"])):
        assert key.post("/v1/check", QUESTION).status == 200
    with site.installation.database.connect() as conn:
        row = conn.execute(
            "SELECT expires_at - clock() BETWEEN interval '23 h' AND interval '24 h' FROM api_key WHERE handle = %s",
            [handle],
        ).fetchone()
    assert row == (True,)


def test_a_key_is_replaced_once_also_when_many_ask_at_the_same_moment(admin: Program, site: Site) -> None:
    handle = program(site, "check").key.split("_")[2]

    def rotate(_: int) -> Answer:
        return admin.ask("POST", f"/v1/keys/{handle}/rotate")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(rotate, range(4)))
    made = [one.json for one in answers if one.status == 201]
    assert [one["expires_at"] for one in made] == [None], "a second one would end with its forerunner, within a day"
    assert {(one.status, one.code) for one in answers if one.status != 201} == {(409, "refused")}
    assert admin.ask("POST", f"/v1/keys/{made[0]['handle']}/rotate").status == 201


def test_a_key_cannot_give_more_than_it_has(site: Site) -> None:
    ends = program(site, "admin", days=2)
    for days in (None, 3):
        refused = ends.post("/v1/keys", {"name": "for ever", "scopes": ["check"], "days": days})
        assert (refused.status, refused.code) == (403, "beyond-own-key")
    assert ends.post("/v1/keys", {"name": "short", "scopes": ["check"], "days": 1}).status == 201
    never = program(site, "check")
    own = ends.key.split("_")[2]
    successor = ends.ask("POST", f"/v1/keys/{never.key.split('_')[2]}/rotate").json
    itself = ends.ask("POST", f"/v1/keys/{own}/rotate").json
    with site.installation.database.connect() as conn:
        handles = [successor["handle"], itself["handle"]]
        longest = conn.execute(
            "SELECT max(expires_at) < clock() + interval '2 days', count(expires_at) FROM api_key"
            " WHERE handle = ANY (%s)",
            [handles],
        ).fetchone()
    assert longest == (True, 2)
    for scope in ("check", "read", "write"):
        asking = program(site, scope)
        assert asking.post("/v1/keys", {"name": "more", "scopes": ["admin"]}).code == "scope-missing"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["root"]},
        {"name": " ", "scopes": ["check"]},
        {"name": "x", "scopes": ["check"], "days": 0},
        {"name": "x" * 101, "scopes": ["check"]},
        {"name": "x", "scopes": ["check"], "key": "os_live_mine"},
    ],
)
def test_a_key_that_was_asked_for_wrongly_is_not_made(admin: Program, body: object) -> None:
    before = admin.get("/v1/keys").json["keys"][0]
    answer = admin.post("/v1/keys", body)
    assert (answer.status, answer.code) == (422, "invalid")
    assert admin.get("/v1/keys").json["keys"][0]["handle"] == before["handle"]


def test_asked_twice_with_one_idempotency_key_one_key_is_made_and_its_text_is_not_kept(
    admin: Program, site: Site
) -> None:
    body = {"name": "once", "scopes": ["check"]}

    def ask(_: int) -> Answer:
        return admin.post("/v1/keys", body, Idempotency_Key="make-it")

    with ThreadPoolExecutor(4) as pool:  # at once: no two may be first
        answers = list(pool.map(ask, range(4)))
    first = [one for one in answers if "Idempotency-Replayed" not in one.headers]
    assert {one.status for one in answers} == {201}
    assert {one.json["handle"] for one in answers} == {first[0].json["handle"]}
    assert [one.json["key"] is not None for one in answers].count(True) == len(first) == 1
    with site.installation.database.connect() as conn:
        kept = str(conn.execute("SELECT answer FROM kept_answer").fetchall())
    assert first[0].json["key"] not in kept
    assert admin.post("/v1/keys", body | {"name": "other"}, Idempotency_Key="make-it").code == "idempotency-key-reused"
