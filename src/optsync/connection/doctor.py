"""The doctor: everything between an opt-out and Salesforce, each with why it matters and how it is put right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import psycopg

from optsync.connection import fields, sessions, settings
from optsync.connection.connect import PACKAGE, connections
from optsync.connection.fields import Described
from optsync.connection.settings import Settings
from optsync.core.problems import Problem
from optsync.core.record_ids import Kind
from optsync.ledger import chain, marks, targets
from optsync.ledger.queries import sql
from optsync.salesforce import limits, versions
from optsync.salesforce.errors import SalesforceError
from optsync.salesforce.session import API_VERSION, Session
from optsync.seams import Seams

if TYPE_CHECKING:
    from optsync.config.database import Database
    from optsync.config.vault import Vault

State = Literal["pass", "warn", "fail", "skip"]
LOW_BUDGET: Final = 0.2
SKEW_SECONDS_MAX: Final = 30.0
UNSEALED_SECONDS_MAX: Final = 60.0
DURABILITY: Final = ("fsync", "full_page_writes", "synchronous_commit")


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `why` says what it means, `fix` what to do; both are empty for a pass."""

    id: str
    title: str
    state: State
    why: str = ""
    fix: str = ""


TITLES: Final = {
    "sign-in": "Salesforce accepts our sign-in",
    "org": "The sign-in leads to the org we know",
    "fields": "The opt-out fields can be written",
}


def run(
    conn: psycopg.Connection, open_vault: Callable[[], "Vault"], org_id: int, database: "Database", seams: Seams
) -> list[Check]:
    """Every check in order. Never raises for trouble: what cannot be checked says why, what hangs on it is skipped."""
    vaults: list[Vault] = []
    keys = _tried("keys", "The key file fits the database and its credentials", lambda: vaults.append(open_vault()))
    if vaults:
        keys = _tried("keys", keys.title, lambda: _decrypt_all(conn, vaults[0]))
    if keys.state == "pass":
        found = [*_check_salesforce(conn, vaults[0], org_id, seams)]
    else:
        found = [*_skipped("the stored credential cannot be read", "sign-in", "org", "fields")]
    return [*found, keys, *_check_house(conn, org_id, database)]


def _check_salesforce(conn: psycopg.Connection, vault: "Vault", org_id: int, seams: Seams) -> Iterator[Check]:
    try:
        session, salesforce_id = sessions.unchecked_session(conn, vault, org_id, seams)
    except SalesforceError as error:
        yield from _signed_out(error)
        return
    with session:
        yield from _check_session(conn, session, org_id, salesforce_id)


def _check_session(conn: psycopg.Connection, session: Session, org_id: int, salesforce_id: str) -> Iterator[Check]:
    """From the sign-in to the budget; a step that fails skips those that need it."""
    try:
        sessions.check_org(session, salesforce_id)
    except SalesforceError as error:
        yield from _signed_out(error)
        return
    except Problem as problem:
        yield Check("sign-in", TITLES["sign-in"], "pass")
        yield Check("org", TITLES["org"], "fail", f"{problem.what}: {problem.means}", problem.next)
        yield from _skipped("the sign-in leads to another org", "fields")
        return
    yield Check("sign-in", TITLES["sign-in"], "pass")
    yield Check("org", TITLES["org"], "pass")
    yield _check_version(session)
    try:
        described = fields.look_at(session)
    except SalesforceError as error:
        yield _failed("fields", TITLES["fields"], error)
    else:
        yield from _check_fields(conn, described, settings.load(conn, org_id))
    yield _check_budget(session)
    yield _check_clock(session)


def _signed_out(error: SalesforceError) -> Iterator[Check]:
    yield _failed("sign-in", TITLES["sign-in"], error)
    yield from _skipped("the sign-in failed", "org", "fields")


def _skipped(why: str, *ids: str) -> Iterator[Check]:
    yield from (Check(check_id, TITLES[check_id], "skip", why) for check_id in ids)


def _failed(check_id: str, title: str, error: SalesforceError) -> Check:
    why = f"{error.message}: {error.means}" if error.means else error.message
    return Check(check_id, title, "fail", why, error.next_step or "see docs/how-to/connect-an-org.md")


def _check_version(session: Session) -> Check:
    title = f"Salesforce speaks API version {API_VERSION}"
    try:
        if versions.offers_ours(session):
            return Check("version", title, "pass")
    except SalesforceError as error:
        return _failed("version", title, error)
    why = "it does not any more, so nothing can be read or written there"
    return Check("version", title, "fail", why, "install a newer optsync")


def _check_fields(conn: psycopg.Connection, described: Described, chosen: Settings) -> Iterator[Check]:
    """Each field that is due or read, on each object."""
    wanted = targets.due_fields(conn, chosen.org_id) | chosen.written | chosen.read
    for known in targets.fields(conn, chosen.org_id):
        if known.field not in wanted:
            continue
        field = fields.OptOutField(known.lead_name, known.contact_name, known.label)
        found = {finding.object_name: finding for finding in described.findings(field)}
        for name in described.objects:
            title = f"{known.label} can be written on {name}"
            if name in found:
                fix = "give the integration user Edit on the field: Setup > Permission Sets > Object Settings"
                yield Check(f"field.{name}.{known.field}", title, "fail", str(found[name]), fix)
            else:
                yield Check(f"field.{name}.{known.field}", title, "pass")
    yield from (_check_object(described, name) for name in described.objects)


def _check_object(described: Described, name: Kind) -> Check:
    found, title = described.objects[name], f"{name} records can be edited"
    if found is not None and found.updateable:
        return Check(f"object.{name}", title, "pass")
    why = f"the integration user may not edit {name} records, so their boxes cannot be ticked"
    return Check(f"object.{name}", title, "fail", why, f"give the integration user Edit and Modify All on {name}")


def _check_budget(session: Session) -> Check:
    title = "There is API budget left"
    try:
        daily = limits.fetch(session).get("DailyApiRequests")
        left = daily.remaining / daily.maximum if daily and daily.maximum else None
    except SalesforceError:  # needs "View Setup and Configuration"; the header of every answer says it, too
        left = None
    if left is None and session.limit is not None and session.limit.allowed:
        left = 1 - session.limit.used / session.limit.allowed
    if left is None:
        return Check("api-budget", title, "skip", "Salesforce does not tell this user")
    if left >= LOW_BUDGET:
        return Check("api-budget", f"{title}: {left:.0%}", "pass")
    why = f"only {left:.0%} of the org's daily API calls are left; at 0 % pushes wait"
    return Check("api-budget", title, "warn", why, "find the heavy user: Setup > System Overview > API Usage")


def _check_clock(session: Session) -> Check:
    at, title = session.salesforce_now_at, "Our clock agrees with Salesforce's"
    if at is None:
        return Check("clock", title, "skip", "Salesforce did not say its time")
    skew = abs((at - session.seams.now()).total_seconds())
    if skew <= SKEW_SECONDS_MAX:
        return Check("clock", title, "pass")
    why = f"they differ by {skew:,.0f} s; a JWT sign-in is refused from some minutes on"
    return Check("clock", title, "warn", why, "let this machine set its clock by NTP")


def _check_pauses(conn: psycopg.Connection, org_id: int) -> Check:
    standing = [pause for pause in marks.pauses(conn) if pause.org_id == org_id]
    if not standing:
        return Check("pauses", "No pushes are paused", "pass")
    said = "; ".join(f"{pause.code}: {pause.message}" for pause in standing)
    return Check("pauses", "No pushes are paused", "warn", said, "put it right, then: optsync retry")


def _check_house(conn: psycopg.Connection, org_id: int, database: "Database") -> Iterator[Check]:
    yield _check_pauses(conn, org_id)
    yield _check_durability(conn)
    yield _tried("direct", "Database sessions are our own", database.check_direct)
    yield _check_chain(conn)
    yield _check_workers(conn)


def _decrypt_all(conn: psycopg.Connection, vault: "Vault") -> None:
    for org in connections(conn):
        row = conn.execute(sql(PACKAGE, "credential"), {"org_id": org.org_id}).fetchone()
        assert row is not None
        vault.decrypt(row[0])


def _tried(check_id: str, title: str, act: Callable[[], object]) -> Check:
    try:
        act()
    except Problem as problem:
        return Check(check_id, title, "fail", f"{problem.what}: {problem.means}", problem.next)
    return Check(check_id, title, "pass")


def _check_durability(conn: psycopg.Connection) -> Check:
    title = "The database keeps what it has acknowledged"
    row = conn.execute(sql(PACKAGE, "durability")).fetchone()
    assert row is not None
    *on, checksums = row
    off = [name for name, value in zip(DURABILITY, on, strict=True) if value == "off"]
    if off:
        fix = f"set {', '.join(f'{name} = on' for name in off)} in postgresql.conf and restart the server"
        return Check("durability", title, "fail", "an acknowledged unsubscribe could be lost in a power cut", fix)
    if checksums == "off":
        fix = "stop the server and run: pg_checksums --enable"
        return Check("durability", title, "warn", "data checksums are off: a failing disk goes unnoticed", fix)
    return Check("durability", title, "pass")


def _check_chain(conn: psycopg.Connection) -> Check:
    title = "Events are sealed into the hash chain"
    count, oldest_at = chain.unsealed_tail(conn)
    row = conn.execute(sql(PACKAGE, "age_seconds"), {"at": oldest_at}).fetchone()
    age = float(row[0]) if row and row[0] is not None else 0.0
    if age <= UNSEALED_SECONDS_MAX:
        return Check("chain", title, "pass")
    return Check("chain", title, "warn", f"{count:,} events wait, the oldest for {age:,.0f} s", "start: optsync worker")


def _check_workers(conn: psycopg.Connection) -> Check:
    row = conn.execute(sql(PACKAGE, "live_worker_count")).fetchone()
    if row and row[0]:
        return Check("worker", f"Workers at work: {row[0]}", "pass")
    why = "unsubscribes are recorded and blocked here, but nothing is pushed"
    return Check("worker", "A worker is at work", "warn", why, "start: optsync worker, or optsync up")
