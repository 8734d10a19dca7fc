"""API keys: shown once, kept as a keyed hash, ended by time or by hand."""

from collections.abc import Callable

import pytest

from optsync.access import keys
from tests.installation import Site
from tests.program import Program, program

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
    assert asking.key.rpartition("_")[2] not in stored
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
