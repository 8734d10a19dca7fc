"""The phases of a run that compares both sides: what each reads, decides and writes (rules 5).

starting -> reading -> comparing -> applying -> writing -> proving. Before the apply a successor goes on with the same
Salesforce query jobs, after it with the writes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import psycopg

from optsync.connection import fields as visible
from optsync.connection.settings import Settings
from optsync.core.addresses import hmac_pads
from optsync.core.targets import Policy, read_fields
from optsync.ledger import targets
from optsync.ledger.queries import sql
from optsync.salesforce import limits
from optsync.salesforce.session import Session
from optsync.seams import Seams
from optsync.sync import apply, lookups, prove, runs, staging, sweep, writing
from optsync.sync.apply import Applied, Scope
from optsync.sync.line import Line
from optsync.sync.runs import Begun, Progress, RunReport, Timing
from optsync.sync.staging import Jobs, Reader

if TYPE_CHECKING:
    from optsync.config.database import Database
    from optsync.config.vault import Vault

PACKAGE: Final = "optsync.sync"
MUCH: Final = 10_000
GROWN: Final = 5
"""After so many differences, and so many times the marks that the planner knows of, its statistics are renewed at once:
on a first night they know empty tables. Any other night that is autovacuum's work."""


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


def compare_and_write(run: Run) -> None:
    """A run from its first read to its proof, or what a dead process has left of it."""
    apply.set_pace(run.conn)
    with run.phase("starting"):
        describe(run)
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
    note_org_calls(run)


def note_org_calls(run: Run) -> None:
    """Salesforce's last word on the org's API calls comes with any answer: it costs no call of its own."""
    if usage := run.session.limit:
        run.report.org_calls = {"used": usage.used, "allowed": usage.allowed}


def describe(run: Run) -> None:
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
    since_at = changes_since(run)
    runs.enter_phase(run.conn, run.begun.run_id, "reading")
    with run.phase("reading"):
        run.report.counts["compared"] = run.reader.read_ticked("staged", "ticked")
        run.reader.read_deleted()
    find_unticked(run, since_at)
    runs.enter_phase(run.conn, run.begun.run_id, "comparing")
    with run.phase("comparing"):
        run.report.counts["differing"] = apply.compare(run.conn, run.scope)
        apply.add_matched(run.conn, run.scope)
    with run.phase("reading again"):
        reread(run)


def find_unticked(run: Run, since_at: datetime | None) -> None:
    """Reads unticked records, changed since then or all, and keeps those of opted-out people."""
    with run.phase("changes" if since_at else "sweep"):
        count = sweep.find(run.conn, run.reader, run.scope, since_at)
        run.report.counts["changed" if since_at else "swept"] = count


def reread(run: Run) -> None:
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


def changes_since(run: Run) -> datetime | None:
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
