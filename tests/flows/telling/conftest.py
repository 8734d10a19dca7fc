"""Fixtures: a world, a receiver, a mail server, and what tells them of the world."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from optsync.config.database import Connection, Database
from optsync.config.vault import Vault
from optsync.ledger import chain
from optsync.seams import real
from optsync.webhooks import endpoints
from optsync.webhooks.delivering import Deliverer
from optsync.webhooks.egress import Egress
from optsync.webhooks.types import KIND_OF
from tests.flows.push.world import World, open_world
from tests.flows.telling.receivers import MailServer, Receiver, mail_server, receiver
from tests.practice import PracticeOrg


@pytest.fixture
def world(database: Database, org: PracticeOrg, tmp_path: Path) -> Iterator[World]:
    """A connected world without anything recorded."""
    with open_world(database, org, tmp_path) as opened:
        yield opened


@pytest.fixture
def here() -> Iterator[Receiver]:
    """A receiver that takes everything until told otherwise."""
    with receiver() as running:
        yield running


@pytest.fixture
def mails() -> Iterator[MailServer]:
    """A mail server that takes everything until told otherwise."""
    with mail_server() as running:
        yield running


@dataclass
class Teller:
    """An endpoint at the receiver, and a deliverer as a worker has it."""

    conn: Connection
    vault: Vault
    deliverer: Deliverer
    endpoint_id: int
    secret: str

    def deliver(self) -> None:
        """What a worker does until nothing is due any more."""
        chain.seal(self.conn)
        while self.deliverer.step(self.conn) or self.deliverer.wait():
            pass

    def later(self, hours: float) -> None:
        """Lets hours pass, for whatever waits."""
        self.conn.execute("UPDATE webhook_delivery SET due_at = due_at - make_interval(secs => %s)", [hours * 3600])

    def deliveries(self) -> list[endpoints.Delivery]:
        """All of them, the newest first."""
        return endpoints.deliveries(self.conn, self.endpoint_id, 2**62, 1000)


@pytest.fixture
def teller(world: World, here: Receiver) -> Iterator[Teller]:
    """An endpoint that hears of everything."""
    seams = real()
    egress = Egress(seams, to_loopback=True)
    number, secret = endpoints.add(
        world.conn, world.vault, egress, seams.token_bytes, here.url, list(KIND_OF), actor="test"
    )
    deliverer = Deliverer(world.vault, seams, egress)
    yield Teller(world.conn, world.vault, deliverer, number, secret)
    deliverer.close()
