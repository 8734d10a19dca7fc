"""Stored credentials whose refresh token may be used up: one process at a time renews, and the next token is stored
before the session that came with it is used.

Where refresh tokens rotate, two processes that used the same one would lose the whole approval (article 005316711 of
Salesforce Help): hence the lock, and the look at the database under it. A lock of the session, not of a transaction:
no transaction is open while Salesforce is asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import psycopg

from optsync.connection.connect import PACKAGE
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import BadCredential, Unreachable

if TYPE_CHECKING:
    from optsync.config.vault import Vault

PATIENCE_SECONDS: Final = 60
"""How long another process's renewal is waited for; each of them asks Salesforce for 30 s at most."""


class StoredCredential:
    """The keeper of one org's credential (`salesforce.sign_in.Keeper`)."""

    def __init__(self, conn: psycopg.Connection, vault: "Vault", org_id: int) -> None:
        """`conn` lends its parameters: each renewal has a database session of its own, since the lender may be in the
        middle of anything by then, in any thread.
        """
        self._parameters: dict[str, Any] = {**conn.info.get_parameters(), "password": conn.info.password or None}
        self._vault = vault
        self._org_id = org_id

    @contextmanager
    def hold(self) -> Iterator["HeldCredential"]:
        """The newest credential, under the org's lock. Raises Unreachable, BadCredential (also for an org that was
        disconnected meanwhile), psycopg.Error.
        """
        with psycopg.connect(autocommit=True, **self._parameters) as conn:
            conn.execute(f"SET lock_timeout = '{PATIENCE_SECONDS}s'")
            try:
                conn.execute(sql(PACKAGE, "lock_renewal"), {"org_id": self._org_id})
            except psycopg.errors.LockNotAvailable as error:
                raise Unreachable("another process's sign-in took too long", maybe_applied=False) from error
            conn.execute("RESET lock_timeout")  # what follows is short, and a spent token's successor must get in
            held = self._read(conn)
            conn.execute(sql(PACKAGE, "try_keeping"), {"org_id": self._org_id})
            yield held

    def _read(self, conn: psycopg.Connection) -> "HeldCredential":
        row = conn.execute(sql(PACKAGE, "credential"), {"org_id": self._org_id}).fetchone()
        if row is None:
            raise BadCredential(told("this Salesforce org was disconnected"), next_step=told("connect it again"))
        try:
            credential = Credential.from_json(self._vault.decrypt(row[0]).decode())
        except Problem as problem:
            raise BadCredential(problem.what, means=problem.means, next_step=problem.next) from problem
        return HeldCredential(credential, conn, self._vault, self._org_id, row[1])


@dataclass
class HeldCredential:
    """`credential` as it is stored, and the way to put the next one in its place."""

    credential: Credential
    conn: psycopg.Connection = field(repr=False)
    vault: "Vault" = field(repr=False)
    org_id: int
    revision: int

    def keep(self, credential: Credential) -> None:
        """Stores it, encrypted; committed once this returns. One that somebody has connected meanwhile stays."""
        sealed = self.vault.as_filed().encrypt(credential.to_json().encode())
        values = {"org_id": self.org_id, "revision": self.revision, "credential": sealed}
        self.conn.execute(sql(PACKAGE, "keep_credential"), values)
