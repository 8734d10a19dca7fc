"""Files that came through the web server: kept encrypted in the database until a worker has read or imported them.

A web server only stores the file and answers; a worker reads it for the preview, and imports it once somebody says so.
Whoever stops in the middle, the file is still there and another worker begins it again, which is harmless: what was
recorded is recorded, and the same bytes are imported once (see `imports`).
"""

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from optsync.core.addresses import without_addresses
from optsync.core.problems import Problem
from optsync.core.told import as_plain, from_plain, told
from optsync.ledger.batches import origin_of
from optsync.ledger.files import Row, TableFile, open_table
from optsync.ledger.imports import columns_named, import_file
from optsync.ledger.layouts import Columns, Purpose
from optsync.ledger.queries import sql

if TYPE_CHECKING:
    from optsync.config.vault import Vault

PACKAGE: Final = "optsync.ledger"
BYTES_MAX: Final = 50 * 1024 * 1024
ROWS_MAX: Final = 1_000_000
KEPT_FILES_MAX: Final = 100
KEPT_BYTES_MAX: Final = 500 * 1024 * 1024
"""What may wait at a time: a program that brings files faster than they are decided about must not fill the disk."""
BLOCK_BYTES: Final = 1 << 20
ATTEMPTS_MAX: Final = 3
NAME_CHARS_MAX: Final = 100
HEAD_ROWS: Final = 6
State = Literal["reading", "read", "importing", "imported", "refused"]
Connect = Callable[[], psycopg.Connection]


class StoppedInTheMiddle(Exception):  # noqa: N818 - a wish, not a fault
    """The worker was told to stop; the file stays and is begun again."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file and what became of it. `report` is `ImportReport.as_dict`: of the preview while `state` is 'read'."""

    upload_id: int
    name: str
    org_id: int | None
    columns: Columns | None
    state: State
    confirmed: bool
    actor: str
    made_at: datetime
    ended_at: datetime | None
    doing: str
    done: int
    total: int
    report: dict[str, Any] | None
    problem: Problem | None
    has_file: bool
    has_rejects: bool


@dataclass(frozen=True, slots=True)
class Head:
    """How a file is written, and its first rows."""

    encoding: str
    delimiter: str
    rows: list[Row]


def keep(
    conn: psycopg.Connection,
    vault: "Vault",
    path: Path,
    name: str,
    *,
    actor: str,
    org_id: int | None = None,
    at_once: bool = False,
    confirmed: bool = False,
    purpose: Purpose = "opt-outs",
    named: Mapping[str, str] | None = None,
) -> int:
    """Stores a file and answers its number; a worker reads it for the preview, or imports it `at_once`.

    `named` says which column holds what, and `purpose` what the rows are; without it the layout is recognised.
    Raises Problem for a file that is too large or no text table, or while too many wait; then nothing is kept.
    """
    files, size_bytes = _row(conn, "kept_files", {})
    if files >= KEPT_FILES_MAX or size_bytes >= KEPT_BYTES_MAX:
        raise _too_many_wait(files, size_bytes)
    if path.stat().st_size > BYTES_MAX:
        raise too_large()
    shown = file_name(name)
    with _under_its_name(path, shown) as file:
        open_table(file)
        columns = columns_named(file, purpose, named or {})
    values = {
        "name": shown,
        "org": org_id,
        "columns": columns and Jsonb(asdict(columns)),
        "state": "importing" if at_once else "reading",
    }
    with conn.transaction():
        (upload_id,) = _row(conn, "make_upload", values | {"confirmed": confirmed, "actor": actor})
        _store(conn, vault, upload_id, "f", path)
    return int(upload_id)


def too_large() -> Problem:
    """A file that no door of the web server takes."""
    return Problem(
        told("the file is larger than %(megabytes)s MB", megabytes=BYTES_MAX >> 20),
        told("nothing was imported"),
        told("split the file, or import it on the machine that runs optsync: optsync import FILE"),
    )


def _too_many_wait(files: int, size_bytes: int) -> Problem:
    return Problem(
        told("%(files)s files of %(megabytes)s MB wait already", files=files, megabytes=size_bytes >> 20),
        told("nothing was imported; those that wait are kept for a day at most"),
        told("import or discard them, or import this file on the machine that runs optsync: optsync import FILE"),
    )


def file_name(name: str) -> str:
    """The file's own name, fit for a path, a page and an event."""
    last = without_addresses(name.replace("\\", "/").rpartition("/")[2])
    return re.sub(r"[\x00-\x1f\x7f/]", "", last)[:NAME_CHARS_MAX].strip(". ") or "file"


def find(conn: psycopg.Connection, upload_id: int) -> Upload | None:
    """One of them; None when there is no such number, or it was discarded."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql(PACKAGE, "one_upload"), {"upload": upload_id}).fetchone()
    if row is None:
        return None
    columns, problem = row["columns"], row["problem"]
    what, means, next_step = (from_plain(problem[part]) if problem else "" for part in ("what", "means", "next"))
    told_problem = Problem(what, means, next_step) if problem else None
    return Upload(**row | {"columns": columns and Columns(**columns), "problem": told_problem})


def newest(conn: psycopg.Connection, most: int) -> list[dict[str, Any]]:
    """The latest files with what came of each."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql(PACKAGE, "newest_uploads"), {"most": most}).fetchall()


def read_by(conn: psycopg.Connection, upload_id: int, columns: Columns | None) -> bool:
    """Has the file read again by chosen columns; False when it is not there to be read any more."""
    values = {"upload": upload_id, "columns": columns and Jsonb(asdict(columns))}
    return conn.execute(sql(PACKAGE, "read_again"), values).fetchone() is not None


def go(conn: psycopg.Connection, upload_id: int, *, actor: str, confirmed: bool) -> bool:
    """Has a previewed file imported; False when it is not previewed, or was imported meanwhile."""
    values = {"upload": upload_id, "actor": actor, "confirmed": confirmed}
    return conn.execute(sql(PACKAGE, "want_import"), values).fetchone() is not None


def discard(conn: psycopg.Connection, upload_id: int) -> bool:
    """Forgets a file that was not imported; False when there is none."""
    return conn.execute(sql(PACKAGE, "discard_upload"), {"upload": upload_id}).fetchone() is not None


def head(conn: psycopg.Connection, vault: "Vault", upload: Upload) -> Head | None:
    """The first rows of a file that is still there; None when it is not, or cannot be read as a table."""
    with TemporaryDirectory(prefix="optsync-import-") as folder:
        path = Path(folder) / upload.name
        if not _restore(conn, vault, upload.upload_id, path, blocks=1):
            return None
        try:
            table = open_table(path)
        except Problem:
            return None
        return Head(encoding_of(path, table), table.delimiter, list(islice(table.rows(), HEAD_ROWS)))


def encoding_of(path: Path, table: TableFile) -> str:
    """The encoding's usual name, as far as these bytes show it; what is no UTF-8 is read as Windows-1252."""
    if table.encoding == "utf-16":
        return "UTF-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(path.read_bytes())  # a letter may be cut off at the end
    except UnicodeDecodeError:
        return "Windows-1252"
    return "UTF-8"


def rejects(conn: psycopg.Connection, vault: "Vault", upload_id: int) -> Iterator[bytes]:
    """The rows that were not taken, as CSV, block by block."""
    return _blocks(conn, vault, upload_id, "r")


def is_any_worker_alive(conn: psycopg.Connection) -> bool:
    """Whether somebody is there who reads files."""
    return bool(_row(conn, "is_any_worker_alive", {})[0])


def forget_old(conn: psycopg.Connection) -> None:
    """Ends what nobody decided about for a day, and forgets the rejected rows of a week ago."""
    undecided = Problem(
        told("nobody said within a day that it is imported"),
        told("nothing was imported"),
        told("choose the file again"),
    )
    conn.execute(sql(PACKAGE, "forget_uploads"), {"problem": _plain(undecided)})


# --- the worker's side ------------------------------------------------------------------------------------------------


def work_on_one(
    conn: psycopg.Connection, connect: Connect, vault: "Vault", should_stop: Callable[[], bool] = lambda: False
) -> bool:
    """Reads or imports one waiting file; False when none waits. Raises psycopg.OperationalError.

    `connect` opens the session on which progress is told while `conn` is busy. One file is never at two workers.
    """
    for (upload_id,) in conn.execute(sql(PACKAGE, "waiting_uploads")).fetchall():
        values = {"upload": upload_id}
        if not _row(conn, "take_upload", values)[0]:
            continue
        try:
            begun = conn.execute(sql(PACKAGE, "begin_upload"), values).fetchone()
            if begun is not None:
                _work_on(conn, connect, vault, upload_id, begun[0], should_stop)
                return True
        finally:
            if not (conn.closed or conn.broken):
                conn.execute(sql(PACKAGE, "leave_upload"), values)
    return False


def _work_on(
    conn: psycopg.Connection,
    connect: Connect,
    vault: "Vault",
    upload_id: int,
    attempt: int,
    should_stop: Callable[[], bool],
) -> None:
    upload = find(conn, upload_id)
    assert upload is not None  # it was begun a moment ago, and nobody discards what is begun
    try:
        if attempt > ATTEMPTS_MAX:
            raise _given_up()
        with TemporaryDirectory(prefix="optsync-import-") as folder, connect() as watched:
            _carry_out(conn, watched, vault, upload, Path(folder), should_stop)
    except StoppedInTheMiddle:
        conn.execute(sql(PACKAGE, "put_upload_off"), {"upload": upload_id})
    except Problem as problem:
        _end(conn, upload, "refused", problem=problem)


def _carry_out(
    conn: psycopg.Connection,
    watched: psycopg.Connection,
    vault: "Vault",
    upload: Upload,
    folder: Path,
    should_stop: Callable[[], bool],
) -> None:
    (folder / "file").mkdir()
    path, reject_path = folder / "file" / upload.name, folder / "rejects.csv"
    _restore(conn, vault, upload.upload_id, path)

    def progress(doing: str, done: int, total: int) -> None:
        if should_stop():
            raise StoppedInTheMiddle
        values = {"upload": upload.upload_id, "doing": doing, "done": done, "total": total}
        watched.execute(sql(PACKAGE, "tell_progress"), values)

    report = import_file(
        conn,
        vault.subject_key,
        path,
        org_id=upload.org_id,
        dry_run=upload.state == "reading",
        confirmed=upload.confirmed,
        actor=upload.actor,
        progress=progress,
        reject_path=reject_path,
        columns=upload.columns,
        rows_max=ROWS_MAX,
        origin=origin_of(upload.actor) if upload.report is None else None,  # nobody has seen a preview of it
    )
    told_report = report.as_dict() | {"reject_path": None}
    with conn.transaction():
        conn.execute(sql(PACKAGE, "forget_blocks"), {"upload": upload.upload_id, "parts": ["r"]})
        if report.reject_path is not None:
            _store(conn, vault, upload.upload_id, "r", report.reject_path)
        _end(conn, upload, "read" if report.dry_run else "imported", report=told_report)


def _end(
    conn: psycopg.Connection,
    upload: Upload,
    state: State,
    *,
    report: dict[str, Any] | None = None,
    problem: Problem | None = None,
) -> None:
    values = {"upload": upload.upload_id, "state": state, "report": report and Jsonb(report)}
    conn.execute(sql(PACKAGE, "end_upload"), values | {"problem": problem and _plain(problem)})
    if state == "imported":
        conn.execute(sql(PACKAGE, "forget_blocks"), {"upload": upload.upload_id, "parts": ["f"]})


def _given_up() -> Problem:
    return Problem(
        told("reading the file ended %(times)s times without a result", times=ATTEMPTS_MAX),
        told("rows that were recorded before stay recorded; importing the file again repeats nobody"),
        told("look into the worker's log, then import it on the machine that runs optsync: optsync import FILE"),
    )


def _plain(problem: Problem) -> Jsonb:
    return Jsonb({"what": as_plain(problem.what), "means": as_plain(problem.means), "next": as_plain(problem.next)})


@contextmanager
def _under_its_name(path: Path, name: str) -> Iterator[Path]:
    """The file under the name that its owner knows, for whatever is said about it."""
    with TemporaryDirectory(prefix="optsync-import-") as folder:
        named = Path(folder) / name
        named.symlink_to(path.absolute())
        yield named


def _store(conn: psycopg.Connection, vault: "Vault", upload_id: int, part: str, path: Path) -> None:
    with path.open("rb") as file:
        nth = 0
        while block := file.read(BLOCK_BYTES):
            values = {"upload": upload_id, "part": part, "nth": nth, "sealed": vault.encrypt(block)}
            conn.execute(sql(PACKAGE, "store_block"), values)
            nth += 1


def _restore(conn: psycopg.Connection, vault: "Vault", upload_id: int, path: Path, blocks: int | None = None) -> bool:
    written = False
    with path.open("wb") as file:
        for block in _blocks(conn, vault, upload_id, "f", most=blocks):
            file.write(block)
            written = True
    return written


def _blocks(
    conn: psycopg.Connection, vault: "Vault", upload_id: int, part: str, most: int | None = None
) -> Iterator[bytes]:
    nth = 0
    while most is None or nth < most:
        values = {"upload": upload_id, "part": part, "first": nth, "most": 1}
        row = conn.execute(sql(PACKAGE, "blocks"), values).fetchone()
        if row is None:
            return
        yield vault.decrypt(bytes(row[0]))
        nth += 1


def _row(conn: psycopg.Connection, name: str, values: dict[str, Any]) -> tuple[Any, ...]:
    row = conn.execute(sql(PACKAGE, name), values).fetchone()
    assert row is not None  # each of these answers with one row
    return row
