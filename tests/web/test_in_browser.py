"""What a person sees, in Chromium: both languages and themes, a phone, the keyboard, no complaint of the browser."""

from typing import TYPE_CHECKING

import pytest

from optsync import seams
from optsync.connection.connect import connections
from optsync.ledger import people
from optsync.ledger.people import Link
from optsync.ledger.record import opt_out
from optsync.public.tokens import make_token
from optsync.sync.nightly import start_due
from optsync.web.sign_in import make_link
from tests.browser import MARKS, barriers
from tests.installation import Site
from tests.practice import PracticeOrg

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make install-dev)")
pytestmark = MARKS
PARK = "UPDATE mark SET state = 'p', reason = 'INVALID_FIELD: no', due_at = clock() + '1 day' WHERE record_id = %s"


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complains of: errors, and what the content security policy refused."""
    return []


def opened(browser: "Browser", complaints: list[str], *, language: str, scheme: str, width: int) -> "Page":
    """A page of a browser that somebody uses in this language and theme."""
    context = browser.new_context(
        locale=language, color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 800}
    )
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


def sign_in(site: Site, page: "Page") -> None:
    """Opens a one-time link and presses its button."""
    with site.installation.database.connect() as conn:
        secret = make_link(conn, seams.real().token_bytes)
    page.goto(f"{site.url}/sign-in/{secret}")
    page.get_by_role("main").get_by_role("button").click()
    page.wait_for_url(f"{site.url}/")


def save_what_is_shown_first(page: "Page") -> None:
    """Presses Save twice: each press only on the page it belongs to, the second one until all is done."""
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="What this change does").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("status").get_by_text("Saved.").wait_for()


def test_r24_the_settings_are_reached_and_changed_by_keyboard_alone(
    site: Site, browser: "Browser", complaints: list[str]
) -> None:
    page = opened(browser, complaints, language="en", scheme="light", width=1180)
    sign_in(site, page)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Settings").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/integrations")
    assert page.get_by_role("heading", name="Sync to Salesforce").is_visible()
    switch = page.get_by_role("switch", name="Nightly sync")
    assert not switch.is_checked()
    switch.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="What this change does").wait_for()
    page.get_by_role("button", name="Save").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/integrations?saved")
    assert page.get_by_role("status").inner_text() == "Saved."
    assert switch.is_checked()
    switch.uncheck()
    save_what_is_shown_first(page)
    assert not switch.is_checked()
    assert complaints == []
    page.context.close()


@pytest.mark.parametrize(("language", "scheme", "width"), [("en", "light", 1180), ("de", "dark", 390)])
def test_every_step_of_connecting_fits_the_window_and_is_done_by_keyboard_alone(
    new_site: Site,
    admin: str,
    own_org: PracticeOrg,
    browser: "Browser",
    complaints: list[str],
    language: str,
    scheme: str,
    width: int,
) -> None:
    assert admin, "which leaves nothing behind"
    page = opened(browser, complaints, language=language, scheme=scheme, width=width)
    sign_in(new_site, page)

    def press(control: str) -> None:
        page.locator(f"main {control}").focus()
        page.keyboard.press("Space" if control.startswith("#") else "Enter")

    def fill(name: str, value: str) -> None:
        page.locator(f"main [name={name}]").focus()
        page.keyboard.type(value)

    def arrive(at: str) -> None:
        page.wait_for_url(f"**{at}*")  # a redirect carries the fragment along
        assert barriers(page) == [], at
        assert page.evaluate("document.documentElement.scrollWidth") <= width, at

    press("a.button")
    arrive("/settings/salesforce/connect")
    press("#place-practice")
    fill("address", own_org.url)
    press("form button >> nth=0")
    arrive("/connect/sign-in")
    press("#way-jwt")
    press("button[value=way]")
    arrive("/connect/sign-in#details")
    press("#way-client_credentials")
    press("button[value=way]")
    page.locator("main [name=client_secret]").wait_for()
    fill("client_id", own_org.credentials["client_id"])
    fill("client_secret", own_org.credentials["client_secret"])
    press("button[value=try]")
    arrive("/connect/org")
    press("form button")
    arrive(f"/connect/doctor?org={own_org.credentials['org_id']}")
    press("form a.button")
    arrive(f"/connect/first-sync?org={own_org.credentials['org_id']}")
    press("button[value=look]")
    page.locator("#now").wait_for()
    arrive("/connect/first-sync")
    start_due(new_site.installation.database, new_site.installation.vault, seams.real())
    page.locator("button[value=on]").wait_for()
    arrive("/connect/first-sync")
    press("button[value=on]")
    page.wait_for_url(f"{new_site.url}/")
    assert complaints == []
    page.context.close()


def test_a_preview_and_a_retry_are_done_by_keyboard_alone(
    site: Site, browser: "Browser", practice_org: PracticeOrg, complaints: list[str]
) -> None:
    house = site.installation
    record_id = practice_org.create("Contact", Email="keyboard@example.com")
    with house.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        people.link(conn, house.vault.subject_key, org_id, [Link(record_id, "Contact", "keyboard@example.com")], "n")
        opt_out(conn, house.vault.subject_key, "keyboard@example.com", "manual")
        conn.execute(PARK, [record_id])
    page = opened(browser, complaints, language="en", scheme="light", width=1180)
    sign_in(site, page)

    def tab_to(name: str) -> None:
        """Tabs on until the control of that name has the focus, as somebody without a mouse does."""
        for _ in range(150):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.innerText || ''").strip().startswith(name):
                return
        raise AssertionError(f"{name} is not reached")

    tab_to("Preview the next sync")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*")
    start_due(house.database, house.vault, seams.real())
    page.get_by_text("Nothing was written").first.wait_for()
    assert barriers(page) == []
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/issues")
    tab_to("Retry th")
    page.keyboard.press("r")  # all of them: the group that comes first may be another test's
    page.get_by_text("Boxes that are due now").wait_for()
    practice_org.delete(record_id)
    assert complaints == []
    page.context.close()


def test_the_text_for_the_salesforce_admin_is_copied_and_without_scripts_it_is_there_to_select(
    site: Site,
    browser: "Browser",
    practice_org: PracticeOrg,
    complaints: list[str],
    request: pytest.FixtureRequest,
) -> None:
    request.addfinalizer(lambda: practice_org.grant("Contact", "HasOptedOutOfEmail", "edit"))
    practice_org.grant("Contact", "HasOptedOutOfEmail", "read")
    page = opened(browser, complaints, language="en", scheme="light", width=1180)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    sign_in(site, page)
    page.goto(f"{site.url}/settings/salesforce/doctor")
    assert barriers(page) == []
    page.get_by_role("button", name="Copy for my Salesforce admin").click()
    page.get_by_text("Copied.").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.get_by_role("textbox", name="For my Salesforce admin").input_value()
    assert "HasOptedOutOfEmail is read-only" in copied
    cookies = page.context.cookies()
    page.context.close()
    plain = browser.new_context(java_script_enabled=False)
    plain.add_cookies([{"name": one["name"], "value": one["value"], "url": site.url} for one in cookies])
    page = plain.new_page()
    page.goto(f"{site.url}/settings/salesforce/doctor")
    assert page.get_by_role("textbox", name="For my Salesforce admin").is_visible()
    assert not page.get_by_role("button", name="Copy for my Salesforce admin").is_visible()
    plain.close()
    assert complaints == []


def test_a_recipient_unsubscribes_without_any_script(site: Site, browser: "Browser") -> None:
    token = make_token(site.installation.vault.link_keys, seams.real().token_bytes, "browser@example.com")
    context = browser.new_context(locale="de", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/u/{token}")
    page.get_by_role("button", name="Abmelden").click()
    assert page.get_by_role("heading").inner_text() == "Erledigt. Sie sind abgemeldet."
    assert context.cookies() == []
    context.close()


def test_the_language_of_the_pages_can_be_changed(site: Site, browser: "Browser", complaints: list[str]) -> None:
    page = opened(browser, complaints, language="en", scheme="light", width=1180)
    sign_in(site, page)
    page.get_by_role("button", name="Deutsch").click()
    assert page.get_by_role("link", name="Übersicht").is_visible()
    page.context.close()


def test_keys_lead_from_page_to_page_and_can_be_switched_off(
    site: Site, browser: "Browser", complaints: list[str]
) -> None:
    page = opened(browser, complaints, language="en", scheme="light", width=1180)
    sign_in(site, page)
    for key, path in {"u": "/unsubscribes", "p": "/people", "r": "/runs", "i": "/issues", "o": "/"}.items():
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(site.url + path)
    page.keyboard.press("/")
    page.keyboard.type("gi")  # typed into the search, it leads nowhere
    assert page.get_by_role("searchbox").input_value() == "gi"
    page.get_by_role("searchbox").blur()
    page.keyboard.press("?")
    page.get_by_role("switch", name="Use these keys in this browser").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("u")
    page.keyboard.press("/")
    assert page.url == f"{site.url}/"
    assert page.evaluate("document.activeElement.id") != "search"
    assert complaints == []
    page.context.close()


def test_rows_are_walked_with_keys(site: Site, browser: "Browser", complaints: list[str]) -> None:
    with site.installation.database.connect() as conn:
        for number in range(3):
            opt_out(conn, site.installation.vault.subject_key, f"row{number}@keys.example", "manual")
    page = opened(browser, complaints, language="en", scheme="light", width=1180)
    sign_in(site, page)
    page.goto(f"{site.url}/unsubscribes?source=manual")
    rows = page.locator("tbody tr a").all_inner_texts()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.innerText") == rows[0]
    page.keyboard.press("n")
    assert page.evaluate("document.activeElement.name") == "address"
    page.context.close()


def test_on_a_phone_the_pages_are_behind_one_button_without_scripts(site: Site, browser: "Browser") -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    page = context.new_page()
    sign_in(site, page)
    runs = page.get_by_role("link", name="Sync runs", exact=True)
    assert not runs.is_visible()
    page.get_by_role("button", name="Menu").click()
    runs.click()
    page.wait_for_url(f"{site.url}/runs")
    context.close()


def test_the_evidence_of_a_person_is_copied_as_text(site: Site, browser: "Browser", complaints: list[str]) -> None:
    with site.installation.database.connect() as conn:
        opt_out(conn, site.installation.vault.subject_key, "letter@example.com", "manual", reason="by phone")
    page = opened(browser, complaints, language="en", scheme="light", width=1180)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    sign_in(site, page)
    page.goto(f"{site.url}/people?address=letter@example.com")
    page.get_by_text("Evidence as text").first.click()
    page.get_by_role("button", name="Copy evidence").click()
    page.get_by_text("Copied.").wait_for()
    first, state, *_, last = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert (first, state) == ("letter@example.com", "Blocked: Unsubscribed (Manual)")
    assert last.endswith(" UTC · Unsubscribed; blocked here at once · by phone · Manual")
    assert complaints == []
    page.context.close()
