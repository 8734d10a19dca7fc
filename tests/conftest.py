"""What every test may use: a database of its own, on the embedded server or on both, and no silent skips."""

import os
import signal
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from optsync.config.database import Connection, Database
from tests.browser import CHROMIUM, FLAGS
from tests.practice import PracticeOrg
from tests.servers import Servers

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FORBID_SKIPS = "OPTSYNC_TESTS_FORBID_SKIPS"


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts a job in the background has it ignore Ctrl-C, and children inherit that: tests press Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "both_servers: runs on the embedded PostgreSQL and on Debian's")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests marked `both_servers` run once on each server."""
    if metafunc.definition.get_closest_marker("both_servers") and "database" in metafunc.fixturenames:
        metafunc.parametrize("server_kind", ["embedded", "debian"], indirect=True)


@pytest.fixture
def server_kind(request: pytest.FixtureRequest) -> str:
    """Which server `database` lives on: embedded, unless the test is marked `both_servers`."""
    return str(getattr(request, "param", "embedded"))


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[Servers]:
    """The servers of this test run, each started on first use.

    OPTSYNC_TEST_DATABASE_URL replaces the embedded one: an address, or "debian" for Debian's.
    """
    servers = Servers()
    yield servers
    servers.close()


@pytest.fixture
def database(postgres_servers: Servers, server_kind: str) -> Iterator[Database]:
    """A fresh, migrated database of this test's own."""
    with postgres_servers.fresh_database(server_kind) as fresh:
        yield fresh


@pytest.fixture
def conn(database: Database) -> Iterator[Connection]:
    """An autocommit session on `database`."""
    with database.connect() as session:
        yield session


@pytest.fixture(scope="session")
def practice_server() -> Iterator[PracticeOrg]:
    """A running practice org with few people, Email Opt Out granted and the sales package installed."""
    with PracticeOrg.start(leads=30, contacts=40, opted_out=10, seed=7, grant_opt_out=True, package=True) as server:
        yield server


@pytest.fixture
def org(practice_server: PracticeOrg) -> PracticeOrg:
    """The practice org as it was started: no faults, no switches, nothing counted."""
    practice_server.reset()
    return practice_server


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """One Chromium for the tests of a file; Playwright's event loop would be in the way of other files."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make install-dev)")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one: a part that is missing must be noticed, not passed over."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get(FORBID_SKIPS) == "1":
        fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself as a whole."""
    report = yield
    if report.skipped and os.environ.get(FORBID_SKIPS) == "1":
        fail(report)
    return report


def fail(report: Any) -> None:
    """Turns a skip into a failure that says why it was skipped."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome, report.longrepr = "failed", f"{FORBID_SKIPS}=1 and this was skipped: {reason}"
