"""The doctor: everything between an opt-out and Salesforce, each with why it matters and how it is put right."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

import psycopg

from optsync.connection import checks_events, checks_setup, fields, sessions, settings
from optsync.connection.canary import check_canary
from optsync.connection.checks import (
    PAGE_LAYOUTS,
    PERMISSION_SETS,
    TITLES,
    Check,
    refused,
    setup_link,
    skipped,
)
from optsync.connection.checks_here import check_installation, check_keys
from optsync.connection.connect import PACKAGE
from optsync.connection.fields import Described, Finding, OptOutField
from optsync.connection.settings import Settings
from optsync.core.problems import Problem
from optsync.core.record_ids import Kind
from optsync.core.told import told
from optsync.ledger import targets
from optsync.ledger.queries import sql
from optsync.salesforce import limits, organization, versions
from optsync.salesforce.collections import MAX_TICKED_RECORDS
from optsync.salesforce.errors import ApiRefused, SalesforceError
from optsync.salesforce.limits import Limit
from optsync.salesforce.session import API_VERSION, Session
from optsync.seams import Seams

if TYPE_CHECKING:
    from optsync.config.database import Database
    from optsync.config.vault import Vault

LOW_BUDGET: Final = 0.2
BULK_QUERIES_A_NIGHT: Final = 20
"""A run reads Lead and Contact for each field, then once more for its proof; twice as many, for a run by hand."""
CALLS_A_JOB: Final = 6
"""Makes it, asks a few times whether it is done, fetches its pages, deletes it."""
SKEW_SECONDS_MAX: Final = 30.0
API_IS_OFF: Final = frozenset({"API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"})
"""REST API Developer Guide, "Status Codes": an edition without the API, or an org whose API Salesforce switched off."""
LAYOUT_DECIDES: Final = "Professional"
"""In this edition a page layout, not field-level security, hides a field from the API (Outreach and Act-On tell their
customers so; Salesforce Help, "Field-Level Security", names the editions that have it)."""


def run(
    conn: psycopg.Connection,
    open_vault: Callable[[], "Vault"],
    org_id: int,
    database: "Database",
    seams: Seams,
    *,
    public_url: str | None = None,
    canary: bool = False,
) -> list[Check]:
    """Every check in order. Never raises for trouble: what cannot be checked says why, what hangs on it is skipped.

    `public_url` is the address that links carry, None without one. Nothing is changed, but with `canary` a Lead of our
    own is made, ticked and deleted.
    """
    keys, vault = check_keys(conn, open_vault)
    if vault is None:
        why = told("the stored credential cannot be read")
        found = [*skipped(why, "sign-in", "org", "api", "fields")]
    else:
        found = [*_check_salesforce(conn, vault, org_id, seams, canary)]
    return [*found, keys, *check_installation(conn, org_id, database, public_url)]


def _check_salesforce(
    conn: psycopg.Connection, vault: "Vault", org_id: int, seams: Seams, canary: bool
) -> Iterator[Check]:
    try:
        session, salesforce_id = sessions.unchecked_session(conn, vault, org_id, seams)
    except SalesforceError as error:
        yield from _signed_out(error)
        return
    with session:
        yield from _check_session(conn, session, org_id, salesforce_id)
        if canary:
            boxes = [one.lead_name for one in _fields_in_use(conn, settings.load(conn, org_id))]
            yield check_canary(session, boxes)


def _signed_out(error: SalesforceError) -> Iterator[Check]:
    yield refused("sign-in", TITLES["sign-in"], error)
    yield from skipped(told("the sign-in failed"), "org", "api", "fields")


def _check_session(conn: psycopg.Connection, session: Session, org_id: int, salesforce_id: str) -> Iterator[Check]:
    """From the sign-in to the budget; a step that fails skips those that need it."""
    try:
        sessions.check_org(session, salesforce_id)
    except SalesforceError as error:
        yield from _signed_out(error)
        return
    except Problem as problem:
        yield Check("sign-in", TITLES["sign-in"], "pass")
        why = told("%(what)s: %(means)s", what=problem.what, means=problem.means)
        yield Check("org", TITLES["org"], "fail", why, problem.next)
        yield from skipped(told("the sign-in leads to another org"), "api", "fields")
        return
    yield Check("sign-in", TITLES["sign-in"], "pass")
    yield Check("org", TITLES["org"], "pass")
    yield _check_version(session)
    yield from _check_api(conn, session, org_id)
    yield _check_clock(session)


def _check_version(session: Session) -> Check:
    title = told("Salesforce speaks API version %(version)s", version=API_VERSION)
    try:
        if versions.offers_ours(session):
            return Check("version", title, "pass")
    except SalesforceError as error:
        return refused("version", title, error)
    why = told("it does not any more, so nothing can be read or written there")
    return Check("version", title, "fail", why, told("install a newer optsync"), place="here")


def _check_api(conn: psycopg.Connection, session: Session, org_id: int) -> Iterator[Check]:
    """Whether this edition answers at all, then what our user may do there, and how often."""
    try:
        edition = organization.fetch(session).edition
    except SalesforceError as error:
        yield _api_refused(error)
        yield from skipped(told("the org does not answer our user"), "fields")
        return
    yield Check("api", TITLES["api"], "pass")
    try:
        described = fields.look_at(session)
    except SalesforceError as error:
        yield refused("fields", TITLES["fields"], error)
    else:
        chosen = settings.load(conn, org_id)
        yield from _check_fields(conn, session, described, chosen, edition)
        yield from _check_setup(conn, session, chosen, edition)
    yield from _check_budgets(conn, session, org_id)


def _check_setup(conn: psycopg.Connection, session: Session, chosen: Settings, edition: str) -> Iterator[Check]:
    """What Setup says around the fields that are due or read."""
    link = partial(setup_link, session.instance_url, session.credential.practice)
    yield from checks_setup.check_user(session, link)
    wanted = [OptOutField(one.lead_name, one.contact_name, one.label) for one in _fields_in_use(conn, chosen)]
    yield from checks_setup.check_layouts(session, link, wanted, decides=edition.startswith(LAYOUT_DECIDES))
    if not edition.startswith(LAYOUT_DECIDES):
        yield from checks_setup.check_readers(session, link, wanted)
    yield from checks_setup.check_rules(session, link)
    yield from checks_setup.check_custom(
        session, link, next((one for one in wanted if one.lead_name != fields.EMAIL.lead_name), None)
    )
    yield from checks_events.check_events(session, link)


def _api_refused(error: SalesforceError) -> Check:
    if not isinstance(error, ApiRefused) or error.code not in API_IS_OFF:
        return refused("api", TITLES["api"], error)
    why = told("this org's edition has no API, or Salesforce has switched it off: nothing can be read or written there")
    fix = told("ask Salesforce for the API add-on, or connect an org of Enterprise, Unlimited or Developer Edition")
    return Check("api", TITLES["api"], "fail", why, fix)


def _check_fields(
    conn: psycopg.Connection, session: Session, described: Described, chosen: Settings, edition: str
) -> Iterator[Check]:
    """Each field that is due or read, on each object, then each object."""
    for known in _fields_in_use(conn, chosen):
        field = OptOutField(known.lead_name, known.contact_name, known.label)
        found = {finding.object_name: finding for finding in described.findings(field)}
        for name in described.objects:
            title = told("%(field)s can be written on %(object)s", field=known.label, object=name)
            check_id = f"field.{name}.{known.field}"
            if name not in found:
                yield Check(check_id, title, "pass")
            else:
                fix, page = _how_to_show(found[name], edition)
                link = setup_link(session.instance_url, session.credential.practice, page)
                yield Check(check_id, title, "fail", found[name].told, fix, link)
    yield from (_check_object(session, described, name) for name in described.objects)


def _fields_in_use(conn: psycopg.Connection, chosen: Settings) -> list[targets.OptOutField]:
    """The fields that are due or read."""
    wanted = targets.due_fields(conn, chosen.org_id) | chosen.written | chosen.read
    return [known for known in targets.fields(conn, chosen.org_id) if known.field in wanted]


def _how_to_show(finding: Finding, edition: str) -> tuple[str, str]:
    """What makes a field editable for our user, and the page of Setup where that is done."""
    values = {"field": finding.field_name, "object": finding.object_name}
    if edition.startswith(LAYOUT_DECIDES):
        fix = told(
            "put %(field)s on the page layout of the integration user, not read-only: "
            "Setup > Object Manager > %(object)s > Page Layouts",
            **values,
        )
        return fix, PAGE_LAYOUTS.format(finding.object_name)
    fix = told(
        "give the integration user Read and Edit on %(field)s: "
        "Setup > Permission Sets > the user's set > Object Settings > %(object)s",
        **values,
    )
    return fix, PERMISSION_SETS


def _check_object(session: Session, described: Described, name: Kind) -> Check:
    found, title = described.objects[name], told("%(object)s records can be edited", object=name)
    if found is not None and found.updateable:
        return Check(f"object.{name}", title, "pass")
    why = told("the integration user may not edit %(object)s records, so their boxes cannot be ticked", object=name)
    fix = told("give the integration user Edit and Modify All on %(object)s", object=name)
    link = setup_link(session.instance_url, session.credential.practice, PERMISSION_SETS)
    return Check(f"object.{name}", title, "fail", why, fix, link)


def _check_budgets(conn: psycopg.Connection, session: Session, org_id: int) -> Iterator[Check]:
    try:
        allowed = limits.fetch(session)
    except SalesforceError:  # needs "View Setup and Configuration"; the header of every answer says the first, too
        allowed = {}
    daily = allowed.get("DailyApiRequests")
    if daily is None and session.limit is not None:
        daily = Limit(session.limit.allowed, session.limit.allowed - session.limit.used)
    row = conn.execute(sql(PACKAGE, "owed"), {"org_id": org_id}).fetchone()
    assert row is not None
    yield _check_calls(daily, BULK_QUERIES_A_NIGHT * CALLS_A_JOB + math.ceil(row[0] / MAX_TICKED_RECORDS))
    yield _check_bulk_queries(allowed.get("DailyBulkV2QueryJobs"))
    yield checks_events.check_allocation(allowed.get("DailyDeliveredPlatformEvents"))


def _check_calls(daily: Limit | None, needed: int) -> Check:
    """Calls left against those that what is owed and a night take, at most and roughly."""
    title = told("There is API budget left")
    if daily is None or not daily.maximum:
        return Check("api-budget", title, "skip", told("Salesforce does not tell this user"))
    values = {
        "share": f"{daily.remaining / daily.maximum:.0%}",
        "calls": f"{daily.remaining:,}",
        "needed": f"{needed:,}",
    }
    if daily.remaining >= max(LOW_BUDGET * daily.maximum, needed):
        known = told(
            "There is API budget left: %(share)s, %(calls)s calls; what waits and a sync run take up to %(needed)s",
            **values,
        )
        return Check("api-budget", known, "pass")
    why = told(
        "only %(share)s of the org's daily API calls are left, %(calls)s; what waits and a sync run take up to "
        "%(needed)s, and at 0%% pushes wait",
        **values,
    )
    return Check("api-budget", title, "warn", why, told("find the heavy user: Setup > System Overview > API Usage"))


def _check_bulk_queries(daily: Limit | None) -> Check:
    title = told("There are Bulk query jobs left for tonight")
    if daily is None:
        return Check("bulk-budget", title, "skip", told("Salesforce does not tell this user"))
    if daily.remaining >= BULK_QUERIES_A_NIGHT:
        return Check("bulk-budget", title, "pass")
    why = told(
        "%(left)s are left today and a sync run needs up to %(needed)s; pushes go on without them",
        left=f"{daily.remaining:,}",
        needed=BULK_QUERIES_A_NIGHT,
    )
    return Check("bulk-budget", title, "warn", why, told("find the heavy user: Setup > Bulk Data Load Jobs"))


def _check_clock(session: Session) -> Check:
    at, title = session.salesforce_now_at, told("Our clock agrees with Salesforce's")
    if at is None:
        return Check("clock", title, "skip", told("Salesforce did not say its time"), place="here")
    skew = abs((at - session.seams.now()).total_seconds())
    if skew <= SKEW_SECONDS_MAX:
        return Check("clock", title, "pass", place="here")
    why = told(
        "they differ by %(seconds)s s; a JWT sign-in is refused from some minutes on",
        seconds=f"{skew:,.0f}",
    )
    return Check("clock", title, "warn", why, told("let this machine set its clock by NTP"), place="here")
