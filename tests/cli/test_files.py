"""Lists of other tools in, our own list out, everything into one backup and back."""

from pathlib import Path

import pytest

from optsync.config.database import Database
from tests.installation import Installation
from tests.servers import Servers

LIST = (
    "Email Address,First Name,UNSUB_TIME,UNSUB_REASON\nann@example.com,Ann,2026-03-02 09:12:00,No longer interested\n"
)


@pytest.fixture
def mailchimp(tmp_path: Path) -> Path:
    """A list with one good row."""
    file = tmp_path / "unsubscribed.csv"
    file.write_text(LIST)
    return file


def test_a_dry_run_writes_nothing_and_the_same_file_twice_changes_nothing(
    optsync: Installation, mailchimp: Path
) -> None:
    assert optsync.run("import", str(mailchimp), "--dry-run", "--json").json()["new"] == 1
    assert optsync.run("export").out.count("@") == 0
    assert optsync.run("import", str(mailchimp), "--json").json()["new"] == 1
    again = optsync.run("import", str(mailchimp), "--json").json()
    assert again["seen_before_at"]
    assert optsync.run("export").out.count("@") == 1


def test_progress_without_a_terminal_is_one_line_for_each_phase(optsync: Installation, tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("".join(f"p{n}@example.com\n" for n in range(5_000)))
    done = optsync.run("import", str(file), "--yes")
    assert done.err.splitlines() == ["  Read as plain list: its people are opted out.", "  Reading", "  Recording"]


def test_a_held_import_is_decided_by_the_command_that_the_error_names(optsync: Installation, tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("".join(f"p{n}@example.com\n" for n in range(501)))
    assert optsync.run("import", str(file)).code == 5
    assert "p…0@example.com" in optsync.run("hold", "list").out
    asked = optsync.run("hold", "drop", "1", "--note", "the wrong file")
    assert asked.code == 5
    assert asked.error["next"].endswith("optsync hold drop 1 --note 'the wrong file' --yes")
    assert optsync.run("hold", "drop", "1", "--note", "the wrong file", "--yes").code == 0
    decided = optsync.run("hold", "list", "--decided")
    assert decided.code == 0
    assert "hold 1" in decided.out
    assert "dropped by " in decided.out
    assert "the wrong file" in decided.out
    assert optsync.run("export").out.count("@") == 0


def test_ids_of_several_orgs_need_the_org(optsync: Installation, mailchimp: Path) -> None:
    done = optsync.run("import", str(mailchimp), "--org", "00D000000000000")
    assert done.code == 4
    assert optsync.run("export").out.count("@") == 0


def test_bad_rows_come_back_with_a_reason_and_exit_code_3(
    optsync: Installation, mailchimp: Path, tmp_path: Path
) -> None:
    mailchimp.write_text(LIST + "not an address,Bob,,\n")
    rejects = tmp_path / "rejects.csv"
    done = optsync.run("import", str(mailchimp), "--rejects", str(rejects))
    assert done.code == 3
    assert "not an address" in rejects.read_text()
    assert optsync.run("check", "ann@example.com").code == 3


def test_a_backup_restores_people_history_and_key(
    optsync: Installation, tmp_path: Path, postgres_servers: Servers
) -> None:
    optsync.run("unsubscribe", "ann@example.com")
    file = tmp_path / "backup.tar"
    assert optsync.run("backup", str(file)).code == 0
    assert file.stat().st_mode & 0o077 == 0
    with postgres_servers.fresh_database("embedded") as other:
        elsewhere = Installation(other, tmp_path / "elsewhere")
        done = elsewhere.run("restore", str(file))
        assert done.code == 0, done.err
        assert "ann@example.com" in elsewhere.run("export").out
        assert elsewhere.run("who", "ann@example.com", "--json").json()["timeline"]
        assert elsewhere.run("restore", str(file)).code == 1


def test_migrate_says_when_there_is_nothing_to_do(optsync: Installation, database: Database) -> None:
    assert optsync.run("migrate", "--json").json() == {"changed": False}


def test_r42_a_table_nobody_knows_is_read_by_its_columns(optsync: Installation, tmp_path: Path) -> None:
    file = tmp_path / "kunden.csv"
    file.write_text("Wer;E-Mail;Herkunft\nAnn;ann@example.com;CRM Sync\n")
    assert optsync.run("import", str(file)).code == 1
    people = optsync.run("import", str(file), "--people", "--column", "address=2", "--column", "source_type=Herkunft")
    assert "compliance data of 1 were recorded" in people.out
    assert optsync.run("check", "ann@example.com").code == 0
    refused = optsync.run("import", str(file), "--column", "address=Mail")
    assert (refused.code, refused.error["error"]) == (2, "kunden.csv has no column Mail")
    file.write_text("Wer;E-Mail\nAnn;ann@example.com\n")
    assert optsync.run("import", str(file), "--column", "address=E-Mail", "--json").json()["new"] == 1
