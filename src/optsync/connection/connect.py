"""Connecting a Salesforce org: sign in, look at its fields, store the credential, make every opt-out due there; and
ending that, with everything kept but the credential."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from optsync.connection import fields
from optsync.connection.fields import Finding, OptOutField
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger import marks, targets
from optsync.ledger.queries import sql
from optsync.salesforce import organization
from optsync.salesforce import session as salesforce
from optsync.salesforce.credentials import Credential
from optsync.salesforce.oauth import Grant
from optsync.salesforce.organization import Organization
from optsync.salesforce.sign_in import Keeper
from optsync.seams import Seams

if TYPE_CHECKING:
    from optsync.config.vault import Vault

PACKAGE = "optsync.connection"


@dataclass(frozen=True, slots=True)
class Connected:
    """An org that was just connected. `findings` name what keeps Email Opt Out from being written, and where."""

    org_id: int
    salesforce_id: str
    name: str
    edition: str
    is_sandbox: bool
    is_new: bool
    findings: list[Finding]
    custom_fields: list[OptOutField]


@dataclass(frozen=True, slots=True)
class Connection:
    """An org we are connected to, without its credential. `instance_url` is "" where it was connected long ago."""

    org_id: int
    salesforce_id: str
    revision: int
    name: str
    is_practice: bool
    is_sandbox: bool
    login_url: str
    instance_url: str


def connect(
    conn: psycopg.Connection,
    vault: "Vault",
    credential: Credential,
    seams: Seams,
    *,
    grant: Grant | None = None,
    keeper: Keeper | None = None,
    expected: str | None = None,
    actor: str | None = None,
) -> Connected:
    """Signs in and stores the credential; the first connect of an org makes every recorded opt-out due in it.

    `grant` is the session that came with a web-server flow's credential, `keeper` where its refresh token is stored
    until then. A hidden Email Opt Out is a finding, not a
    failure: opt-outs wait as owed until it is granted. Raises SalesforceError when the sign-in fails and Problem when
    the same sign-in used to lead to another org, or leads to another one than `expected`, the id of the org that a
    person has confirmed.
    """
    with salesforce.open_session(credential, seams, keeper=keeper, grant=grant) as session:
        org = organization.fetch(session)
        refuse_other_org(conn, credential, org.id)
        refuse_unconfirmed(org, expected)
        described = fields.look_at(session)
        credential = session.credential  # its refresh token may have been renewed on the way
        instance_url = session.instance_url
    with conn.transaction():
        org_id, is_new = _store(conn, vault, credential, instance_url, org, actor)
    return Connected(
        org_id,
        org.id,
        org.name,
        org.edition,
        org.is_sandbox,
        is_new,
        described.findings(fields.EMAIL),
        described.custom_fields(),
    )


def connections(conn: psycopg.Connection) -> list[Connection]:
    """All connected orgs, the first one first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql(PACKAGE, "connections")).fetchall()
    return [
        Connection(
            row["org_id"],
            row["salesforce_id"],
            row["revision"],
            row["org_name"],
            row["is_practice"],
            row["is_sandbox"],
            row["login_url"],
            row["instance_url"],
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Disconnected:
    """An org whose connection was ended; connecting it again resumes where it was."""

    salesforce_id: str
    name: str
    disconnected_at: datetime


def disconnected(conn: psycopg.Connection) -> list[Disconnected]:
    """The orgs that were connected once and are not now, the last one first."""
    return [Disconnected(*row) for row in conn.execute(sql(PACKAGE, "disconnected"))]


def known_orgs(conn: psycopg.Connection) -> dict[int, str]:
    """The Salesforce id of every org that was ever connected, by our number for it: history speaks of all of them."""
    return dict(conn.execute(sql(PACKAGE, "known_orgs")).fetchall())


def disconnect(conn: psycopg.Connection, org_id: int, actor: str | None = None) -> bool:
    """Destroys the credential, with one event; False when the org was not connected.

    Opt-outs, marks, links, settings and history stay; what is recorded from now on becomes owed there as before and
    waits. The caller ends a sync run that is going on (`sync.disconnecting`).
    """
    with conn.transaction():
        if not conn.execute(sql(PACKAGE, "disconnect"), {"org_id": org_id}).rowcount:
            return False
        marks.clear_pauses(conn, org_id)
        values = {"kind": "disconnected", "actor": actor, "org_id": org_id, "evidence": None}
        conn.execute(sql(PACKAGE, "write_event"), values)
    return True


def encrypt_again(conn: psycopg.Connection, vault: "Vault", *, actor: str | None = None) -> int:
    """Puts every stored credential under the vault's newest key, with one event; returns how many there are.

    A credential stays the same, so no worker signs in anew. Raises Problem when one cannot be decrypted: none is
    changed then.
    """
    with conn.transaction():
        stored = conn.execute(sql(PACKAGE, "lock_credentials")).fetchall()
        for org_id, sealed in stored:
            values = {"org_id": org_id, "credential": vault.encrypt_again(sealed)}
            conn.execute(sql(PACKAGE, "replace_credential"), values)
        drafts = conn.execute(sql(PACKAGE, "lock_draft_secrets")).fetchall()
        for secrets in drafts:
            again = [vault.encrypt_again(sealed) if sealed else None for sealed in secrets]
            named = dict(zip(("private_key", "client_secret", "refresh_token"), again, strict=True))
            conn.execute(sql(PACKAGE, "replace_draft_secrets"), named)
        evidence = Jsonb({"credentials": len(stored)})
        values = {"kind": "keys rotated", "actor": actor, "org_id": None, "evidence": evidence}
        conn.execute(sql(PACKAGE, "write_event"), values)
    return len(stored)


def refuse_other_org(conn: psycopg.Connection, credential: Credential, salesforce_id: str) -> None:
    """The wrong-org guard: ids of another org must never be written to (a refreshed sandbox has a new org id).

    Raises Problem when the same sign-in led to another org when it was connected.
    """
    values = {"salesforce_id": salesforce_id, **_sign_in_of(credential)}
    other = conn.execute(sql(PACKAGE, "org_of_sign_in"), values).fetchone()
    if other:
        raise Problem(
            told(
                "this sign-in used to lead to %(name)s (%(known)s) and leads to another org now (%(found)s)",
                name=other[2],
                known=other[1],
                found=salesforce_id,
            ),
            told("the records we know belong to the first one; nothing was changed"),
            told("if a sandbox was refreshed, connect it with a new app or user; else correct the login address"),
        )


def refuse_unconfirmed(org: Organization, expected: str | None) -> None:
    """Raises Problem for another org than the one that a person has confirmed; None was not asked for any."""
    if expected not in (None, org.id):
        raise Problem(
            told("the sign-in leads to org %(found)s, not to %(known)s", found=org.id, known=expected),
            told("nothing was connected: it is not the org that you have seen"),
            told("look once more where the sign-in leads"),
        )


def _store(
    conn: psycopg.Connection,
    vault: "Vault",
    credential: Credential,
    instance_url: str,
    org: Organization,
    actor: str | None,
) -> tuple[int, bool]:
    org_id = targets.register_org(conn, org.id)
    values = {
        "org_id": org_id,
        "credential": vault.encrypt(credential.to_json().encode()),
        "org_name": org.name,
        "edition": org.edition,
        "is_sandbox": org.is_sandbox,
        "is_practice": credential.practice,
        "instance_url": instance_url,
        "actor": actor,
        **_sign_in_of(credential),
    }
    row = conn.execute(sql(PACKAGE, "store_connection"), values).fetchone()
    is_new = row is not None and bool(row[0])
    conn.execute(sql(PACKAGE, "add_settings"), {"org_id": org_id})
    marks.clear_pauses(conn, org_id)
    evidence = Jsonb({"org": org.id, "name": org.name, "revision": "first" if is_new else "again"})
    conn.execute(
        sql(PACKAGE, "write_event"), {"kind": "connected", "actor": actor, "org_id": org_id, "evidence": evidence}
    )
    return org_id, is_new


def _sign_in_of(credential: Credential) -> dict[str, str]:
    return {"login_url": credential.login_url, "signs_in_as": credential.username or credential.client_id}
