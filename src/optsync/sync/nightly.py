"""Which run of the comparison begins, goes on or ends, and what is kept of it (rules 5).

A process may die in any phase; the next to look goes on where it was. What a run does in between: `phases`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

import psycopg

from optsync.connection import settings
from optsync.connection.sessions import open_session
from optsync.connection.settings import Settings
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.salesforce.errors import Busy, CallsReserved, LimitExceeded, SalesforceError, Unreachable
from optsync.seams import Seams
from optsync.sync import rehearsal, runs
from optsync.sync.phases import House, Run, compare_and_write
from optsync.sync.runs import Begun, Progress, RunReport, no_progress

if TYPE_CHECKING:
    from optsync.config.database import Database
    from optsync.config.vault import Vault

RETRY_SECONDS: Final = 15 * 60.0
"""When Salesforce was away in the middle of a run, it goes on after this time."""


def sync_now(
    database: "Database",
    vault: "Vault",
    seams: Seams,
    org_id: int,
    *,
    dry_run: bool = False,
    full: bool = False,
    approve: bool = False,
    by: str,
    progress: Progress = no_progress,
) -> RunReport:
    """Does one run now and returns its report. `dry_run` writes nothing anywhere; `full` reads every record afresh;
    `approve` is the go for a first run and passes the brake.

    Raises Problem when the switch is off (a dry run works then too), when a run is going on already, or when the
    org cannot be read at all, or behind a transaction pooler, which would keep the run's lock; SalesforceError when
    Salesforce fails before the end (the run's row says failed).
    """
    database.check_direct()
    with database.connect() as conn, runs.run_lock(conn, org_id):
        chosen = settings.load(conn, org_id)
        house = House(database, vault, seams, conn, org_id, progress)
        if dry_run:
            return _rehearse(house, chosen)
        refuse_switched_off(chosen)
        _resume(house, chosen)
        kind: runs.Kind = "by hand" if runs.has_compared(conn, org_id) else "first"
        if kind == "first" and not (approve or chosen.first_run_approved_at):
            return _rehearse(house, chosen, waiting=True)
        if kind == "first":
            settings.approve_first_run(conn, org_id, by)
        return _start(house, chosen, kind, by, None, full=full, approve=approve)


def start_due(
    database: "Database", vault: "Vault", seams: Seams, *, by: str = "worker", progress: Progress = no_progress
) -> list[RunReport]:
    """Starts what is due in any org: tonight's slot, once, whichever worker is first, and what a dead process left.

    Blocks while it runs; trouble with one org becomes its run's report. A run that goes on elsewhere is left alone.
    """
    with database.connect() as conn:
        due = runs.due(conn, seams)
    reports = []
    for one in due:
        with database.connect() as conn:
            try:
                with runs.run_lock(conn, one.org_id):
                    reports += _run_due(House(database, vault, seams, conn, one.org_id, progress), one, by)
            except Problem:
                continue  # somebody else was faster, or this org cannot run now: its row says why
            except SalesforceError:
                continue
    return reports


def refuse_switched_off(chosen: Settings) -> None:
    """Raises Problem while the switch is off: there is no comparison then."""
    if not chosen.sync_on:
        raise Problem(
            told("the switch Sync to Salesforce is off, so there is no comparison to run"),
            told("new unsubscribes are still pushed to Email Opt Out; ticks made in Salesforce are not read"),
            told("turn it on with: optsync settings sync on, or look first with: optsync sync --dry-run"),
        )


def _run_due(house: House, due: runs.Due, by: str) -> list[RunReport]:
    chosen = settings.load(house.conn, house.org_id)
    resumed = _resume(house, chosen)
    if due.slot is None:
        return resumed
    if runs.has_compared(house.conn, house.org_id) or chosen.first_run_approved_at:
        return [*resumed, _start(house, chosen, "nightly", by, due.slot)]
    run_id = runs.begin(house.conn, house.org_id, "first", by, due.slot, {"waiting": True})
    return [*resumed, _rehearse(house, chosen, waiting=True, run_id=run_id)] if run_id else resumed


def _start(
    house: House,
    chosen: Settings,
    kind: runs.Kind,
    by: str,
    slot: datetime | None,
    *,
    full: bool = False,
    approve: bool = False,
) -> RunReport:
    approved = approve or kind == "first" or not runs.has_compared(house.conn, house.org_id)
    run_id = runs.begin(house.conn, house.org_id, kind, by, slot, {"full": full, "approved": approved})
    if run_id is None:
        raise Problem(
            "this night's run was started by another worker",
            "one run a night is enough; nothing was started",
            "watch it with: optsync status",
        )
    begun = runs.unfinished(house.conn, house.org_id)
    assert begun is not None  # its row is a line above
    return _go(house, chosen, begun)


def _resume(house: House, chosen: Settings) -> list[RunReport]:
    """Does what was asked for, and goes on with every run that a dead process left behind."""
    reports = []
    while (begun := runs.unfinished(house.conn, house.org_id)) is not None:
        asked = begun.state == "asked"
        if not runs.take(house.conn, begun):
            continue
        waiting = bool(begun.options.get("waiting"))
        if waiting or begun.kind == "dry run":
            reports.append(_rehearse(house, chosen, waiting=waiting, run_id=begun.run_id))
        else:
            reports.append(_go(house, chosen, begun, asked=asked))
    return reports


def _go(house: House, chosen: Settings, begun: Begun, *, asked: bool = False) -> RunReport:
    """One run to its end. One that was asked for is refused when the switch went off meanwhile: its row says so."""
    report = RunReport(begun.run_id, house.org_id, begun.kind, "failed", by_whom="", started_at=begun.started_at)
    with ExitStack() as stack:
        stack.enter_context(_reported(house, report))
        if asked:
            refuse_switched_off(chosen)
        session = stack.enter_context(open_session(house.conn, house.vault, house.org_id, house.seams))
        compare_and_write(Run(house, chosen, begun, session, report))
    return report


@contextmanager
def _reported(house: House, report: RunReport) -> Iterator[None]:
    """Stores how a run ended. When Salesforce is away it is only interrupted, and goes on later with what it has; when
    this process is told to stop, or the database is away, its row stays as it is for whoever looks next. A dry run that
    meets such trouble has failed: nobody waits for what it would have said."""
    started = house.seams.monotonic()
    try:
        yield
    except runs.Cancelled:
        report.result = "cancelled"
    except psycopg.OperationalError:
        raise
    except Exception as error:
        if isinstance(error, (Unreachable, Busy, LimitExceeded, CallsReserved)) and report.kind != "dry run":
            runs.interrupt(house.conn, report, _words(error), RETRY_SECONDS)
            raise
        report.result, report.error = "failed", _words(error)
        report.seconds = round(house.seams.monotonic() - started, 3)
        runs.finish(house.conn, report)
        raise
    report.seconds = round(house.seams.monotonic() - started, 3)
    runs.finish(house.conn, report)


def _rehearse(house: House, chosen: Settings, *, waiting: bool = False, run_id: int | None = None) -> RunReport:
    """A dry run. `waiting` is an unapproved first run's answer. One that came at its slot or that a page asked for has
    a row (`run_id`)."""
    report = RunReport(run_id, house.org_id, "first" if waiting else "dry run", "dry run", started_at=house.seams.now())
    with ExitStack() as stack:
        if run_id is not None:
            stack.enter_context(_reported(house, report))
        session = stack.enter_context(open_session(house.conn, house.vault, house.org_id, house.seams))
        begun = Begun(run_id or 0, "first", {}, {}, {}, "starting", house.seams.now())
        rehearsal.rehearse(Run(house, chosen, begun, session, report), approved=waiting)
        report.result = "waiting for go" if waiting else "dry run"
    return report


def _words(error: Exception) -> dict[str, str]:
    if isinstance(error, Problem):
        return {"what": error.what, "means": error.means, "next": error.next}
    if isinstance(error, SalesforceError):
        return {"what": error.message, "means": error.means, "next": error.next_step}
    return {
        "what": told("optsync failed (%(kind)s)", kind=type(error).__name__),
        "means": told("this is our mistake; what was committed stands, and nothing acknowledged is lost"),
        "next": told("report it with the log; the next night compares everything again"),
    }
