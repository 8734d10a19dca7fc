"""Signing in with Salesforce: consent at its own page, back to ours, once and for this browser only."""

import re
from collections.abc import Iterator
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from optsync import seams
from optsync.connection import drafts
from optsync.connection.connect import connections, encrypt_again
from optsync.connection.sessions import open_session
from tests.browser import CHROMIUM
from tests.conformance.practice.rest import Rest
from tests.conformance.practice.web_flow import sealed_in
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.conftest import press, sign_in, submit
from tests.web.test_connecting import BASE, go, page, refused
from tests.web.test_in_browser import opened
from tests.web.test_in_browser import sign_in as sign_in_by_browser
from tests.web.test_safe_methods import contents

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make install-dev)")


@pytest.fixture
def consenting(new_site: Site) -> Iterator[PracticeOrg]:
    """An org whose app sends people back to these pages."""
    callback = f"{new_site.url}{BASE}/callback"
    with PracticeOrg.start(leads=2, contacts=2, grant_opt_out=True, callback=callback) as org:
        yield org


def leave(site: Site, cookie: str, org: PracticeOrg) -> str:
    """Up to the link that leads to Salesforce; its address."""
    go(site, cookie, "", place="practice", address=org.url)
    go(site, cookie, "/sign-in", step="way", way="refresh_token")
    assert f"{site.url}{BASE}/callback" in page(site, cookie, f"{BASE}/sign-in")[1]
    typed = {"client_id": org.credentials["client_id"], "client_secret": org.credentials["client_secret"]}
    assert go(site, cookie, "/sign-in", step="try", **typed) == "/salesforce"
    _, text = page(site, cookie, f"{BASE}/salesforce")
    found = re.search(rf'href="({re.escape(org.url)}/services/oauth2/authorize[^"]*)"', text)
    assert found is not None, text
    return found[1]


def decide(org: PracticeOrg, address: str, decision: str = "allow") -> str:
    """What a person does at Salesforce; where the browser is sent back to."""
    rest = Rest(org)
    asked = sealed_in(rest.call("GET", address.removeprefix(org.url)))
    form = urlencode({"asked": asked, "decision": decision}).encode()
    headers = {"Content_Type": "application/x-www-form-urlencoded"}
    answer = rest.call("POST", "/services/oauth2/authorize", form, **headers)
    assert answer.status == 302, answer.body
    return str(answer.headers["location"])


def brought_back(site: Site, cookie: str, address: str) -> dict[str, str]:
    """The form of our page to which the browser comes back."""
    status, text = page(site, cookie, address.removeprefix(site.url))
    assert status == 200
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text)}


def finish(site: Site, cookie: str, brought: dict[str, str]) -> tuple[int, str]:
    """Presses the button of that page."""
    return press(site, cookie, f"{BASE}/callback", **{n: v for n, v in brought.items() if n != "csrfmiddlewaretoken"})


def test_a_person_lets_us_in_and_the_org_is_named_before_it_is_connected(
    new_site: Site, admin: str, consenting: PracticeOrg
) -> None:
    back = decide(consenting, leave(new_site, admin, consenting))
    status, text = finish(new_site, admin, brought_back(new_site, admin, back))
    assert status == 302
    assert consenting.credentials["org_id"] in text
    with new_site.installation.database.connect() as conn:
        assert connections(conn) == [], "nothing is connected before somebody has said yes"
    go(new_site, admin, "/org", org=consenting.credentials["org_id"])
    installation = new_site.installation
    with installation.database.connect() as conn:
        (org,) = connections(conn)
        consenting.expire_sessions()
        with open_session(conn, installation.vault, org.org_id, seams.real()) as session:
            assert session.request("GET", "limits").status == 200, "it renews itself"


def test_a_state_works_once_and_in_its_own_browser_only(new_site: Site, admin: str, consenting: PracticeOrg) -> None:
    brought = brought_back(new_site, admin, decide(consenting, leave(new_site, admin, consenting)))
    stranger = sign_in(new_site)
    status, text = finish(new_site, stranger, brought)
    assert status == 422
    assert "has not begun a sign-in" in text
    assert finish(new_site, admin, brought)[0] == 302
    status, text = finish(new_site, admin, brought)
    assert status == 422
    assert "nothing was stored" in text


def test_another_state_is_refused_and_ends_the_attempt(new_site: Site, admin: str, consenting: PracticeOrg) -> None:
    brought = brought_back(new_site, admin, decide(consenting, leave(new_site, admin, consenting)))
    consenting.clear_spy()
    status, text = finish(new_site, admin, brought | {"state": "of somebody else"})
    assert status == 422
    assert "another state" in text
    assert finish(new_site, admin, brought)[0] == 422
    assert consenting.spy()["requests"] == [], "nothing was sent"


@pytest.mark.parametrize(("language", "said"), [("en", "refused"), ("de", "Zustimmungsseite wurde abgelehnt")])
def test_a_person_who_refuses_is_told_so(
    new_site: Site, admin: str, consenting: PracticeOrg, language: str, said: str
) -> None:
    brought = brought_back(new_site, admin, decide(consenting, leave(new_site, admin, consenting), "refuse"))
    assert brought["error"]
    values = {name: value for name, value in brought.items() if name != "csrfmiddlewaretoken"}
    answer, text = submit(new_site, admin, f"{BASE}/callback?error=x", language=language, **values)
    assert answer.status == 422
    assert said in unescape(text)


def test_coming_back_changes_nothing_before_the_button_is_pressed(
    new_site: Site, admin: str, consenting: PracticeOrg
) -> None:
    back = decide(consenting, leave(new_site, admin, consenting))
    consenting.clear_spy()
    with new_site.installation.database.connect() as conn:
        before = contents(conn)
        for path in (
            f"{BASE}/salesforce",
            back.removeprefix(new_site.url),
            f"{BASE}/callback",
            f"{BASE}/callback?code=",
        ):
            for method in ("GET", "HEAD"):
                answer, _ = new_site.request(method, path, headers={"Cookie": admin})
                assert answer.status == 200
        assert contents(conn) == before
    assert consenting.spy()["requests"] == []


def test_no_secret_stands_in_the_database_or_on_a_page_and_a_rotation_of_keys_keeps_it(
    new_site: Site, admin: str, consenting: PracticeOrg
) -> None:
    finish(new_site, admin, brought_back(new_site, admin, decide(consenting, leave(new_site, admin, consenting))))
    installation = new_site.installation
    with installation.database.connect() as conn:
        encrypt_again(conn, installation.vault)
        stored = str(conn.execute("SELECT d::text FROM draft_connection d").fetchone())
        assert consenting.credentials["client_secret"] not in stored
        organization = drafts.look(conn, installation.vault, seams.real())
    assert organization.id == consenting.credentials["org_id"]


def test_another_app_typed_meanwhile_ends_the_attempt(new_site: Site, admin: str, consenting: PracticeOrg) -> None:
    brought = brought_back(new_site, admin, decide(consenting, leave(new_site, admin, consenting)))
    go(new_site, admin, "", place="my domain", address="acme.my.salesforce.com")
    assert finish(new_site, admin, brought)[0] == 422
    go(new_site, admin, "/sign-in", step="way", way="refresh_token")
    assert "consumer key" in refused(new_site, admin, "/sign-in", step="try", client_id="a b")
    assert page(new_site, admin, f"{BASE}/org")[0] == 302


def test_without_an_attempt_the_way_to_salesforce_leads_back(new_site: Site, admin: str) -> None:
    answer, _ = new_site.request("GET", f"{BASE}/salesforce", headers={"Cookie": admin})
    assert (answer.status, answer.getheader("location")) == (302, f"{BASE}/sign-in")


@pytest.mark.parametrize(("language", "scheme", "width"), [("en", "light", 1180), ("de", "dark", 390)])
@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed (apt-get install chromium)")
def test_a_browser_goes_to_salesforce_and_comes_back(
    new_site: Site,
    admin: str,
    consenting: PracticeOrg,
    browser: "Browser",
    language: str,
    scheme: str,
    width: int,
) -> None:
    assert admin, "which leaves nothing behind"
    complaints: list[str] = []
    tab = opened(browser, complaints, language=language, scheme=scheme, width=width)
    sign_in_by_browser(new_site, tab)
    tab.goto(new_site.url + BASE)
    tab.locator("#place-practice").check()
    tab.locator("main input[name=address]").fill(consenting.url)
    tab.locator("main form button").first.click()
    tab.locator("#way-refresh_token").check()
    tab.locator("main button[value=way]").click()
    tab.locator("input[name=client_id]").fill(consenting.credentials["client_id"])
    tab.locator("input[name=client_secret]").fill(consenting.credentials["client_secret"])
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.locator("button[value=try]").click()
    tab.wait_for_url("**/connect/salesforce*")  # a redirect carries the fragment along
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.locator("main a.button").first.click()
    tab.get_by_role("button", name="Allow").click()
    tab.wait_for_url("**/connect/org")  # the page in between presses its button itself
    assert consenting.credentials["org_id"] in tab.locator("main").inner_text()
    tab.context.close()
    assert complaints == []
