"""Erasing a person: the address is gone from every table, the person stays blocked, and nothing brings it back."""

from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier

from optsync import seams
from optsync.config.database import Connection
from optsync.connection.connect import connections
from optsync.core.addresses import subject_of
from optsync.ledger import imports, people, record
from optsync.ledger.people import Link
from optsync.public.tokens import make_token
from tests.installation import FORM, Site
from tests.program import program
from tests.web.conftest import press, read
from tests.web.test_imports import work
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


SPELLED = ("@", "%40", "\\u0040", "=")
"""How an address may stand in a text: plain, in a URL, in JSON, in a bounce address (VERP)."""
COLUMNS = """SELECT table_schema, table_name, column_name, data_type = 'bytea' FROM information_schema.columns
             JOIN information_schema.tables USING (table_schema, table_name)
             WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'
               AND (data_type IN ('text', 'character varying', 'bytea', 'json', 'jsonb', 'ARRAY', 'character'))"""


def columns_with(conn: Connection, address: str) -> list[str]:
    """Every column of every table in which an address stands, however it is spelled."""
    local, _, domain = address.rpartition("@")
    spellings = [f"%{local}{at}{domain}%".replace("\\", "\\\\") for at in SPELLED]
    found = []
    for schema, table, column, is_bytes in conn.execute(COLUMNS).fetchall():
        text = SQL("encode({}, 'escape')" if is_bytes else "{}::text").format(Identifier(column))
        statement = SQL("SELECT EXISTS (SELECT FROM {} WHERE {} ILIKE ANY (%s))").format(
            Identifier(schema, table), text
        )
        if conn.execute(statement, [spellings]).fetchone() == (True,):
            found.append(f"{table}.{column}")
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


EVERYWHERE = "every.where@erasing.example"


def tell_every_door(site: Site, cookie: str) -> None:
    """Every door hears of somebody, whose address stands in the words beside it, too; each opt-out is lifted again."""
    bounce = f"bounce+{EVERYWHERE.replace('@', '=')}@mail.example"
    user = program(site, "admin")
    words = f"take {EVERYWHERE} off"
    new = {"address": EVERYWHERE, "reason": words, "message_id": f"<{bounce}>"}
    keys, random_bytes = site.installation.vault.link_keys, seams.real().token_bytes
    token = make_token(keys, random_bytes, EVERYWHERE, message_id=bounce, campaign=f"to {EVERYWHERE}")
    mail = f"From: {EVERYWHERE}\r\nSubject: unsubscribe\r\nMessage-ID: <{EVERYWHERE}>\r\n\r\n"
    table = f"email,unsub_time,unsub_reason,unsub_campaign_title\n{EVERYWHERE},{bounce},{words},to {EVERYWHERE}\n"

    def imported(content: str) -> bool:
        name = f"{EVERYWHERE}.csv"
        sent = user.ask("POST", f"/v1/imports?name={name}", content.encode(), Content_Type="text/csv")
        work(site)
        return sent.status == 202

    doors: tuple[Callable[[], bool], ...] = (
        lambda: user.post("/v1/unsubscribes", new, Idempotency_Key=EVERYWHERE).status in (200, 201),
        lambda: user.post("/v1/unsubscribes:batch", {"unsubscribes": [new]}).status == 200,
        lambda: imported(table + f"not {EVERYWHERE},2024,,\n"),
        lambda: imported(f"email,source type\n{EVERYWHERE},import\n"),
        lambda: site.request("POST", f"/u/{token}", "List-Unsubscribe=One-Click", FORM)[0].status == 200,
        lambda: site.installation.run("receive-mail", stdin=mail).code == 0,
        lambda: site.installation.run("unsubscribe", EVERYWHERE, "--reason", words).code == 0,
        lambda: press(site, cookie, "/unsubscribes", address=EVERYWHERE, reason=words)[0] == 302,
    )
    for nth, door in enumerate(doors):
        assert door(), nth
        press(site, cookie, "/people/lift", step="lift", address=EVERYWHERE, mode="now", reason=words, evidence=words)
    number = str(user.post("/v1/people/find", {"address": EVERYWHERE}).json["id"])
    press(site, cookie, "/people/compliance", step="set", pick=number, source_type="other", source_note=words)
    press(site, cookie, "/people/export", what="people")
    press(site, cookie, "/unsubscribes", address=EVERYWHERE)


def test_r43_no_column_holds_an_erased_address_whatever_door_heard_it_before_and_hears_it_again(
    site: Site, cookie: str
) -> None:
    key = site.installation.vault.subject_key
    typed = {"step": "erase", "address": EVERYWHERE, "typed": EVERYWHERE, "reason": f"{EVERYWHERE} asked"}
    with site.installation.database.connect() as conn:
        tell_every_door(site, cookie)
        assert columns_with(conn, EVERYWHERE) == ["address.normal"]
        conn.execute(
            "INSERT INTO inbox (provider, event_key, deed, address, evidence) "
            "VALUES ('sendgrid', 'erasing', 'unsubscribe', %s, '{}')",
            [EVERYWHERE],
        )
        assert "Only a keyed hash of the address is kept." in press(site, cookie, "/people/erase", **typed)[1]
        assert columns_with(conn, EVERYWHERE) == []

        tell_every_door(site, cookie)
        assert columns_with(conn, EVERYWHERE) == []
        assert "it was erased before" in press(site, cookie, "/people/erase", **typed)[1]
        kept = "SELECT erased_hash FROM address JOIN opt_out USING (address_id) WHERE erased_hash = %s"
        assert conn.execute(kept, [subject_of(EVERYWHERE, key)]).fetchall() == [(subject_of(EVERYWHERE, key),)]
        told = [str(entry.evidence) for entry in people.timeline(conn, key, EVERYWHERE)]
        assert any("bounce+[address]@mail.example" in evidence for evidence in told), "the rest of the evidence stays"
    assert site.installation.run("check", EVERYWHERE).code == 3
