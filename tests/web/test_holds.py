"""Mass changes on the pages: seen masked, decided by POST after a confirmation, and what came of it is said."""

import json
from collections.abc import Iterator

import pytest

from optsync.connection.connect import connections
from optsync.ledger import holds, marks, people, record
from optsync.ledger.people import Link
from tests.installation import FORM, Site
from tests.practice import PracticeOrg
from tests.web.conftest import press, read

TICKED = ("tom@ticked.example.com", "=cmd@ticked.example.com")
OLD_FILE, TICKED_IN = "import <b>old</b>.csv", "run 7"
PEOPLE = ("ann@held.example.com", "bob@held.example.com", "cyd@held.example.com")


@pytest.fixture
def hold_id(site: Site) -> Iterator[int]:
    """Three people whose import was held."""
    key = site.installation.vault.subject_key
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        made = []
        for number, address in enumerate(PEOPLE):
            people.link(conn, key, org_id, [Link(f"003000000000{number:03}AAA", "Contact", address)], "g")
            recorded = record.opt_out(conn, key, address, "import")
            made.append((recorded.address_id, recorded.version))
        number = holds.hold_outbound(conn, org_id, OLD_FILE, made)
        yield number
        if any(hold.hold_id == number for hold in holds.undecided(conn)):
            holds.apply(conn, key, number, "test")


@pytest.fixture
def inbound(site: Site, practice_org: PracticeOrg) -> Iterator[int]:
    """Two people whose ticks in Salesforce are held; one's record is gone by now."""
    key = site.installation.vault.subject_key
    records = [practice_org.create("Contact", Email=address, HasOptedOutOfEmail=True) for address in TICKED]
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        people.link(conn, key, org_id, [Link(r, "Contact", a) for r, a in zip(records, TICKED, strict=True)], "n")
        found = conn.execute("SELECT address_id, 1, record_id FROM record WHERE record_id = ANY (%s)", [records])
        number = holds.hold_inbound(conn, org_id, TICKED_IN, found.fetchall())
        practice_org.delete(records[1])
        yield number
        if any(hold.hold_id == number for hold in holds.undecided(conn)):
            holds.drop(conn, key, number, "test", "over")
    practice_org.delete(records[0])


def undecided(site: Site) -> list[int]:
    """The holds of these tests that wait; many posts to the open form make some, too."""
    with site.installation.database.connect() as conn:
        return [hold.hold_id for hold in holds.undecided(conn) if hold.origin in (OLD_FILE, TICKED_IN)]


def test_a_hold_says_what_how_many_since_when_and_names_nobody(site: Site, cookie: str, hold_id: int) -> None:
    for path in ("/holds", f"/holds/{hold_id}?decide=drop"):
        text = read(site, cookie, path)
        assert "These people were unsubscribed here within a short time." in text
        assert "<dt>People</dt><dd>3</dd>" in text
        assert "the file &lt;b&gt;old&lt;/b&gt;.csv" in text
        assert "a…n@held.example.com" in text
        assert PEOPLE[0] not in text
    assert "mass change waits for your decision." in read(site, cookie, "/issues")


def test_applying_needs_the_number_of_people(site: Site, cookie: str, hold_id: int) -> None:
    status, text = press(site, cookie, f"/holds/{hold_id}", decide="apply", people="2")
    assert (status, undecided(site)) == (422, [hold_id])
    assert "The number of people does not match; nothing was changed." in text
    status, text = press(site, cookie, f"/holds/{hold_id}", decide="apply", people="3")
    assert (status, undecided(site)) == (302, [])
    assert "Applied. People concerned: 3." in text


def test_dropping_needs_a_note_and_unblocks(site: Site, cookie: str, hold_id: int) -> None:
    status, text = press(site, cookie, f"/holds/{hold_id}", decide="drop", note=" ")
    assert (status, undecided(site)) == (422, [hold_id])
    assert "Dropping needs a note that says why; nothing was changed." in text
    status, text = press(site, cookie, f"/holds/{hold_id}", decide="drop", note="wrong file")
    assert status == 302
    assert "Dropped." in text
    assert site.installation.run("check", *PEOPLE).code == 0
    with site.installation.database.connect() as conn:
        told = conn.execute("SELECT actor, reason FROM event WHERE kind = 'hold dropped'").fetchall()
    assert ("admin", "wrong file") in told


def test_a_drop_while_some_of_it_is_being_sent_says_so_and_can_be_repeated(
    site: Site, cookie: str, hold_id: int
) -> None:
    with site.installation.database.connect() as conn, site.installation.database.connect() as worker:
        number = marks.new_worker(conn)
        worker.execute("SELECT pg_advisory_lock(7001, %s)", [number])
        conn.execute("UPDATE mark SET claimed_by = %s WHERE record_id = '003000000000000AAA'", [number])
        status, text = press(site, cookie, f"/holds/{hold_id}", decide="drop", note="wrong file")
        assert (status, undecided(site)) == (409, [hold_id])
        assert "Addresses that are being sent at this moment: 1. Drop again in half a minute." in text
        assert 'value="wrong file"' in text
        conn.execute("UPDATE mark SET claimed_by = NULL WHERE claimed_by = %s", [number])
    assert press(site, cookie, f"/holds/{hold_id}", decide="drop", note="wrong file")[0] == 302


def test_a_hold_that_somebody_else_decided_is_told_plainly(site: Site, cookie: str, hold_id: int) -> None:
    press(site, cookie, f"/holds/{hold_id}", decide="apply", people="3")
    status, text = press(site, cookie, f"/holds/{hold_id}", decide="drop", note="too late")
    assert status == 410
    assert "This mass change was decided meanwhile; nothing was changed now." in text


def test_a_decided_hold_says_who_decided_what_when_and_why(site: Site, cookie: str, hold_id: int) -> None:
    press(site, cookie, f"/holds/{hold_id}", decide="drop", note="wrong <i>file</i>")
    text = read(site, cookie, f"/holds/{hold_id}")
    assert "Dropped</h2>" in text
    assert "<bdi>admin</bdi>" in text
    assert "wrong &lt;i&gt;file&lt;/i&gt;" in text
    assert "<dt>People</dt><dd>3</dd>" in text
    assert "the file &lt;b&gt;old&lt;/b&gt;.csv" in text
    assert PEOPLE[0] not in text
    row = next(line for line in read(site, cookie, "/holds").split("<tr>") if f'href="/holds/{hold_id}"' in line)
    assert 'data-label="People">3<' in row
    assert f'href="/holds/{hold_id}"' not in read(site, cookie, f"/holds?before={hold_id}"), "older ones only"
    assert site.request("GET", "/holds/999999", headers={"Cookie": cookie})[0].status == 404
    assert site.request("GET", f"/holds/{hold_id}/people.csv", headers={"Cookie": cookie})[0].status == 404


def test_a_hold_whose_people_were_all_decided_one_by_one_has_a_page_too(site: Site, cookie: str, hold_id: int) -> None:
    with site.installation.database.connect() as conn:
        for address in PEOPLE:
            record.opt_out(conn, site.installation.vault.subject_key, address, "one-click")
    assert undecided(site) == []
    assert "Nobody is left in it" in read(site, cookie, f"/holds/{hold_id}")


def test_the_ignored_ticks_of_a_dropped_hold_are_shown_and_come_as_a_file(
    site: Site, cookie: str, inbound: int
) -> None:
    press(site, cookie, f"/holds/{inbound}", decide="drop", note="a mistake")
    text = read(site, cookie, f"/holds/{inbound}")
    assert "<dt>Ticks still ignored</dt><dd>2</dd>" in text
    lines = read(site, cookie, f"/holds/{inbound}/people.csv").splitlines()
    assert lines[0] == "address,object,record,field"
    assert any(line.startswith(f"{TICKED[0]},Contact,003") for line in lines)
    assert any(line.startswith("'=cmd@ticked.example.com") for line in lines)


def test_a_person_whose_tick_is_ignored_is_told_so_on_their_page(site: Site, cookie: str, inbound: int) -> None:
    page = f"/people?address={TICKED[0]}"
    assert press(site, cookie, f"/holds/{inbound}", decide="drop", note="a loader's mistake")[0] == 302
    text = read(site, cookie, page)
    assert "Mail allowed" in text
    assert f"ticked in Salesforce, not counted: mass change {inbound} was dropped" in text
    assert "nothing owed" not in text
    assert "zählt nicht: Massenänderung" in read(site, cookie, page, "de")
    records = json.loads(read(site, cookie, f"/people/evidence?address={TICKED[0]}"))["records"]
    assert {box["state"] for one in records for box in one["boxes"]} == {"disputed"}


def test_opening_a_confirmation_decides_nothing(site: Site, cookie: str, hold_id: int) -> None:
    for query in ("", "?decide=apply", "?decide=drop&note=x", "?decide=apply&people=3"):
        read(site, cookie, f"/holds/{hold_id}{query}")
    assert undecided(site) == [hold_id]
    assert site.request("POST", f"/holds/{hold_id}", "decide=drop&note=x", FORM | {"Cookie": cookie})[0].status == 403
    assert undecided(site) == [hold_id]


def test_a_hold_from_salesforce_says_who_changed_the_records_and_names_nobody(
    site: Site, cookie: str, inbound: int
) -> None:
    for language, sentence in (("en", "Who changed these records last"), ("de", "Wer diese Datens")):
        text = read(site, cookie, f"/holds/{inbound}?decide=drop", language)
        assert sentence in text
        assert "admin@practice.example" in text
        assert ("1 of 2 records were changed last by admin@practice.example within" in text) is (language == "en")
        assert "t…m@ticked.example.com" in text
        assert TICKED[0] not in text


def test_when_salesforce_does_not_answer_the_hold_can_be_decided_all_the_same(
    site: Site, cookie: str, inbound: int, practice_org: PracticeOrg
) -> None:
    practice_org.fault("refuse", code="API_DISABLED_FOR_ORG", status=403, route="query", times=None)
    text = read(site, cookie, f"/holds/{inbound}?decide=drop")
    practice_org.clear_faults()
    assert "Salesforce does not say who ticked them:" in text
    assert "Why it was a mistake" in text


def test_the_people_of_a_hold_come_as_a_file_that_no_spreadsheet_runs(site: Site, cookie: str, inbound: int) -> None:
    answer, text = site.request("GET", f"/holds/{inbound}/people.csv", headers={"Cookie": cookie})
    assert answer.status == 200
    lines = text.splitlines()
    assert lines[0] == "address,object,record,field"
    assert any(line.startswith("'=cmd@ticked.example.com,Contact,003") for line in lines)
    assert any(line.startswith(f"{TICKED[0]},Contact,003") and line.endswith("Email Opt Out") for line in lines)
    assert len(lines) == 3
    assert site.request("GET", "/holds/99999/people.csv", headers={"Cookie": cookie})[0].status == 404
