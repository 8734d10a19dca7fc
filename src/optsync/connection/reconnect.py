"""Signing in anew to an org that is connected: at once, or by another consent where a person had let our app in."""

from typing import TYPE_CHECKING

import psycopg

from optsync.connection.connect import PACKAGE
from optsync.connection.sessions import open_session
from optsync.ledger import marks
from optsync.ledger.queries import sql
from optsync.salesforce import organization
from optsync.salesforce.credentials import Credential
from optsync.salesforce.web_flow import App
from optsync.seams import Seams

if TYPE_CHECKING:
    from optsync.config.vault import Vault


def credential_of(conn: psycopg.Connection, vault: "Vault", org_id: int) -> Credential | None:
    """The stored credential; None for an org that is not connected. Raises Problem when it cannot be read."""
    row = conn.execute(sql(PACKAGE, "credential"), {"org_id": org_id}).fetchone()
    return Credential.from_json(vault.decrypt(row[0]).decode()) if row else None


def app_to_let_in(conn: psycopg.Connection, vault: "Vault", org_id: int) -> App | None:
    """The app that a person has to let in again; None where we sign in by ourselves, or the org is not connected.

    Raises Problem when the stored credential cannot be read.
    """
    credential = credential_of(conn, vault, org_id)
    if credential is None or credential.kind != "refresh_token":
        return None
    return App(credential.login_url, credential.client_id, credential.client_secret, credential.practice)


def sign_in_again(conn: psycopg.Connection, vault: "Vault", org_id: int, seams: Seams) -> None:
    """Signs in with the stored credential and asks one thing; when that works, the org's pauses are over.

    Raises Problem when the org is not connected or the sign-in leads to another one, SalesforceError when it fails.
    """
    with open_session(conn, vault, org_id, seams) as session:
        organization.fetch(session)
    marks.clear_pauses(conn, org_id)
