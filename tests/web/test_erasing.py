"""Erasing a person: the address is gone from every table, the person stays blocked, and nothing brings it back."""

from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier

from optsync.config.database import Connection
from optsync.connection.connect import connections
from optsync.ledger import imports, people, record
from optsync.ledger.people import Link
from tests.installation import Site
from tests.web.conftest import press, read
from tests.web.test_safe_methods import EVERY_TABLE

ADDRESS = "forget.me@erasing.example"


def tables_with(conn: Connection, text: str) -> list[str]:
    """Where a text stands in clear."""
    found = []
    for (name,) in conn.execute(EVERY_TABLE).fetchall():
        statement = SQL("SELECT EXISTS (SELECT FROM {} t WHERE t::text ILIKE %s)").format(Identifier(name))
        if conn.execute(statement, [f"%{text}%"]).fetchone() == (True,):
            found.append(name)
    return found


def test_r43_an_erased_address_is_gone_from_every_table_and_stays_blocked(
    site: Site, cookie: str, tmp_path: Path
) -> None:
    key = site.installation.vault.subject_key
    path = tmp_path / f"{ADDRESS}.csv"
    path.write_text(f"Email Address,UNSUB_TIME,UNSUB_REASON\n{ADDRESS},2024,I am {ADDRESS}\n", encoding="utf-8")
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        people.link(conn, key, org_id, [Link("003000000880001AAA", "Contact", ADDRESS)], "g")
        record.opt_out(conn, key, ADDRESS, "manual", reason=f"said {ADDRESS}")
        assert tables_with(conn, ADDRESS) == ["address"]
        text = press(site, cookie, "/people/erase", step="look", address=ADDRESS)[1]
        assert "Type the address to confirm" in text
        said = press(
            site, cookie, "/people/erase", step="erase", address=ADDRESS, typed=ADDRESS.upper(), reason="asked"
        )
        assert "Only a keyed hash of the address is kept." in said[1]
        assert tables_with(conn, ADDRESS) == []
        report = imports.import_file(conn, key, path)
        assert (report.new, report.already) == (0, 1)
        assert tables_with(conn, ADDRESS) == []
    assert site.installation.run("check", ADDRESS).code == 3
    assert "Erase…" not in read(site, cookie, f"/people?address={ADDRESS}")


@pytest.mark.parametrize("at", ["@", "%40", "\\u0040"])
def test_r43_an_erased_address_is_gone_from_events_that_nobody_could_read(site: Site, at: str) -> None:
    key = site.installation.vault.subject_key
    local = f"pending{len(at)}"
    address = f"{local}@erasing.example"
    with site.installation.database.connect() as conn:
        record.opt_out(conn, key, address, "manual")
        conn.execute(
            "INSERT INTO inbox (provider, event_key, deed, evidence, raw) VALUES "
            "('sendgrid', 'hers', 'unreadable', '{}', %s), "
            "('sendgrid', 'his', 'unreadable', '{}', 'a@erasing.example')",
            [f'{{"email": "{local.title()}{at}Erasing.example"}}'],
        )
        try:
            assert people.erase(conn, key, address, actor="test", reason="asked")
            rows = conn.execute("SELECT raw, taken_at FROM inbox WHERE event_key IN ('hers', 'his') ORDER BY inbox_id")
            assert rows.fetchall() == [("[erased]", None), ("a@erasing.example", None)]
        finally:
            conn.execute("DELETE FROM inbox WHERE event_key IN ('hers', 'his')")


@pytest.mark.parametrize(
    ("typed", "reason", "said"),
    [
        ("other@erasing.example", "asked", "The address was typed differently; nothing was erased."),
        ("keep.me@erasing.example", " ", "An erasure needs a reason; nothing was erased."),
    ],
)
def test_a_slip_of_the_hand_erases_nobody(site: Site, cookie: str, typed: str, reason: str, said: str) -> None:
    address = "keep.me@erasing.example"
    with site.installation.database.connect() as conn:
        record.opt_out(conn, site.installation.vault.subject_key, address, "manual")
    status, text = press(site, cookie, "/people/erase", step="erase", address=address, typed=typed, reason=reason)
    assert (status, said in text) == (422, True)
    assert address in read(site, cookie, "/people?q=keep.me@")


def test_the_command_line_asks_for_a_yes_and_says_when_there_is_nobody(site: Site) -> None:
    run, address = site.installation.run, "cli@erasing.example"
    assert run("unsubscribe", address).code == 0
    assert run("erase", address, "--reason", "article 17").code == 5
    assert run("erase", address, "--reason", " ", "--yes").code == 2
    assert run("erase", address, "--reason", f"{address} wrote", "--yes", "--json").json() == {"erased": True}
    again = run("erase", address, "--reason", "article 17", "--yes")
    assert (again.code, again.error["error"]) == (1, "this address is not stored here")
    assert run("check", address).code == 3
    with site.installation.database.connect() as conn:
        assert tables_with(conn, address) == []
