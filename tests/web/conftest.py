"""The pages over real HTTP: one server and one practice org for all tests of this folder, and a browser."""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from optsync import seams
from optsync.connection import drafts
from optsync.connection.connect import connect, connections
from optsync.connection.sessions import open_session
from optsync.connection.settings import Change, apply_change
from optsync.salesforce.credentials import Credential
from optsync.web.sign_in import make_link
from tests.installation import FORM, Installation, Site, served
from tests.practice import PracticeOrg
from tests.servers import Servers
from tests.web.shared import Watch, changes

SHARED = ("site", "practice_org", "new_site", "own_org", "lasting_org")
"""The fixtures that all tests of this folder share."""


@pytest.fixture(scope="package")
def watch() -> Iterator[Watch]:
    """Who looks at what is shared."""
    with ExitStack() as stack:
        yield Watch(stack)


@pytest.fixture(autouse=True)
def leaves_all_as_found(request: pytest.FixtureRequest, watch: Watch) -> Iterator[None]:
    """Who leaves what is shared otherwise than it was fails, and not some test that comes after."""
    yield from as_found(request, watch, set(request.fixturenames))


@pytest.fixture(scope="module", autouse=True)
def file_leaves_all_as_found(request: pytest.FixtureRequest, watch: Watch) -> Iterator[None]:
    """The same for a file, whose fixtures may change what is shared until its last test has run."""
    mine = [item for item in request.session.items if item.path == request.path]
    yield from as_found(request, watch, {name for item in mine for name in getattr(item, "fixturenames", ())})


def as_found(request: pytest.FixtureRequest, watch: Watch, used: set[str]) -> Iterator[None]:
    """Compares what is shared, as far as it is used, before and after."""
    shared = [request.getfixturevalue(name) for name in SHARED if name in used]
    before = {line for one in shared for line in watch.set_up_of(one)}
    yield
    after = {line for one in shared for line in watch.set_up_of(one)}
    if left := changes(before, after):
        pytest.fail("\n".join(["what other tests share is left otherwise than it was found:", *left]), pytrace=False)


TOKEN = "csrfmiddlewaretoken"


@pytest.fixture(scope="package")
def practice_org() -> Iterator[PracticeOrg]:
    """A small org; the opt-out field is granted."""
    with PracticeOrg.start(leads=20, contacts=30, grant_opt_out=True) as org:
        yield org


@pytest.fixture(scope="package")
def site(
    postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory, practice_org: PracticeOrg
) -> Iterator[Site]:
    """The pages of an installation that is connected to the practice org."""
    with postgres_servers.fresh_database("embedded") as database:
        installation = Installation(database, tmp_path_factory.mktemp("site"))
        with database.connect() as conn:
            connect(conn, installation.vault, Credential.from_file(practice_org.credentials_file), seams.real())
        with served(installation) as running:
            yield running
            assert refused_by_policy(running) == [], "what some page of these tests wanted, our own policy refused"


def refused_by_policy(site: Site) -> list[str]:
    """What browsers have reported of the content security policy, as it stands in the log."""
    lines = (site.installation.folder / "web.log").read_text().splitlines()
    return [line for line in lines if '"content policy report"' in line]


def sign_in(site: Site) -> str:
    """Signs in by a fresh one-time link, as a browser would; the Cookie header of the session."""
    with site.installation.database.connect() as conn:
        secret = make_link(conn, seams.real().token_bytes)
    answer, _ = submit(site, "", f"/sign-in/{secret}")
    assert answer.status == 302
    return "; ".join(cookies_of(value) for value in answer.headers.get_all("set-cookie") or [])


@pytest.fixture(scope="package")
def own_org() -> Iterator[PracticeOrg]:
    """An org whose app tests may give another certificate."""
    with PracticeOrg.start(leads=20, contacts=30, opted_out=10, grant_opt_out=True) as org:
        yield org


@pytest.fixture(scope="package")
def lasting_org() -> Iterator[PracticeOrg]:
    """An org beside the site's whose credentials no test changes."""
    with PracticeOrg.start(leads=20, contacts=30, grant_opt_out=True) as org:
        yield org


@pytest.fixture(scope="package")
def new_site(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation that is not connected to anything yet."""
    with (
        postgres_servers.fresh_database("embedded") as database,
        served(Installation(database, tmp_path_factory.mktemp("new"))) as running,
    ):
        yield running


@pytest.fixture
def admin(new_site: Site) -> Iterator[str]:
    """A signed-in admin; nothing is being set up and nothing is connected."""
    yield sign_in(new_site)
    with new_site.installation.database.connect() as conn:
        drafts.drop(conn)
        conn.execute("DELETE FROM pause")
        conn.execute("DELETE FROM run")
        conn.execute("DELETE FROM settings")
        conn.execute("DELETE FROM connection")


def submit(
    site: Site, cookie: str, path: str, *, language: str = "en", **values: str
) -> "tuple[http.client.HTTPResponse, str]":
    """Opens a page and posts its form with these values."""
    return send_form(site, cookie, path, path, values, language)


def post(site: Site, cookie: str, path: str, **values: "str | list[str]") -> "tuple[http.client.HTTPResponse, str]":
    """Presses the button of a form; the answer itself."""
    return send_form(site, cookie, "/", path, values)


def send_form(
    site: Site, cookie: str, opened: str, path: str, values: Mapping[str, str | list[str]], language: str = "en"
) -> "tuple[http.client.HTTPResponse, str]":
    """Posts a form of a page that is opened first; without a cookie as a stranger."""
    headers, token = form_of(site, cookie, opened, language)
    return site.request("POST", path, urlencode({TOKEN: token, **values}, doseq=True), headers | FORM)


def form_of(site: Site, cookie: str, opened: str, language: str = "en") -> tuple[dict[str, str], str]:
    """The headers with which a browser posts a form of this page, but for its type, and the token in it."""
    headers = {"Cookie": cookie, "Accept-Language": language}
    page, text = site.request("GET", opened, headers=headers)
    cookies = "; ".join(filter(None, [cookie, cookies_of(page.getheader("set-cookie") or "")]))
    return headers | {"Cookie": cookies, "Origin": site.url}, token_in(text)


def token_in(text: str) -> str:
    """What a form of this page proves with that it is ours."""
    return text.partition(f'{TOKEN}" value="')[2].partition('"')[0]


def cookies_of(header: str) -> str:
    """The name=value of one Set-Cookie header."""
    return header.partition(";")[0]


def read(site: Site, cookie: str, path: str, language: str = "en") -> str:
    """The text of a page that answers."""
    answer, text = site.request("GET", path, headers={"Cookie": cookie, "Accept-Language": language})
    assert answer.status == 200, (path, answer.status, (site.installation.folder / "web.log").read_text()[-2000:])
    return text


def press(site: Site, cookie: str, path: str, **values: "str | list[str]") -> tuple[int, str]:
    """Presses the button of a form; the status and the page that comes of it, its redirect followed."""
    answer, text = post(site, cookie, path, **values)
    if answer.status == 302:
        return 302, read(site, cookie, answer.headers["Location"])
    return answer.status, text


@contextmanager
def switched_on(site: Site) -> Iterator[int]:
    """Sync to Salesforce is on, for as long as the block lasts; the org's number."""
    house = site.installation
    with house.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        with open_session(conn, house.vault, org_id, seams.real()) as session:
            apply_change(conn, session, org_id, Change(sync_on=True))
            try:
                yield org_id
            finally:
                apply_change(conn, session, org_id, Change(sync_on=False))


@pytest.fixture
def cookie(site: Site) -> str:
    """The cookies of a signed-in admin."""
    return sign_in(site)


@pytest.fixture
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a browser test leaves what it saw."""
    return tmp_path
