"""The REST interface over real HTTP: one server, connected to a practice org in which one record refuses its box."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from optsync import seams
from optsync.connection.connect import connect, connections
from optsync.connection.sessions import open_session
from optsync.connection.settings import Change, apply_change
from optsync.ledger.record import opt_out
from optsync.salesforce.credentials import Credential
from optsync.sync import asking
from optsync.sync.nightly import sync_now
from tests.installation import Installation, Site, served
from tests.practice import PracticeOrg
from tests.program import Program, program
from tests.servers import Servers


@dataclass(frozen=True)
class World:
    """What the tests of this folder find: a person in two records, and one whose record refuses."""

    site: Site
    org: PracticeOrg
    salesforce_id: str
    lead_id: str
    contact_id: str
    refusing_id: str
    run_id: int


@pytest.fixture(scope="package")
def world(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A connected installation after one sync run."""
    with a_world(postgres_servers, tmp_path_factory.mktemp("api")) as made:
        yield made


@contextmanager
def a_world(postgres_servers: Servers, folder: Path) -> Iterator[World]:
    """Such an installation, for whoever needs one of their own."""
    with (
        PracticeOrg.start(leads=5, contacts=5, grant_opt_out=True) as org,
        postgres_servers.fresh_database("embedded") as database,
    ):
        lead_id = org.create("Lead", Email="two@example.org")
        contact_id = org.create("Contact", Email="two@example.org")
        refusing_id = org.create("Contact", Email="refused@example.org")
        org.share(refusing_id, "read")
        installation = Installation(database, folder)
        vault, real = installation.vault, seams.real()
        with database.connect() as conn:
            connected = connect(conn, vault, Credential.from_file(org.credentials_file), real)
            with open_session(conn, vault, connected.org_id, real) as session:
                apply_change(conn, session, connected.org_id, Change(sync_on=True))
            for address in ("two@example.org", "refused@example.org"):
                opt_out(conn, vault.subject_key, address, "manual")
        report = sync_now(database, vault, real, connected.org_id, approve=True, by="test")
        assert report.run_id is not None
        with served(installation) as site:
            yield World(site, org, connected.salesforce_id, lead_id, contact_id, refusing_id, report.run_id)


def end_unfinished_run(world: World) -> None:
    """Whatever another test has asked for and nobody did is over."""
    with world.site.installation.database.connect() as conn:
        for org in connections(conn):
            if run_id := asking.unfinished(conn, org.org_id):
                asking.cancel(conn, run_id, "test")


@pytest.fixture
def site(world: World) -> Site:
    """The running server."""
    return world.site


@pytest.fixture
def admin(site: Site) -> Program:
    """May do everything."""
    return program(site, "admin")


@pytest.fixture
def sender(site: Site) -> Program:
    """May only check."""
    return program(site, "check")
