"""Sending messages: each is taken by one worker under a lease, and tried until its channel takes it."""

import json
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.rows import dict_row

from optsync.alerts import mail
from optsync.alerts.channels import PACKAGE
from optsync.config.environment import Smtp
from optsync.ledger.queries import sql
from optsync.seams import Seams
from optsync.webhooks.egress import Egress

if TYPE_CHECKING:
    from optsync.config.vault import Vault

LEASE_SECONDS: Final = 180.0
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 10.0, 1800.0
ATTEMPTS_MAX: Final = 250
"""Some five days."""
PINGS_MAX: Final = 8
"""A ping that comes an hour late says nothing any more."""
NO_SERVER: Final = "no mail server is set: OPTSYNC_SMTP_HOST"


class Sender:
    """Sends what is due, one message after the other; `smtp` is None while no mail can be sent."""

    def __init__(self, vault: "Vault", seams: Seams, egress: Egress, smtp: Smtp | None) -> None:
        self.vault = vault
        self.seams = seams
        self.egress = egress
        self.smtp = smtp

    def step(self, conn: psycopg.Connection) -> bool:
        """Sends one message; False when none is due."""
        with conn.cursor(row_factory=dict_row) as cursor:
            message = cursor.execute(sql(PACKAGE, "claim_message"), {"lease": LEASE_SECONDS}).fetchone()
        if message is None:
            return False
        failure = self._send(message)
        attempts = message["attempts"]
        last = PINGS_MAX if message["kind"] == "heartbeat" else ATTEMPTS_MAX
        again = min(FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 20), LONGEST_DELAY_SECONDS)
        values = {
            "message": message["message_id"],
            "sent": not failure,
            "said": failure,
            "again": again if failure and attempts < last else None,
        }
        conn.execute(sql(PACKAGE, "settle_message"), values)
        return True

    def _send(self, message: dict[str, Any]) -> str:
        """Empty when the channel took it, else why not."""
        target = self.vault.decrypt(message["target"]).decode()
        if message["kind"] == "email":
            if self.smtp is None:
                return NO_SERVER
            return mail.send(self.smtp, self.seams, target, message["subject"], message["body"])
        if message["kind"] == "heartbeat":
            answer = self.egress.get(target)
        else:
            text = f"{message['subject']}\n{message['body'].strip()}"
            body = json.dumps({"text": text}).encode()
            answer = self.egress.post(target, body, {"Content-Type": "application/json"})
        if answer.is_ok:
            return ""
        return f"the address answered {answer.status}" if answer.status else answer.said
