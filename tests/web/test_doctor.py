"""Settings > Salesforce > Doctor: each finding with its fix, in the reader's language, and gone once it is mended."""

import re
from collections.abc import Iterator
from html import unescape

import pytest

from optsync.connection.connect import connections
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.soundness import BARE, EMAIL, make_bare, make_sound, show
from tests.web.conftest import press

PAGE = "/settings/salesforce/doctor"


def look(site: Site, cookie: str, language: str = "en", path: str = PAGE) -> str:
    """The page as it reads."""
    answer, text = site.request("GET", path, headers={"Cookie": cookie, "Accept-Language": language})
    assert answer.status == 200, (site.installation.folder / "web.log").read_text()
    return unescape(text)


def letter(text: str) -> str:
    """The text for somebody else; empty when there is none."""
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", text, re.DOTALL)
    return found[1] if found else ""


@pytest.fixture(autouse=True)
def granted_again(practice_org: PracticeOrg) -> Iterator[None]:
    """Each test leaves the org as it found it."""
    yield
    practice_org.clear_faults()
    practice_org.grant("Lead", EMAIL, "edit")


@pytest.fixture
def sound(practice_org: PracticeOrg) -> Iterator[PracticeOrg]:
    """The org, without anything that the doctor would find."""
    make_sound(practice_org)
    yield practice_org
    make_bare(practice_org)


def test_a_hidden_field_is_named_with_its_fix_and_is_gone_once_it_is_granted(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    practice_org.grant("Lead", EMAIL, "absent")
    text = look(site, cookie)
    assert "1 check fails." in text
    assert "Email Opt Out can be written on Lead" in text
    assert "Setup > Permission Sets" in text
    practice_org.grant("Lead", EMAIL, "edit")
    assert "check fails." not in look(site, cookie)


def test_the_text_for_the_salesforce_admin_holds_what_they_can_mend_and_nothing_else(
    site: Site, cookie: str, sound: PracticeOrg
) -> None:
    assert letter(look(site, cookie)) == "", "a missing worker is nothing that they could mend"
    sound.grant("Lead", EMAIL, "read")
    english, german = letter(look(site, cookie)), letter(look(site, cookie, "de"))
    assert sound.credentials["org_id"] in english
    assert "1. Email Opt Out can be written on Lead: Fail" in english
    assert "worker" not in english.lower()
    assert "1. Email Opt Out kann auf Lead geschrieben werden: Fehler" in german
    assert "schreibgeschützt" in german
    assert "Berechtigungssätze" in german


def test_findings_and_errors_are_told_in_german(site: Site, cookie: str, practice_org: PracticeOrg) -> None:
    practice_org.fault("refuse", route="query", code="API_DISABLED_FOR_ORG", status=403)
    text = look(site, cookie, "de")
    assert "hat keine API" in text
    assert "Die Org antwortet unserem Benutzer nicht" in text
    practice_org.fault("html", route="describe", status=200)
    text = look(site, cookie, "de")
    assert "Eine seltsame Antwort von Salesforce" in text
    assert "Nichts: Es wird noch einmal versucht" in text


def test_what_salesforce_says_cannot_write_into_the_page(site: Site, cookie: str, practice_org: PracticeOrg) -> None:
    practice_org.fault("refuse", route="query", code="X", status=403, message="</textarea><script>alert(1)</script>")
    _, text = site.request("GET", PAGE, headers={"Cookie": cookie})
    assert "alert(1)" in text
    assert "<script>alert" not in text


def test_one_org_among_several_is_asked_for_by_its_id(site: Site, cookie: str) -> None:
    with site.installation.database.connect() as conn:
        org = connections(conn)[0]
    assert org.salesforce_id in look(site, cookie, path=f"{PAGE}?org={org.salesforce_id}")
    for unknown in ("00D000000000009EAA", "'; DROP TABLE org", "x" * 5_000):
        answer, _ = site.request("GET", f"{PAGE}?org={unknown.replace(' ', '+')}", headers={"Cookie": cookie})
        assert answer.status == 404


def test_a_layout_without_the_field_is_named_and_leads_to_the_installer(
    site: Site, cookie: str, sound: PracticeOrg
) -> None:
    show(sound, "Lead", EMAIL, None)
    text = look(site, cookie)
    row = text[text.index('id="layouts.Lead"') :].partition("</li>")[0]
    assert f"{EMAIL} on Lead Layout" in row
    assert "/settings/salesforce/install?org=" in row
    assert "Run again" in row
    assert "Lead Layout" in BARE["Lead"]


def test_the_canary_is_a_button_and_its_row_is_among_the_checks(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    assert "A test Lead keeps its tick" not in look(site, cookie)
    practice_org.clear_spy()
    status, text = press(site, cookie, PAGE)
    assert (status, "A test Lead keeps its tick" in text) == (200, True)
    assert practice_org.spy()["false_writes"] == 0
