"""Bulk unsubscribe: pasted, previewed, recorded; nothing before the last click, and what names nobody comes back."""

import re
from html import unescape

import pytest

from optsync.connection.connect import connections
from optsync.ledger import holds, people
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.conftest import press, read

FORM = "/unsubscribes/many"


def is_blocked(site: Site, address: str) -> bool:
    """What a sender would be told."""
    return site.installation.run("check", address).code == 3


def facts_of(text: str) -> list[str]:
    """New, already, naming nobody."""
    return re.findall(r"<dd>([^<]*)</dd>", text)


def test_r42_many_are_previewed_then_recorded_and_what_names_nobody_comes_back(site: Site, cookie: str) -> None:
    press(site, cookie, "/unsubscribes", address="known@many.example.com")
    lines = "new1@many.example.com\nNEW2@many.example.com; known@many.example.com\tnonsense,new1@many.example.com"
    status, text = press(site, cookie, FORM, lines=lines, step="preview", reason="fair")
    assert status == 200
    assert facts_of(text)[:3] == ["2", "1", "1"]
    assert "neither an e-mail address nor a record id" in text
    assert "Unsubscribe these 2" in text
    assert not is_blocked(site, "new1@many.example.com")
    assert 'value="fair"' in text
    _, text = press(site, cookie, FORM, lines=lines, step="change", reason="fair")
    assert "NEW2@many.example.com; known@many.example.com" in text
    _, text = press(site, cookie, FORM, lines=lines, step="record", reason="fair")
    assert "2 people unsubscribed; blocked from now on." in text
    assert re.search(r"<textarea[^>]*>\s*nonsense</textarea>", text)
    assert is_blocked(site, "new2@many.example.com")
    with site.installation.database.connect() as conn:
        (event,) = people.timeline(conn, site.installation.vault.subject_key, "new2@many.example.com")
    assert (event.source, event.actor, event.reason) == ("bulk", "admin", "fair")
    assert "0 people unsubscribed" in press(site, cookie, FORM, lines=lines, step="record")[1]


def test_r42_record_ids_of_15_and_18_characters_are_asked_of_salesforce(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    lead = practice_org.create("Lead", Email="by-id@many.example.com")
    nameless = practice_org.create("Contact", Email=None)
    lines = f"{lead[:15]}\n{nameless}\n00Q000000099999"
    before = count_of_links(site)
    _, text = press(site, cookie, FORM, lines=lines, step="preview")
    assert facts_of(text)[:3] == ["1", "0", "2"]
    assert "by-id@many.example.com" in text
    assert "this record has no e-mail address" in text
    assert "Salesforce shows no such record to us" in text
    assert count_of_links(site) == before, "a preview writes nothing"
    press(site, cookie, FORM, lines=lines, step="record")
    assert is_blocked(site, "by-id@many.example.com")
    page = read(site, cookie, "/people?address=by-id@many.example.com")
    assert lead in page
    assert "given id" in page
    assert "on its way" in page


def count_of_links(site: Site) -> int:
    """How many records are linked."""
    with site.installation.database.connect() as conn:
        row = conn.execute("SELECT count(*) FROM record").fetchone()
    assert row is not None
    return int(row[0])


def test_an_address_is_recorded_also_while_salesforce_is_away(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    lead = practice_org.create("Lead", Email="away@many.example.com")
    practice_org.fault("html", times=None)
    try:
        _, text = press(site, cookie, FORM, lines=f"typed@many.example.com\n{lead}", step="record")
    finally:
        practice_org.clear_faults()
    assert "1 person unsubscribed" in text
    assert "Salesforce did not answer: type the e-mail address instead" in text
    assert is_blocked(site, "typed@many.example.com")


def test_a_mass_is_held_unless_an_admin_says_that_it_is_meant(site: Site, cookie: str) -> None:
    lines = "\n".join(f"mass{n}@many.example.org" for n in range(501))
    assert "So many people at once will be held" in press(site, cookie, FORM, lines=lines, step="preview")[1]
    _, text = press(site, cookie, FORM, lines=lines, step="record")
    assert "So many people at once are held" in text
    (number,) = re.findall(r'href="/holds/(\d+)"', text)
    with site.installation.database.connect() as conn:
        holds.drop(conn, site.installation.vault.subject_key, int(number), "test", "a rehearsal")
    _, text = press(site, cookie, FORM, lines=lines, step="record", confirmed="yes")
    assert "501 people unsubscribed" in text
    assert "are held" not in text


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (" \n,", "Nothing was typed; nothing was recorded."),
        ("\n".join(f"{n}@b.example" for n in range(1001)), "More than 1,000 at once; nothing was recorded."),
    ],
)
def test_nothing_and_too_many_are_refused_and_stay_in_the_form(site: Site, cookie: str, lines: str, said: str) -> None:
    status, text = press(site, cookie, FORM, lines=lines, step="record")
    assert (status, said in text) == (422, True)
    assert lines.strip() in unescape(text)


def test_a_hostile_entry_is_shown_as_text(site: Site, cookie: str) -> None:
    _, text = press(site, cookie, FORM, lines="</textarea><script>alert(1)</script>", step="record")
    assert "<script>alert" not in text
    with site.installation.database.connect() as conn:
        assert connections(conn)
