"""A run whose process is killed goes on, one that Salesforce leaves alone goes on later, odd answers change nothing."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from optsync.config.vault import as_text
from optsync.connection.sessions import open_session
from optsync.salesforce import bulk
from optsync.salesforce.errors import CallsReserved, JobFailed, SalesforceError
from optsync.sync import staging, writing
from optsync.sync.runs import RunReport
from tests.flows.nightly.house import House

RUNNER = """
import sys
from pathlib import Path
from optsync.config.database import Database
from optsync.config.vault import read_vault
from optsync.seams import real
from optsync.sync import nightly, staging, writing
if sys.argv[5] == "large":              # a small org takes the way of a large one
    staging.PAGES_MAX_RECORDS = 1
    writing.COLLECTIONS_MAX_MARKS = 1
def progress(what, count):
    print(what, count, flush=True)
    if what == sys.argv[4]:
        sys.stdin.read(1)               # stands here until it is killed
house = Database(sys.argv[1]), read_vault(Path(sys.argv[2])), real(), int(sys.argv[3])
nightly.sync_now(*house, by="victim", progress=progress)
"""

PHASES = [
    *("starting", "reading", "ticked Lead", "sweep", "comparing", "reading again", "applying"),
    *("looking up", "writing", "proving"),
]


def kill_in(house: House, folder: Path, phase: str, *, small: bool = False) -> None:
    """Starts a run in a process of its own and kills it with SIGKILL in that phase."""
    key_file = folder / "victim-key.json"
    if not key_file.exists():
        key_file.write_text(as_text(house.vault))
        key_file.chmod(0o600)
    command = [sys.executable, "-c", RUNNER, house.database.dsn, str(key_file), str(house.org_id), phase]
    command.append("small" if small else "large")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        for line in process.stdout:
            if line.rpartition(" ")[0] == phase:
                break
        else:
            pytest.fail(f"the run never came to {phase}")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stdin.close()


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_killed_in_any_phase_goes_on_and_proves_both_sides(house: House, tmp_path: Path, phase: str) -> None:
    ticked = house.org.create("Lead", Email="ann@example.com", HasOptedOutOfEmail=True)
    twin = house.org.create("Contact", Email="ann@example.com")
    owed = house.org.create("Contact", Email="bob@example.com")
    house.link(owed, "Contact", "bob@example.com")
    house.opt_out("bob@example.com")
    kill_in(house, tmp_path, phase)
    (run_id,) = house.conn.execute("SELECT run_id FROM run WHERE state = 'running'").fetchone() or (None,)
    report = resumed(house)
    assert (report.run_id, report.result) == (run_id, "proved")
    assert house.run(run_id)["state"] == "finished"
    assert all(house.is_ticked(key) for key in (ticked, twin, owed))
    assert house.balance().agree
    assert house.org.spy()["false_writes"] == 0


def test_a_successor_goes_on_with_the_same_salesforce_jobs(house: House, tmp_path: Path) -> None:
    kill_in(house, tmp_path, "comparing")
    (jobs,) = house.conn.execute("SELECT jobs FROM run WHERE state = 'running'").fetchone() or ({},)
    assert {"sweep Lead", "sweep Contact"} <= set(jobs)
    house.org.clear_spy()
    resumed(house)
    (after,) = house.conn.execute("SELECT jobs FROM run").fetchone() or ({},)
    assert {name: after[name] for name in jobs} == jobs
    asked = [one["path"] for one in house.org.spy()["requests"]]
    assert any(jobs["sweep Lead"][:15] in path for path in asked)


def resumed(house: House) -> RunReport:
    """What the next worker makes of the run that was killed."""
    deadline = time.monotonic() + 10
    while not (reports := house.start_due()):  # the server needs a moment to notice that the victim's session is gone
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return reports[0]


def test_a_proof_begins_afresh_so_that_what_was_pushed_since_does_not_look_unkept(house: House, tmp_path: Path) -> None:
    for number in range(2):
        house.org.create("Contact", Email=f"p{number}@example.com", HasOptedOutOfEmail=True)
    kill_in(house, tmp_path, "proof Lead")  # the proof's job has read the Contacts
    late = house.org.create("Contact", Email="bob@example.com")
    house.opt_out("bob@example.com")
    assert house.push() == 1
    report = resumed(house)
    assert (report.result, house.balance().parked) == ("proved", 0)
    assert house.is_ticked(late)


def test_what_is_claimed_after_a_job_was_settled_is_not_taken_for_what_the_job_did(
    house: House, tmp_path: Path
) -> None:
    keys = [house.org.create("Contact", Email=f"p{number}@example.com") for number in range(3)]
    for number, key in enumerate(keys[:2]):
        house.link(key, "Contact", f"p{number}@example.com")
        house.opt_out(f"p{number}@example.com")
    kill_in(house, tmp_path, "proving")  # its job is settled
    house.link(keys[2], "Contact", "p2@example.com")
    house.opt_out("p2@example.com")
    worker = "(SELECT (options->>'worker_no')::int FROM run)"
    house.conn.execute(f"UPDATE mark SET claimed_by = {worker} WHERE record_id = %s", (keys[2],))
    assert resumed(house).result == "proved"
    assert house.is_ticked(keys[2])
    assert house.conn.execute("SELECT count(*) FROM event WHERE kind = 'not kept'").fetchone() == (0,)


def test_a_tick_that_comes_while_a_killed_run_waits_for_a_successor_is_no_contradiction(
    house: House, tmp_path: Path
) -> None:
    kill_in(house, tmp_path, "writing", small=True)
    house.org.create("Contact", Email="ann@example.com", HasOptedOutOfEmail=True)
    assert resumed(house).result == "proved"


def test_when_salesforce_is_away_the_run_is_interrupted_and_goes_on_later(house: House) -> None:
    house.org.fault("html", route="*query*", times=1000)
    with pytest.raises(SalesforceError):
        house.sync()
    assert house.conn.execute("SELECT state, options ? 'retry_at' FROM run").fetchone() == ("interrupted", True)
    house.org.clear_faults()
    assert house.start_due() == []
    house.conn.execute("UPDATE run SET options = options || jsonb_build_object('retry_at', clock() - interval '1 s')")
    (report,) = house.start_due()
    assert report.result == "proved"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "truncate", "bytes_kept": 20},
        {"kind": "cut"},
        {"kind": "wrong_header"},
        {"kind": "wrong_header", "header": '"Email","Id","IsConverted","ConvertedContactId","HasOptedOutOfEmail"'},
        {"kind": "wrong_header", "header": ""},
        {"kind": "truncate", "bytes_kept": 0},
        {"kind": "missing_page"},
        {"kind": "fail_job"},
        {"kind": "html", "status": 200, "route": "bulk.query.results"},
        {"kind": "html", "status": 200, "route": "bulk.query.get"},
        {"kind": "html", "status": 200, "route": "query"},
        {"kind": "html", "status": 200, "route": "query", "body": '{"totalSize": 1, "done": true, "records": []}'},
    ],
    ids=lambda fault: " ".join(map(str, fault.values())),
)
def test_a_short_or_odd_answer_fails_the_run_before_anything_is_written(
    house: House, monkeypatch: pytest.MonkeyPatch, fault: dict[str, object]
) -> None:
    monkeypatch.setattr(staging, "PAGES_MAX_RECORDS", 1)
    house.org.behaviour(bulk_page_records=1)
    for name in ("ann", "bob"):
        house.org.create("Lead", Email=f"{name}@example.com", HasOptedOutOfEmail=True)
        house.org.create("Contact", Email=f"{name}@example.com", HasOptedOutOfEmail=True)
    house.org.fault(**{"times": 10} | fault)  # type: ignore[arg-type]  # a table of faults
    house.org.clear_spy()
    with pytest.raises(SalesforceError):
        house.sync()
    assert house.conn.execute("SELECT count(*) FROM opt_out").fetchone() == (0,)
    assert house.conn.execute("SELECT count(*) FROM mark").fetchone() == (0,)
    assert house.org.spy()["update_calls"] == 0
    house.org.clear_faults()
    house.conn.execute("UPDATE run SET options = options || jsonb_build_object('retry_at', clock() - interval '1 s')")
    assert house.sync().result == "proved"


def test_a_job_that_somebody_aborts_fails_the_run_before_anything_is_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "PAGES_MAX_RECORDS", 1)
    house.org.create("Contact", Email="ann@example.com", HasOptedOutOfEmail=True)
    house.org.create("Contact", Email="bob@example.com", HasOptedOutOfEmail=True)
    house.org.behaviour(bulk_job_seconds=1.0)

    def abort(what: str, count: int) -> None:
        found = house.conn.execute("SELECT jobs->>'ticked Contact' FROM run").fetchone()
        if what.startswith("ticked") and found and found[0]:
            with open_session(house.conn, house.vault, house.org_id, house.seams) as session:
                if not bulk.query_info(session, found[0]).has_ended:
                    bulk.abort_query(session, found[0])

    with pytest.raises(JobFailed, match="Aborted"):
        house.sync(progress=abort)
    assert house.conn.execute("SELECT count(*) FROM opt_out").fetchone() == (0,)


def test_nul_bytes_in_an_answer_are_stripped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "PAGES_MAX_RECORDS", 1)
    house.org.fault("nul", at=25, times=1)
    assert house.sync().result == "proved"


def test_many_boxes_go_out_by_one_job_per_object_and_refusals_keep_their_reasons(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.sync()
    monkeypatch.setattr(writing, "COLLECTIONS_MAX_MARKS", 20)
    keys = [house.org.create("Contact", Email=f"p{number}@example.com") for number in range(60)]
    for number, key in enumerate(keys):
        house.link(key, "Contact", f"p{number}@example.com")
        house.opt_out(f"p{number}@example.com")
    house.org.fault("reject", records=[keys[7]], code="FIELD_CUSTOM_VALIDATION_EXCEPTION", times=None)
    house.org.fault("reject", records=[keys[9]], code="UNABLE_TO_LOCK_ROW", times=1)
    house.org.clear_spy()
    report = house.sync()
    assert report.counts["jobs"] == 1
    assert report.result == "partly done"
    assert sum(house.is_ticked(key) for key in keys) >= 58
    assert house.balance().parked == 1
    assert house.balance().closes()
    reasons = house.conn.execute("SELECT reason FROM mark WHERE state = 'p'").fetchall()
    assert reasons[0][0].startswith("FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert house.org.spy()["false_writes"] == 0
    confirmed = house.conn.execute(
        "SELECT count(*) FROM event WHERE kind = 'confirmed' AND run_id = %s", (report.run_id,)
    )
    assert confirmed.fetchone() is not None


def test_the_last_tenth_of_the_calls_is_left_to_opt_outs_and_to_others(house: House) -> None:
    contact = house.org.create("Contact", Email="ann@example.com")
    house.sync()
    house.org.limits(daily=1_000, used=950)
    with pytest.raises(CallsReserved, match="of the org's 1,000 API calls"):
        house.sync()
    assert house.conn.execute("SELECT state FROM run ORDER BY run_id DESC LIMIT 1").fetchone() == ("interrupted",)

    house.opt_out("ann@example.com")
    house.push()
    assert house.is_ticked(contact)

    house.org.limits(daily=1_000, used=10)
    assert house.sync().result == "proved"
