"""The example sender, for real: asks, sends with the link, drops what was scheduled once its reader unsubscribes."""

import contextlib
import email.message
import email.policy
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from optsync.webhooks.signing import headers as signed_headers
from tests.flows.telling.receivers import MailServer, mail_server
from tests.installation import Installation, Site, clean_environ, free_port, served

SENDER = Path(__file__).parents[2] / "examples/sender/sender.py"
LOOPBACK = {"OPTSYNC_WEBHOOKS_TO_LOOPBACK": "1"}
SECONDS_MAX = 30.0


@dataclass
class Sender:
    """The program with its own queue; `secret` signs what it believes."""

    environ: dict[str, str]
    port: int
    secret: str

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Runs one of its commands to its end; what it printed."""
        command = [sys.executable, str(SENDER), *arguments]
        done = subprocess.run(
            command, env=self.environ, input=stdin, capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout

    def states(self) -> list[str]:
        """What became of the mails, in their order."""
        return [line.split()[1] for line in self("list").splitlines()]

    @contextlib.contextmanager
    def running(self) -> Iterator["subprocess.Popen[str]"]:
        """Sends and listens for as long as the block lasts."""
        command = [sys.executable, str(SENDER), "run"]
        process = subprocess.Popen(command, env=self.environ, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr
            assert "listening" in process.stderr.readline()
            yield process
        finally:
            process.terminate()
            process.wait(20)
            if process.stderr:
                process.stderr.close()

    def hook(self, body: dict[str, object], secret: str, at: int | None = None) -> int:
        """Calls its webhook as optsync does; the status."""
        text = json.dumps(body).encode()
        told = signed_headers([secret], "evt_1", int(time.time()) if at is None else at, text)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", "/", text, told)
        status = connection.getresponse().status
        connection.close()
        return status


def until(true: Callable[[], object]) -> None:
    """Waits for something."""
    deadline = time.monotonic() + SECONDS_MAX
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def mails() -> Iterator[MailServer]:
    """A mail server that takes everything until told otherwise."""
    with mail_server() as running:
        yield running


@pytest.fixture
def site(optsync: Installation) -> Iterator[Site]:
    """The web server that the sender asks."""
    with served(optsync) as running:
        yield running


@pytest.fixture
def sender(optsync: Installation, site: Site, mails: MailServer, tmp_path: Path) -> Sender:
    """The program, set up as its README says."""
    port = free_port()
    key = optsync.run("api-keys", "make", "sender", "--scope", "check", "--scope", "write").out.strip()
    added = optsync.run("webhooks", "add", f"http://127.0.0.1:{port}/", "--type", "unsubscribe.created", **LOOPBACK)
    assert added.code == 0, added.err
    environ = clean_environ() | {
        "OPTSYNC_URL": site.url,
        "OPTSYNC_KEY": key,
        "OPTSYNC_WEBHOOK_SECRET": added.out.strip(),
        "SMTP_PORT": str(mails.port),
        "SENDER_PORT": str(port),
        "SENDER_DATABASE": str(tmp_path / "sender.db"),
    }
    return Sender(environ, port, added.out.strip())


def one_click(message: email.message.EmailMessage) -> int:
    """What a mail program does when its reader presses *Unsubscribe* (RFC 8058); the header for it wants https."""
    link = urlsplit(message["List-Unsubscribe"].partition("<")[2].partition(">")[0])
    connection = http.client.HTTPConnection(link.hostname or "", link.port, timeout=20)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", link.path, "List-Unsubscribe=One-Click", form)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_click_in_the_first_mail_cancels_the_one_that_is_scheduled(
    optsync: Installation, sender: Sender, mails: MailServer
) -> None:
    optsync.run("unsubscribe", "bob@example.com")
    sender("add", "Ann@Example.com", "Autumn", stdin="Hello Ann, ä ö ü\n")
    sender("add", "ann@example.com", "Winter", "--in", "3600", stdin="Hello again")
    sender("add", "bob@example.com", "Autumn", stdin="Hello Bob")
    sender("add", "cyd@example.com", "Winter", "--in", "3600", stdin="Hello Cyd")
    worker = optsync.start("worker", **LOOPBACK)
    try:
        with sender.running():
            until(lambda: sender.states()[::2] == ["sent", "blocked"])
            ((recipient, text),) = mails.got
            message = email.message_from_string(text, policy=email.policy.default)
            assert recipient == "Ann@Example.com"
            assert "=?" not in text.partition("List-Unsubscribe:")[2].partition("\n")[0]
            body = message.get_content()
            assert "Hello Ann, ä ö ü" in body
            assert message["List-Unsubscribe"].partition("<")[2].partition(">")[0] in body
            assert one_click(message) == 200
            until(lambda: sender.states() == ["sent", "cancelled", "blocked", "waiting"])
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=40)
    assert len(mails.got) == 1


def test_without_the_webhook_the_check_still_keeps_the_promise(
    optsync: Installation, sender: Sender, mails: MailServer
) -> None:
    sender("add", "ann@example.com", "Winter", "--in", "2", stdin="Hello")
    optsync.run("unsubscribe", "ann@example.com")
    with sender.running():
        until(lambda: sender.states() == ["blocked"])
    assert mails.got == []


@pytest.mark.parametrize("wrong", [{"OPTSYNC_KEY": "os_live_wrong"}, {"OPTSYNC_URL": "http://127.0.0.1:9"}])
def test_on_doubt_nothing_is_sent_and_everything_waits(
    sender: Sender, mails: MailServer, wrong: dict[str, str]
) -> None:
    sender("add", "ann@example.com", "Autumn", stdin="Hello")
    doubting = Sender(sender.environ | wrong, sender.port, sender.secret)
    with doubting.running() as process:
        assert process.stderr
        assert "optsync gave no clear answer" in process.stderr.readline()
    assert (sender.states(), mails.got) == (["waiting"], [])
    with sender.running():
        until(lambda: sender.states() == ["sent"])


def test_a_mail_server_that_is_away_loses_nothing_and_one_that_refuses_is_told(
    sender: Sender, mails: MailServer
) -> None:
    sender("add", "ann@example.com", "Autumn", stdin="Hello")
    away = Sender(sender.environ | {"SMTP_PORT": str(free_port())}, sender.port, sender.secret)
    with away.running() as process:
        assert process.stderr
        assert "the mail server is away" in process.stderr.readline()
    assert sender.states() == ["waiting"]
    mails.refusal = "550 no"
    with sender.running():
        until(lambda: sender.states() == ["refused"])


def test_a_forged_or_old_call_cancels_nothing_and_a_repeated_one_does_no_harm(sender: Sender) -> None:
    sender("add", "ann@example.com", "Winter", "--in", "3600", stdin="Hello")
    about = {"scope": "account", "address": "ann@example.com"}
    told: dict[str, object] = {"type": "unsubscribe.created", "data": about}
    with sender.running():
        assert sender.hook(told, "whsec_" + "A" * 44) == 401
        assert sender.hook(told, sender.secret, at=int(time.time()) - 3600) == 401
        assert sender.hook(told | {"data": about | {"scope": "sender"}}, sender.secret) == 204
        assert sender.hook({"type": "unsubscribe.created", "data": {}}, sender.secret) == 204
        assert sender.states() == ["waiting"]
        for _ in range(2):
            assert sender.hook(told, sender.secret) == 204
        assert sender.states() == ["cancelled"]


def test_a_mail_that_was_being_handed_over_when_the_sender_was_killed_is_not_sent_again(
    sender: Sender, mails: MailServer
) -> None:
    sender("add", "ann@example.com", "Autumn", stdin="Hello")
    with frozen(mails), sender.running() as process:
        until(lambda: sender.states() == ["sending"])
        os.kill(process.pid, signal.SIGKILL)
    with sender.running():
        time.sleep(2)
    assert sender.states() == ["sending"]


@contextlib.contextmanager
def frozen(mails: MailServer) -> Iterator[None]:
    """A mail server that takes connections and says nothing."""
    mails.shutdown()
    yield
    threading.Thread(target=mails.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
