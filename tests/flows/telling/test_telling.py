"""A worker's threads that tell: trouble in one of them ends neither the other nor the worker."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from optsync.alerts import channels, watching
from optsync.alerts.telling import Telling
from optsync.config.environment import Smtp
from optsync.ledger import chain
from optsync.seams import real
from optsync.webhooks import endpoints
from optsync.webhooks.egress import Egress
from tests.flows.push.world import World
from tests.flows.telling.receivers import MailServer, Receiver
from tests.servers import environment

SECONDS_MAX = 20.0


@contextmanager
def telling(world: World, mails: MailServer, folder: Path) -> Iterator[Telling]:
    """As a worker starts it."""
    smtp = Smtp("127.0.0.1", mails.port, "none", None, None, "optsync@example.com")
    one = Telling(world.database, world.vault, real(), environment(folder, smtp=smtp, webhooks_to_loopback=True))
    one.start()
    try:
        yield one
    finally:
        one.stop()


def until(true: Callable[[], object]) -> None:
    """Waits for something."""
    deadline = time.monotonic() + SECONDS_MAX
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_what_is_sealed_is_delivered_and_what_is_queued_is_sent(
    world: World, mails: MailServer, here: Receiver, tmp_path: Path
) -> None:
    egress = Egress(real(), to_loopback=True)
    types = ["unsubscribe.created"]
    endpoints.add(world.conn, world.vault, egress, real().token_bytes, here.url, types, actor="test")
    channels.add(world.conn, world.vault, egress, "email", "team@example.com", actor="test")
    with telling(world, mails, tmp_path):
        world.opt_out("ann@example.com")
        chain.seal(world.conn)
        watching.send_tests(world.conn, "1")
        until(lambda: here.got and mails.got)
        assert len(here.got) == len(mails.got) == 1


def test_trouble_with_webhooks_does_not_silence_alerts(world: World, mails: MailServer, tmp_path: Path) -> None:
    channels.add(world.conn, world.vault, Egress(real()), "email", "team@example.com", actor="test")
    world.conn.execute("ALTER TABLE webhook_lane RENAME COLUMN seal_no TO gone")
    with telling(world, mails, tmp_path):
        for number in range(3):
            watching.send_tests(world.conn, str(number))
            until(lambda expected=number + 1: len(mails.got) == expected)  # type: ignore[misc]  # bound in the loop


def test_a_session_that_ends_is_opened_again(world: World, mails: MailServer, tmp_path: Path) -> None:
    channels.add(world.conn, world.vault, Egress(real()), "email", "team@example.com", actor="test")
    ends = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = 'optsync alerts' AND datname = current_database()"
    )
    with telling(world, mails, tmp_path):
        until(lambda: world.conn.execute(ends).fetchone() != (0,))
        watching.send_tests(world.conn, "after")
        until(lambda: mails.got)
