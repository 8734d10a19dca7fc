"""Pages that cannot be shown: each says why in the reader's language, and has the number that the log has, too."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from optsync.web.failing import PROBE
from tests.browser import MARKS, barriers
from tests.installation import Installation, Site, served
from tests.servers import Servers, away
from tests.web.conftest import read, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NUMBER = re.compile(r"<code>([0-9a-f-]{36})</code>")
STILL = {"en": "Opt-outs are still being recorded", "de": "Abmeldungen werden weiterhin aufgezeichnet"}


@pytest.fixture(scope="module")
def alone(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose database may lose a table, or go away."""
    with (
        postgres_servers.fresh_database("embedded") as database,
        served(Installation(database, tmp_path_factory.mktemp("failing"))) as site,
    ):
        yield site


@contextmanager
def without_table(site: Site, name: str) -> Iterator[None]:
    """What reads or writes the table fails."""
    with site.installation.database.connect() as conn:
        conn.execute(f"ALTER TABLE {name} RENAME TO taken_away")
        try:
            yield
        finally:
            conn.execute(f"ALTER TABLE taken_away RENAME TO {name}")


def page(site: Site, cookie: str, path: str, language: str = "en", method: str = "GET") -> tuple[int, str]:
    """Status and text of a failure; its number is in the header and in a line of the log."""
    answer, text = site.request(method, path, headers={"Cookie": cookie, "Accept-Language": language})
    number = answer.getheader("X-Request-ID")
    assert f'<html lang="{language}">' in text
    assert NUMBER.findall(text) == [number]
    lines = [
        json.loads(line) for line in (site.installation.folder / "web.log").read_text().splitlines() if "{" in line
    ]
    assert [line for line in lines if line.get("request") == number], "the log has the number, too"
    return answer.status, text


@pytest.mark.parametrize(("language", "said"), [("en", "No such page"), ("de", "Diese Seite gibt es nicht")])
def test_a_page_that_is_not_there(alone: Site, language: str, said: str) -> None:
    status, text = page(alone, sign_in(alone), "/nowhere", language)
    assert (status, said in text) == (404, True)


@pytest.mark.parametrize(("language", "said"), [("en", "This form is too old"), ("de", "Dieses Formular ist zu alt")])
def test_a_form_without_its_token(alone: Site, language: str, said: str) -> None:
    status, text = page(alone, sign_in(alone), "/unsubscribes", language, "POST")
    assert (status, said in text) == (403, True)


@pytest.mark.parametrize(("language", "said"), [("en", "This page failed"), ("de", "Diese Seite ist gescheitert")])
def test_a_page_that_fails_says_that_recording_goes_on_where_it_does(alone: Site, language: str, said: str) -> None:
    cookie = sign_in(alone)
    with without_table(alone, "webhook_endpoint"):
        status, text = page(alone, cookie, "/settings/webhooks", language)
    assert (status, said in text, STILL[language] in text) == (500, True, True)
    read(alone, cookie, "/settings/webhooks")
    with alone.installation.database.connect() as conn:
        assert conn.execute("SELECT FROM address WHERE normal = %s", [PROBE]).fetchone() is None


def test_a_page_that_fails_says_that_nothing_is_recorded_where_nothing_is(alone: Site) -> None:
    cookie = sign_in(alone)
    with without_table(alone, "event"):
        status, text = page(alone, cookie, "/audit")
    assert (status, STILL["en"] in text, "no opt-out is recorded" in text) == (500, False, True)


@pytest.mark.parametrize(
    ("language", "said"), [("en", "The database does not answer"), ("de", "Die Datenbank antwortet nicht")]
)
def test_while_the_database_is_away_every_page_says_so_and_opens_afterwards(
    alone: Site, postgres_servers: Servers, language: str, said: str
) -> None:
    cookie = sign_in(alone)
    with away(postgres_servers, alone.installation.database):
        for path in ("/", "/unsubscribes", "/settings/users"):
            status, text = page(alone, cookie, path, language)
            assert (status, said in text, STILL[language] in text) == (503, True, False)
        answer, _ = alone.request("GET", "/", headers={"Cookie": cookie})
        assert int(answer.getheader("Retry-After") or 0) > 0
    read(alone, cookie, "/")


def test_a_number_that_a_client_brings_is_not_taken(alone: Site) -> None:
    answer, _ = alone.request("GET", "/health/live", headers={"X-Request-ID": "of somebody else"})
    assert re.fullmatch("[0-9a-f-]{36}", answer.getheader("X-Request-ID") or "")


def test_a_problem_document_has_the_number_of_its_request(alone: Site) -> None:
    answer, text = alone.request("GET", "/v1/status")
    assert (answer.status, json.loads(text)["request_id"]) == (401, answer.getheader("X-Request-ID"))


@pytest.mark.parametrize(("language", "scheme", "width"), [("en", "light", 1180), ("de", "dark", 390)])
@MARKS[0]
@MARKS[1]
def test_a_failure_keeps_nobody_out_and_fits_the_window(
    alone: Site, postgres_servers: Servers, browser: "Browser", language: str, scheme: str, width: int
) -> None:
    context = browser.new_context(
        locale=language, color_scheme="dark" if scheme == "dark" else "light", viewport={"width": width, "height": 800}
    )
    for name, _, value in (one.partition("=") for one in sign_in(alone).split("; ")):
        context.add_cookies([{"name": name, "value": value, "url": alone.url}])
    page = context.new_page()
    with away(postgres_servers, alone.installation.database):
        for path in ("/", "/nowhere"):
            page.goto(alone.url + path)
            assert barriers(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    context.close()
