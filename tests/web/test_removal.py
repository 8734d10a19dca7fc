"""Remove unsubscribe (rules 6): every box read and shown, reason required, two ways, and plain answers."""

import pytest

from optsync.connection.connect import connections
from optsync.ledger import marks, people, record
from optsync.ledger.people import Link
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.conftest import press, read


@pytest.fixture
def lead(site: Site, practice_org: PracticeOrg, request: pytest.FixtureRequest) -> tuple[str, str]:
    """An opted-out person with a ticked Lead, new for each test: address and record."""
    address = f"{abs(hash(request.node.name))}@removal.example.com"
    record_id = practice_org.create("Lead", Email=address, HasOptedOutOfEmail=True)
    key = site.installation.vault.subject_key
    with site.installation.database.connect() as conn:
        people.link(conn, key, connections(conn)[0].org_id, [Link(record_id, "Lead", address)], "g")
        record.opt_out(conn, key, address, "manual")
    return address, record_id


def is_blocked(site: Site, address: str) -> bool:
    """What a sender would be told."""
    return site.installation.run("check", address).code == 3


def test_every_box_is_shown_as_it_is_now_with_a_link_to_its_record(
    site: Site, cookie: str, practice_org: PracticeOrg, lead: tuple[str, str]
) -> None:
    address, record_id = lead
    contact = practice_org.create("Contact", Email=address)
    assert "Remove unsubscribe…" in read(site, cookie, f"/people?address={address}")
    status, text = press(site, cookie, "/people/lift", step="look", address=address)
    assert status == 200
    for shown in (record_id, contact):
        assert f'href="{practice_org.url}/practice?q={shown}"' in text
    assert text.count("Still ticked") == 1
    assert text.count("> Unticked<") == 1
    assert "Boxes still ticked in Salesforce: 1." in text
    assert 'value="when-unticked" checked' in text
    assert is_blocked(site, address)


def test_it_needs_a_reason_and_keeps_what_was_typed(site: Site, cookie: str, lead: tuple[str, str]) -> None:
    form = {"step": "lift", "address": lead[0], "mode": "now", "reason": " ", "evidence": "form 7"}
    status, text = press(site, cookie, "/people/lift", **form)
    assert status == 422
    assert "A removal needs a reason; nothing was changed." in text
    assert 'value="form 7"' in text
    assert 'value="now" checked' in text
    assert is_blocked(site, lead[0])


def test_it_waits_while_a_box_is_ticked_and_is_done_at_once_when_none_is(
    site: Site, cookie: str, practice_org: PracticeOrg, lead: tuple[str, str]
) -> None:
    address, record_id = lead
    form = {"step": "lift", "address": address, "mode": "when-unticked", "reason": "signed form"}
    assert (
        "The removal waits until every box in Salesforce is unticked" in press(site, cookie, "/people/lift", **form)[1]
    )
    assert is_blocked(site, address)
    practice_org.edit(record_id, HasOptedOutOfEmail=False)
    text = press(site, cookie, "/people/lift", **form)[1]
    assert "Unsubscribe removed here." in text
    assert "Mail allowed" in text
    assert not is_blocked(site, address)


def test_now_removes_at_once_and_the_history_keeps_who_why_and_the_evidence(
    site: Site, cookie: str, lead: tuple[str, str]
) -> None:
    evidence = "form 7 of ann@example.com"
    form = {"step": "lift", "address": lead[0], "mode": "now", "reason": "signed form", "evidence": evidence}
    assert "Unsubscribe removed here." in press(site, cookie, "/people/lift", **form)[1]
    assert not is_blocked(site, lead[0])
    history = read(site, cookie, f"/people/evidence?address={lead[0]}")
    assert '"reason": "signed form"' in history
    assert '"note": "form 7 of [address]"' in history
    assert '"actor": "admin"' in history


def test_busy_is_told_plainly_and_changes_nothing(site: Site, cookie: str, lead: tuple[str, str]) -> None:
    address, record_id = lead
    form = {"step": "lift", "address": address, "mode": "now", "reason": "signed form"}
    with site.installation.database.connect() as conn, site.installation.database.connect() as worker:
        number = marks.new_worker(conn)
        worker.execute("SELECT pg_advisory_lock(7001, %s)", [number])
        conn.execute("UPDATE mark SET claimed_by = %s WHERE record_id = %s", [number, record_id])
        status, text = press(site, cookie, "/people/lift", **form)
    assert status == 409
    assert "A push for this person is on its way at this moment." in text
    assert 'value="signed form"' in text
    assert is_blocked(site, address)


def test_who_is_not_unsubscribed_has_nothing_to_remove(site: Site, cookie: str) -> None:
    assert "Remove unsubscribe…" not in read(site, cookie, "/people?address=free@removal.example.com")
    text = press(site, cookie, "/people/lift", step="look", address="free@removal.example.com")[1]
    assert "This address is not unsubscribed here." in text
    answer, _ = site.request("GET", "/people/lift", headers={"Cookie": cookie})
    assert (answer.status, answer.getheader("location")) == (302, "/people")
