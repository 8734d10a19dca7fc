"""A run whose process is killed goes on, one that Salesforce leaves alone goes on later, odd answers change nothing."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from optsync.config.vault import as_text
from optsync.salesforce.errors import SalesforceError
from optsync.sync import staging, writing
from tests.flows.nightly.house import House

RUNNER = """
import sys
from pathlib import Path
from optsync.config.database import Database
from optsync.config.vault import read_vault
from optsync.seams import real
from optsync.sync import nightly, staging, writing
staging.PAGES_MAX_RECORDS = 10          # a small org takes the way of a large one
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


def kill_in(house: House, folder: Path, phase: str) -> None:
    """Starts a run in a process of its own and kills it with SIGKILL in that phase."""
    key_file = folder / "victim-key.json"
    if not key_file.exists():
        key_file.write_text(as_text(house.vault))
        key_file.chmod(0o600)
    command = [sys.executable, "-c", RUNNER, house.database.dsn, str(key_file), str(house.org_id), phase]
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
    deadline = time.monotonic() + 10
    while not (reports := house.start_due()):  # the server needs a moment to notice that the victim's session is gone
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [report.run_id for report in reports] == [run_id]
    assert reports[0].result == "proved"
    assert house.run(run_id)["state"] == "finished"
    assert all(house.is_ticked(key) for key in (ticked, twin, owed))
    assert house.balance().agree
    assert house.org.spy()["false_writes"] == 0


def test_a_successor_goes_on_with_the_same_salesforce_jobs(house: House, tmp_path: Path) -> None:
    kill_in(house, tmp_path, "comparing")
    (jobs,) = house.conn.execute("SELECT jobs FROM run WHERE state = 'running'").fetchone() or ({},)
    assert {"sweep Lead", "sweep Contact"} <= set(jobs)
    house.org.clear_spy()
    house.start_due()
    (after,) = house.conn.execute("SELECT jobs FROM run").fetchone() or ({},)
    assert {name: after[name] for name in jobs} == jobs
    asked = [one["path"] for one in house.org.spy()["requests"]]
    assert any(jobs["sweep Lead"][:15] in path for path in asked)


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
    [{"kind": "truncate"}, {"kind": "cut"}, {"kind": "wrong_header"}, {"kind": "truncate", "bytes_kept": 0}],
    ids=["a body that ends early", "a broken connection", "other columns", "no rows at all"],
)
def test_a_short_or_odd_answer_fails_the_run_before_anything_is_written(
    house: House, monkeypatch: pytest.MonkeyPatch, fault: dict[str, object]
) -> None:
    monkeypatch.setattr(staging, "PAGES_MAX_RECORDS", 1)
    house.org.create("Contact", Email="ann@example.com", HasOptedOutOfEmail=True)
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
