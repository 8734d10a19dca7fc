"""/practice in Chromium: both themes, a phone, without scripts, and no complaint of the browser."""

from typing import TYPE_CHECKING

import pytest

from tests.browser import MARKS, barriers
from tests.practice import PracticeOrg

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make install-dev)")

pytestmark = MARKS
BOX = "HasOptedOutOfEmail"


@pytest.mark.parametrize("width", [1180, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_the_window_and_the_browser_has_nothing_to_complain_of(
    org: PracticeOrg, browser: "Browser", scheme: str, width: int
) -> None:
    lead = org.create("Lead", LastName="x" * 80, Email="berg@example.com", Company="y" * 80, **{BOX: True})
    gone = org.create("Contact")
    org.delete(gone)
    org.fault("refuse", route="z" * 200, path="<script>document.title='taken'</script>")
    org.fault("reject", times=None)
    complaints: list[str] = []
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 800}
    )
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    for path in (
        *("/practice", "/practice?q=nobody", f"/practice/records/{lead}", f"/practice/records/{gone}"),
        *("/practice/access", "/practice/faults", "/practice/faults/reject", "/practice/requests?pause=1"),
    ):
        page.goto(org.url + path)
        assert barriers(page) == [], path
        assert "taken" not in page.title()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(23, 24, 27)" if scheme == "dark" else "rgb(246, 245, 242)")
    assert complaints == []
    context.close()


def test_boxes_faults_and_requests_work_by_hand_without_scripts(org: PracticeOrg, browser: "Browser") -> None:
    lead = org.create("Lead", Email="berg@example.com")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{org.url}/practice")
    page.get_by_role("searchbox").fill("berg@example.com")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("checkbox", name="Email Opt Out", exact=True).check()
    page.get_by_role("button", name="Save").click()
    assert page.get_by_role("status").inner_text().startswith("Saved")
    assert org.record(lead)[BOX] is True
    page.get_by_role("link", name="Faults").click()
    page.get_by_role("link", name="refuse", exact=True).click()
    page.get_by_label("code", exact=True).fill("QUERY_TIMEOUT")
    page.get_by_role("button", name="Order it").click()
    assert org.faults()[0]["code"] == "QUERY_TIMEOUT"
    page.get_by_role("link", name="Requests").click()
    assert page.get_by_text("No request yet.").is_visible()
    org.clear_faults()
    address = f"{org.url}/services/data"
    assert context.request.get(address).status == 200
    page.get_by_text("/services/data").wait_for(timeout=10_000)
    context.close()
