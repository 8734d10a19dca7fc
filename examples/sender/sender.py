"""A small sender that never mails anybody who does not want it: all that a program of yours has to do, in one file.

    python sender.py add ann@example.com "Autumn" --in 3600 < letter.txt      queue a mail
    python sender.py list                                                     what became of the mails
    python sender.py run                                                      send what is due, listen to optsync

Four things make it a good citizen:

1. It asks `/v1/check` right before it sends. Every answer but a clear yes, and none, means: not now.
2. It puts the `List-Unsubscribe` headers and the link that optsync makes into every mail.
3. It hears `unsubscribe.created` by webhook, checks its signature, and cancels what was scheduled for that person.
4. It marks a mail as `sending` before it hands it over. Killed in between, it does not send it again: a person looks.

Standard library only. README.md, in this folder, tells how to set it up; everything is read from the environment.
"""

import argparse
import hmac
import json
import os
import smtplib
import sqlite3
import sys
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from email.utils import formataddr, make_msgid
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

OPTSYNC_URL = os.environ.get("OPTSYNC_URL", "http://127.0.0.1:8000")
OPTSYNC_KEY = os.environ.get("OPTSYNC_KEY", "")
WEBHOOK_SECRET = os.environ.get("OPTSYNC_WEBHOOK_SECRET", "")
SMTP_HOST = os.environ.get("SMTP_HOST", "127.0.0.1")
SMTP_PORT = int(os.environ.get("SMTP_PORT", "25"))
SENDER_NAME = os.environ.get("SENDER_NAME", "Example Ltd")
SENDER_ADDRESS = os.environ.get("SENDER_ADDRESS", "news@example.com")
LISTEN_PORT = int(os.environ.get("SENDER_PORT", "8025"))
DATABASE = os.environ.get("SENDER_DATABASE", "sender.db")

ASKED_AT_ONCE = 50
"""So few that no answer is older than a minute when the last of them is sent."""
TIMEOUT_SECONDS = 10
AGAIN_SECONDS = 1
CLOCK_TOLERANCE_SECONDS = 300
BODY_BYTES_MAX = 1_000_000
UNCLEAR = (OSError, HTTPException, ValueError, KeyError, TypeError)
"""Everything that is not a clear answer of optsync."""
LONG_LINES = policy.SMTP.clone(max_line_length=990, cte_type="7bit")
"""Mail programs read List-Unsubscribe as it stands: it must not become encoded words. Plain ASCII on the wire."""


# --- The queue --------------------------------------------------------------------------------------------------------

SCHEMA = """CREATE TABLE IF NOT EXISTS mail (
    id INTEGER PRIMARY KEY, address TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, due REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting')"""
# waiting -> sending -> sent, refused (by the mail server); waiting -> blocked (by optsync), cancelled (by the webhook)


@contextmanager
def queue() -> Iterator[sqlite3.Connection]:
    """The database for one step; what was done is committed at its end."""
    conn = sqlite3.connect(DATABASE, timeout=TIMEOUT_SECONDS)
    try:
        with conn:
            conn.execute(SCHEMA)
            yield conn
    finally:
        conn.close()


def add(address: str, subject: str, body: str, due: float) -> int:
    """Queues a mail; its number. Raises ValueError for what is no address: it would spoil the question for the rest."""
    if not 3 <= len(address.strip()) <= 320 or "@" not in address:
        raise ValueError("not an e-mail address")
    with queue() as conn:
        values = (address.strip(), subject, body, due)
        return conn.execute("INSERT INTO mail (address, subject, body, due) VALUES (?, ?, ?, ?)", values).lastrowid or 0


def due_mails() -> list[tuple[int, str, str, str]]:
    """The mails whose time has come."""
    with queue() as conn:
        rows = conn.execute(
            "SELECT id, address, subject, body FROM mail WHERE state = 'waiting' AND due <= ? ORDER BY due LIMIT ?",
            (time.time(), ASKED_AT_ONCE),
        )
        return rows.fetchall()


def move(mail_id: int, before: str, after: str) -> bool:
    """Changes the state of a mail; False when it is no longer what it was: it was cancelled in the meantime."""
    with queue() as conn:
        return (
            conn.execute("UPDATE mail SET state = ? WHERE id = ? AND state = ?", (after, mail_id, before)).rowcount == 1
        )


def cancel(address: str) -> int:
    """Cancels what waits for a person; how many mails. optsync tells addresses in lower case."""
    with queue() as conn:
        text = "UPDATE mail SET state = 'cancelled' WHERE lower(address) = lower(?) AND state = 'waiting'"
        return conn.execute(text, (address,)).rowcount


# --- Asking optsync ---------------------------------------------------------------------------------------------------


def ask(path: str, question: dict[str, Any]) -> dict[str, Any]:
    """POSTs to optsync. Raises one of UNCLEAR for everything but an answer."""
    headers = {"Authorization": f"Bearer {OPTSYNC_KEY}", "Content-Type": "application/json"}
    request = Request(OPTSYNC_URL + path, json.dumps(question).encode(), headers)
    with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def may_mail(addresses: list[str]) -> list[bool]:
    """Whether each person may be mailed at this moment. Raises one of UNCLEAR on doubt."""
    answers = ask("/v1/check", {"addresses": addresses, "sender": SENDER_NAME})["answers"]
    if [one["asked"] for one in answers] != addresses:
        raise ValueError("these are not the answers to what was asked")
    return [one["allowed"] is True for one in answers]


def message_for(address: str, subject: str, body: str) -> EmailMessage:
    """The mail with the headers, the link and the words that optsync makes for this person."""
    message_id = make_msgid(domain=SENDER_ADDRESS.rpartition("@")[2])
    wanted = {"addresses": [address], "message_id": message_id, "sender": SENDER_NAME, "body": body}
    (link,) = ask("/v1/unsubscribe-links", wanted)["links"]
    message = EmailMessage(policy=LONG_LINES)
    message["From"] = formataddr((SENDER_NAME, SENDER_ADDRESS))
    message["To"] = address
    message["Subject"] = subject
    message["Message-ID"] = message_id
    for name, value in link["headers"].items():
        message[name] = value
    has_link = link["url"] in link["body"]
    message.set_content(link["body"] if has_link else f"{link['body']}\n\n{link['text']}")
    return message


# --- Sending ----------------------------------------------------------------------------------------------------------


def send_due() -> None:
    """Sends what is due to those who may be mailed. On doubt nothing is sent and everything waits."""
    mails = due_mails()
    if not mails:
        return
    try:
        allowed = may_mail([address for _, address, _, _ in mails])
    except UNCLEAR as error:
        say(f"optsync gave no clear answer ({told(error)}): nothing is sent, {len(mails)} wait")
        return
    for (mail_id, address, subject, body), may in zip(mails, allowed, strict=True):
        if not may:
            move(mail_id, "waiting", "blocked")
            say(f"mail {mail_id}: blocked")
            continue
        send(mail_id, address, subject, body)


def send(mail_id: int, address: str, subject: str, body: str) -> None:
    """Hands one mail to the mail server."""
    try:
        message = message_for(address, subject, body)
    except UNCLEAR as error:
        say(f"mail {mail_id}: no unsubscribe link ({told(error)}); it waits")
        return
    if not move(mail_id, "waiting", "sending"):  # a webhook may have cancelled it a moment ago
        return
    try:
        with smtplib.SMTP(SMTP_HOST, SMTP_PORT, timeout=TIMEOUT_SECONDS) as server:
            server.send_message(message)
    except (smtplib.SMTPConnectError, ConnectionError) as error:
        move(mail_id, "sending", "waiting")  # nothing was handed over
        say(f"mail {mail_id}: the mail server is away ({told(error)}); it waits")
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused) as error:
        move(mail_id, "sending", "refused")
        say(f"mail {mail_id}: the mail server refuses it ({told(error)})")
    except (OSError, smtplib.SMTPException) as error:
        say(f"mail {mail_id}: {told(error)}; it may have been sent, so a person must look")
    else:
        move(mail_id, "sending", "sent")
        say(f"mail {mail_id}: sent")


# --- Hearing optsync --------------------------------------------------------------------------------------------------


def is_signed(headers: Any, body: bytes) -> bool:
    """Whether optsync signed this call with our secret, and not long ago (Standard Webhooks 1.0.0)."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not WEBHOOK_SECRET or not timestamp.isdecimal():
        return False
    if abs(time.time() - int(timestamp)) > CLOCK_TOLERANCE_SECONDS:
        return False  # somebody may be repeating an old call
    key = b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
    expected = b64encode(hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256"))
    given = headers.get("webhook-signature", "").split()  # two while the secret is being changed
    return any(hmac.compare_digest(b"v1," + expected, one.encode()) for one in given)


class Hook(BaseHTTPRequestHandler):
    """Takes optsync's calls. A call that comes twice does no harm: cancelling twice is cancelling once."""

    def do_POST(self) -> None:
        """204 says that we have it; anything else makes optsync try again."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            return self.answer(413)
        body = self.rfile.read(int(length))
        if not is_signed(self.headers, body):
            return self.answer(401)
        event = json.loads(body)
        about = event.get("data", {})
        # Who stopped one sender only is told by /v1/check, which knows for which sender.
        if event.get("type") == "unsubscribe.created" and about.get("scope") == "account" and about.get("address"):
            say(f"unsubscribed: {cancel(about['address'])} scheduled mails cancelled")
        return self.answer(204)

    def answer(self, status: int) -> None:
        """An answer without a body."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing: paths and addresses do not belong into a log."""


# --- The command line -------------------------------------------------------------------------------------------------


def run() -> None:
    """Sends and listens until Ctrl-C."""
    server = ThreadingHTTPServer(("127.0.0.1", LISTEN_PORT), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(f"listening at http://127.0.0.1:{LISTEN_PORT}/")
    while True:
        send_due()
        time.sleep(AGAIN_SECONDS)


def say(line: str) -> None:
    """Talk, without anybody's address."""
    print(line, file=sys.stderr, flush=True)


def told(error: Exception) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, HTTPError):
        return f"HTTP {error.code}"
    return str(error.reason) if isinstance(error, URLError) else type(error).__name__


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="A small sender that asks optsync first.")
    commands = parser.add_subparsers(dest="command", required=True)
    adding = commands.add_parser("add", help="queue a mail; its text comes from standard input")
    adding.add_argument("address")
    adding.add_argument("subject")
    adding.add_argument("--in", dest="seconds", type=float, default=0, help="how many seconds from now; 0: at once")
    commands.add_parser("list", help="what became of the mails")
    commands.add_parser("run", help="send what is due, listen to optsync")
    asked = parser.parse_args()
    if asked.command == "add":
        try:
            print(add(asked.address, asked.subject, sys.stdin.read(), time.time() + asked.seconds))
        except ValueError as error:
            parser.error(str(error))
    elif asked.command == "list":
        with queue() as conn:
            for mail_id, address, state in conn.execute("SELECT id, address, state FROM mail ORDER BY id"):
                print(mail_id, state, address)
    else:
        run()


if __name__ == "__main__":
    main()
