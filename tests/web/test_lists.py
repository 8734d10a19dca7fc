"""The lists: searched by prefix and record, ticked and acted on, exported as filtered, and calm with hostile names."""

import csv
import re
from collections.abc import Iterator
from html import unescape
from io import StringIO

import pytest

from optsync.connection.connect import connections
from optsync.ledger import holds, imports, lifts, people, record
from optsync.ledger.people import Link
from tests.installation import Site
from tests.web.conftest import post, press, read
from tests.web.test_unsubscribes import listed

HOSTILE = [
    *(f"<script>document.title='x{n}'</script>@hostile.example" for n in range(4)),
    *(f"<img src=x onerror=alert({n})>@hostile.example" for n in range(4)),
    *(f'"onfocus="alert({n})" autofocus="@hostile.example' for n in range(4)),
    *(f"'; DROP TABLE opt_out; -- {n}@hostile.example" for n in range(4)),
    *(f"=cmd|'/c calc'!A{n}@hostile.example" for n in range(4)),
    *(f"\u202ekcab{n}\u202c@hostile.example" for n in range(4)),
    *(f"\0nul{n}\0@hostile.example" for n in range(4)),
    *(f"\U0001f469\u200d\U0001f680{n}@hostile.example" for n in range(4)),
    *(f"{'x' * 10_000}{n}@hostile.example" for n in range(4)),
    *(f"{{{{ 7*{n} }}}}{{% debug %}}@hostile.example" for n in range(4)),
]


BY = "Lena Lists"
"""Who unsubscribed the people of these tests, so that they can be told from others'."""
BOUNCED = "/unsubscribes?source=bounce&by=Lena+Lists"


@pytest.fixture(scope="module")
def number(site: Site) -> Iterator[int]:
    """The org, in which some people of the lists have records."""
    key = site.installation.vault.subject_key
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        for place in range(3):
            record_id = f"00300000077000{place}AAA"
            people.link(conn, key, org_id, [Link(record_id, "Contact", f"listed{place}@lists.example")], "g")
            record.opt_out(conn, key, f"listed{place}@lists.example", "bounce", actor=BY)
            conn.execute("UPDATE mark SET state = 'p', reason = 'X', due_at = NULL WHERE record_id = %s", [record_id])
        people.link(conn, key, org_id, [Link("003000000770009AAA", "Contact", "listed9@lists.example")], "g")
        record.opt_out(conn, key, "alone@lists.example", "bounce", actor=BY)
        record.opt_out(conn, key, "removed@lists.example", "bounce", actor=BY)
        record.opt_out(conn, key, "manual@lists.example", "manual", actor=BY)
        lifts.lift(conn, key, "removed@lists.example", mode="now", actor="t", reason="t")
        yield org_id


def test_r34_people_are_found_by_how_their_address_begins_linked_or_not(site: Site, cookie: str, number: int) -> None:
    assert listed(read(site, cookie, "/people?q=LISTED")) == [f"listed{n}@lists.example" for n in (0, 1, 2, 9)]
    assert listed(read(site, cookie, "/people?q=alone@lists&linked=no")) == ["alone@lists.example"]
    assert listed(read(site, cookie, "/people?q=alone@lists&linked=yes")) == []
    text = read(site, cookie, "/people?q=listed9")
    assert "Mail allowed" in text
    assert "Blocked" not in text


def test_the_pages_of_people_follow_each_other_without_a_gap(site: Site, cookie: str, number: int) -> None:
    key = site.installation.vault.subject_key
    wanted = [f"walk{n:03}@lists.example" for n in range(120)]
    with site.installation.database.connect() as conn:
        for address in reversed(wanted):
            record.opt_out(conn, key, address, "follows record")
    seen: list[str] = []
    path = "/people?q=walk"
    while path:
        text = read(site, cookie, path)
        seen += listed(text)
        further = re.search(r'href="(\?[^"]*after=[^"]*)">Further', text)
        path = "/people" + unescape(further[1]) if further else ""
    assert seen == wanted


def test_unsubscribes_are_found_by_prefix_and_by_record_id(site: Site, cookie: str, number: int) -> None:
    assert set(listed(read(site, cookie, "/unsubscribes?q=listed"))) == {f"listed{n}@lists.example" for n in range(3)}
    assert listed(read(site, cookie, "/unsubscribes?q=003000000770001AAA")) == ["listed1@lists.example"]
    assert listed(read(site, cookie, "/unsubscribes?q=listed&state=parked&source=import")) == []
    assert "Nobody matches these filters." in read(site, cookie, "/unsubscribes?q=%00nobody%25_")


def test_an_export_says_its_size_and_holds_what_the_filters_leave(site: Site, cookie: str, number: int) -> None:
    text = read(site, cookie, f"{BOUNCED}&q=")
    assert re.search(r"4 rows, about \d+\xa0bytes", text)
    answer, content = post(site, cookie, BOUNCED.replace("?", "/export?"))
    assert (answer.getheader("content-disposition") or "").endswith('.csv"')
    rows = list(csv.DictReader(StringIO(content)))
    assert {row["address"] for row in rows} == {"alone@lists.example", *(f"listed{n}@lists.example" for n in range(3))}
    assert {row["source"] for row in rows} == {"bounce"}
    assert "/unsubscribes/export" not in read(site, cookie, "/unsubscribes?state=lifted")


def test_an_export_of_ticked_rows_is_an_import_that_changes_nothing(
    site: Site, cookie: str, number: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = read(site, cookie, f"{BOUNCED}&tick=all")
    picked = re.findall(r'name="pick" value="(\d+)"[^>]* checked', text)
    assert len(picked) == 5
    content = post_picked(site, cookie, picked, "export")
    path = tmp_path_factory.mktemp("ticked") / "ticked.csv"
    path.write_text(content, encoding="utf-8")
    with site.installation.database.connect() as conn:
        report = imports.import_file(conn, site.installation.vault.subject_key, path, dry_run=True)
    assert (report.layout, report.new, report.again, report.already) == ("optsync export", 0, 0, 4)


def post_picked(site: Site, cookie: str, picked: list[str], step: str) -> str:
    """Presses a button below the list with these rows ticked."""
    return press(site, cookie, "/unsubscribes/bulk", step=step, pick=picked)[1]


def test_ticked_rows_are_tried_again_at_once(site: Site, cookie: str, number: int) -> None:
    text = read(site, cookie, "/unsubscribes?q=listed")
    picked = re.findall(r'name="pick" value="(\d+)"', text)
    said = post_picked(site, cookie, picked[:2], "retry")
    assert "Boxes that are due now: 2." in said
    with site.installation.database.connect() as conn:
        due = conn.execute(
            "SELECT count(*) FROM mark WHERE record_id LIKE '00300000077000%%' AND due_at <= now()"
        ).fetchone()
    assert due == (2,)
    assert "Tick the rows first." in post_picked(site, cookie, ["x", "9" * 30], "retry")
    assert press(site, cookie, "/unsubscribes/bulk", step="export", pick="999999")[1].startswith("address,since,source")


def test_forty_hostile_names_do_nothing_bad_in_any_list(site: Site, cookie: str, number: int) -> None:
    key = site.installation.vault.subject_key
    with site.installation.database.connect() as conn:
        ids = [record.opt_out(conn, key, address, "follows record").address_id for address in HOSTILE]
        hold = holds.hold_outbound(conn, None, f"import {HOSTILE[0]}", [(one, None) for one in ids])
    assert len(set(ids)) == len(HOSTILE) == 40
    try:
        for path in (
            "/unsubscribes?source=follows+record&q=%3C",
            "/people?q=%3C",
            "/people?q=x",
            "/holds",
            "/issues",
            "/runs",
            "/",
        ):
            text = read(site, cookie, path)
            assert not re.search(r"<(script>document|img src=x)|<[^>]* onfocus=", text), path
            assert "\0" not in text, path
            assert max(map(len, re.findall(r"<bdi>([^<]*)</bdi>", text)), default=0) < 700, path
            assert "</html>" in text, path
        _, content = post(site, cookie, "/unsubscribes/export?source=follows+record&q=%3C")
        cells = [cell for row in csv.reader(StringIO(content)) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    finally:
        with site.installation.database.connect() as conn:
            holds.apply(conn, key, hold, "test")
