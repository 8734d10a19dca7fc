"""Sessions with connected orgs. Each session is checked to lead to the org whose records we know."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from optsync.connection.connect import PACKAGE
from optsync.connection.keeping import StoredCredential
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql
from optsync.salesforce import session as salesforce
from optsync.salesforce.credentials import Credential
from optsync.salesforce.session import Session
from optsync.seams import Seams

if TYPE_CHECKING:
    from optsync.config.vault import Vault

PATIENCE_SECONDS = 5.0


def open_session(conn: psycopg.Connection, vault: "Vault", org_id: int, seams: Seams) -> Session:
    """A session with a connected org, signed in. The caller closes it.

    Raises Problem when the org is not connected or the sign-in leads to another org, SalesforceError when it fails.
    """
    session, salesforce_id = unchecked_session(conn, vault, org_id, seams)
    try:
        check_org(session, salesforce_id)
    except BaseException:
        session.close()
        raise
    return session


@contextmanager
def brief_session(conn: psycopg.Connection, vault: "Vault", org_id: int, seams: Seams) -> Iterator[Session]:
    """The same for a page that somebody waits for: all calls of the block end within PATIENCE_SECONDS together."""
    session, salesforce_id = unchecked_session(conn, vault, org_id, seams)
    with session, session.http.until(PATIENCE_SECONDS):
        check_org(session, salesforce_id)
        yield session


def unchecked_session(conn: psycopg.Connection, vault: "Vault", org_id: int, seams: Seams) -> tuple[Session, str]:
    """A session that is not signed in yet, and the org that `check_org` must find behind it. The caller closes it.

    Raises Problem when the org is not connected or its credential cannot be read.
    """
    session, salesforce_id, _ = _load(conn, vault, org_id, seams)
    return session, salesforce_id


def check_org(session: Session, salesforce_id: str) -> None:
    """The wrong-org guard: raises Problem unless the session leads to that org. Signs in if needed."""
    if session.org_id != salesforce_id:
        raise Problem(
            told("the sign-in leads to org %(found)s, not to %(known)s", found=session.org_id, known=salesforce_id),
            told("the records we know belong to the other org, so nothing was written"),
            told("if a sandbox was refreshed, connect it anew; else correct the login address and connect again"),
            exit_code=4,
        )


class Sessions:
    """The sessions of a worker, one per org for all its threads; a new credential opens a new one."""

    def __init__(self, vault: "Vault", seams: Seams) -> None:
        self._vault = vault
        self._seams = seams
        self._open: dict[int, tuple[int, Session, str]] = {}
        self._old: list[Session] = []
        self._lock = threading.Lock()

    def get(self, conn: psycopg.Connection, org_id: int, revision: int) -> tuple[Session, str]:
        """The session of an org whose connection has that revision, and the org it must lead to; nothing is sent yet.

        Raises Problem when the stored credential cannot be read.
        """
        with self._lock:
            held = self._open.get(org_id)
            if held is None or held[0] != revision:
                if held is not None:
                    self._old.append(held[1])  # another thread may be in the middle of a call
                session, salesforce_id, revision = _load(conn, self._vault, org_id, self._seams)
                self._open[org_id] = held = (revision, session, salesforce_id)
        return held[1], held[2]

    def close(self) -> None:
        """Closes every session."""
        for session in (*self._old, *(session for _, session, _ in self._open.values())):
            session.close()


def _load(conn: psycopg.Connection, vault: "Vault", org_id: int, seams: Seams) -> tuple[Session, str, int]:
    row = conn.execute(sql(PACKAGE, "credential"), {"org_id": org_id}).fetchone()
    if row is None:
        raise Problem(
            told("this Salesforce org is not connected"),
            told("unsubscribes are recorded and blocked here; they are pushed once it is"),
            told("connect it with: optsync connect --credentials FILE"),
            exit_code=4,
        )
    credential = Credential.from_json(vault.decrypt(row[0]).decode())
    keeper = StoredCredential(conn, vault, org_id)
    return salesforce.open_session(credential, seams, keeper=keeper), row[2], row[1]
