"""The doctor's checks of this installation: keys, database, workers, and what waits here."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import psycopg

from optsync.config.vault import foreign
from optsync.connection.checks import Check, tried
from optsync.connection.connect import PACKAGE, connections
from optsync.core.problems import Problem
from optsync.core.public_address import trouble_with
from optsync.core.told import told
from optsync.ledger import chain, marks
from optsync.ledger.queries import sql

if TYPE_CHECKING:
    from optsync.config.database import Database
    from optsync.config.vault import Vault

UNSEALED_SECONDS_MAX: Final = 60.0
DURABILITY: Final = ("fsync", "full_page_writes", "synchronous_commit")


def check_keys(conn: psycopg.Connection, open_vault: Callable[[], "Vault"]) -> "tuple[Check, Vault | None]":
    """Whether the key file knows erased people and reads all that is stored; the vault if it reads credentials."""
    vaults: list[Vault] = []
    title = told("The key file fits the database and its credentials")
    keys = tried("keys", title, lambda: vaults.append(open_vault()))
    if vaults:
        keys = tried("keys", title, lambda: _try_keys(conn, vaults[0]))
        if keys.state == "pass":
            return tried("keys", title, lambda: _decrypt_secrets(conn, vaults[0])), vaults[0]
    return keys, None


def check_installation(
    conn: psycopg.Connection, org_id: int, database: "Database", public_url: str | None
) -> Iterator[Check]:
    """The way in for recipients, what waits for this org, the database, the chain of events, the workers."""
    yield _check_public_address(conn, org_id, public_url)
    yield _check_pauses(conn, org_id)
    yield _check_parked(conn, org_id)
    yield _check_durability(conn)
    yield tried("direct", told("Database sessions are our own"), database.check_direct)
    yield _check_chain(conn)
    yield _check_workers(conn)


def _try_keys(conn: psycopg.Connection, vault: "Vault") -> None:
    known = conn.execute(sql(PACKAGE, "key_fingerprint")).fetchone()
    if known is not None and known != (vault.fingerprint,):
        raise foreign(vault)
    for org in connections(conn):
        row = conn.execute(sql(PACKAGE, "credential"), {"org_id": org.org_id}).fetchone()
        assert row is not None
        vault.decrypt(row[0])


def _decrypt_secrets(conn: psycopg.Connection, vault: "Vault") -> None:
    """Raises Problem for one that cannot be read: a provider's key, a webhook's secret, a channel's address."""
    for owner, sealed in conn.execute(sql(PACKAGE, "stored_secrets")):
        try:
            vault.decrypt(sealed)
        except Problem as problem:
            raise Problem(
                told("a stored secret cannot be decrypted: %(owner)s", owner=owner),
                problem.means,
                told("bring the right key file back (it is in every backup), or enter it again"),
            ) from None


def _check_public_address(conn: psycopg.Connection, org_id: int, public_url: str | None) -> Check:
    if any(org.is_practice for org in connections(conn) if org.org_id == org_id):
        title = told("A practice org has no recipients who must reach this optsync")
        return Check("public-url", title, "pass", place="here")
    title, trouble = told("Recipients can reach this optsync, with one click"), trouble_with(public_url)
    if trouble is None:
        return Check("public-url", title, "pass", place="here")
    why = told("%(what)s: %(means)s", what=trouble.what, means=trouble.means)
    return Check("public-url", title, "warn", why, trouble.next, place="here")


def _check_pauses(conn: psycopg.Connection, org_id: int) -> Check:
    standing = [pause for pause in marks.pauses(conn) if pause.org_id == org_id]
    title = told("No pushes are paused")
    if not standing:
        return Check("pauses", title, "pass", place="here")
    said = "; ".join(f"{pause.code}: {pause.message}" for pause in standing)
    fix = told("put it right, then try again: Retry on the page Issues, or optsync retry")
    return Check("pauses", title, "warn", said, fix, place="here")


def _check_parked(conn: psycopg.Connection, org_id: int) -> Check:
    row = conn.execute(sql(PACKAGE, "parked"), {"org_id": org_id}).fetchone()
    assert row is not None
    count, reason = row
    title = told("No box waits for a person")
    if not count:
        return Check("parked", title, "pass", place="here")
    why = told(
        "%(count)s boxes wait, most of them for: %(reason)s; their people are blocked here already",
        count=f"{count:,}",
        reason=reason,
    )
    fix = told("the page Issues says for each cause what to do, and tries again; or: optsync retry")
    return Check("parked", title, "warn", why, fix, place="here")


def _check_durability(conn: psycopg.Connection) -> Check:
    title = told("The database keeps what it has acknowledged")
    row = conn.execute(sql(PACKAGE, "durability")).fetchone()
    assert row is not None
    *on, checksums = row
    off = [name for name, value in zip(DURABILITY, on, strict=True) if value == "off"]
    if off:
        why = told("an acknowledged unsubscribe could be lost in a power cut")
        settings = ", ".join(f"{name} = on" for name in off)
        fix = told("set %(settings)s in postgresql.conf and restart the server", settings=settings)
        return Check("durability", title, "fail", why, fix, place="here")
    if checksums == "off":
        why = told("data checksums are off: a failing disk goes unnoticed")
        fix = told("stop the server and run: pg_checksums --enable")
        return Check("durability", title, "warn", why, fix, place="here")
    return Check("durability", title, "pass", place="here")


def _check_chain(conn: psycopg.Connection) -> Check:
    title = told("Events are sealed into the hash chain")
    count, oldest_at = chain.unsealed_tail(conn)
    row = conn.execute(sql(PACKAGE, "age_seconds"), {"at": oldest_at}).fetchone()
    age = float(row[0]) if row and row[0] is not None else 0.0
    if age <= UNSEALED_SECONDS_MAX:
        return Check("chain", title, "pass", place="here")
    why = told("%(count)s events wait, the oldest for %(age)s s", count=f"{count:,}", age=f"{age:,.0f}")
    return Check("chain", title, "warn", why, told("start: optsync worker"), place="here")


def _check_workers(conn: psycopg.Connection) -> Check:
    row = conn.execute(sql(PACKAGE, "live_worker_count")).fetchone()
    if row and row[0]:
        return Check("worker", told("Workers at work: %(count)s", count=row[0]), "pass", place="here")
    why = told("unsubscribes are recorded and blocked here, but nothing is pushed")
    fix = told("start: optsync worker, or optsync up")
    return Check("worker", told("A worker is at work"), "warn", why, fix, place="here")
