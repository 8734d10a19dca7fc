"""Bad input anywhere: one clear error in three parts, a non-zero exit, never a traceback, nothing on stdout."""

import json
from pathlib import Path
from random import Random

import psycopg
import pytest

from optsync.cli.foreign import problem_of
from optsync.config.database import Connection, Database
from tests.config.pooler import transaction_pooler
from tests.installation import Installation, url_of

WRONG_COMMANDS = [
    (["nonsense"], 2),
    (["sync", "--nonsense"], 2),
    (["unsubscribe"], 2),
    (["unsubscribe", "nobody"], 2),
    (["unsubscribe", ""], 2),
    (["unsubscribe", "ann@example.com", "--source", "gossip"], 2),
    (["lift", "ann@example.com"], 2),
    (["lift", "nobody", "--now", "--reason", "x"], 2),
    (["check"], 2),
    (["check", *["ann@example.com"] * 10_001], 2),
    (["run", "four"], 2),
    (["run", "4"], 1),
    (["run"], 4),
    (["retry", "99"], 4),
    (["hold", "apply", "7", "--yes"], 1),
    (["hold", "drop", "7", "--yes"], 2),
    (["hold", "drop", "seven", "--note", "x"], 2),
    (["hold", "apply", "99999999999999999999", "--yes"], 1),
    (["import", "/nowhere/list.csv"], 1),
    (["import", "/"], 1),
    (["restore", "/nowhere/backup.tar"], 1),
    (["backup", "/nowhere/backup.tar"], 1),
    (["connect"], 2),
    (["connect", "--credentials", "/nowhere/org.json"], 1),
    (["doctor"], 4),
    (["sync"], 4),
    (["sync", "--org", "00D000000000000"], 4),
    (["settings"], 4),
    (["settings", "sync", "maybe"], 2),
    (["settings", "field"], 2),
    (["settings", "schedule", "25:00"], 2),
    (["settings", "schedule", "20:00", "--zone", "Mars/Olympus"], 2),
    (["serve", "--port", "70000"], 2),
    (["serve", "--host", "not a host", "--port", "8000"], 1),
]


@pytest.mark.parametrize(("arguments", "code"), WRONG_COMMANDS, ids=lambda value: str(value)[:60])
def test_a_wrong_command_is_told_in_three_parts(optsync: Installation, arguments: list[str], code: int) -> None:
    done = optsync.run(*arguments)
    assert done.code == code, done.err
    assert set(done.error) == {"error", "means", "next"}, done.err
    assert all(done.error.values())
    assert "Traceback" not in done.err
    assert done.out == ""


WRONG_SETTINGS = [
    {"OPTSYNC_DATABASE_URL": "postgresql://optsync@127.0.0.1:1/none"},
    {"OPTSYNC_DATABASE_URL": "postgresql://optsync@no-such-host.invalid/none"},
    {"OPTSYNC_DATABASE_URL": "mysql://root@localhost/x"},
    {"OPTSYNC_DATABASE_URL": "postgresql://bad%zz"},
    {"OPTSYNC_DATABASE_URL_FILE": "/nowhere/url"},
    {"OPTSYNC_PUBLIC_URL": "unsubscribe.example.com"},
    {"OPTSYNC_LOG_LEVEL": "loud"},
    {"OPTSYNC_CLOCK_OFFSET": "tomorrow"},
    {"OPTSYNC_KEY_FILE": "/proc/key.json"},
]


@pytest.mark.parametrize(
    "settings", WRONG_SETTINGS, ids=lambda value: next(iter(value)) + "=" + next(iter(value.values()))
)
def test_a_wrong_setting_is_told_before_anything_starts(optsync: Installation, settings: dict[str, str]) -> None:
    done = optsync.run("unsubscribe", "ann@example.com", **settings)
    assert done.code in (1, 2), done.err
    assert set(done.error) == {"error", "means", "next"}, done.err
    assert "Traceback" not in done.err
    assert "ann@example.com" not in done.err
    assert done.out == ""


@pytest.mark.parametrize("arguments", [["sync"], ["sync", "--dry-run"], ["worker"], ["up"]], ids=" ".join)
def test_nothing_syncs_through_a_transaction_pooler(connected: Installation, arguments: list[str]) -> None:
    """A run's lock would stay behind on a shared session, and every later run would be refused."""
    connected.run("settings", "sync", "on", "--yes")
    with transaction_pooler(connected.database.dsn, 4) as dsn:
        done = connected.run(*arguments, OPTSYNC_DATABASE_URL=url_of(Database(dsn)))
    assert done.code == 1
    assert "transaction pooler" in done.error["error"], done.err
    assert "PgBouncer" in done.error["next"]
    assert done.out == ""


@pytest.mark.parametrize(
    ("code", "what", "next_step"),
    [
        ("disk_full", "the database server's disk is full", "free space"),
        ("out_of_memory", "the database server is short of memory", "try again"),
        ("query_canceled", "the database gave up on a statement", "try again"),
        ("admin_shutdown", "the database does not answer", "OPTSYNC_DATABASE_URL"),
    ],
)
def test_what_a_server_is_short_of_is_not_mistaken_for_its_absence(
    conn: Connection, code: str, what: str, next_step: str
) -> None:
    with pytest.raises(psycopg.OperationalError) as caught:
        conn.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no room for ann' USING ERRCODE = '{code}'; END $$")
    problem = problem_of(caught.value)
    assert problem.what.startswith(what)
    assert "lost" in problem.means
    assert next_step in problem.next


FILES = {
    "empty.csv": b"",
    "noise.bin": Random(1).randbytes(4096),
    "nul.csv": b"\0" * 100,
    "columns.csv": b"colour,size\nred,3\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_list_is_refused_or_returned_row_by_row(
    optsync: Installation, tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    file.write_bytes(FILES[name])
    done = optsync.run("import", str(file), "--json")
    assert done.code in (1, 3), done.err
    assert "Traceback" not in done.err
    assert optsync.run("export", "--json").out == ""


CREDENTIALS = {
    "not json": "{",
    "a list": "[]",
    "empty": "{}",
    "another host": json.dumps({"login_url": "https://example.com", "client_id": "x", "client_secret": "y"}),
    "plain http": json.dumps({"login_url": "http://acme.my.salesforce.com", "client_id": "x", "client_secret": "y"}),
    "no key file": json.dumps(
        {"login_url": "https://acme.my.salesforce.com", "client_id": "x", "private_key_file": "k"}
    ),
    "nobody there": json.dumps({"login_url": "http://127.0.0.1:1", "client_id": "x", "client_secret": "y"}),
}


@pytest.mark.parametrize("name", CREDENTIALS)
def test_wrong_credentials_are_refused(optsync: Installation, tmp_path: Path, name: str) -> None:
    file = tmp_path / "org.json"
    file.write_text(CREDENTIALS[name])
    done = optsync.run("connect", "--credentials", str(file))
    assert done.code in (1, 4), done.err
    assert set(done.error) == {"error", "means", "next"}, done.err
    assert "Traceback" not in done.err


def test_an_org_that_does_not_answer_is_tried_again_by_the_person(optsync: Installation, tmp_path: Path) -> None:
    file = tmp_path / "org.json"
    file.write_text(CREDENTIALS["nobody there"])
    done = optsync.run("connect", "--credentials", str(file))
    assert done.error["next"].startswith("run the command again later; if it lasts")


def test_a_database_that_dies_during_an_import_is_told_in_three_parts_and_the_import_goes_on_later(
    optsync: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "many.txt"
    file.write_text("".join(f"p{n}@example.com\n" for n in range(20_000)))
    with optsync.database.connect() as conn, conn.transaction():
        conn.execute("LOCK TABLE event IN SHARE MODE")  # nobody gets recorded before the database dies
        process = optsync.start("import", str(file), "--yes")
        assert process.stderr is not None
        said = [process.stderr.readline()]
        while "Reading" not in said[-1]:
            said.append(process.stderr.readline())
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        conn.execute(others + " AND datname = current_database()")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    told = [line for line in err.splitlines() if line.strip() != "Recording"]  # it may have come so far
    assert [line.partition(":")[0] for line in told] == ["error", "means", "next"]
    again = optsync.run("import", str(file), "--yes", "--json")
    assert (again.code, again.json()["rows"]) == (0, 20_000)


def test_a_damaged_key_file_is_refused_and_left_alone(optsync: Installation) -> None:
    key = Path(optsync.environ["OPTSYNC_KEY_FILE"])
    key.parent.mkdir()
    key.write_text("{")
    key.chmod(0o600)
    done = optsync.run("unsubscribe", "ann@example.com")
    assert done.code == 1
    assert "damaged" in done.error["error"]
    assert key.read_text() == "{"


def test_a_developer_can_ask_for_the_traceback(optsync: Installation) -> None:
    done = optsync.run("--traceback", "run", "4")
    assert "Traceback" in done.err


def test_an_unknown_setting_is_warned_of_with_the_nearest_name(optsync: Installation) -> None:
    done = optsync.run("unsubscribe", "ann@example.com", OPTSYNC_DATABSE_URL="x")
    assert done.code == 0
    assert "did you mean OPTSYNC_DATABASE_URL" in done.err
