"""The search of the top bar takes an address, the id of a record, the number of a run, or the name of a page."""

import pytest

from optsync.connection.connect import connections
from optsync.ledger import people
from optsync.ledger.people import Link
from optsync.ledger.record import opt_out
from optsync.web.record_links import page_of_records
from tests.installation import Site
from tests.web.conftest import read


@pytest.mark.parametrize(
    ("typed", "leads_to"),
    [
        ("ann@example.com", "/people?address=ann%40example.com"),
        ("00Q0000000005bb", "/people?record=00Q0000000005bb"),
        ("12", "/runs/12"),
        ("%2312", "/runs/12"),
        ("sync+run+12", "/runs/12"),
        ("Settings", "/settings"),
        ("9999999999", "/people?q=9999999999"),
        ("%3Cscript%3E", "/people?q=%3Cscript%3E"),
        ("", "/people?q="),
        ("ann", "/people?q=ann"),
        ("Issues", "/issues"),
        ("doc", "/settings/salesforce/doctor"),
        ("Sync", "/runs"),
        ("i", "/people?q=i"),
        ("Aud", "/audit"),
        ("Webh", "/settings/webhooks"),
    ],
)
def test_what_is_typed_decides_where_it_leads(site: Site, cookie: str, typed: str, leads_to: str) -> None:
    answer, _ = site.request("GET", f"/search?q={typed}", headers={"Cookie": cookie})
    assert (answer.status, answer.getheader("location")) == (302, leads_to)


def test_15_and_18_characters_of_an_id_name_one_record(site: Site, cookie: str) -> None:
    with site.installation.database.connect() as conn:
        link = Link("00Q0000000005bbEAA", "Lead", "byid@example.com")
        people.link(conn, site.installation.vault.subject_key, connections(conn)[0].org_id, [link], "g")
    for typed in ("00Q0000000005bb", "00Q0000000005bbEAA"):
        assert "byid@example.com" in read(site, cookie, f"/people?record={typed}")


def test_a_record_without_a_person_is_told(site: Site, cookie: str) -> None:
    assert "No person is known for the record 00Q000000000999EAA." in read(
        site, cookie, "/people?record=00Q000000000999EAA"
    )
    assert "This is not the id of a Salesforce record: 12&lt;b" in read(site, cookie, "/people?record=12%3Cb")


def test_a_record_is_linked_only_where_the_address_of_its_org_is_known() -> None:
    assert page_of_records("https://acme.my.salesforce.com", is_practice=False) == "https://acme.my.salesforce.com/"
    assert page_of_records("https://login.salesforce.com", is_practice=False) == ""


def test_an_org_that_was_connected_at_the_common_sign_in_links_its_records(site: Site, cookie: str) -> None:
    with site.installation.database.connect() as conn:
        org = connections(conn)[0]
        people.link(
            conn,
            site.installation.vault.subject_key,
            org.org_id,
            [Link("00Q0000000007ccEAA", "Lead", "linked@example.com")],
            "g",
        )
        kept = conn.execute("SELECT instance_url FROM connection WHERE org_id = %s", [org.org_id]).fetchone()
        assert kept is not None
        assert kept[0] == org.login_url, "a practice org lives where it is signed in to"
        change = "UPDATE connection SET login_url = %s, instance_url = %s, is_practice = %s WHERE org_id = %s"
        conn.execute(change, ["https://login.salesforce.com", "https://acme.my.salesforce.com", False, org.org_id])
        try:
            text = read(site, cookie, "/people?address=linked@example.com")
        finally:
            conn.execute(change, [org.login_url, kept[0], True, org.org_id])
    assert 'href="https://acme.my.salesforce.com/00Q0000000007ccEAA"' in text


def test_why_a_person_is_not_in_salesforce_stands_on_their_page(site: Site, cookie: str) -> None:
    with site.installation.database.connect() as conn:
        opt_out(conn, site.installation.vault.subject_key, "norecord@search.example", "manual")
    said = "A Lead or Contact with this address is looked for next."
    assert said in read(site, cookie, "/people?address=norecord@search.example")
    assert said not in read(site, cookie, "/people?address=never-heard-of@search.example")
