"""What it takes to sign in appears nowhere in the clear: not in the database, in no error and in no repr."""

import json
import traceback
from collections.abc import Iterator
from dataclasses import replace

import pytest
from psycopg.sql import SQL, Identifier

from optsync.config.database import Connection
from optsync.connection import doctor
from optsync.connection.connect import connect
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import SalesforceError
from optsync.salesforce.session import open_session
from tests.flows.push.world import World


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
