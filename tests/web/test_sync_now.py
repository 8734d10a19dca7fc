"""Sync now, preview and cancel on the pages: asked for by POST, done by a worker, watched without reloading."""

import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from optsync import seams
from optsync.connection.sessions import open_session
from optsync.connection.settings import Change, apply_change
from optsync.sync import asking
from optsync.sync.nightly import start_due, sync_now
from tests.browser import CHROMIUM
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.conftest import press, read, switched_on
from tests.web.test_in_browser import opened, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make install-dev)")


@pytest.fixture
def org_id(site: Site) -> Iterator[int]:
    """The org, compared once and switched on; nothing goes on before or after."""
    installation = site.installation
    with switched_on(site) as number, installation.database.connect() as conn:
        sync_now(installation.database, installation.vault, seams.real(), number, approve=True, by="test")
        yield number
        if run_id := asking.unfinished(conn, number):
            asking.cancel(conn, run_id, "test")


def work(site: Site) -> None:
    """What a worker does in a second of its own."""
    start_due(site.installation.database, site.installation.vault, seams.real())


def unfinished(site: Site, org_id: int) -> int:
    """The run that waits or goes on."""
    with site.installation.database.connect() as conn:
        run_id = asking.unfinished(conn, org_id)
    assert run_id is not None
    return run_id


def test_r19_sync_now_is_asked_for_from_the_overview_and_done_by_the_worker(
    site: Site, cookie: str, org_id: int
) -> None:
    assert 'name="run" value="sync"' in read(site, cookie, "/")
    status, text = press(site, cookie, "/runs/start", run="sync")
    assert status == 302
    assert "Waits for the worker" in text
    run_id = unfinished(site, org_id)
    status, text = press(site, cookie, "/runs/start", run="sync")
    assert status == 422
    assert "A sync run of this org is going on already" in text
    assert "Sync now" not in read(site, cookie, "/"), "one at a time"
    work(site)
    text = read(site, cookie, f"/runs/{run_id}")
    assert "By hand (admin)" in text
    assert "Already equal" in text
    assert "How long it took" in text
    assert "hx-get" not in text
    assert re.search(rf">{run_id}</a>.*?By hand</span> <bdi>\(admin\)", read(site, cookie, "/runs"))


def test_with_the_switch_off_sync_now_is_refused_and_the_reason_is_told(site: Site, cookie: str, org_id: int) -> None:
    installation = site.installation
    with (
        installation.database.connect() as conn,
        open_session(conn, installation.vault, org_id, seams.real()) as session,
    ):
        apply_change(conn, session, org_id, Change(sync_on=False))
    assert 'value="sync"' not in read(site, cookie, "/runs")
    status, text = press(site, cookie, "/runs/start", run="sync")
    assert status == 422
    assert "The switch Sync to Salesforce is off" in text


def test_the_fragment_stops_asking_when_the_run_is_over_and_loads_the_page_anew(
    site: Site, cookie: str, org_id: int
) -> None:
    press(site, cookie, "/runs/start", run="sync")
    run_id = unfinished(site, org_id)
    fragment = read(site, cookie, f"/runs/{run_id}/progress")
    assert 'hx-trigger="every 1s"' in fragment
    assert "<html" not in fragment
    work(site)
    answer, text = site.request("GET", f"/runs/{run_id}/progress", headers={"Cookie": cookie})
    assert (answer.status, answer.getheader("HX-Refresh"), text) == (200, "true", "")
    assert site.request("GET", "/runs/999999/progress", headers={"Cookie": cookie})[0].status == 404


def test_a_run_is_cancelled_and_its_page_says_by_whom_and_what_stays(site: Site, cookie: str, org_id: int) -> None:
    press(site, cookie, "/runs/start", run="sync")
    run_id = unfinished(site, org_id)
    status, text = press(site, cookie, f"/runs/{run_id}/cancel")
    assert status == 302
    assert "Cancelled by admin." in text
    assert press(site, cookie, f"/runs/{run_id}/cancel")[0] == 302, "late, and harmless"
    work(site)
    assert "Cancelled by admin." in read(site, cookie, f"/runs/{run_id}")


def test_r19_a_preview_writes_nothing_names_who_ticked_and_stays_in_the_history(
    site: Site, cookie: str, org_id: int, practice_org: PracticeOrg
) -> None:
    ticked = practice_org.create("Contact", Email="previewed@example.com", HasOptedOutOfEmail=True)
    practice_org.clear_spy()
    status, _text = press(site, cookie, "/runs/start", run="preview")
    assert status == 302
    run_id = unfinished(site, org_id)
    work(site)
    assert practice_org.spy()["records_written"] == 0
    for language, sentence in (("en", "Nothing was written"), ("de", "Nichts wurde geschrieben")):
        text = read(site, cookie, f"/runs/{run_id}", language)
        assert sentence in text
        assert "p…d@example.com" in text
        assert ticked in text
        assert "admin@practice.example" in text
        assert "previewed@example.com" not in text
    assert f"/runs/{run_id}" in read(site, cookie, "/runs")
    practice_org.delete(ticked)


def test_a_preview_of_two_equal_sides_says_so(site: Site, cookie: str, org_id: int) -> None:
    installation = site.installation
    sync_now(installation.database, installation.vault, seams.real(), org_id, approve=True, by="test")
    with installation.database.connect() as conn:
        run_id = asking.ask(conn, org_id, "admin", dry_run=True)
        parked = conn.execute("SELECT count(*) FROM mark WHERE state IN ('o', 'p')").fetchone()
    work(site)
    text = read(site, cookie, f"/runs/{run_id}")
    assert ("Both sides are equal." in text) == (parked == (0,))


def test_moments_are_shown_in_the_zone_of_the_schedule_and_in_utc_on_hover(
    site: Site, cookie: str, org_id: int
) -> None:
    text = read(site, cookie, "/runs").partition("<time ")[2].partition("</time>")[0]
    assert " UTC" in text.partition(">")[0]
    assert text.endswith(("PST", "PDT"))


@pytest.mark.parametrize(("language", "scheme", "width"), [("en", "light", 1180), ("de", "dark", 390)])
@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed (apt-get install chromium)")
def test_a_run_is_watched_to_its_end_without_touching_anything(
    site: Site, browser: "Browser", org_id: int, language: str, scheme: str, width: int
) -> None:
    complaints: list[str] = []
    page = opened(browser, complaints, language=language, scheme=scheme, width=width)
    sign_in(site, page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/progress") else None)
    page.get_by_role("button", name="Sync now" if language == "en" else "Jetzt abgleichen").click()
    page.wait_for_url("**/runs/*")
    live = page.locator("#now h2")
    assert live.inner_text().endswith("Waits for the worker" if language == "en" else "Wartet auf den Worker")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for _ in range(2):  # it asks and asks
        with page.expect_request("**/progress"):
            pass
    worker = threading.Thread(target=work, args=(site,))
    worker.start()
    page.get_by_role("heading", name="Already equal" if language == "en" else "Schon gleich").wait_for()
    worker.join()
    assert live.count() == 0
    before = len(asked)
    page.wait_for_timeout(1_500)
    assert len(asked) == before, "it stops by itself"
    page.goto(f"{site.url}/runs")
    fits = "[...document.querySelectorAll('.scroll')].every((one) => one.scrollWidth <= one.clientWidth)"
    assert width > 390 or page.evaluate(fits), "on a phone nothing of a run is cut off"
    assert complaints == []
    page.context.close()
