"""Reports of the content security policy: a line each, nothing of a stranger's words, and never too many."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import MARKS
from tests.installation import Installation, Site, served
from tests.servers import Servers
from tests.web.conftest import refused_by_policy
from tests.web.test_in_browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CANARY = "ann.canary@example.com"
PATH = "/csp-reports"
BODY_BYTES_MAX, LINES_MAX = 16 * 1024, 60


@pytest.fixture
def alone(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose limit nobody has used."""
    with (
        postgres_servers.fresh_database("embedded") as database,
        served(Installation(database, tmp_path_factory.mktemp("reports"))) as site,
    ):
        yield site


def lines_of(site: Site) -> list[dict[str, Any]]:
    """The reports in the site's log."""
    return [json.loads(line) for line in refused_by_policy(site)]


def send(site: Site, body: str) -> int:
    """Sends a report as a browser does, without a token and without a session; the status."""
    return site.request("POST", PATH, body, {"Content-Type": "application/csp-report"})[0].status


def report(**fields: object) -> str:
    """The body of a report."""
    return json.dumps({"csp-report": fields})


def test_a_report_is_one_line_of_known_words(alone: Site) -> None:
    fields = {"effective-directive": "script-src-elem", "blocked-uri": "inline", "source-file": CANARY}
    address = f"{alone.url}/u/{CANARY}?x={CANARY}"
    assert send(alone, report(**fields, **{"document-uri": address, "script-sample": CANARY})) == 204
    hostile = {"effective-directive": CANARY, "blocked-uri": f"https://evil.example/{CANARY}", "document-uri": CANARY}
    assert send(alone, report(**hostile)) == 204
    first, second = lines_of(alone)
    assert (first["code"], first["kind"], first["where"]) == ("script-src-elem", "inline", "/u/<str:token>")
    assert (second["code"], second["kind"], second["where"]) == ("unknown", "address", "")
    assert CANARY not in (alone.installation.folder / "web.log").read_text()


@pytest.mark.parametrize(
    "body", ["", "x", "[]", "1", "{}", '{"csp-report": 1}', "[" * 5_000, '{"csp-report": ["a"]}', "\xff\0"]
)
def test_what_is_no_report_is_refused_and_not_logged(site: Site, body: str) -> None:
    before = len(lines_of(site))
    assert send(site, body) == 400
    assert len(lines_of(site)) == before


def test_a_body_that_is_too_long_is_not_read(site: Site) -> None:
    assert send(site, " " * (BODY_BYTES_MAX + 1)) == 413
    assert site.request("GET", PATH)[0].status == 405


def test_no_more_lines_than_the_limit(alone: Site) -> None:
    answers = [send(alone, report(**{"effective-directive": "img-src"})) for _ in range(LINES_MAX + 20)]
    assert set(answers) == {204, 429}
    assert LINES_MAX <= len(lines_of(alone)) == answers.count(204) < LINES_MAX + 20


@MARKS[0]
@MARKS[1]
def test_a_browser_reports_what_it_refused(alone: Site, browser: "Browser") -> None:
    page = opened(browser, [], language="en", scheme="light", width=1180)
    page.goto(f"{alone.url}/sign-in")
    assert lines_of(alone) == []
    with page.expect_request("**/csp-reports") as sent:
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('img'), {src: 'https://evil.example/'}))"
        )
    answer = sent.value.response()
    assert answer is not None
    assert answer.status == 204
    (line,) = lines_of(alone)
    assert (line["code"], line["kind"], line["where"]) == ("img-src", "address", "/sign-in")
    page.context.close()
