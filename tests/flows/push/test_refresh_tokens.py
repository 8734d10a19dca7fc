"""An org that is connected by a refresh token: nothing is lost when tokens rotate, end, or are renewed by several."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest
from cryptography.fernet import Fernet

from optsync.config.database import Connection, Database
from optsync.connection import doctor
from optsync.connection.connect import connect, encrypt_again
from optsync.connection.keeping import StoredCredential
from optsync.connection.sessions import Sessions, unchecked_session
from optsync.salesforce.credentials import Credential
from optsync.salesforce.oauth import Grant
from optsync.salesforce.session import Session
from optsync.salesforce.web_flow import App, begin, finish
from tests.conformance.practice.rest import Rest
from tests.conformance.practice.web_flow import CALLBACK, decide, sent_back
from tests.flows.push.world import World, wait_until, worker_process

PROCESSES = 6


def let_in(world: World) -> tuple[Credential, Grant]:
    """What a person's consent gives."""
    known, rest = world.org.credentials, Rest(world.org)
    app = App(known["login_url"], known["client_id"], known["client_secret"], practice=True)
    attempt = begin(app, CALLBACK, world.seams)
    callback = sent_back(decide(rest, rest.call("GET", attempt.url.removeprefix(world.org.url))))
    return finish(attempt, callback, world.seams)


def connect_by_consent(world: World) -> str:
    """Connects the org by the web-server flow; the refresh token as it was given."""
    credential, grant = let_in(world)
    connect(world.conn, world.vault, credential, world.seams, grant=grant, actor="admin")
    world.line.session.close()
    world.line = world.new_line(world.conn, world.line.worker_no)
    world.org.clear_spy()
    return credential.refresh_token or ""


def not_signed_in(world: World) -> Session:
    """A session that has not asked Salesforce for anything yet."""
    return unchecked_session(world.conn, world.vault, world.org_id, world.seams)[0]


def stored(world: World) -> Credential:
    """The credential as another process would find it: read on a session of its own."""
    with world.database.connect() as conn:
        row = conn.execute("SELECT credential FROM connection WHERE org_id = %s", [world.org_id]).fetchone()
    assert row is not None
    return Credential.from_json(world.vault.as_filed().decrypt(row[0]).decode())


def revision(conn: Connection, world: World) -> int:
    row = conn.execute("SELECT revision FROM connection WHERE org_id = %s", [world.org_id]).fetchone()
    assert row is not None
    return int(row[0])


def test_an_org_connected_by_consent_is_pushed_to_and_a_lost_session_renewed(world: World) -> None:
    given = connect_by_consent(world)
    lead = world.org.create("Lead", Email="ann@example.com")
    world.org.expire_sessions()
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(lead)
    assert stored(world).refresh_token == given, "without rotation it stays"
    world.check_safe()


def test_each_next_refresh_token_is_stored_for_the_next_process(world: World) -> None:
    world.org.behaviour(refresh_token_rotates=True)
    seen = [connect_by_consent(world)]
    first = revision(world.conn, world)
    for _ in range(3):
        with world.session() as session:
            assert session.request("GET", "limits").status == 200
        seen.append(stored(world).refresh_token or "")
    assert len(set(seen)) == 4
    assert revision(world.conn, world) == first, "no other worker signs in anew for it"


def test_many_processes_that_renew_at_once_take_turns(world: World) -> None:
    world.org.behaviour(refresh_token_rotates=True)
    connect_by_consent(world)
    together = threading.Barrier(PROCESSES)

    def process() -> int:
        with world.database.connect() as conn:
            sessions = Sessions(world.vault, world.seams)
            try:
                session, _ = sessions.get(conn, world.org_id, revision(conn, world))
                together.wait()
                return session.request("GET", "limits").status
            finally:
                sessions.close()

    with ThreadPoolExecutor(PROCESSES) as processes:
        statuses = [future.result() for future in [processes.submit(process) for _ in range(PROCESSES)]]
    assert statuses == [200] * PROCESSES, "a token used twice would have ended them all"
    assert world.org.spy()["routes"]["oauth.token"] == PROCESSES
    with world.session() as session:
        assert session.request("GET", "limits").status == 200


def test_nobody_holds_a_transaction_open_while_salesforce_is_asked(world: World) -> None:
    connect_by_consent(world)
    world.org.latency(400)
    with ThreadPoolExecutor(1) as aside:
        with not_signed_in(world) as session:
            asking = aside.submit(session.request, "GET", "limits")
            seen = set()
            while not asking.done():
                rows = world.conn.execute(
                    "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ).fetchall()
                seen |= {state for (state,) in rows}
        assert asking.result().status == 200
    assert "idle in transaction" not in seen


def test_a_revoked_refresh_token_pauses_pushes_and_loses_nothing(world: World) -> None:
    given = connect_by_consent(world)
    lead = world.org.create("Lead", Email="ann@example.com")
    rest = Rest(world.org)
    assert rest.call("GET", f"/services/oauth2/revoke?token={given}").status == 200
    world.org.clear_spy()
    for name in ("ann", "bob", "cem"):
        world.opt_out(f"{name}@example.com")
        world.push()
    assert len(world.events("pushes paused")) == 1, "one alert"
    assert world.org.spy()["routes"].get("oauth.token", 0) <= 3
    assert not world.is_ticked(lead)
    checks = doctor.run(world.conn, lambda: world.vault, world.org_id, world.database, world.seams)
    found = {check.id: check for check in checks}
    assert (found["sign-in"].state, found["pauses"].state) == ("fail", "warn")
    assert "expired access/refresh token" in found["sign-in"].why
    assert "connect the org again" in found["sign-in"].fix
    assert "expired access/refresh token" in found["pauses"].why
    connect_by_consent(world)
    world.push()
    assert world.is_ticked(lead)
    world.check_safe()


@pytest.mark.parametrize("rotates", [False, True])
def test_an_answer_that_gets_lost_costs_the_approval_only_where_tokens_rotate(world: World, rotates: bool) -> None:
    world.org.behaviour(refresh_token_rotates=rotates)
    connect_by_consent(world)
    lead = world.org.create("Lead", Email="ann@example.com")
    world.org.expire_sessions()
    world.org.fault("reset", route="oauth.token", moment="after")
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(lead) is not rotates
    if rotates:
        assert len(world.events("pushes paused")) == 1
        connect_by_consent(world)
        world.push()
    assert world.is_ticked(lead)
    world.check_safe()


def test_a_token_of_rotated_keys_is_stored_under_the_newest_key(world: World) -> None:
    world.org.behaviour(refresh_token_rotates=True)
    connect_by_consent(world)
    with not_signed_in(world) as session:
        rotated = world.vault.rotate(world.seams)
        encrypt_again(world.conn, rotated)
        assert session.request("GET", "limits").status == 200
    newest = json.loads(world.vault.path.read_text())["credential_keys"][:1]
    row = world.conn.execute("SELECT credential FROM connection WHERE org_id = %s", [world.org_id]).fetchone()
    assert row is not None
    assert b"refresh_token" in Fernet(newest[0].encode()).decrypt(row[0])


def test_a_renewal_does_without_a_key_file_that_went_away_while_this_process_ran(world: World) -> None:
    world.org.behaviour(refresh_token_rotates=True)
    given = connect_by_consent(world)
    with not_signed_in(world) as session:
        world.vault.path.unlink()
        assert session.request("GET", "limits").status == 200
    assert stored(world).refresh_token not in (None, given)


def test_a_renewals_database_session_is_like_the_one_that_opened_it(world: World) -> None:
    connect_by_consent(world)
    shifted = Database(f"{world.database.dsn} password=a-password", clock_offset_seconds=3_600.0)
    settings = "SELECT current_setting('optsync.clock_offset'), current_setting('synchronous_commit')"
    with shifted.connect() as conn, StoredCredential(conn, world.vault, world.org_id).hold() as held:
        assert held.conn is not conn
        assert held.conn.execute(settings).fetchone() == conn.execute(settings).fetchone() == ("3600.0", "on")
        assert held.conn.info.password == "a-password"
        assert "a-password" not in repr(held)


def test_a_renewal_does_not_overwrite_what_was_connected_meanwhile(world: World) -> None:
    connect_by_consent(world)
    keeper = StoredCredential(world.conn, world.vault, world.org_id)
    with keeper.hold() as held:
        newer, grant = let_in(world)
        connect(world.conn, world.vault, newer, world.seams, grant=grant, actor="admin")
        held.keep(Credential("refresh_token", newer.login_url, newer.client_id, practice=True, refresh_token="old"))
    assert stored(world) == newer


def test_a_database_that_cannot_store_the_next_token_fails_before_one_is_spent(world: World) -> None:
    world.org.behaviour(refresh_token_rotates=True)
    connect_by_consent(world)
    world.conn.execute("ALTER TABLE connection ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
    with not_signed_in(world) as session, pytest.raises(psycopg.Error):
        session.request("GET", "limits")
    assert world.org.spy()["routes"] == {}
    world.conn.execute("ALTER TABLE connection DROP CONSTRAINT full_disk")
    with world.session() as session:
        assert session.request("GET", "limits").status == 200


def test_a_connect_whose_session_ended_on_the_way_stores_the_next_token(world: World) -> None:
    world.org.behaviour(refresh_token_rotates=True)
    credential, grant = let_in(world)
    world.org.expire_sessions()
    connect(world.conn, world.vault, credential, world.seams, grant=grant, actor="admin")
    assert stored(world).refresh_token not in (None, credential.refresh_token)
    with world.session() as session:
        assert session.request("GET", "limits").status == 200


def test_a_worker_process_goes_on_across_renewals(world: World) -> None:
    world.org.behaviour(refresh_token_rotates=True)
    connect_by_consent(world)
    leads = [world.org.create("Lead", Email=f"lead{number}@example.com") for number in range(3)]
    with worker_process(world):
        for number, lead in enumerate(leads):
            world.org.expire_sessions()
            world.opt_out(f"lead{number}@example.com")
            wait_until(partial(world.is_ticked, lead), "the box is ticked")
    assert world.events("pushes paused") == []
    world.check_safe()
