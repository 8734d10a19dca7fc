"""Passkeys in Chromium with its own virtual authenticator, under our content security policy (requirement 29)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.browser import MARKS, barriers
from tests.installation import Site
from tests.web.colleagues import PASSWORD, colleague, link_of, settled

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make install-dev)")
pytestmark = MARKS


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complains of."""
    return []


@pytest.fixture
def page(browser: "Browser", complaints: list[str]) -> Iterator["Page"]:
    """A browser with a built-in authenticator whose owner always shows the right finger."""
    context = browser.new_context(locale="en")
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    devices = context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield page
    context.close()


def local(site: Site) -> str:
    """The site by a name: browsers give no passkey to a bare number."""
    return f"http://localhost:{urlsplit(site.url).port}"


def add_passkey(page: "Page", home: str) -> None:
    """From the account page to a new passkey."""
    page.goto(f"{home}/account")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_role("textbox", name="What do you call this passkey?").fill("my telephone")
    assert barriers(page) == []
    page.get_by_role("button", name="Make a passkey").click()
    page.wait_for_url(f"{home}/account")


def test_r29_an_invited_user_makes_a_passkey_and_signs_in_with_nothing_else(
    site: Site, page: "Page", complaints: list[str]
) -> None:
    home, user = local(site), colleague(site, "operator")
    page.goto(home + link_of(site, user))
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{home}/account")
    add_passkey(page, home)
    assert page.get_by_text("my telephone").first.is_visible()
    page.locator("header summary").click()
    page.get_by_role("banner").get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{home}/sign-in")
    page.goto(f"{home}/runs")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{home}/runs")
    assert complaints == []


def test_with_a_passkey_the_password_alone_opens_nothing_and_the_passkey_confirms(
    site: Site, page: "Page", complaints: list[str]
) -> None:
    home, user = local(site), settled(site, "viewer")

    def by_password() -> None:
        page.goto(f"{home}/sign-in")
        page.get_by_role("textbox", name="E-mail address").fill(user.email)
        page.get_by_role("textbox", name="Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()

    by_password()
    page.wait_for_url(f"{home}/")
    page.goto(f"{home}/account/passkeys/add")
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    add_passkey(page, home)
    page.context.clear_cookies()
    by_password()
    page.wait_for_url(f"{home}/sign-in/second-step")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{home}/")
    page.goto(f"{home}/account/confirm/passkey?next=/account")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{home}/account")
    page.get_by_role("link", name="Remove… my telephone").click()
    page.get_by_role("button", name="Remove").click()
    page.wait_for_url(f"{home}/account")
    assert page.get_by_text("my telephone").count() == 0
    page.context.clear_cookies()
    by_password()
    page.wait_for_url(f"{home}/")
    assert complaints == []


def test_a_passkey_that_was_removed_opens_nothing_and_the_page_says_so(
    site: Site, page: "Page", complaints: list[str]
) -> None:
    home, user = local(site), colleague(site, "viewer")
    page.goto(home + link_of(site, user))
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    add_passkey(page, home)
    site.installation.run("users", "remove", user.email)
    page.goto(f"{home}/sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("This passkey opens nothing here").wait_for()
    assert complaints == []
