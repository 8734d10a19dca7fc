"""Several orgs: the pages speak of one, and none of the others can be unwell without being seen."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from optsync import seams
from optsync.connection.connect import Connection, connect, connections
from optsync.ledger import marks
from optsync.salesforce.credentials import Credential
from optsync.sync import asking
from tests.browser import CHROMIUM, FLAGS, barriers
from tests.installation import Installation, Site, served
from tests.practice import PracticeOrg
from tests.servers import Servers
from tests.web.conftest import press, read, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def two(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation with two orgs, Acme and Beta GmbH."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres_servers.fresh_database("embedded"))
        installation = Installation(database, tmp_path_factory.mktemp("two"))
        with database.connect() as conn:
            for number, name in enumerate(("Acme", "Beta GmbH"), 1):
                org = stack.enter_context(PracticeOrg.start(leads=5, contacts=5, org_number=number, grant_opt_out=True))
                connect(conn, installation.vault, Credential.from_file(org.credentials_file), seams.real())
                conn.execute("UPDATE connection SET org_name = %s WHERE login_url = %s", [name, org.url])
        yield stack.enter_context(served(installation))


@pytest.fixture
def orgs(two: Site) -> Iterator[list[Connection]]:
    """Acme and Beta; no pause and no run is left."""
    with two.installation.database.connect() as conn:
        found = connections(conn)
        assert [org.name for org in found] == ["Acme", "Beta GmbH"]
        yield found
        for org in found:
            marks.clear_pauses(conn, org.org_id)
            if run_id := asking.unfinished(conn, org.org_id):
                asking.cancel(conn, run_id, "test")


@pytest.fixture
def reader(two: Site) -> str:
    """The cookies of an admin who has chosen no org."""
    return sign_in(two)


def refuse(two: Site, org: Connection) -> None:
    """Salesforce refuses our sign-in to that org."""
    with two.installation.database.connect() as conn:
        marks.pause(conn, org.org_id, 0, "", 600.0, "INVALID_SESSION_ID", "Session expired or invalid")


def run_of(two: Site, org: Connection) -> int | None:
    """The run that was asked for in that org."""
    with two.installation.database.connect() as conn:
        return asking.unfinished(conn, org.org_id)


def test_the_overview_says_when_an_org_that_is_not_shown_is_refused(
    two: Site, orgs: list[Connection], reader: str
) -> None:
    assert "Another org" not in read(two, reader, "/")
    refuse(two, orgs[1])
    text = read(two, reader, "/")
    assert "Another org: <bdi>Beta GmbH</bdi>" in text
    assert "Salesforce has refused our sign-in since" in text
    assert "Another org asks for a look." in read(two, reader, "/unsubscribes")
    assert "Eine andere Org: <bdi>Beta GmbH</bdi>" in read(two, reader, "/", "de")
    status, text = press(two, reader, "/org", org=orgs[1].salesforce_id)
    assert status == 302
    assert "Another org:" not in text
    assert 'class="pill bad"' in text


def test_the_org_that_was_chosen_stays_chosen_on_every_page_of_this_session_alone(
    two: Site, orgs: list[Connection], reader: str
) -> None:
    _, text = press(two, reader, "/org", **{"org": orgs[1].salesforce_id, "from": "/issues"})
    assert "<h1>Issues</h1>" in text, "who chooses on a page of one org stays on it"
    for path in ("/", "/runs", "/issues", "/settings/unsubscribes/integrations", "/settings/salesforce/doctor"):
        assert "<bdi>Beta GmbH</bdi></summary>" in read(two, reader, path), path
    assert "<bdi>Acme</bdi></summary>" in read(two, sign_in(two), "/")


@pytest.mark.parametrize("wrong", [{}, {"org": "00D000000000009EAA"}, {"org": "x" * 10_000}, {"org": "a\0b"}])
def test_an_org_that_is_not_connected_is_not_chosen(
    two: Site, orgs: list[Connection], reader: str, wrong: dict[str, str]
) -> None:
    status, text = press(two, reader, "/org", **{"from": "https://evil.example/"} | wrong)
    assert status == 302
    assert f"<bdi>{orgs[0].name}</bdi></summary>" in text
    answer, _ = two.request("GET", "/?org=00D000000000009EAA", headers={"Cookie": reader})
    assert answer.status == 404


def test_a_button_means_the_org_its_page_showed_whatever_was_chosen_in_another_window(
    two: Site, orgs: list[Connection], reader: str
) -> None:
    acme, beta = orgs
    action = f"/runs/start?org={acme.salesforce_id}"
    assert f'action="{action}"' in read(two, reader, "/runs")
    press(two, reader, "/org", org=beta.salesforce_id)
    assert press(two, reader, action, run="preview")[0] == 302
    assert run_of(two, beta) is None
    run_id = run_of(two, acme)
    assert run_id is not None
    assert press(two, reader, "/runs/start", run="preview")[0] == 302, "without a name it is the org chosen"
    assert run_of(two, beta) is not None
    assert f'href="/runs/{run_id}"' not in read(two, reader, "/runs")
    assert f'href="/runs/{run_id}"' in read(two, reader, f"/runs?org={acme.salesforce_id}")


def test_a_retry_clears_the_pause_of_the_org_of_its_page(two: Site, orgs: list[Connection], reader: str) -> None:
    for org in orgs:
        refuse(two, org)
    assert press(two, reader, f"/issues/retry?org={orgs[1].salesforce_id}")[0] == 302
    with two.installation.database.connect() as conn:
        assert [pause.org_id for pause in marks.pauses(conn)] == [orgs[0].org_id]


def test_the_badge_counts_the_boxes_of_every_org(two: Site, orgs: list[Connection], reader: str) -> None:
    with two.installation.database.connect() as conn:
        conn.execute(
            "INSERT INTO mark (org_id, field, record_id, state, reason, due_at, touched_run)"
            " SELECT org_id, 1, '00Q0000000000' || org_id || 'AEAA', 'p', 'NO_ACCESS', clock(), 0 FROM connection"
        )
        try:
            assert '<span class="badge">2<' in read(two, reader, "/")
        finally:
            conn.execute("DELETE FROM mark")


def test_with_one_org_there_is_no_menu(site: Site, cookie: str) -> None:
    text = read(site, cookie, "/")
    assert 'class="account orgs"' not in text
    assert "?org=" not in text


@pytest.mark.parametrize(("language", "scheme", "width"), [("en", "light", 1180), ("de", "dark", 390)])
@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed (apt-get install chromium)")
def test_another_org_is_chosen_by_keyboard_alone(
    two: Site, orgs: list[Connection], language: str, scheme: str, width: int
) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    refuse(two, orgs[1])
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        context = chromium.new_context(
            locale=language,
            color_scheme=scheme,
            viewport={"width": width, "height": 800},
        )
        for name, _, value in (one.partition("=") for one in sign_in(two).split("; ")):
            context.add_cookies([{"name": name, "value": value, "url": two.url}])
        page: Page = context.new_page()
        page.goto(two.url)
        page.locator(".orgs summary").focus()
        page.keyboard.press("Enter")
        button = page.locator(".orgs").get_by_role("button", name="Beta GmbH")
        assert button.is_visible()
        box = button.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert barriers(page) == []
        button.focus()
        page.keyboard.press("Enter")
        page.locator(".orgs summary.bad").wait_for()
        chromium.close()
