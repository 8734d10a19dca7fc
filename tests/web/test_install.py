"""Settings > Salesforce > Install: seen before it is done, done once, and taken back (requirements 30-32)."""

import re
from collections.abc import Iterator
from html import unescape

import pytest

from optsync import seams
from optsync.connection import guide
from optsync.connection.connect import connections
from optsync.connection.install_plan import OWN
from optsync.connection.installing import look_for_undo, remembered, undo
from optsync.connection.sessions import open_session
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.soundness import EMAIL, show
from tests.web.conftest import press, read, submit

PAGE = "/settings/salesforce/install"


@pytest.fixture(autouse=True)
def as_at_the_start(site: Site, practice_org: PracticeOrg) -> Iterator[None]:
    """Each test begins with bare layouts and leaves nothing installed."""
    practice_org.clear_faults()
    for name in ("Lead", "Contact"):
        practice_org.grant(name, EMAIL, "edit")
        show(practice_org, name, EMAIL, None)
    yield
    practice_org.clear_faults()
    practice_org.permit(view_setup=True, modify_metadata=True)
    for name in ("Lead", "Contact"):
        practice_org.grant(name, EMAIL, "edit")
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        with open_session(conn, site.installation.vault, org_id, seams.real()) as session:
            undo(conn, session, org_id, look_for_undo(conn, session, org_id).digest)
        conn.execute("DELETE FROM installed")


def page(site: Site, cookie: str, query: str = "", language: str = "en") -> str:
    """The page as it reads."""
    return unescape(read(site, cookie, PAGE + query, language))


def hidden(text: str, name: str) -> list[str]:
    """The values of the hidden inputs of that name."""
    return re.findall(rf'<input type="hidden" name="{name}" value="([^"]*)"', text)


def layouts_in(text: str) -> dict[str, str]:
    """The ids of the page layouts by what they are called."""
    return {
        unescape(name): layout_id for layout_id, name in re.findall(r'<label for="layout-(\w+)">([^<]*)</label>', text)
    }


def preview(site: Site, cookie: str, name: str = "", field: str = EMAIL, grant: str = "on") -> tuple[int, str]:
    """Asks what would change, on the layout of that name too."""
    layout = layouts_in(read(site, cookie, PAGE)).get(name, "")
    return press(site, cookie, PAGE, step="preview", field=field, grant=grant, layout=layout)


def agree(site: Site, cookie: str, text: str) -> tuple[int, str]:
    """Presses the button below what would change."""
    values = {name: hidden(text, name)[0] for name in ("field", "grant", "digest")}
    layouts = {"layout": hidden(text, "layout")[0]} if hidden(text, "layout") else {}
    return press(site, cookie, PAGE, step="install", **values, **layouts)


def test_r31_the_page_says_of_each_layout_whether_it_shows_the_field(site: Site, cookie: str) -> None:
    text = page(site, cookie)
    assert "2 page layouts lack it." in text
    for name, has in (("Lead: Lead Layout", False), ("Lead: Lead (Marketing) Layout", True)):
        row = text[text.index(f">{name}<") :].partition("</div>")[0]
        assert ("Shows it" in row, "Lacks it" in row) == (has, not has)
    assert "Field missing" not in text


def test_r31_the_page_says_whether_our_user_may_tick_it(site: Site, cookie: str, practice_org: PracticeOrg) -> None:
    practice_org.grant("Lead", EMAIL, "read")
    assert "Not editable on Lead" in page(site, cookie)


def test_what_would_change_is_shown_and_nothing_is_done(site: Site, cookie: str) -> None:
    status, text = preview(site, cookie, "Lead: Lead Layout")
    assert status == 200
    assert "Lead: page layout Lead Layout shows HasOptedOutOfEmail below Email" in unescape(text)
    assert "A new permission set optsync" in text
    assert "Make these 5 changes" in text
    assert "2 page layouts lack it." in page(site, cookie)


def test_what_was_agreed_to_is_done_read_back_and_listed_with_who_did_it(site: Site, cookie: str) -> None:
    _, text = preview(site, cookie, "Lead: Lead Layout")
    status, text = agree(site, cookie, text)
    assert status == 302
    assert "Done, and read back from Salesforce. Changes: 5." in text
    assert "1 page layout lacks it." in text
    assert "Installed from here" in text
    row = text[text.index("shows HasOptedOutOfEmail below Email") :].partition("</tr>")[0]
    assert "admin" in row


def test_what_was_installed_is_taken_back_after_it_was_shown(site: Site, cookie: str) -> None:
    _, text = preview(site, cookie, "Lead: Lead Layout")
    agree(site, cookie, text)
    status, text = press(site, cookie, PAGE, step="undo")
    assert status == 200
    assert "Take back these 5 changes" in text
    assert "may tick a box only if another permission set or its profile lets it" in text
    status, text = press(site, cookie, PAGE, step="take-back", digest=hidden(text, "digest")[0])
    assert (status, "Taken back. Changes: 5." in text) == (302, True)
    assert "2 page layouts lack it." in text
    assert "Installed from here" not in text


def test_a_layout_that_was_changed_meanwhile_is_shown_anew_before_anything_is_done(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    _, text = preview(site, cookie, "Lead: Lead Layout")
    practice_org.call("POST", "/layouts/item", {"layout": "Lead-Lead Layout", "field": "DoNotCall", "behavior": None})
    status, again = agree(site, cookie, text)
    practice_org.call("POST", "/layouts/item", {"layout": "Lead-Lead Layout", "field": "DoNotCall", "behavior": "Edit"})
    assert status == 422
    assert "Salesforce was changed since you looked" in again
    assert "2 page layouts lack it." in page(site, cookie)


@pytest.mark.parametrize("step", ["install", "take-back"])
def test_a_digest_that_was_made_up_does_nothing(site: Site, cookie: str, step: str) -> None:
    status, text = press(site, cookie, PAGE, step=step, field=EMAIL, grant="on", digest="'; DROP TABLE installed")
    assert status == 422
    assert 'role="alert"' in text
    with site.installation.database.connect() as conn:
        assert remembered(conn, connections(conn)[0].org_id) == []


@pytest.mark.parametrize("field", ["Nope__c", "", "<script>alert(1)</script>", "x" * 5_000])
def test_a_field_that_is_not_on_offer_is_refused_with_the_list(site: Site, cookie: str, field: str) -> None:
    status, text = press(site, cookie, PAGE, step="preview", field=field)
    assert "<script>alert" not in text
    if field:
        assert (status, "There is no such opt-out field." in text) == (422, True)
    assert "By hand" in text or "What would change" in text


def test_a_right_that_is_missing_is_named_and_the_guide_stands_below(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    practice_org.permit(modify_metadata=False)
    _, text = preview(site, cookie, "Lead: Lead Layout", grant="")
    status, text = agree(site, cookie, text)
    assert status == 422
    assert "Modify Metadata" in text
    assert "By hand" in text
    practice_org.permit(view_setup=False)
    text = page(site, cookie)
    assert "View Setup and Configuration" in text
    assert str(guide.LIGHTNING.steps[0].text) in text


def test_r32_our_own_checkbox_is_offered_made_and_then_offered_as_a_choice(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    assert "Not there yet" in page(site, cookie)
    _, text = preview(site, cookie, field=OWN.lead_name)
    assert "Lead: a new checkbox Sales_Opt_Out__c" in text
    status, text = agree(site, cookie, text)
    assert (status, "Now choose this field" in text) == (302, True)
    assert "Sales_Opt_Out__c" in page(site, cookie)
    assert "Not there yet" not in page(site, cookie)
    lead = practice_org.create("Lead", Email="carrier@example.com")
    practice_org.edit(lead, **{OWN.lead_name: True})
    _, text = press(site, cookie, PAGE, step="undo")
    assert "Records of Lead that carry a tick in it, in the recycle bin too: 1" in text
    practice_org.edit(lead, **{OWN.lead_name: False})


def test_r32_the_package_is_looked_for_and_its_installation_is_told_step_by_step(
    site: Site, cookie: str, practice_org: PracticeOrg
) -> None:
    assert "Not installed" in page(site, cookie)
    practice_org.package(installed=True)
    try:
        text = page(site, cookie)
    finally:
        practice_org.package(installed=False)
    assert "✓ Installed" in text
    for step in guide.PACKAGE.steps:
        assert str(step.text) in text


@pytest.mark.parametrize("language", ["en", "de"])
def test_r30_the_guide_is_there_in_both_languages_for_lightning_and_classic(
    site: Site, cookie: str, language: str
) -> None:
    text = page(site, cookie, language=language)
    words = {"en": ("Quick Find", "Save", "Dynamic Forms"), "de": ("Schnellsuche", "Speichern", "Dynamic Forms")}
    assert all(word in text for word in (*words[language], "Classic", "Lead", "Contact"))


def test_without_a_connection_the_guide_is_there_all_the_same(new_site: Site, admin: str) -> None:
    text = page(new_site, admin)
    assert "Not connected to Salesforce yet." in text
    assert str(guide.LIGHTNING.title) in text


def test_salesforce_away_is_told_and_the_guide_stays(site: Site, cookie: str, practice_org: PracticeOrg) -> None:
    practice_org.fault("html", route="tooling.*", status=503, times=None)
    text = page(site, cookie)
    assert 'role="alert"' in text
    assert str(guide.LIGHTNING.steps[0].text) in text


def test_a_get_installs_nothing(site: Site, cookie: str) -> None:
    site.request("GET", f"{PAGE}?step=install&field={EMAIL}&grant=on&digest=x", headers={"Cookie": cookie})
    assert "2 page layouts lack it." in page(site, cookie)


def test_a_card_of_the_integrations_page_leads_here(site: Site, cookie: str) -> None:
    text = read(site, cookie, "/settings/unsubscribes/integrations")
    card = text[text.index('id="field-sales"') :]
    assert f'href="{PAGE}#guide-package"' in card
    assert f'href="{PAGE}?field={OWN.lead_name}"' in card


def test_a_post_without_a_token_is_turned_away(site: Site, cookie: str) -> None:
    answer, _ = site.request("POST", PAGE, "step=install", headers={"Cookie": cookie})
    assert answer.status == 403
    answer, _ = submit(site, cookie, PAGE, step="nonsense")
    assert answer.status == 200
