"""Every page an admin sees answers, and says what is true."""

import pytest

from optsync.connection.connect import connections
from optsync.ledger import marks
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.routes import every_route, is_page

LISTS = ["/people?address=ann@example.com", "/unsubscribes?state=parked&source=api&since=2026-01-01"]
ELSEWHERE = (
    *("/sign-in", "/v1/", "/account", "/u/", "/health", "/unsubscribe"),
    *("/settings/salesforce/connect/c", "/settings/unsubscribes/page/preview"),
)
"""Where routes begin that are for others than the readers of the pages, or that need a step before."""


@pytest.fixture
def pages(site: Site, cookie: str) -> list[str]:
    """The pages of the bar and of the settings that need no number, from the URL patterns."""
    routes = [route for route in every_route(site) if "<" not in route]
    ours = [route for route in routes if not route.startswith(ELSEWHERE) or route.startswith("/unsubscribes")]
    return LISTS + [route for route in ours if is_page(site, cookie, route)]


def test_every_page_answers_in_both_languages(site: Site, cookie: str, pages: list[str]) -> None:
    assert {"/", "/people", "/runs", "/unsubscribes", "/issues", "/holds", "/audit"} < set(pages)
    for path in pages:
        for language in ("en", "de"):
            answer, text = site.request("GET", path, headers={"Cookie": cookie, "Accept-Language": language})
            assert answer.status == 200, (path, (site.installation.folder / "web.log").read_text()[-2000:])
            assert f'lang="{language}"' in text, path


def test_pages_that_are_not_there_and_forms_that_are_too_old_are_told_in_the_readers_language(
    site: Site, cookie: str
) -> None:
    missing, text = site.request("GET", "/nowhere", headers={"Cookie": cookie, "Accept-Language": "de"})
    assert (missing.status, "Diese Seite gibt es nicht" in text) == (404, True)
    old, text = site.request("POST", "/sign-out", "", {"Cookie": cookie, "Accept-Language": "de"})
    assert (old.status, "Dieses Formular ist zu alt" in text) == (403, True)


def test_every_page_on_a_practice_org_says_so_and_leads_to_its_pages(
    site: Site, cookie: str, practice_org: PracticeOrg, pages: list[str]
) -> None:
    for path in pages:
        text = site.request("GET", path, headers={"Cookie": cookie, "Accept-Language": "en"})[1]
        assert "Practice org: no real Salesforce is touched" in text, path
        assert f'<a href="{practice_org.url}/practice">' in text
    assert practice_org.url not in site.request("GET", "/sign-in")[1]


def test_a_pause_is_told_with_its_cause_and_what_to_do(site: Site, cookie: str) -> None:
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        marks.pause(conn, org_id, 0, "", 60.0, "INVALID_SESSION_ID", "Session expired or invalid")
        _, text = site.request("GET", "/", headers={"Cookie": cookie, "Accept-Language": "en"})
        marks.clear_pauses(conn, org_id)
    assert "Salesforce has refused our sign-in since" in text
    assert "Sign in again. Everything owed is sent afterwards." in text
    assert ">Reconnect</button>" in text
    assert 'class="pill bad"' in text


def test_an_unknown_run_is_not_found(site: Site, cookie: str) -> None:
    assert site.request("GET", "/runs/99999", headers={"Cookie": cookie})[0].status == 404
