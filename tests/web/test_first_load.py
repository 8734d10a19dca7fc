"""The first page is there at once: few bytes, all of them ours, and nothing that the security policy forbids."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.browser import MARKS
from tests.installation import Site
from tests.web.conftest import sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make install-dev)")
pytestmark = MARKS
FIRST_LOAD_BYTES = 40_000
"""Compressed, headers included."""


@pytest.mark.parametrize("path", ["/", "/runs", "/unsubscribes", "/settings/unsubscribes/integrations"])
def test_the_first_load_is_at_most_40_kb_and_all_of_it_is_ours(site: Site, browser: "Browser", path: str) -> None:
    context = browser.new_context()
    name, _, value = sign_in(site).partition("=")
    context.add_cookies([{"name": name, "value": value, "url": site.url}])
    page = context.new_page()
    hosts, received = set(), []
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(site.url + path, wait_until="networkidle")
    context.close()
    assert hosts == {urlsplit(site.url).netloc}
    assert 0 < sum(received) <= FIRST_LOAD_BYTES


def test_the_content_security_policy_allows_nothing_unsafe(site: Site, cookie: str) -> None:
    for path in ("/", "/u/", "/sign-in", "/nowhere"):
        policy = site.request("GET", path, headers={"Cookie": cookie})[0].getheader("content-security-policy") or ""
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
