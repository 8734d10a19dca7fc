"""A dry run's phases: it reads and compares as a run does, tells what a run would do, and takes everything back."""

from dataclasses import asdict, replace
from typing import Final

from optsync.salesforce.errors import SalesforceError
from optsync.salesforce.session import Session
from optsync.sync import apply, preview, ticked_by
from optsync.sync.phases import House, Run, changes_since, describe, find_unticked, note_org_calls, reread
from optsync.sync.runs import RunReport

SECONDS_PER_WRITE: Final = 1.0
"""What a call with 200 boxes takes an org with some triggers, for an estimate."""


def rehearse(run: Run, *, approved: bool) -> None:
    """Fills the run's report; `approved` lets pass what the brake would stop. Nothing is written, in no database."""
    run.jobs.remember = lambda name, job_id: None
    apply.set_pace(run.conn)
    started = run.house.seams.monotonic()
    with run.phase("starting"):
        describe(run)
        number, version = _next_run_no(run.house), _version(run.house)
        run.scope = replace(run.scope, run_no=number, start_version=version, approved=approved)
    _look(run)
    note_org_calls(run)
    run.report.seconds = round(run.house.seams.monotonic() - started, 3)


def _look(run: Run) -> None:
    conn, scope = run.conn, run.scope
    with run.phase("reading"):
        run.report.counts["compared"] = run.reader.read_ticked("staged", "ticked")
        run.reader.read_deleted()
    since_at = changes_since(run)
    find_unticked(run, since_at)
    with run.phase("comparing"):
        run.report.counts["differing"] = apply.compare(conn, scope)
        apply.add_matched(conn, scope)
        reread(run)
        found = preview.rehearse(conn, scope, swept=since_at is None)
        calls = run.report.api_calls + run.report.phases["reading"].api_calls  # the proof reads the ticks once more
        run.report.samples = _with_who(run.session, found.samples)
    run.report.counts |= {name: value for name, value in asdict(found.applied).items() if value is not None}
    run.report.counts |= {"would_set": found.would_set, "already_set": found.already_set, "no_record": found.no_record}
    run.report.counts["expected_api_calls"] = calls + found.write_calls
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
