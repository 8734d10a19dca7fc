"""Backup and restore: database and key in one file, proved on the way back.

A tar of `about.json` (versions, rows of each table, head of the hash chain), `key.json` and `database.dump` (pg_dump's
custom format). Rows, head and dump come from one snapshot, while everything goes on. With the key inside, the file
opens everything: it is written 0600 and must be kept like the key.

pg_restore only unpacks; its script runs in one transaction of ours, in which every table is counted before the commit.
So a restore is done and proved or did not happen, and it reaches servers older than pg_restore, and with TLS.
"""

import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from optsync import __version__
from optsync.config.database import Connection, Database
from optsync.config.environment import Environment
from optsync.config.migrations import expected_migrations
from optsync.config.postgres_layout import wheel_binaries
from optsync.config.vault import Vault, from_text, read_vault, write_once
from optsync.core.problems import Problem

FORMAT = 1
ABOUT, KEY, DUMP = "about.json", "key.json", "database.dump"
BLOCK_BYTES = 1 << 20
NOT_FOR_EVERY_SERVER = (b"\\restrict ", b"\\unrestrict ", b"SET transaction_timeout ")
"""Lines of pg_restore that are for psql, or for servers from version 17 on only."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says about itself. `chain_head` is None while nothing is sealed; `rows` counts each table."""

    format: int
    optsync: str
    postgres_major: int
    made_at: str
    key_fingerprint: str
    chain_head: str | None
    migrations: tuple[tuple[str, str], ...]
    rows: Mapping[str, int]
    dump_bytes: int
    dump_sha256: str


def backup(database: Database, vault: Vault, path: Path, say: Say = lambda line: None) -> Backup:
    """Writes everything into a new file and says what is in it. Raises Problem; then there is no such file.

    Never replaces a file: the last good backup is not the price of a failed one.
    """
    refuse_existing(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    dump = draft.with_suffix(".dump")
    try:
        with database.connect() as conn, snapshot(conn) as name:
            say("Writing the dump")
            run_dump(database, conn, dump, name)
            about = describe(conn, vault, dump)
        write_tar(draft, about, vault.path, dump)
        os.link(draft, path)
    except FileExistsError:
        refuse_existing(path)
        raise
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        for left in (draft, dump):
            with suppress(OSError):
                left.unlink()
    say(f"{path.stat().st_size / 1e6:,.1f} MB, {sum(about.rows.values()):,} rows")
    return about


def restore(database: Database, env: Environment, path: Path, say: Say = lambda line: None) -> Backup:
    """Brings database and key back, counts every table again, and migrates to this version. Raises Problem.

    Only into a database in which nothing was recorded; the key is put at `env.key_file` unless it is there already.
    Everything is checked before anything is changed.
    """
    about, key = read_about(path)
    say(f"Checking {path.name}, made {about.made_at} by optsync {about.optsync}")
    refuse_newer(about, path)
    refuse_other_key(env.key_file, key)
    check_dump(path, about)
    with database.connect() as conn:
        refuse_recorded(conn)
        say(f"Restoring {sum(about.rows.values()):,} rows")
        with conn.transaction(), script_of(path) as script:
            conn.execute("DROP SCHEMA public CASCADE")
            conn.execute("CREATE SCHEMA public")
            replay(conn, script)
            prove_rows(conn, about)
    write_once(env.key_file, key)
    database.migrate()
    return about


@contextmanager
def snapshot(conn: Connection) -> Iterator[str]:
    """A view of the database that stands still; its name lets pg_dump see the same."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        row = conn.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        yield str(row[0])


def describe(conn: Connection, vault: Vault, dump: Path) -> Backup:
    """What is in the snapshot of this session and in the dump made of it."""
    now = conn.execute("SELECT clock()").fetchone()
    head = conn.execute("SELECT head FROM seal ORDER BY seal_no DESC LIMIT 1").fetchone()
    assert now is not None
    with dump.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Backup(
        format=FORMAT,
        optsync=__version__,
        postgres_major=conn.info.server_version // 10_000,
        made_at=now[0].isoformat(timespec="seconds"),
        key_fingerprint=vault.fingerprint,
        chain_head=head[0].hex() if head else None,
        migrations=tuple(sorted(conn.execute("SELECT app, name FROM django_migrations").fetchall())),
        rows=rows_of(conn),
        dump_bytes=dump.stat().st_size,
        dump_sha256=digest,
    )


def rows_of(conn: Connection) -> dict[str, int]:
    """The number of rows of every table, counted one by one."""
    return {name: count_rows(conn, name) for name in tables_of(conn)}


def tables_of(conn: Connection) -> list[str]:
    """The tables of the schema `public`, in order."""
    found = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    return [row[0] for row in found]


def count_rows(conn: Connection, table: str) -> int:
    """The number of rows of one table."""
    row = conn.execute(SQL("SELECT count(*) FROM {}").format(Identifier("public", table))).fetchone()
    assert row is not None
    return int(row[0])


def write_tar(draft: Path, about: Backup, key_file: Path, dump: Path) -> None:
    """The parts in one file, 0600 and on disk."""
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for name, content in ((ABOUT, json.dumps(asdict(about), indent=1).encode()), (KEY, key_file.read_bytes())):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o600
                tar.addfile(member, io.BytesIO(content))
            member = tarfile.TarInfo(DUMP)
            member.size, member.mode = about.dump_bytes, 0o600
            with dump.open("rb") as content_of_dump:
                tar.addfile(member, content_of_dump)
        file.flush()
        os.fsync(file.fileno())


def read_about(path: Path) -> tuple[Backup, str]:
    """What a backup says about itself, and the key file in it. Raises Problem for anything else."""
    try:
        with tarfile.open(path, "r:") as tar:
            about = json.loads(member_of(tar, ABOUT).read())
            key = member_of(tar, KEY).read().decode()
        if about["format"] > FORMAT:
            raise made_by_newer(path, str(about["optsync"]))
        about["migrations"] = tuple((app, name) for app, name in about["migrations"])
        from_text(path, key)
        return Backup(**about), key
    except OSError as error:
        raise cannot_read(path, error.strerror or "not a complete file") from None
    except (tarfile.TarError, KeyError, TypeError, ValueError, AttributeError):
        raise cannot_read(path, "it is not a backup of optsync, or damaged") from None


def member_of(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    """A part of a backup. Raises KeyError when it is not there."""
    member = tar.extractfile(name)
    if member is None:
        raise KeyError(name)
    return member


@contextmanager
def opened_dump(path: Path) -> Iterator[IO[bytes]]:
    """The dump inside a backup, as a stream."""
    with tarfile.open(path, "r:") as tar, closing(member_of(tar, DUMP)) as dump:
        yield dump


def check_dump(path: Path, about: Backup) -> None:
    """Raises Problem when the dump is not the one the backup was made with."""
    digest = hashlib.sha256()
    try:
        with opened_dump(path) as dump:
            while block := dump.read(BLOCK_BYTES):
                digest.update(block)
    except (tarfile.TarError, KeyError, OSError):
        raise cannot_read(path, "it ends too early") from None
    if digest.hexdigest() != about.dump_sha256:
        raise cannot_read(path, "its content has changed since it was made")


@contextmanager
def script_of(path: Path) -> Iterator[IO[bytes]]:
    """The SQL script of a backup, as pg_restore unpacks it. Raises Problem when it cannot."""
    command = [str(wheel_binaries() / "bin" / "pg_restore"), "--no-owner", "--no-acl", "--file=-"]
    pipe = subprocess.PIPE
    with opened_dump(path) as dump, subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        feeder = threading.Thread(target=copy_into, args=(dump, process.stdin))
        feeder.start()
        try:
            yield process.stdout
        finally:
            process.stdout.close()
            feeder.join()
        if process.wait() != 0:
            raise tool_failed("pg_restore", process.stderr.read(), "nothing was restored")


def replay(conn: Connection, script: IO[bytes]) -> None:
    """Runs a script of pg_restore: statements, and rows after each COPY. Raises Problem when the server refuses one."""
    statements: list[bytes] = []
    try:
        for line in script:
            if line.startswith(b"COPY public.") and line.endswith(b" FROM stdin;\n") and is_data(statements):
                conn.execute(b"".join(statements))
                statements.clear()
                copy_rows(conn, line, script)
            elif not line.startswith(NOT_FOR_EVERY_SERVER):
                statements.append(line)
        conn.execute(b"".join(statements))
    except psycopg.Error as error:
        raise tool_failed("the restore", str(error).encode(), "nothing was restored") from None


def is_data(statements: list[bytes]) -> bool:
    """Whether pg_restore has just announced rows: a line of a function body may look like COPY too."""
    return any(b"; Type: TABLE DATA; " in line for line in statements[-4:])


def copy_rows(conn: Connection, statement: bytes, script: IO[bytes]) -> None:
    """Sends the rows that follow a COPY statement, up to the line that ends them."""
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for row in script:
            if row == b"\\.\n":
                return
            copy.write(row)


def prove_rows(conn: Connection, about: Backup) -> None:
    """Raises Problem when any table has another number of rows than when the backup was made."""
    found = rows_of(conn)
    odd = sorted(name for name in found.keys() | about.rows.keys() if found.get(name) != about.rows.get(name))
    if odd:
        raise Problem(
            f"what was restored differs from the backup in {', '.join(odd)}",
            "nothing was restored",
            "try again; if that fails too, use an older backup",
        )


def run_dump(database: Database, conn: Connection, output: Path, snapshot_name: str) -> None:
    """Runs pg_dump on a snapshot. Raises Problem with its last words."""
    given = {key: str(value) for key, value in conninfo_to_dict(database.dsn).items() if value is not None}
    password = given.pop("password", None)  # never on a command line
    places = [f"--dbname={make_conninfo('', **given)}", f"--file={output}", f"--snapshot={snapshot_name}"]
    done = subprocess.run(
        [str(pg_dump_for(database, conn)), "--format=custom", "--no-owner", "--no-acl", *places],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        umask=0o077,
        env=os.environ | ({"PGPASSWORD": password} if password else {}),
        check=False,
    )
    if done.returncode != 0:
        raise tool_failed("pg_dump", done.stderr, "no backup was made; the database is as it was")


def tool_failed(name: str, complaints: bytes, means: str) -> Problem:
    """pg_dump, pg_restore or the server stopped."""
    lines = complaints.decode(errors="replace").strip().splitlines() or ["it said nothing"]
    return Problem(
        f"{name} failed: {lines[0]}",
        means,
        "check the disk's free space and the rights of the database user, then try again",
    )


def copy_into(source: IO[bytes], target: IO[bytes]) -> None:
    """Copies a stream; a reader that ended early says why itself."""
    with suppress(BrokenPipeError):
        while block := source.read(BLOCK_BYTES):
            target.write(block)
    with suppress(BrokenPipeError):
        target.close()


def pg_dump_for(database: Database, conn: Connection) -> Path:
    """A pg_dump that knows this server: ours for the embedded one, else the oldest one here that is new enough.

    pg_dump refuses servers newer than itself. Raises Problem when there is none.
    """
    ours = wheel_binaries() / "bin" / "pg_dump"
    if database.is_embedded:
        return ours
    major = conn.info.server_version // 10_000
    known = {version_of(tool): tool for tool in (ours, *installed_tools("pg_dump"))}
    fitting = [version for version in known if version >= major]
    if not fitting:
        raise Problem(
            f"the database server is PostgreSQL {major}, newer than every pg_dump here (PostgreSQL {max(known)})",
            "an older pg_dump refuses to read a newer server; no backup was made",
            f"install PostgreSQL {major}'s client programs on this machine, or use the server's own backup",
        )
    return known[min(fitting)]


def installed_tools(name: str) -> list[Path]:
    """The same program as the system offers it (with TLS, which the embedded one lacks)."""
    places = [*(Path(folder) for folder in os.get_exec_path()), *Path("/usr/lib/postgresql").glob("*/bin")]
    return [place / name for place in places if os.access(place / name, os.X_OK)]


def version_of(tool: Path) -> int:
    """A PostgreSQL program's major version; 0 when it does not run here."""
    done = subprocess.run([str(tool), "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    number = words[2].partition(".")[0] if len(words) > 2 else ""
    return int(number) if number.isdecimal() else 0


def refuse_existing(path: Path) -> None:
    """Raises Problem when there is such a file."""
    if path.exists():
        raise Problem(f"{path} exists", "nothing was written: a backup never replaces a file", "choose another name", 2)


def refuse_newer(about: Backup, path: Path) -> None:
    """Raises Problem when the backup has tables this version does not know."""
    ours = expected_migrations()
    apps = {app for app, _ in ours}
    if any(app in apps and (app, name) not in ours for app, name in about.migrations):
        raise made_by_newer(path, about.optsync)


def refuse_other_key(path: Path, key: str) -> None:
    """Raises Problem when another key lies where the backup's key belongs."""
    if path.exists() and read_vault(path).subject_key != from_text(path, key).subject_key:
        raise Problem(
            f"another key lies at {path}",
            "the restored events and credentials belong to the key in the backup; nothing was changed",
            f"if nothing needs it any more, move it away: mv {path} {path}.old",
        )


def refuse_recorded(conn: Connection) -> None:
    """Raises Problem when anything was recorded in the database, or when its tables are not ours."""
    tables = set(tables_of(conn))
    if not tables:
        return
    if "event" not in tables or count_rows(conn, "event") or count_rows(conn, "org"):
        raise Problem(
            "the database is not empty",
            "a restore would replace what is recorded there; nothing was changed",
            "use a new one: set OPTSYNC_DATA_DIR to a new folder, or OPTSYNC_DATABASE_URL to an empty database",
        )


def cannot_write(path: Path, error: OSError) -> Problem:
    """The file cannot be made."""
    return Problem(
        f"{path} cannot be written: {error.strerror or error}",
        "no backup was made; the database is as it was",
        "choose a folder with room where this user may write",
    )


def cannot_read(path: Path, why: str) -> Problem:
    """The file is not what it should be."""
    return Problem(
        f"{path} cannot be restored: {why}", "nothing was changed", "use a file made by: optsync backup FILE"
    )


def made_by_newer(path: Path, version: str) -> Problem:
    """The backup knows more than we do."""
    return Problem(
        f"{path} was made by a newer optsync ({version})",
        "this version does not know its tables; nothing was changed",
        "install that version, then restore",
    )
