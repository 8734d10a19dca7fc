"""Backup and restore: all or nothing, proved row by row, and never over something that exists."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from optsync import seams
from optsync.config.backup import backup, restore, rows_of
from optsync.config.database import Database
from optsync.config.environment import Environment
from optsync.config.vault import Vault, read_vault
from optsync.core.problems import Problem
from optsync.ledger.check import may_mail
from optsync.ledger.people import erase
from optsync.ledger.record import opt_out
from tests.servers import Servers, environment


@pytest.fixture
def here(tmp_path: Path) -> Environment:
    return environment(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Environment:
    return environment(tmp_path / "there")


@pytest.fixture
def vault(here: Environment) -> Vault:
    return Vault.load_or_create(here, seams.real())


@pytest.fixture
def full(database: Database, vault: Vault) -> Database:
    """A database in which something was recorded."""
    with database.connect() as conn:
        for number in range(50):
            opt_out(conn, vault.subject_key, f"person{number}@example.com", "manual")
    return database


@pytest.fixture
def empty(postgres_servers: Servers, server_kind: str) -> Iterator[Database]:
    with postgres_servers.empty_database(server_kind) as database:
        yield database


@pytest.mark.both_servers
def test_what_was_backed_up_comes_back_with_its_key(
    full: Database, empty: Database, vault: Vault, there: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "all.backup"
    made = backup(full, vault, file)
    restored = restore(empty, there, file)
    assert restored == made
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_vault(there.key_file).subject_key == vault.subject_key
    with full.connect() as before, empty.connect() as after:
        assert rows_of(before) == rows_of(after)
        assert made.rows["opt_out"] == 50
        query = "SELECT address_id, since, version FROM opt_out ORDER BY address_id"
        assert before.execute(query).fetchall() == after.execute(query).fetchall()
        assert opt_out(after, vault.subject_key, "person7@example.com", "manual").outcome == "already"
        assert opt_out(after, vault.subject_key, "new@example.com", "manual").outcome == "new"


def test_r43_who_was_erased_is_recognised_after_a_restore_because_the_key_came_along(
    full: Database, empty: Database, vault: Vault, there: Environment, tmp_path: Path
) -> None:
    address = "person7@example.com"
    with full.connect() as conn:
        assert erase(conn, vault.subject_key, address, actor="kim", reason="asked")
    backup(full, vault, tmp_path / "all.backup")
    restore(empty, there, tmp_path / "all.backup")
    key = read_vault(there.key_file).subject_key
    with empty.connect() as conn:
        assert not may_mail(conn, key, [address])[0].allowed
        assert opt_out(conn, key, address, "manual").outcome == "already"
        assert conn.execute("SELECT count(*) FROM address WHERE normal = %s", [address]).fetchone() == (0,)


def test_a_migrated_database_without_records_counts_as_empty(
    full: Database, empty: Database, vault: Vault, there: Environment, tmp_path: Path
) -> None:
    empty.migrate()
    backup(full, vault, tmp_path / "all.backup")
    assert restore(empty, there, tmp_path / "all.backup").rows["opt_out"] == 50
    assert empty.migrate() is False


def test_a_backup_never_replaces_a_file(full: Database, vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(Problem, match="exists"):
        backup(full, vault, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_restore_never_replaces_what_is_recorded(
    full: Database, vault: Vault, here: Environment, tmp_path: Path
) -> None:
    backup(full, vault, tmp_path / "all.backup")
    with pytest.raises(Problem, match="not empty"):
        restore(full, here, tmp_path / "all.backup")
    with full.connect() as conn:
        assert rows_of(conn)["opt_out"] == 50


def test_a_restore_refuses_to_leave_another_key_in_place(
    full: Database, empty: Database, vault: Vault, there: Environment, tmp_path: Path
) -> None:
    Vault.load_or_create(there, seams.real())
    backup(full, vault, tmp_path / "all.backup")
    with pytest.raises(Problem, match="another key"):
        restore(empty, there, tmp_path / "all.backup")
    with empty.connect() as conn:
        assert rows_of(conn) == {}


@pytest.mark.parametrize("part", ["first", "last", "text", "missing"])
def test_a_damaged_backup_changes_nothing(
    full: Database, empty: Database, vault: Vault, there: Environment, tmp_path: Path, part: str
) -> None:
    file = tmp_path / "all.backup"
    backup(full, vault, file)
    content = file.read_bytes()
    middle = content.index(b"PGDMP") + 5_000
    damaged = {
        "first": content[: len(content) // 50],
        "last": content[:-12_000],
        "text": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
    }
    file.unlink()
    if part in damaged:
        file.write_bytes(damaged[part])
    with pytest.raises(Problem, match="cannot be restored") as caught:
        restore(empty, there, file)
    assert caught.value.means == "nothing was changed"
    assert not there.key_file.exists()
    with empty.connect() as conn:
        assert rows_of(conn) == {}


def test_a_backup_of_a_newer_version_is_refused(
    full: Database, empty: Database, vault: Vault, there: Environment, tmp_path: Path
) -> None:
    with full.connect() as conn:
        conn.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('ledger', '9999_later', now())")
    backup(full, vault, tmp_path / "all.backup")
    with pytest.raises(Problem, match="newer optsync"):
        restore(empty, there, tmp_path / "all.backup")


def test_a_folder_that_cannot_be_written_leaves_no_half_made_file(full: Database, vault: Vault, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"cannot be written|pg_dump failed"):
        backup(full, vault, tmp_path / "missing" / "file")
    assert not (tmp_path / "missing").exists()
    backup(full, vault, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir() if "file" in path.name] == ["file"]


def test_what_is_recorded_while_a_backup_runs_does_not_disturb_its_counts(
    full: Database, empty: Database, vault: Vault, there: Environment, tmp_path: Path
) -> None:
    def meanwhile(line: str) -> None:
        with full.connect() as conn:
            opt_out(conn, vault.subject_key, f"late-{len(line)}@example.com", "manual")

    made = backup(full, vault, tmp_path / "all.backup", meanwhile)
    assert made.rows["opt_out"] == 50
    assert restore(empty, there, tmp_path / "all.backup").rows["opt_out"] == 50


def test_a_backup_says_what_it_is(full: Database, vault: Vault, tmp_path: Path) -> None:
    backup(full, vault, tmp_path / "all.backup")
    with tarfile.open(tmp_path / "all.backup") as tar:
        member = tar.extractfile("about.json")
        assert member
        about = json.loads(member.read())
        assert tar.getnames() == ["about.json", "key.json", "database.dump"]
    assert about["key_fingerprint"] == vault.fingerprint
    assert ["ledger", "0001_ledger"] in about["migrations"]


def test_a_backup_of_the_embedded_server_can_be_restored_to_an_older_external_one(
    full: Database, vault: Vault, there: Environment, tmp_path: Path, postgres_servers: Servers
) -> None:
    made = backup(full, vault, tmp_path / "all.backup")
    with postgres_servers.empty_database("debian") as external:
        restore(external, there, tmp_path / "all.backup")
        with external.connect() as conn:
            assert rows_of(conn) == made.rows
            assert conn.info.server_version // 10_000 < made.postgres_major
        assert external.migrate() is False


def test_a_restore_that_does_not_add_up_did_not_happen(
    full: Database, empty: Database, vault: Vault, there: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "all.backup"
    backup(full, vault, file)
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"opt_out": 50', b'"opt_out": 51'))
    with pytest.raises(Problem, match="differs from the backup in opt_out"):
        restore(empty, there, file)
    assert not there.key_file.exists()
    with empty.connect() as conn:
        assert rows_of(conn) == {}


def test_text_with_every_odd_character_survives(
    full: Database, empty: Database, vault: Vault, there: Environment, tmp_path: Path
) -> None:
    odd = "tab\t newline\n return\r backslash\\. quote' \\N ümlaut \u2028 COPY public.x FROM stdin;\n\\.\n"
    with full.connect() as conn:
        opt_out(conn, vault.subject_key, "odd@example.com", "manual", reason=odd)
    backup(full, vault, tmp_path / "all.backup")
    restore(empty, there, tmp_path / "all.backup")
    with empty.connect() as conn:
        assert conn.execute("SELECT reason FROM event WHERE reason IS NOT NULL").fetchall() == [(odd,)]
