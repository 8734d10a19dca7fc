"""The nightly two-way comparison, from the first read to the proof (rules 5).

Phases: starting -> reading -> comparing -> writing -> proving -> done. A process may die in any of
them; the next to look goes on: before the apply with the same Salesforce query jobs, after it with the writes.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import psycopg

from optsync.connection import fields as visible
from optsync.connection import settings
from optsync.connection.sessions import open_session
from optsync.connection.settings import Settings
from optsync.core.addresses import hmac_pads
from optsync.core.problems import Problem
from optsync.core.targets import Policy, read_fields
from optsync.core.told import told
from optsync.ledger import targets
from optsync.ledger.queries import sql
from optsync.salesforce import limits
from optsync.salesforce.errors import Busy, CallsReserved, LimitExceeded, SalesforceError, Unreachable
from optsync.salesforce.session import Session
from optsync.seams import Seams
from optsync.sync import apply, lookups, preview, prove, runs, staging, sweep, ticked_by, writing
from optsync.sync.apply import Applied, Scope
from optsync.sync.line import Line
from optsync.sync.runs import Begun, Progress, RunReport, Timing, no_progress
from optsync.sync.staging import Jobs, Reader

if TYPE_CHECKING:
    from optsync.config.database import Database
    from optsync.config.vault import Vault

PACKAGE: Final = "optsync.sync"
MUCH: Final = 10_000
GROWN: Final = 5
"""After so many differences, and so many times the marks that the planner knows of, its statistics are renewed at once:
on a first night they know empty tables. Any other night that is autovacuum's work."""
SECONDS_PER_WRITE: Final = 1.0
"""What a call with 200 boxes takes an org with some triggers, for an estimate."""
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


@dataclass
class House:
    """What a run works with."""

    database: "Database"
    vault: "Vault"
    seams: Seams
    conn: psycopg.Connection
    org_id: int
    progress: Progress


@dataclass
class Run:
    """One run on its way. `scope` is set when the org was described; `report` collects what it tells."""

    house: House
    chosen: Settings
    begun: Begun
    session: Session
    report: RunReport
    reader: Reader = field(init=False)
    scope: Scope = field(init=False)

    def __post_init__(self) -> None:
        # A dead run's proof is begun afresh: what was written since it asked would look as if it had not been kept.
        going_on = {name: job for name, job in self.begun.jobs.items() if not name.startswith(prove.LABEL)}
        self.jobs = Jobs(going_on, lambda name, job: runs.remember_job(self.conn, self.begun.run_id, name, job))

    @property
    def conn(self) -> psycopg.Connection:
        return self.house.conn

    def say(self, what: str, count: int) -> None:
        """Tells whoever watches what is being done. Raises Cancelled when somebody wants the run to stop."""
        self.house.progress(what, count)
        if self.begun.run_id:
            runs.tell_progress(self.conn, self.begun.run_id, what, count)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Names, times and counts a part of the run."""
        self.say(name, 0)
        timing = self.report.phases.setdefault(name, Timing())
        http, clock = self.session.http, self.house.seams.monotonic
        started, calls, polls = clock(), http.api_calls, http.polls
        try:
            yield
        finally:
            timing.seconds += clock() - started
            timing.api_calls += http.api_calls - calls
            timing.polls += http.polls - polls


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
        _do(Run(house, chosen, begun, session, report))
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


def _do(run: Run) -> None:
    apply.set_pace(run.conn)
    with run.phase("starting"):
        _describe(run)
        limits.leave_a_reserve(run.session)
        _number(run)
    if run.begun.phase in ("starting", "reading", "comparing"):
        _compare(run)
        with run.phase("applying"):
            applied = _apply(run)
            if run.begun.options["since"] is None:
                sweep.link_fresh(run.conn, run.scope)
    else:
        applied = Applied(**run.begun.counts["applied"])
        _read_again(run)
    run.report.counts |= {name: value for name, value in asdict(applied).items() if value is not None}
    _write(run)
    _prove(run, applied)
    _note_org_calls(run)


def _note_org_calls(run: Run) -> None:
    """Salesforce's last word on the org's API calls comes with any answer: it costs no call of its own."""
    if usage := run.session.limit:
        run.report.org_calls = {"used": usage.used, "allowed": usage.allowed}


def _describe(run: Run) -> None:
    """The boxes to read: every field in which something is due, and those whose tick counts; the chosen ones must exist
    on both objects, a field of older opt-outs that is gone is left out and told."""
    described = visible.look_at(run.session)
    known = {one.field: one for one in targets.fields(run.conn, run.house.org_id)}
    read = _fields_read(run.chosen)
    needed = read | run.chosen.written
    usable = []
    for number in sorted(targets.due_fields(run.conn, run.house.org_id) | needed):
        one = visible.OptOutField(known[number].lead_name, known[number].contact_name, known[number].label)
        if number in needed:
            visible.refuse_unusable(described, one)
        if not [finding for finding in described.findings(one) if finding.defect != "read-only"]:
            usable.append(known[number])
        elif boxes := _boxes_in(run, number):
            run.report.rest.append({"verdict": "not read", "reason": f"{one.label} is not visible", "boxes": boxes})
    house = run.house
    run.reader = Reader(house.conn, run.session, house.seams, usable, run.jobs, {}, run.say)
    run.reader.sizes |= _last_sizes(house) | run.begun.counts.get("sizes", {})
    pads = hmac_pads(house.vault.subject_key)
    approved = bool(run.begun.options.get("approved"))
    numbers = tuple(one.field for one in usable)
    run.scope = Scope(house.org_id, run.begun.run_id, 0, 0, numbers, tuple(sorted(read)), approved, pads)


def _boxes_in(run: Run, field_no: int) -> int:
    """How many boxes of that field are due: what cannot be read cannot be proved."""
    row = run.conn.execute(sql(PACKAGE, "boxes_in_field"), {"org": run.house.org_id, "field": field_no}).fetchone()
    return int(row[0]) if row else 0


def _fields_read(chosen: Settings) -> frozenset[int]:
    """The fields whose tick counts; for a dry run with the switch off those that would count with it on."""
    policy = Policy(True, chosen.choice, chosen.read_both)
    return frozenset(chosen.number_of(role) for role in read_fields(policy))


def _number(run: Run) -> None:
    """The comparison's number: a mark touched from now on is newer than what is read from now on."""
    options = run.begun.options
    if "run_no" not in options:
        run_no, version = _begin_comparison(run)
        now = run.session.salesforce_now_at or run.house.seams.now()
        options |= {"run_no": run_no, "start_version": version, "salesforce_at": now.isoformat()}
        runs.remember_options(run.conn, run.begun.run_id, options)
    run.scope = replace(run.scope, run_no=options["run_no"], start_version=options["start_version"])


def _compare(run: Run) -> None:
    since_at = _changes_since(run)
    runs.enter_phase(run.conn, run.begun.run_id, "reading")
    with run.phase("reading"):
        run.report.counts["compared"] = run.reader.read_ticked("staged", "ticked")
        run.reader.read_deleted()
    with run.phase("changes" if since_at else "sweep"):
        count = sweep.find(run.conn, run.reader, run.scope, since_at)
        run.report.counts["changed" if since_at else "swept"] = count
    runs.enter_phase(run.conn, run.begun.run_id, "comparing")
    with run.phase("comparing"):
        run.report.counts["differing"] = apply.compare(run.conn, run.scope)
        apply.add_matched(run.conn, run.scope)
    with run.phase("reading again"):
        _reread(run)


def _reread(run: Run) -> None:
    """Right before the decision: what would revive a lifted address, and what converted and merged records became."""
    candidates = apply.find_candidates(run.conn, run.scope)
    if candidates:
        run.reader.read_by_id("reread", candidates)
    apply.decide_revivals(run.conn, run.scope, reread=bool(candidates))
    params = run.scope.params()
    run.conn.execute("DROP TABLE IF EXISTS gone")
    run.conn.execute(sql(PACKAGE, "gone_table"), params)
    wanted = [row[0] for row in run.conn.execute(sql(PACKAGE, "successors_to_read"), params)]
    rows: list[tuple[str, str | None]] = []
    if wanted:
        run.reader.read_by_id("successor_row", wanted)
        rows = run.conn.execute("SELECT record_id, email FROM successor_row").fetchall()
    staging.fill_successors(run.conn, rows)
    run.conn.execute(sql(PACKAGE, "know_successors"), params)


def _apply(run: Run) -> Applied:
    """One transaction: the apply, and the run's word that it was done."""
    with run.conn.transaction():
        applied = apply.apply(run.conn, run.scope)
        more = {"applied": asdict(applied), "sizes": run.reader.sizes, "boxes_read": _boxes_read(run)}
        runs.enter_phase(run.conn, run.begun.run_id, "writing", run.report.counts | more)
    if run.report.counts["differing"] > max(MUCH, GROWN * _marks_known(run.conn)):
        apply.analyze(run.conn, ("address", "record", "opt_out", "mark", "lookup"))
    return applied


def _write(run: Run) -> None:
    house = run.house
    with writing.claiming(house.database, house.seams) as worker_no:
        salesforce_id = run.session.org_id  # open_session has compared it with the org's own
        key = house.vault.subject_key
        line = Line(house.conn, run.session, house.org_id, salesforce_id, worker_no, key, house.seams)
        line.run_id = run.begun.run_id
        before = run.begun.options.get("worker_no")
        runs.remember_options(house.conn, run.begun.run_id, {"worker_no": worker_no})
        with run.phase("looking up"):
            run.report.counts["looked_up"] = _look_up(run, line)
        with run.phase("writing"):
            written = writing.write(line, run.jobs, run.begun.run_id, before, run.say)
    run.report.counts |= asdict(written)


def _look_up(run: Run, line: Line) -> int:
    """Addresses that are due, 400 a call: those without a record, and those whom this night opted out, for their other
    records. More than a sweep would cost are left to it and to the worker; in a run that asks for everyone instead of
    sweeping none is."""
    everyone = bool(run.begun.options.get("everyone"))
    if everyone:
        run.report.counts["swept"] = sweep.want_everyone(run.conn, run.house.org_id)
    total = sweep.due_lookups(run.conn, run.house.org_id, everyone=True)
    left = total if everyone or not sweep.is_cheaper(total) else 0
    while left > 0:
        lookups.look_up_due(line)
        before, left = left, sweep.due_lookups(run.conn, run.house.org_id, everyone=True)
        if left >= before:
            break
    return total


def _prove(run: Run, applied: Applied) -> None:
    swept = {name: count for name, count in run.report.counts.items() if name == "swept"}
    runs.enter_phase(run.conn, run.begun.run_id, "proving", swept | {"sizes": run.reader.sizes})
    with run.phase("proving"):
        proof_no, _ = _begin_comparison(run)
        proof = prove.prove(run.conn, run.reader, replace(run.scope, run_no=proof_no))
    if unread := sum(one["boxes"] for one in run.report.rest if one["verdict"] == "not read"):
        proof.verdicts["not read"] = unread
    run.report.counts |= {f"proof: {name}": count for name, count in proof.verdicts.items()}
    run.report.rest += proof.rest
    held_now = applied.held_in is not None or applied.held_out is not None
    run.report.result = proof.result(held_now=held_now)


def _read_again(run: Run) -> None:
    """For a successor after the apply: the first read, which the proof compares with, from the same jobs. Pages would
    show ticks that came since and that nobody could have answered; without them every such tick counts as new."""
    run.report.counts |= {name: count for name, count in run.begun.counts.items() if isinstance(count, int)}
    with run.phase("reading"):
        if all(f"ticked {kind}" in run.jobs.known for kind in run.reader.objects):
            run.reader.read_ticked("staged", "ticked")
        else:
            run.reader.make_table("staged")


def _marks_known(conn: psycopg.Connection) -> float:
    row = conn.execute("SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'mark'::regclass").fetchone()
    return float(row[0]) if row else 0.0


def _begin_comparison(run: Run) -> tuple[int, int]:
    row = run.conn.execute(sql(PACKAGE, "begin_comparison"), {"org": run.house.org_id}).fetchone()
    assert row is not None  # the org is connected
    return int(row[0]), int(row[1])


def _changes_since(run: Run) -> datetime | None:
    """The start of the last comparison by Salesforce's clock; None when everything is to be read. Decided once, and
    with it whether everything means every opted-out address instead (`everyone`)."""
    conn, org_id, options = run.conn, run.house.org_id, run.begun.options
    if "since" not in options:
        last = conn.execute(sql(PACKAGE, "last_run"), {"org": org_id}).fetchone()
        asked = bool(options.get("full")) or runs.is_doubtful(conn, org_id)
        asked = asked or sweep.too_many_wait(conn, org_id)
        asked = asked or (last is not None and last[2].get("boxes_read") != _boxes_read(run))
        everything = last is None or sweep.is_due(runs.last_sweep_at(conn, org_id), run.house.seams.now(), asked=asked)
        everyone = everything and last is not None and sweep.can_ask_for_everyone(conn, org_id, run.reader.sizes)
        options["since"] = last[3]["salesforce_at"] if last is not None and (everyone or not everything) else None
        options["everyone"] = everyone
        runs.remember_options(conn, run.begun.run_id, {name: options[name] for name in ("since", "everyone")})
    return datetime.fromisoformat(options["since"]) if options["since"] else None


def _boxes_read(run: Run) -> list[list[Any]]:
    """Which boxes are read, whose ticks count, and whether Accounts are: others than the last time tell of a changed
    permission, choice or org."""
    read: list[list[Any]] = [list(run.scope.fields), list(run.scope.read)]
    return [*read, ["Account"]] if "Account" in run.reader.objects else read


def _last_sizes(house: House) -> dict[str, int]:
    last = house.conn.execute(sql(PACKAGE, "last_run"), {"org": house.org_id}).fetchone()
    return dict((last[2] or {}).get("sizes", {})) if last else {}


def _rehearse(house: House, chosen: Settings, *, waiting: bool = False, run_id: int | None = None) -> RunReport:
    """A dry run: reads and compares, and takes everything back. `waiting` is an unapproved first run's answer. One that
    came at its slot or that a page asked for has a row (`run_id`)."""
    report = RunReport(run_id, house.org_id, "first" if waiting else "dry run", "dry run", started_at=house.seams.now())
    with ExitStack() as stack:
        if run_id is not None:
            stack.enter_context(_reported(house, report))
        session = stack.enter_context(open_session(house.conn, house.vault, house.org_id, house.seams))
        begun = Begun(run_id or 0, "first", {}, {}, {}, "starting", house.seams.now())
        run = Run(house, chosen, begun, session, report)
        run.jobs.remember = lambda name, job_id: None
        apply.set_pace(run.conn)
        started = house.seams.monotonic()
        with run.phase("starting"):
            _describe(run)
            run.scope = replace(run.scope, run_no=_next_run_no(house), start_version=_version(house), approved=waiting)
        _look(run)
        _note_org_calls(run)
        report.seconds = round(house.seams.monotonic() - started, 3)
        report.result = "waiting for go" if waiting else "dry run"
    return report


def _look(run: Run) -> None:
    conn, scope = run.conn, run.scope
    with run.phase("reading"):
        run.report.counts["compared"] = run.reader.read_ticked("staged", "ticked")
        run.reader.read_deleted()
    conn.execute("DROP TABLE IF EXISTS matched")
    with run.phase("comparing"):
        run.report.counts["differing"] = apply.compare(conn, scope)
        _reread(run)
        found = preview.rehearse(conn, scope)
        read_calls = run.report.api_calls
        run.report.samples = _with_who(run.session, found.samples)
    run.report.counts |= {name: value for name, value in asdict(found.applied).items() if value is not None}
    run.report.counts |= {"would_set": found.would_set, "already_set": found.already_set, "no_record": found.no_record}
    run.report.counts["expected_api_calls"] = 2 * read_calls + found.write_calls
    run.report.counts["expected_seconds"] = _expected_seconds(run.report, found.write_calls)


def _expected_seconds(report: RunReport, write_calls: int) -> int:
    """What a run would take: this one's time, the reading once more for the proof, and the calls that write."""
    took = sum(timing.seconds for timing in report.phases.values()) + report.phases["reading"].seconds
    return max(1, round(took + write_calls * SECONDS_PER_WRITE))


def _with_who(session: Session, samples: dict[str, list[dict[str, str]]]) -> dict[str, list[dict[str, str]]]:
    """Who ticked the samples, and when; without it where Salesforce does not say: the rest of the preview stands."""
    ticked = samples["from Salesforce"]
    try:
        found = ticked_by.last_changes(session, [one["record"] for one in ticked])
    except SalesforceError:
        return samples
    said = {record_id: {"by": one.by, "at": one.at.isoformat()} for record_id, one in found.items()}
    return samples | {"from Salesforce": [one | said.get(one["record"], {}) for one in ticked]}


def _next_run_no(house: House) -> int:
    row = house.conn.execute("SELECT run_no + 1 FROM org WHERE org_id = %s", (house.org_id,)).fetchone()
    assert row is not None  # the org is connected
    return int(row[0])


def _version(house: House) -> int:
    row = house.conn.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM version_seq").fetchone()
    assert row is not None  # a sequence has one row
    return int(row[0])


def _words(error: Exception) -> dict[str, str]:
    if isinstance(error, Problem):
        return {"what": error.what, "means": error.means, "next": error.next}
    if isinstance(error, SalesforceError):
        return {"what": error.message, "means": error.means, "next": error.next_step}
    return {
        "what": f"optsync failed ({type(error).__name__})",
        "means": "this is our mistake; what was committed stands, and nothing acknowledged is lost",
        "next": "report it with the log; the next night compares everything again",
    }
