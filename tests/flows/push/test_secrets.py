"""What it takes to sign in appears nowhere in the clear: not in the database, in no log, in no error and in no repr."""

import json
import traceback
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier

from optsync.config.database import Connection
from optsync.connection import doctor
from optsync.connection.connect import connect
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import SalesforceError
from optsync.salesforce.session import open_session
from tests.flows.push.test_refresh_tokens import connect_by_consent
from tests.flows.push.world import WAIT_SECONDS_MAX, World, wait_until, worker_process

TOKEN_STARTS = ("!AQMA", "5Aep861", "aPrx")
"""How every access token, refresh token and authorization code of the practice org begins."""


def secrets_of(world: World) -> list[str]:
    """Each line of the private key, the app's secret and the token for outside readers."""
    given = json.loads(world.org.credentials_file.read_text())
    pem = (world.org.credentials_file.parent / given["private_key_file"]).read_text().splitlines()
    return [*pem[1:-1], given["client_secret"], given["access_token"]]


def everything_stored(conn: Connection) -> Iterator[str]:
    """Every row of every table as text, as a plain dump would hold it."""
    tables = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    for (table,) in tables:
        with conn.cursor() as cursor, cursor.copy(SQL("COPY {} TO STDOUT").format(Identifier(table))) as rows:
            for row in rows:
                yield bytes(row).decode()


def refused(credential: Credential, world: World) -> SalesforceError:
    """How a sign-in with this credential ends."""
    with open_session(credential, world.seams) as session, pytest.raises(SalesforceError) as caught:
        session.request("GET", "limits")
    return caught.value


def test_a_dump_of_the_database_holds_no_secret(world: World) -> None:
    jwt = Credential.from_file(world.org.credentials_file)
    given = json.loads(world.org.credentials_file.read_text())
    app = Credential("client_credentials", jwt.login_url, jwt.client_id, None, None, given["client_secret"], True)
    connect(world.conn, world.vault, app, world.seams, actor="admin")
    world.org.create("Lead", Email="ann@example.com")
    world.opt_out("ann@example.com")
    world.push()
    world.org.expire_sessions()
    world.org.behaviour(client_credentials_allowed=False, app_approved=False)
    world.opt_out("bob@example.com")
    world.push()
    stored = "\n".join(everything_stored(world.conn))
    assert given["client_id"] in stored, "the dump was read"
    assert [secret for secret in secrets_of(world) if secret in stored] == []


def test_no_token_of_any_renewal_reaches_the_log_or_the_database(world: World, tmp_path: Path) -> None:
    world.org.behaviour(refresh_token_rotates=True)
    connect_by_consent(world)
    leads = [world.org.create("Lead", Email=f"lead{number}@example.com") for number in range(2)]
    log = tmp_path / "worker.log"
    with log.open("wb") as writing, worker_process(world, "--log-level", "debug", log=writing) as worker:
        for number, lead in enumerate(leads):
            world.org.expire_sessions()
            world.opt_out(f"lead{number}@example.com")
            wait_until(partial(world.is_ticked, lead), "the box is ticked")
        world.conn.execute("ALTER TABLE connection ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
        world.org.expire_sessions()
        world.opt_out("lead3@example.com")
        wait_until(lambda: b"shift ended" in log.read_bytes(), "a renewal that fails is logged")
        world.org.behaviour(refresh_token_idle_seconds=0)
        world.conn.execute("ALTER TABLE connection DROP CONSTRAINT full_disk")
        world.opt_out("lead2@example.com")
        wait_until(lambda: world.events("pushes paused"), "the refused token pauses pushes")
        worker.terminate()
        worker.wait(WAIT_SECONDS_MAX)
    told, stored = log.read_text(), "\n".join(everything_stored(world.conn))
    checks = doctor.run(world.conn, lambda: world.vault, world.org_id, world.database, world.seams)
    assert "expired access/refresh token" in stored, "the dump was read, and the refusal is in it"
    secrets = [*secrets_of(world), *TOKEN_STARTS, "grant_type"]
    assert [secret for secret in secrets if secret in told + stored + repr(checks)] == []


def test_no_error_of_a_sign_in_and_no_repr_tells_a_secret(world: World) -> None:
    jwt = Credential.from_file(world.org.credentials_file)
    secret = "a-secret-that-shows"
    app = Credential("client_credentials", jwt.login_url, jwt.client_id, None, None, secret, True)
    world.org.behaviour(app_approved=False)
    errors = [
        refused(jwt, world),
        refused(app, world),
        refused(replace(app, login_url="http://127.0.0.1:1"), world),
        refused(replace(jwt, private_key_pem=f"-----BEGIN PRIVATE KEY-----\n{secret}\n"), world),
    ]
    told = "".join("".join(traceback.format_exception(error)) + repr(error) + str(vars(error)) for error in errors)
    with open_session(app, world.seams) as session:
        told += repr(session) + repr(app) + repr(jwt) + repr(world.line) + repr(world.vault)
    told += repr(doctor.run(world.conn, lambda: world.vault, world.org_id, world.database, world.seams))
    assert "approved this consumer" in told
    assert [one for one in [secret, *secrets_of(world)] if one in told] == []
