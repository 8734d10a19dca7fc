"""The page of one person: why it does not show in Salesforce, in one screen, and what happened, as evidence."""

import json
import re
from collections.abc import Iterator
from html import unescape

import pytest

from optsync.connection.connect import connections
from optsync.ledger import holds, lifts, marks, people, record
from optsync.ledger.people import Link
from tests.installation import Site
from tests.web.conftest import press, read

LEAD = "00Q00000770{}AAA"


class Person:
    """Somebody with one Lead, whose box a test leaves as a worker would have."""

    def __init__(self, site: Site, name: str, number: int) -> None:
        self.site, self.address, self.record_id = site, f"{name}@person.example.com", LEAD.format(f"{number:04}")
        key = site.installation.vault.subject_key
        with site.installation.database.connect() as conn:
            self.org_id = connections(conn)[0].org_id
            people.link(conn, key, self.org_id, [Link(self.record_id, "Lead", self.address)], "e")
            self.id = record.opt_out(conn, key, self.address, "manual", actor="ann").address_id

    def leave(self, state: str, reason: str | None, due: str | None = "1 day") -> None:
        with self.site.installation.database.connect() as conn:
            conn.execute(
                "UPDATE mark SET state = %s, reason = %s, due_at = clock() + %s::interval WHERE record_id = %s",
                [state, reason, due, self.record_id],
            )

    def due_in_hours(self) -> float:
        with self.site.installation.database.connect() as conn:
            row = conn.execute(
                "SELECT extract(epoch FROM due_at - clock())::float8 / 3600 FROM mark WHERE record_id = %s",
                [self.record_id],
            ).fetchone()
        assert row is not None
        return float(row[0])

    def page(self, cookie: str, language: str = "en") -> str:
        return unescape(read(self.site, cookie, f"/people?address={self.address}", language))


@pytest.fixture
def paused(site: Site) -> Iterator[None]:
    """Salesforce refuses our sign-in."""
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        marks.pause(conn, org_id, 0, "", 3600.0, "INVALID_SESSION_ID", "Session expired or invalid")
        yield
        marks.clear_pauses(conn, org_id)


def test_a_refused_box_is_told_in_plain_words_with_salesforces_own_and_tried_again_by_a_button(
    site: Site, cookie: str
) -> None:
    ann = Person(site, "refused", 1)
    ann.leave("p", "FIELD_CUSTOM_VALIDATION_EXCEPTION: Fax <b>is</b> required")
    text = ann.page(cookie)
    for said in (
        "Why it does not show in Salesforce",
        "A validation rule blocks the update",
        "Exempt the integration user from the rule",
        "Fax <b>is</b> required",
        "Tried again by itself:",
        "Blocked",
        "Unsubscribed (Manual) · Blocked since",
    ):
        assert said in text, said
    assert "<b>is</b>" not in read(site, cookie, f"/people?address={ann.address}")
    assert ann.due_in_hours() > 20
    status, text = press(site, cookie, "/people/retry", address=ann.address)
    assert (status, "Boxes that are due now: 1." in text, ann.address in text) == (302, True, True)
    assert ann.due_in_hours() < 0.1
    assert "Eine Validierungsregel" in ann.page(cookie, "de")
    assert "A validation rule blocks the update. Exempt the" in site.installation.run("who", ann.address).out


@pytest.mark.usefixtures("paused")
def test_a_box_that_waits_names_the_pause_and_when_it_is_tried_next(site: Site, cookie: str) -> None:
    ann = Person(site, "paused", 2)
    text = ann.page(cookie)
    for said in ("Pushes wait", "Sign-in expired", "Session expired or invalid", "Tried again by itself:"):
        assert said in text, said
    press(site, cookie, "/people/retry", address=ann.address)
    assert "Pushes wait" not in ann.page(cookie)


def test_a_box_that_salesforce_put_off_says_why_and_until_when(site: Site, cookie: str) -> None:
    ann = Person(site, "locked", 3)
    ann.leave("o", "ENTITY_IS_LOCKED:waits for approval", "50 minutes")
    text = ann.page(cookie)
    assert "Locked by an approval" in text
    assert "waits for approval" in text
    assert "Tried again by itself:" in text


def test_a_held_box_leads_to_the_decision_and_a_ticked_one_hinders_nothing(site: Site, cookie: str) -> None:
    ann, ben = Person(site, "held", 4), Person(site, "ticked", 5)
    with site.installation.database.connect() as conn:
        hold = holds.hold_outbound(conn, None, "import held.csv", [(ann.id, None)])
        text = ann.page(cookie)
        assert "In a mass change that waits for a decision" in text
        assert f'href="/holds/{hold}"' in text
        holds.apply(conn, site.installation.vault.subject_key, hold, "test")
    ben.leave("c", None, None)
    assert "Why it does not show in Salesforce" not in ben.page(cookie)


def test_who_is_in_no_record_hears_when_it_was_looked_for_and_when_next(site: Site, cookie: str) -> None:
    key, address = site.installation.vault.subject_key, "alone@person.example.com"
    with site.installation.database.connect() as conn:
        made = record.opt_out(conn, key, address, "manual")
        conn.execute(
            "UPDATE lookup SET attempts = 1, due_at = clock() + interval '21 hours' WHERE address_id = %s",
            [made.address_id],
        )
    text = read(site, cookie, f"/people?address={address}")
    assert "had this address 3 h ago; it is looked for again in 20 h." in text
    assert "Boxes that are due now: 1." in press(site, cookie, "/people/retry", address=address)[1]
    assert "A Lead or Contact with this address is looked for next." in read(site, cookie, f"/people?address={address}")


def test_r35_whom_we_know_from_salesforce_only_may_be_mailed_and_the_history_is_shown_all_the_same(
    site: Site, cookie: str
) -> None:
    key, address = site.installation.vault.subject_key, "known@person.example.com"
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        people.link(conn, key, org_id, [Link(LEAD.format("0006"), "Lead", address)], "n")
    text = read(site, cookie, f"/people?address={address}")
    assert "We know this address only from Salesforce. Not unsubscribed: mail is allowed." in text
    assert "Why it does not show" not in text
    assert "/people/retry" not in text
    assert 'id="history"' in text


def test_the_history_is_evidence_network_message_campaign_and_how_long_it_took(site: Site, cookie: str) -> None:
    key, address = site.installation.vault.subject_key, "proof@person.example.com"
    contact, kept = (
        "003000007700001AAA",
        {"message": "<m1@news.example>", "campaign": "Autumn", "network": "192.0.2.0/24"},
    )
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        people.link(conn, key, org_id, [Link(contact, "Contact", address)], "e")
        record.opt_out(conn, key, address, "one-click", evidence=kept)
        number = marks.new_worker(conn)
        with site.installation.database.connect() as worker:
            worker.execute("SELECT pg_advisory_lock(7001, %s)", [number])
            conn.execute("UPDATE mark SET claimed_by = %s WHERE record_id = %s", [number, contact])
            assert marks.confirm(conn, key, number, org_id, [(1, contact)]) == 1
    confirmed = f"Salesforce confirmed: Contact {contact}, Email Opt Out = true"
    text = read(site, cookie, f"/people?address={address}")
    page, _, letter = unescape(text).partition('id="letter"')
    for said in (confirmed, "192.0.2.0/24", "<m1@news.example>", "Autumn", "One-click", "Salesforce Sync"):
        assert said in page, said
        assert said in letter, said
    assert re.search(re.escape(confirmed) + r" \(\d+(\.\d\d)?\ss\)", letter)
    told = json.loads(read(site, cookie, f"/people/evidence?address={address}"))
    assert told["blocked"]
    (box,) = told["records"][0]["boxes"]
    assert (box["field"], box["state"], box["shown"]) == ("Email Opt Out", "confirmed", "ticked in Salesforce")
    first, last = told["events"]
    assert first["evidence"] == kept
    assert last["details"] == confirmed
    assert 0 <= last["took_seconds"] < 60
    spoken = site.installation.run("who", address).out
    assert confirmed in spoken
    assert "Network: 192.0.2.0/24" in spoken


def test_r35_conversions_removals_and_who_did_them_and_why_stay_in_the_history(site: Site, cookie: str) -> None:
    ann, key = Person(site, "moved", 7), site.installation.vault.subject_key
    contact, gone = "003000007700002AAA", LEAD.format("0008")
    with site.installation.database.connect() as conn:
        people.follow(conn, key, ann.org_id, ann.record_id, Link(contact, "Contact", ann.address), "c")
        people.link(conn, key, ann.org_id, [Link(gone, "Lead", ann.address)], "e")
        people.forget(conn, key, ann.org_id, gone)
        lifts.lift(conn, key, ann.address, mode="now", actor="Petra Lang", reason="signed form 7")
    text = ann.page(cookie)
    assert "Mail allowed" in text
    for said in (f"Lead {ann.record_id} → Contact {contact}", "signed form 7", "Petra Lang", "Manual, ann"):
        assert said in text, said
    assert f"<del>Lead <code>{gone}</code></del>" in text
    assert "deleted in Salesforce on" in text
    told = json.loads(read(site, cookie, f"/people/evidence?address={ann.address}"))
    assert [one["record_id"] for one in told["deleted_records"]] == [gone]
    assert re.search(rf"Lead {ann.record_id} → {contact}: nothing owed\nLead {gone}: deleted in Salesforce on 2", text)


def test_a_mass_change_that_alone_blocks_a_person_is_one_press_away(site: Site, cookie: str) -> None:
    address, key = "inbound@person.example.com", site.installation.vault.subject_key
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        people.link(conn, key, org_id, [Link(LEAD.format("0009"), "Lead", address)], "n")
        found = people.find(conn, key, address)
        assert found is not None
        row = conn.execute("INSERT INTO hold (org_id, direction, origin) VALUES (1, 'i', 'run 0') RETURNING hold_id")
        (hold,) = row.fetchone() or (0,)
        conn.execute(
            "INSERT INTO hold_item (hold_id, address_id, org_id, field, record_id) VALUES (%s, %s, %s, 1, %s)",
            [hold, found.address_id, org_id, LEAD.format("0009")],
        )
        text = read(site, cookie, f"/people?address={address}")
        conn.execute("UPDATE hold SET decided_at = clock(), decision = 'dropped' WHERE hold_id = %s", [hold])
    assert "In a mass change that waits for a decision." in text
    assert f'href="/holds/{hold}"' in text


def test_without_an_org_the_page_says_so(new_site: Site, admin: str) -> None:
    key, address = new_site.installation.vault.subject_key, "orgless@person.example.com"
    with new_site.installation.database.connect() as conn:
        record.opt_out(conn, key, address, "manual")
    assert "No Salesforce org is connected yet." in read(new_site, admin, f"/people?address={address}")
