"""The consent page as a person meets it, in Chromium."""

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.browser import MARKS, barriers
from tests.conformance.client.wire import answer, serve
from tests.conformance.practice.rest import Rest
from tests.conformance.practice.web_flow import CALLBACK, exchange, page_address, sealed_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make install-dev)")
PHONE_WIDTH = 360

pytestmark = MARKS


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """A window of a phone in which the app answers at its callback."""

    def welcome(route: "Route") -> None:
        route.fulfill(body="back at the app")

    context = browser.new_context(viewport={"width": PHONE_WIDTH, "height": 700})
    context.route(f"{CALLBACK}**", welcome)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(("button", "brings"), [("Allow", "code"), ("Refuse", "error")])
def test_a_press_of_a_button_leads_back_to_the_app(rest: Rest, page: "Page", button: str, brings: str) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(rest.org.url + page_address(rest))
    assert barriers(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE_WIDTH
    assert page.get_by_text("this is not Salesforce").is_visible()
    page.get_by_role("button", name=button).click()
    page.wait_for_url(f"{CALLBACK}**")
    brought = dict(parse_qsl(urlsplit(page.url).query))
    assert brought["state"] == "a state & more"
    assert [one for one in complaints if "favicon" not in one] == []
    if brings == "code":
        assert exchange(rest, brought["code"]).status == 200
    else:
        assert brought["error"] == "access_denied"


def test_a_page_of_another_origin_can_neither_press_nor_show_it(rest: Rest, page: "Page") -> None:
    """Even with a form it has read, which it cannot: another port of this machine is as foreign as another host."""
    shown, pressed = rest.org.url + page_address(rest), f"{rest.org.url}/services/oauth2/authorize"
    sealed = sealed_in(rest.call("GET", page_address(rest)))
    trap = (
        f'<form method="post" action="{pressed}"><input name="asked" value="{escape(sealed)}">'
        '<button name="decision" value="allow">Press</button></form>'
        f'<iframe src="{escape(shown)}"></iframe>'
    )
    with serve(answer(trap.encode(), Content_Type="text/html"), signs_in=False) as other:
        page.goto(other.url)
        frame = page.frames[1]
        assert "Allow access" not in frame.content()
        page.get_by_role("button", name="Press").click()
        page.wait_for_url("**/services/oauth2/authorize")
        assert page.get_by_text("sent by another site").is_visible()
