"""Webhooks and alerts at the command line, and a real worker that delivers them."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.flows.telling.receivers import MailServer, Receiver, mail_server, receiver
from tests.installation import Installation

LOOPBACK = {"OPTSYNC_WEBHOOKS_TO_LOOPBACK": "1"}
SECONDS_MAX = 30.0


@pytest.fixture
def here() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with receiver() as running:
        yield running


@pytest.fixture
def mails() -> Iterator[MailServer]:
    """A mail server that takes everything."""
    with mail_server() as running:
        yield running


def until(true: Callable[[], object]) -> None:
    """Waits for something."""
    deadline = time.monotonic() + SECONDS_MAX
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_a_worker_delivers_webhooks_and_alerts(optsync: Installation, here: Receiver, mails: MailServer) -> None:
    made = optsync.run("webhooks", "add", here.url, "--all", "--json", **LOOPBACK).json()
    assert made["secret"].startswith("whsec_")
    assert optsync.run("alerts", "add", "email", "team@example.com").code == 0
    smtp = {"OPTSYNC_SMTP_HOST": "127.0.0.1", "OPTSYNC_SMTP_PORT": str(mails.port), "OPTSYNC_SMTP_SECURITY": "none"}
    worker = optsync.start("worker", OPTSYNC_SMTP_FROM="optsync@example.com", **smtp, **LOOPBACK)
    try:
        optsync.run("unsubscribe", "ann@example.com")
        optsync.run("alerts", "test")
        until(lambda: here.got and mails.got)
        assert [json.loads(got.body)["type"] for got in here.got] == ["unsubscribe.created"]
        assert mails.got[0][0] == "team@example.com"
        until(lambda: "delivered" in optsync.run("webhooks", "deliveries", "1").out)
        assert optsync.run("alerts", "list", "--json").json()["channels"][0]["sent_at"]
    finally:
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=20)
    assert worker.returncode == 0
    for secret in (made["secret"], "ann@example.com", "team@example.com"):
        assert secret not in err


def test_listening_prints_events_as_they_happen(optsync: Installation, here: Receiver) -> None:
    optsync.run("unsubscribe", "before@example.com")
    optsync.run("audit", "verify")  # seals it: what is not sealed yet is still to come
    worker = optsync.start("worker")
    listener = optsync.start("listen", "--to", here.url, "--for", "60")
    try:
        assert listener.stderr is not None
        while "Listening" not in listener.stderr.readline():
            assert listener.poll() is None
        optsync.run("unsubscribe", "ann@example.com")
        until(lambda: here.got)
        body = json.loads(here.got[0].body)
        assert (body["type"], body["data"]["address"]) == ("unsubscribe.created", "ann@example.com")
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=20)
        listener.send_signal(signal.SIGINT)
        out, _ = listener.communicate(timeout=30)
    assert [json.loads(line)["data"]["address"] for line in out.splitlines()] == ["ann@example.com"]


def test_every_step_of_an_endpoint(optsync: Installation, here: Receiver) -> None:
    refused = optsync.run("webhooks", "add", here.url, "--all")
    assert (refused.code, refused.error["means"]) == (2, "nothing was stored and nothing was sent")
    assert optsync.run("webhooks", "add", "https://example.com/x", "--type", "everything").code == 2
    assert optsync.run("webhooks", "add", "https://example.com/x").code == 2
    added = optsync.run("webhooks", "add", "https://example.com/x", "--type", "sync.held")
    assert added.out.startswith("whsec_")
    listed = optsync.run("webhooks", "list")
    assert "example.com/x" in listed.out
    assert added.out.strip() not in listed.out
    rotated = optsync.run("webhooks", "rotate", "1").out
    assert rotated.startswith("whsec_")
    assert rotated != added.out
    assert optsync.run("webhooks", "disable", "1").code == 0
    assert optsync.run("webhooks", "test", "1").error["error"] == "webhook 1 is disabled"
    assert optsync.run("webhooks", "enable", "1").code == 0
    assert optsync.run("webhooks", "test", "1").code == 0
    assert optsync.run("webhooks", "resend", "1", "99").code == 1
    since = datetime.now(UTC) - timedelta(days=2)
    again = optsync.run("webhooks", "replay", "1", "--since", f"{since:%Y-%m-%dT%H:%M}", "--json").json()
    assert datetime.fromisoformat(again["since"]) == since.replace(second=0, microsecond=0)
    for wrong in ("yesterday", f"{since - timedelta(days=30):%Y-%m-%dT%H:%M}Z", "9999-12-31T23:59-23:59"):
        assert optsync.run("webhooks", "replay", "1", "--since", wrong).code == 2, wrong
    assert optsync.run("keys", "rotate", "--json").json()["channels"] == 1
    assert optsync.run("webhooks", "remove", "1").code == 0
    for words in (("deliveries", "1"), ("test", "1"), ("remove", "1"), ("enable", "1"), ("rotate", "1")):
        assert optsync.run("webhooks", *words).code == 1, words
    optsync.run("audit", "verify")
    kinds = [entry for entry in optsync.run("audit", "export").out.splitlines() if "webhook" in entry]
    assert len(kinds) >= 5


def test_every_step_of_a_channel(optsync: Installation) -> None:
    assert optsync.run("alerts", "add", "email", "nobody").code == 2
    assert optsync.run("alerts", "add", "webhook", "http://chat.example.com/").code == 2
    added = optsync.run("alerts", "add", "webhook", "https://chat.example.com/secret/path")
    assert added.code == 0
    listed = optsync.run("alerts", "list")
    assert "chat.example.com" in listed.out
    assert "secret" not in listed.out + optsync.run("alerts", "list", "--json").out
    assert optsync.run("alerts", "test", "--json").json() == {"queued": 1}
    assert optsync.run("alerts", "remove", "1").code == 0
    assert optsync.run("alerts", "remove", "1").code == 1
