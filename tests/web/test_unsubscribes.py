"""The list of unsubscribes: newest first, filtered by what stands in the address, added to by hand, exported."""

import csv
import re
from collections.abc import Iterator
from io import StringIO

import pytest

from optsync.connection.connect import connections
from optsync.core.addresses import hmac_pads
from optsync.ledger import lifts, marks, people, record
from optsync.ledger.people import Link
from tests.installation import FORM, Site
from tests.web.conftest import post, press, read

FORMULA = "=cmd|calc@example.com"
TWO_BOXES_EACH = """
WITH people AS (
    INSERT INTO address (normal) SELECT 'twins' || n || '@example.com' FROM generate_series(0, %(people)s - 1) n
    RETURNING address_id),
records AS (
    INSERT INTO record (org_id, record_id, kind, address_id, provenance)
    SELECT %(org)s, '003' || lpad(200000000 + address_id || which, 12, '0') || 'AAA', 'C', address_id, 'n'
    FROM people, (VALUES ('0'), ('1')) two(which) RETURNING record_id),
recorded AS (INSERT INTO opt_out (address_id, source, epoch) SELECT address_id, 'bounce', epoch FROM people, target)
INSERT INTO mark (org_id, field, record_id, state, reason, touched_run)
SELECT %(org)s, 1, record_id, 'p', 'twins', 0 FROM records"""
LONG_AGO_AND_SINCE = """
WITH people AS (
    INSERT INTO address (normal)
    SELECT who || n || '@crowd.example.com'
    FROM (VALUES ('carl', 2000), ('other', 1100)) v(who, many), generate_series(1, many) n
    RETURNING address_id, normal, normal LIKE 'carl%%' AS is_his),
recorded AS (
    INSERT INTO opt_out (address_id, source, epoch, since)
    SELECT address_id, 'bounce', epoch, now() - CASE WHEN is_his THEN interval '9 days' ELSE interval '2 days' END
    FROM people, target RETURNING address_id, since)
INSERT INTO event (at, kind, subject, scope, source, actor)
SELECT since, 'opted out', subject_of(normal, NULL, %(inner)s, %(outer)s), 0, 'bounce', CASE WHEN is_his THEN 'Carl' END
FROM people JOIN recorded USING (address_id)"""
HOSTILE = "<script>document.title='taken'</script>@list.example.com"


@pytest.fixture(scope="module")
def org_id(site: Site) -> Iterator[int]:
    """A ledger with a person in each state; the marks are set as a worker would leave them."""
    key = site.installation.vault.subject_key
    with site.installation.database.connect() as conn:
        number = connections(conn)[0].org_id
        states = {"owed": "o", "confirmed": "c", "parked": "p", "held": "h"}
        for place, (name, letter) in enumerate(states.items()):
            address, record_id = f"{name}@states.example.com", f"00Q00000000000{place}AAA"
            people.link(conn, key, number, [Link(record_id, "Lead", address)], "g")
            record.opt_out(conn, key, address, "complaint")
            conn.execute("UPDATE mark SET state = %s WHERE record_id = %s", [letter, record_id])
        record.opt_out(conn, key, "nobody@states.example.com", "complaint")
        record.opt_out(conn, key, "api@states.example.com", "api")
        record.opt_out(conn, key, "lifted@states.example.com", "complaint")
        lifts.lift(conn, key, "lifted@states.example.com", mode="now", actor="test", reason="test")
        for address in (FORMULA, HOSTILE):
            record.opt_out(conn, key, address, "manual")
        yield number


def listed(text: str, domain: str = "") -> list[str]:
    """The addresses of a page, from the top; only those of one domain, where other tests' people may be listed, too."""
    return [one for one in re.findall(r"<bdi>([^<]*)</bdi></a>", text.partition("<main")[2]) if one.endswith(domain)]


def paged(site: Site, cookie: str, path: str) -> list[list[str]]:
    """The addresses of a page and of all older ones."""
    pages: list[list[str]] = []
    while path:
        text = read(site, cookie, path)
        pages.append(listed(text))
        older = re.search(r'href="(\?[^"]*before=[^"]*)">Older', text)
        path = "/unsubscribes" + older[1].replace("&amp;", "&") if older else ""
    return pages


@pytest.mark.parametrize(
    ("state", "address", "words"),
    [
        ("owed", "owed@states.example.com", "On its way"),
        ("confirmed", "confirmed@states.example.com", "In Salesforce"),
        ("parked", "parked@states.example.com", "Waits for a person"),
        ("held", "held@states.example.com", "Held"),
        ("not linked", "nobody@states.example.com", "No Lead or Contact"),
        ("lifted", "lifted@states.example.com", "Removed"),
    ],
)
def test_each_state_is_a_filter_that_shows_only_its_people(
    site: Site, cookie: str, org_id: int, state: str, address: str, words: str
) -> None:
    text = read(site, cookie, f"/unsubscribes?source=complaint&state={state.replace(' ', '+')}")
    assert listed(text, "@states.example.com") == [address]
    assert words in text[text.index(address) :]


def test_nobody_is_left_out_of_a_state_in_which_people_have_two_boxes_each(
    site: Site, cookie: str, org_id: int
) -> None:
    """More boxes than one look takes, and fewer people than that."""
    with site.installation.database.connect() as conn:
        conn.execute(TWO_BOXES_EACH, {"people": 1_100, "org": org_id})
    pages = paged(site, cookie, "/unsubscribes?state=parked&q=twins")
    with site.installation.database.connect() as conn:
        conn.execute("DELETE FROM mark WHERE reason = 'twins'")
        conn.execute(
            "DELETE FROM opt_out USING address a WHERE a.address_id = opt_out.address_id AND normal LIKE 'twins%'"
        )
    assert {address for page in pages for address in page} == {f"twins{n}@example.com" for n in range(1_100)}


def test_filters_by_source_and_day_stand_in_the_address(site: Site, cookie: str, org_id: int) -> None:
    text = read(site, cookie, "/unsubscribes?source=api&since=2020-01-01")
    assert listed(text, "@states.example.com") == ["api@states.example.com"]
    assert '<option value="api" selected>' in text
    assert 'value="2020-01-01"' in text
    assert "Nobody matches these filters." in read(site, cookie, "/unsubscribes?since=2999-01-01")


def test_pages_follow_each_other_without_a_gap_or_a_repetition(site: Site, cookie: str, org_id: int) -> None:
    with site.installation.database.connect() as conn:
        for number in range(120):
            record.opt_out(conn, site.installation.vault.subject_key, f"p{number:03}@pages.example.com", "bulk")
    pages = paged(site, cookie, "/unsubscribes?source=bulk")
    assert {len(page) for page in pages[:-1]} == {50}
    seen = [address for page in pages for address in page if address.endswith("@pages.example.com")]
    assert seen == [f"p{number:03}@pages.example.com" for number in reversed(range(120))]


def test_a_damaged_place_or_an_unknown_filter_shows_the_first_page(site: Site, cookie: str, org_id: int) -> None:
    for query in (
        "before=x",
        "before=2026-01-01T00:00:00~1",
        f"before=2026-01-01T00:00:00Z~{2**70}",
        "state=%00&source=x",
    ):
        assert listed(read(site, cookie, f"/unsubscribes?{query}")), query


def test_a_hostile_address_is_shown_as_text(site: Site, cookie: str, org_id: int) -> None:
    text = read(site, cookie, "/unsubscribes?source=manual")
    assert "<script>document" not in text
    assert "&lt;script&gt;document" in text


def test_one_typed_address_is_blocked_and_its_evidence_shown(site: Site, cookie: str) -> None:
    status, text = press(site, cookie, "/unsubscribes", address=" Typed@Example.com ", reason="rang up")
    assert status == 302
    assert "Unsubscribed; blocked from now on." in text
    assert "typed@example.com" in text
    assert "rang up" in text
    assert (
        "Already unsubscribed; nothing changed." in press(site, cookie, "/unsubscribes", address="typed@example.com")[1]
    )


def test_a_slip_of_the_hand_is_refused_and_need_not_be_typed_again(site: Site, cookie: str) -> None:
    status, text = press(site, cookie, "/unsubscribes", address="ann.example.com")
    assert status == 422
    assert "This is not an e-mail address; nothing was recorded." in text
    assert 'value="ann.example.com"' in text


def test_a_form_of_another_site_records_nobody(site: Site, cookie: str) -> None:
    assert (
        site.request("POST", "/unsubscribes", "address=forged@example.com", FORM | {"Cookie": cookie})[0].status == 403
    )
    assert site.installation.run("check", "forged@example.com").code == 0


def test_the_export_is_that_of_the_command_line(site: Site, cookie: str, org_id: int) -> None:
    answer, text = post(site, cookie, "/unsubscribes/export")
    assert answer.getheader("content-type") == "text/csv; charset=utf-8"
    assert (answer.getheader("content-disposition") or "").startswith('attachment; filename="unsubscribes-')
    assert text == site.installation.run("export").out
    addresses = [row["address"] for row in csv.DictReader(StringIO(text))]
    assert "'" + FORMULA in addresses
    assert "lifted@states.example.com" not in addresses


def test_r34_whoever_unsubscribed_somebody_stands_in_the_list_and_is_a_filter(site: Site, cookie: str) -> None:
    key = site.installation.vault.subject_key
    press(site, cookie, "/unsubscribes", address="mine@by.example.com")
    with site.installation.database.connect() as conn:
        record.opt_out(conn, key, "theirs@by.example.com", "manual", actor="Petra Liste")
        record.opt_out(conn, key, "program@by.example.com", "mail provider", actor="API key crm")
        record.opt_out(conn, key, "ticked@by.example.com", "salesforce sync")
        record.opt_out(conn, key, "ticked@by.example.com", "manual", actor="Petra Liste")
        record.opt_out(conn, key, "letter@by.example.com", "one-click", evidence={"campaign": "Autumn"})
        record.opt_out(conn, key, "later@by.example.com", "manual", actor="Petra Liste")
        lifts.lift(conn, key, "later@by.example.com", mode="now", actor="test", reason="test")
        record.opt_out(conn, key, "later@by.example.com", "manual", actor="API key crm")
    text = read(site, cookie, "/unsubscribes?by=me")
    assert "mine@by.example.com" in listed(text)
    assert not {"theirs@by.example.com", "program@by.example.com"} & set(listed(text))
    text = read(site, cookie, "/unsubscribes?by=Petra+Liste")
    assert set(listed(text)) == {"theirs@by.example.com", "ticked@by.example.com"}
    assert '<bdi><a href="?by=Petra+Liste">Petra Liste</a></bdi>' in text
    assert listed(read(site, cookie, "/unsubscribes?by=API+key+crm&q=program")) == ["program@by.example.com"]
    assert "<bdi>Autumn</bdi>" in read(site, cookie, "/unsubscribes?q=letter@by")
    assert listed(read(site, cookie, "/unsubscribes?by=nobody")) == []


def test_the_many_whom_somebody_unsubscribed_long_ago_are_on_the_first_page(site: Site, cookie: str) -> None:
    inner, outer = hmac_pads(site.installation.vault.subject_key)
    with site.installation.database.connect() as conn:
        conn.execute(LONG_AGO_AND_SINCE, {"inner": inner, "outer": outer})
        found = listed(read(site, cookie, "/unsubscribes?by=Carl"))
        conn.execute("DELETE FROM opt_out WHERE source = 'bounce'")
    assert len(found) == 50
    assert {address[:4] for address in found} == {"carl"}


def test_filters_are_chips_that_go_one_by_one_and_nobody_is_one_click_from_everybody(
    site: Site, cookie: str, org_id: int
) -> None:
    text = read(site, cookie, "/unsubscribes?source=complaint&state=owed&until=2999-12-31")
    assert listed(text, "@states.example.com") == ["owed@states.example.com"]
    chips = re.findall(r'class="chip" href="([^"]*)"><span>([^<]*)<bdi>([^<]*)</bdi>', text)
    assert chips == [
        ("?source=complaint&amp;until=2999-12-31", "In Salesforce: ", "On its way"),
        ("?state=owed&amp;until=2999-12-31", "Source: ", "Spam complaint"),
        ("?state=owed&amp;source=complaint", "Until: ", "31 Dec 2999"),
    ]
    text = read(site, cookie, "/unsubscribes?until=2001-01-01")
    assert re.search(r'Nobody matches these filters\. <a href="/unsubscribes">Clear filters</a>', text)
    assert listed(read(site, cookie, "/unsubscribes?since=9999-12-31&until=9999-12-31")) == []


def test_a_confirmed_row_says_how_long_salesforce_took(site: Site, cookie: str) -> None:
    key, contact = site.installation.vault.subject_key, "003000007700009AAA"
    with site.installation.database.connect() as conn, site.installation.database.connect() as worker:
        number, org = marks.new_worker(conn), connections(conn)[0].org_id
        people.link(conn, key, org, [Link(contact, "Contact", "took@took.example.com")], "g")
        record.opt_out(conn, key, "took@took.example.com", "one-click")
        worker.execute("SELECT pg_advisory_lock(7001, %s)", [number])
        conn.execute("UPDATE mark SET claimed_by = %s WHERE record_id = %s", [number, contact])
        assert marks.confirm(conn, key, number, org, [(1, contact)]) == 1
    assert re.search(r"In Salesforce in \d+(\.\d\d)?\ss<", read(site, cookie, "/unsubscribes?q=took@took"))


def test_an_opt_out_field_is_a_filter_where_people_have_boxes_in_several(site: Site, cookie: str, org_id: int) -> None:
    key, number = site.installation.vault.subject_key, 900
    with site.installation.database.connect() as conn:
        people.link(conn, key, org_id, [Link("003000007700010AAA", "Contact", "sales@field.example.com")], "g")
        record.opt_out(conn, key, "sales@field.example.com", "manual")
        conn.execute(
            "INSERT INTO opt_out_field VALUES (%s, %s, 'Sales_Out__c', 'Sales_Out__c', 'Sales Opt Out')",
            [org_id, number],
        )
        conn.execute("UPDATE mark SET field = %s WHERE record_id = '003000007700010AAA'", [number])
        text = read(site, cookie, f"/unsubscribes?field={org_id}-{number}")
        other = read(site, cookie, f"/unsubscribes?field={org_id}-1&q=sales@field")
        conn.execute("DELETE FROM mark WHERE field = %s", [number])
        conn.execute("DELETE FROM opt_out_field WHERE field = %s", [number])
    assert listed(text) == ["sales@field.example.com"]
    assert f'<option value="{org_id}-{number}" selected>Sales Opt Out</option>' in text
    assert "Opt-out field: <bdi>Sales Opt Out</bdi>" in text
    assert listed(other) == []
    assert listed(read(site, cookie, "/unsubscribes?field=x-1")), "what means nothing is left out"
