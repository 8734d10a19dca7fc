"""Files from the web server: kept until a worker has read them, begun again after a crash, and never in clear."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from optsync import seams
from optsync.config.vault import Vault
from optsync.core.problems import Problem
from optsync.core.told import in_language
from optsync.ledger import people, uploads
from optsync.ledger.layouts import Columns
from optsync.ledger.uploads import Upload
from tests.flows.ledger.desk import Desk
from tests.servers import environment

LINES = ("email,unsub_time", "ann@example.com,2024-01-01", "bob@example.com,2024-01-02", "nonsense,2024-01-03")
FOREIGN = ("Wer,Adresse,Warum", "Ann,ann@example.com,zu viel", "Bob,bob@example.com,")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """Keys of this test's own."""
    return Vault.load_or_create(environment(tmp_path), seams.real())


class Counter:
    """The two sides of an upload: the door that keeps it, the worker that is at it."""

    def __init__(self, desk: Desk, vault: Vault, folder: Path) -> None:
        self.desk, self.vault, self.folder = desk, vault, folder

    def keep(self, *lines: str, name: str = "list.csv", at_once: bool = False) -> int:
        path = self.folder / "upload"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return uploads.keep(self.desk.conn, self.vault, path, name, actor="kim", at_once=at_once)

    def work(self) -> bool:
        return uploads.work_on_one(self.desk.conn, self.desk.database.connect, self.vault)

    def look(self, upload_id: int) -> Upload:
        found = uploads.find(self.desk.conn, upload_id)
        assert found is not None
        return found

    def rejects(self, upload_id: int) -> str:
        return b"".join(uploads.rejects(self.desk.conn, self.vault, upload_id)).decode()


@pytest.fixture
def counter(desk: Desk, vault: Vault, tmp_path: Path) -> Counter:
    """A door and a worker at one ledger."""
    return Counter(desk, vault, tmp_path)


def test_r42_a_preview_counts_everything_and_records_nobody_until_somebody_says_go(
    counter: Counter, desk: Desk
) -> None:
    desk.opt_out("ann@example.com")
    number = counter.keep(*LINES)
    assert counter.look(number).state == "reading"
    assert counter.work()
    assert not counter.work()
    seen = counter.look(number)
    assert seen.report is not None
    counts = [seen.report[name] for name in ("layout", "rows", "new", "already", "bad")]
    assert (seen.state, counts) == ("read", ["Mailchimp unsubscribed", 3, 1, 1, 1])
    assert not desk.is_blocked("bob@example.com")
    assert "nonsense" in counter.rejects(number)

    assert uploads.go(desk.conn, number, actor="kim", confirmed=False)
    assert not uploads.go(desk.conn, number, actor="kim", confirmed=False)
    assert counter.work()
    done = counter.look(number)
    assert (done.state, done.report and done.report["new"], done.has_file) == ("imported", 1, False)
    assert desk.is_blocked("bob@example.com")
    assert "nonsense" in counter.rejects(number)
    [entry] = people.timeline(desk.conn, counter.vault.subject_key, "bob@example.com")
    assert (entry.actor, entry.evidence and entry.evidence["file"]) == ("kim", "list.csv")


def test_the_same_bytes_again_say_when_they_were_imported(counter: Counter) -> None:
    first, again = counter.keep(*LINES, at_once=True), counter.keep(*LINES, name="copy.csv")
    while counter.work():
        pass
    assert counter.look(first).state == "imported"
    report = counter.look(again).report
    assert report is not None
    assert (report["seen_before_at"] is not None, report["new"]) == (True, 0)


def test_a_file_of_an_unknown_layout_is_read_by_the_columns_that_a_person_chooses(counter: Counter, desk: Desk) -> None:
    number = counter.keep(*FOREIGN)
    counter.work()
    refused = counter.look(number)
    assert (refused.state, refused.problem and refused.problem.what) == ("refused", "list.csv has no layout we know")
    first = uploads.head(desk.conn, counter.vault, refused)
    assert first is not None
    assert (first.delimiter, [row.cells for row in first.rows]) == (",", [line.split(",") for line in FOREIGN])

    assert uploads.read_by(desk.conn, number, Columns("opt-outs", address=1, reason=2))
    counter.work()
    uploads.go(desk.conn, number, actor="kim", confirmed=False)
    counter.work()
    [entry] = people.timeline(desk.conn, counter.vault.subject_key, "ann@example.com")
    assert entry.reason == "zu viel"


@pytest.mark.parametrize(
    "columns",
    [Columns("opt-outs", address=9), Columns("people", address=1), Columns("opt-outs", address=1, reason=-1)],
)
def test_columns_that_are_not_there_are_refused_and_can_be_chosen_again(counter: Counter, columns: Columns) -> None:
    number = counter.keep(*FOREIGN)
    counter.work()
    uploads.read_by(counter.desk.conn, number, columns)
    counter.work()
    assert counter.look(number).state == "refused"
    assert uploads.read_by(counter.desk.conn, number, Columns("opt-outs", address=1, has_header=True))


def test_people_with_ids_are_linked_by_chosen_columns_and_one_address_in_two_rows_is_one_person(
    counter: Counter, desk: Desk
) -> None:
    number = counter.keep("Kunde;Kennung", "Ann@Example.com;0035e0000000001AAA", "ann@example.com;0035e0000000002AAA")
    counter.work()
    uploads.read_by(desk.conn, number, Columns("people", address=0, record_id=1))
    counter.work()
    report = counter.look(number).report
    assert report is not None
    uploads.go(desk.conn, number, actor="kim", confirmed=False)
    counter.work()
    ann = people.find(desk.conn, counter.vault.subject_key, "ann@example.com")
    assert ann is not None
    assert (report["linked"], len(ann.records)) == (2, 2)
    assert desk.balance().recorded == 0


def test_no_address_of_a_waiting_file_stands_in_clear_in_the_database(counter: Counter, desk: Desk) -> None:
    counter.keep(*LINES, name="ann@example.com.csv")
    counter.work()
    text = desk.conn.execute("SELECT string_agg(u::text, '') FROM upload u").fetchone()
    blocks = desk.conn.execute("SELECT string_agg(encode(sealed, 'escape'), '') FROM upload_block").fetchone()
    assert text is not None
    assert blocks is not None
    assert "example.com" not in text[0] + blocks[0]


def test_a_file_is_never_at_two_workers(counter: Counter, desk: Desk) -> None:
    number = counter.keep(*LINES)
    with desk.database.connect() as other:
        other.execute("SELECT pg_advisory_lock(7012, %s)", [number])
        assert not counter.work()
        other.execute("SELECT pg_advisory_unlock(7012, %s)", [number])
        assert counter.work()


def test_a_worker_that_is_told_to_stop_leaves_the_file_to_the_next_one(counter: Counter, desk: Desk) -> None:
    number = counter.keep(*(f"p{n}@example.com" for n in range(12_000)), at_once=True)
    stop = threading.Event()
    stop.set()
    uploads.work_on_one(desk.conn, desk.database.connect, counter.vault, stop.is_set)
    assert counter.look(number).state == "importing"
    assert desk.balance().recorded == 0
    counter.work()
    report = counter.look(number).report
    assert report is not None
    assert report["new"] == 12_000


KILLED = """
import sys
from pathlib import Path
from optsync import seams
from optsync.config.database import Database
from optsync.config.vault import Vault
from optsync.ledger import imports, uploads
from tests.servers import environment
imports.PORTION_ADDRESSES = 100
database = Database(sys.argv[1])
vault = Vault.load_or_create(environment(Path(sys.argv[2])), seams.real())
asked = 0
def stop():
    global asked
    asked += 1
    if asked == 4:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    return False
with database.connect() as conn:
    uploads.work_on_one(conn, database.connect, vault, stop)
"""


def test_a_worker_killed_in_the_middle_costs_nothing_the_next_one_ends_the_import(
    counter: Counter, desk: Desk, tmp_path: Path
) -> None:
    number = counter.keep(*(f"p{n}@example.com" for n in range(1_000)), at_once=True)
    command = [sys.executable, "-c", KILLED, desk.database.dsn, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    halfway = desk.balance().recorded
    assert 0 < halfway < 1_000
    assert counter.work()
    ended = counter.look(number)
    assert ended.report is not None
    assert (ended.state, ended.report["already"], desk.balance().recorded) == ("imported", halfway, 1_000)


def test_a_file_at_which_three_workers_died_is_given_up_and_says_so(counter: Counter, desk: Desk) -> None:
    number = counter.keep(*LINES)
    desk.conn.execute("UPDATE upload SET attempts = 3")
    counter.work()
    ended = counter.look(number)
    assert (ended.state, ended.problem and ended.problem.what) == (
        "refused",
        "reading the file ended 3 times without a result",
    )


def test_a_problem_is_still_translatable_after_it_was_stored(counter: Counter) -> None:
    number = counter.keep(*FOREIGN)
    counter.work()
    problem = counter.look(number).problem
    assert problem is not None
    assert in_language(problem.what, lambda text: text.replace("has no layout we know", "kennen wir nicht")) == (
        "list.csv kennen wir nicht"
    )


def test_a_large_file_or_one_that_is_no_table_is_refused_before_anything_is_kept(
    counter: Counter, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lines in (("PK\x03\x04 sheet",), ("   ",)):
        with pytest.raises(Problem):
            counter.keep(*lines)
    monkeypatch.setattr(uploads, "BYTES_MAX", 10)
    with pytest.raises(Problem, match="larger than"):
        counter.keep(*LINES)
    assert desk.count("SELECT count(*) FROM upload") == 0


def test_more_rows_than_a_door_takes_are_refused_and_nothing_is_recorded(
    counter: Counter, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "ROWS_MAX", 2)
    number = counter.keep(*LINES, at_once=True)
    counter.work()
    problem = counter.look(number).problem
    assert problem is not None
    assert problem.what == "list.csv has more than 2 rows"
    assert desk.balance().recorded == 0


def test_files_that_nobody_decided_about_are_forgotten_after_a_day_and_rejects_after_a_week(
    counter: Counter, desk: Desk
) -> None:
    number = counter.keep(*LINES)
    counter.work()
    desk.conn.execute("UPDATE upload SET ended_at = clock() - interval '25 hours'")
    uploads.forget_old(desk.conn)
    forgotten = counter.look(number)
    assert (forgotten.state, forgotten.has_file, forgotten.has_rejects) == ("refused", False, True)
    assert not uploads.go(desk.conn, number, actor="kim", confirmed=False)
    desk.conn.execute("UPDATE upload SET ended_at = clock() - interval '8 days'")
    uploads.forget_old(desk.conn)
    assert not counter.look(number).has_rejects


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("C:\\files\\old.csv", "old.csv"),
        ("../../etc/passwd", "passwd"),
        ("ann@example.com.csv", "[address]"),
        ("\0\n", "file"),
        ("..", "file"),
        ("", "file"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_file_keeps_its_name_without_what_could_do_harm(given: str, shown: str) -> None:
    assert uploads.file_name(given) == shown


def test_while_a_hundred_files_wait_another_one_is_refused_and_kept_nowhere(counter: Counter, desk: Desk) -> None:
    numbers = [counter.keep(f"p{n}@example.com") for n in range(uploads.KEPT_FILES_MAX)]
    with pytest.raises(Problem, match="100 files of 0 MB wait already"):
        counter.keep(*LINES)
    assert desk.count("SELECT count(*) FROM upload") == uploads.KEPT_FILES_MAX
    assert counter.work()
    assert uploads.discard(desk.conn, numbers[0])
    assert counter.keep(*LINES)


def test_what_waits_is_limited_by_its_size_too(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "KEPT_BYTES_MAX", 100)
    counter.keep(*LINES)
    with pytest.raises(Problem, match="1 files of 0 MB wait already"):
        counter.keep(*LINES)
