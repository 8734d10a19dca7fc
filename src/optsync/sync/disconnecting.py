"""Disconnecting an org: its run ends, its credential is destroyed, and everything recorded stays (rules 2)."""

from typing import TYPE_CHECKING, Literal

import psycopg

from optsync.connection import reconnect
from optsync.connection.connect import disconnect as end_connection
from optsync.core.problems import Problem
from optsync.salesforce import web_flow
from optsync.salesforce.credentials import Credential
from optsync.seams import Seams
from optsync.sync import asking

if TYPE_CHECKING:
    from optsync.config.vault import Vault

Ended = Literal["ended", "not revoked", "was not connected"]


def disconnect(conn: psycopg.Connection, vault: "Vault", seams: Seams, org_id: int, actor: str) -> Ended:
    """Ends an org's connection. 'not revoked': what a person's consent gave is destroyed here, but Salesforce could not
    be told, so it is still good there.

    A push or a look-up that is on its way at this moment may still arrive; a run stops at its next step. What opt-outs
    owe there waits, and is pushed once the same org is connected again.
    """
    credential = _consented(conn, vault, org_id)
    with conn.transaction():
        run_id = asking.unfinished(conn, org_id)
        if run_id is not None:
            asking.cancel(conn, run_id, actor)
        if not end_connection(conn, org_id, actor):
            return "was not connected"
    return "not revoked" if credential is not None and not web_flow.revoke(credential, seams) else "ended"


def _consented(conn: psycopg.Connection, vault: "Vault", org_id: int) -> Credential | None:
    """The credential, if a consent gave it and it can still be read: a lost key must not keep an org connected."""
    try:
        credential = reconnect.credential_of(conn, vault, org_id)
    except Problem:
        return None
    return credential if credential is not None and credential.kind == "refresh_token" else None
