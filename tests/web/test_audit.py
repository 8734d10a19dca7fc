"""The audit on the pages: every event, by who, what and when; exported safely; verified without writing (I8, T20)."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

import optsync
from optsync.ledger import chain
from optsync.ledger.record import opt_out
from optsync.web.words import KINDS
from tests.installation import Site
from tests.web.conftest import read

FORMULA = '=HYPERLINK("http://evil")'
EVENT = re.compile(r"INTO event \([^)]*\bkind\b[^)]*\)\s*(?:SELECT|VALUES \()\s*'([A-Za-z][\w -]+)'")
IN_CODE = re.compile(r"""(?:"kind": |kind=|memory\.tell\()"([a-zA-Z][a-z -]+)"[,}]""")
BUILT = {"hold ": {"hold applied", "hold dropped"}}
"""Kinds of which the statement has the beginning only."""


def write(site: Site, kind: str, actor: str, **evidence: Any) -> None:
    """An event of ours."""
    with site.installation.database.connect() as conn:
        conn.execute("INSERT INTO event (kind, actor, evidence) VALUES (%s, %s, %s)", [kind, actor, Jsonb(evidence)])


def test_a_change_is_shown_with_what_stood_there_before(site: Site, cookie: str) -> None:
    write(
        site,
        "settings changed",
        "<b>eve</b>",
        before={"choice": "email", "same": 1},
        after={"choice": "sales", "same": 1},
    )
    text = read(site, cookie, "/audit?who=%3Cb%3Eeve")
    assert "<code>choice</code>: <del>email</del> → <ins>sales</ins>" in text
    assert "<code>same</code>" not in text
    assert "&lt;b&gt;eve&lt;/b&gt;" in text


def test_filters_find_by_what_who_when_and_person(site: Site, cookie: str) -> None:
    began = datetime.now(UTC)
    write(site, "tested", "filter-man")
    with site.installation.database.connect() as conn:
        opt_out(conn, site.installation.vault.subject_key, "audit@example.com", "manual", actor="filter-man")
        found = conn.execute(
            "SELECT encode(subject, 'hex'), at FROM event WHERE actor = 'filter-man' AND kind = 'opted out'"
        ).fetchone()
    assert found is not None
    first, last = (moment.astimezone(ZoneInfo("America/Los_Angeles")).date() for moment in (began, found[1]))
    tomorrow = last + timedelta(days=1)
    for query, count in (
        ("who=filter-man", 2),
        ("who=filter-man&what=tested", 1),
        (f"about={found[0]}", 1),
        (f"who=filter-man&since={first}", 2),
        (f"who=filter-man&until={last}", 2),
        (f"who=filter-man&since={tomorrow}", 0),
        ("who=filter-man&until=2020-01-01", 0),
        ("who=filter-man&since=0001-01-01&until=9999-12-31", 2),
        ("who=filter-man&since=nonsense", 2),
        ("who=filter-man&before=1", 0),
    ):
        text = read(site, cookie, f"/audit?{query}")
        assert text.count("<bdi>filter-man</bdi>") == count, query
        assert "audit@example.com" not in text


def test_the_list_goes_on_page_by_page(site: Site, cookie: str) -> None:
    with site.installation.database.connect() as conn:
        conn.execute("INSERT INTO event (kind, actor) SELECT 'paged', 'pager' FROM generate_series(1, 120)")
    seen, path = 0, "/audit?who=pager"
    for _ in range(10):
        text = read(site, cookie, path)
        seen += text.count("<bdi>pager</bdi>")
        if ">Older</a>" not in text:
            break
        path = "/audit" + text.rpartition('">Older</a>')[0].rpartition('href="')[2].replace("&amp;", "&")
    assert seen == 120


def test_the_export_is_filtered_and_no_spreadsheet_runs_it(site: Site, cookie: str) -> None:
    write(site, "tried out", FORMULA, note="a,b")
    answer, text = site.request("GET", "/audit/export?what=tried+out", headers={"Cookie": cookie})
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["actor"] for row in rows] == ["'" + FORMULA]
    assert json.loads(rows[0]["evidence"]) == {"note": "a,b"}
    _, lines = site.request("GET", "/audit/export?what=tried+out&format=jsonl", headers={"Cookie": cookie})
    assert [json.loads(line)["actor"] for line in lines.splitlines()] == [FORMULA]


def test_verifying_says_that_the_chain_holds_and_its_head(site: Site, cookie: str) -> None:
    with site.installation.database.connect() as conn:
        chain.seal(conn)
        state = chain.verify(conn)
    text = read(site, cookie, "/audit/verify")
    assert "The chain holds." in text
    assert state.head_hex in text


def test_verifying_finds_a_changed_event_and_says_what_to_do(site: Site, cookie: str) -> None:
    write(site, "to be forged", "mallory")
    with site.installation.database.connect() as conn:
        chain.seal(conn)
        conn.execute("ALTER TABLE event DISABLE TRIGGER event_append_only")
        conn.execute("UPDATE event SET actor = 'nobody' WHERE kind = 'to be forged'")
        try:
            text = read(site, cookie, "/audit/verify")
            assert "The chain is broken at seal" in text
            assert "optsync audit export" in text
            assert "Die Kette ist bei Siegel" in read(site, cookie, "/audit/verify", "de")
        finally:
            conn.execute("UPDATE event SET actor = 'mallory' WHERE kind = 'to be forged'")
            conn.execute("ALTER TABLE event ENABLE TRIGGER event_append_only")


def test_verifying_finds_an_event_that_slipped_in(site: Site, cookie: str) -> None:
    with site.installation.database.connect() as conn:
        chain.seal(conn)
        conn.execute("ALTER TABLE event DISABLE TRIGGER ALL")
        conn.execute("INSERT INTO event (kind, actor) VALUES ('slipped in', 'mallory')")
        try:
            assert "Events that no seal names: 1." in read(site, cookie, "/audit/verify")
        finally:
            conn.execute("DELETE FROM event WHERE kind = 'slipped in'")
            conn.execute("ALTER TABLE event ENABLE TRIGGER ALL")


def test_a_long_chain_is_verified_part_by_part(new_site: Site, admin: str) -> None:
    """By links without JavaScript, by fragments with it."""
    with new_site.installation.database.connect() as conn:
        conn.execute("INSERT INTO event (kind) SELECT 'long' FROM generate_series(1, 70000)")
        chain.seal(conn)
        path, steps = "/audit/verify", 0
        while 'hx-trigger="load"' in (text := read(new_site, admin, path)):
            following = text.partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")
            assert f'href="{following}"'.replace("&", "&amp;") in text
            path, steps = following, steps + 1
        headers = {"Cookie": admin, "HX-Request": "true"}
        _, fragment = new_site.request("GET", path, headers=headers)
        whole = chain.verify(conn)
    assert steps >= 1
    assert "The chain holds." in text
    assert f"Events that are sealed and unchanged: {whole.sealed:,}." in text
    assert fragment.lstrip().startswith("<section")


def test_every_kind_of_event_that_the_code_writes_has_plain_words() -> None:
    source = Path(optsync.__file__).parent
    written = {kind for file in source.rglob("*.sql") for kind in EVENT.findall(file.read_text(encoding="utf-8"))}
    for folder in ("connection", "ledger", "sync"):
        for file in (source / folder).glob("*.py"):
            written |= set(IN_CODE.findall(file.read_text(encoding="utf-8")))
    kinds = {kind for one in written for kind in BUILT.get(one, {one})}
    assert len(kinds) > 40
    assert kinds - set(KINDS) == set()
