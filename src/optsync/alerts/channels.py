"""Where alerts go: e-mail, a chat webhook, a heartbeat address that hears of every proved sync run."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import class_row

from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql
from optsync.webhooks.egress import Egress

if TYPE_CHECKING:
    from optsync.config.vault import Vault

PACKAGE: Final = "optsync.alerts"
Kind = Literal["email", "webhook", "heartbeat"]
KINDS: Final[tuple[Kind, ...]] = ("email", "webhook", "heartbeat")
ADDRESS: Final = re.compile(r"[^@\s,;<>\"\x00-\x1f\x7f]+@[^@\s,;<>\"\x00-\x1f\x7f]+")
ADDRESS_LENGTH_MAX: Final = 254
CHANNELS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Channel:
    """One of them; `sent_at`, `due_at` and `said` are of its newest message."""

    channel_id: int
    kind: Kind
    name: str
    target: bytes = field(repr=False)
    made_at: datetime
    made_by: str
    sent_at: datetime | None
    due_at: datetime | None
    said: str | None


def listing(conn: psycopg.Connection) -> Sequence[Channel]:
    """Every channel, the oldest first."""
    with conn.cursor(row_factory=class_row(Channel)) as cursor:
        return cursor.execute(sql(PACKAGE, "channels")).fetchall()


def add(conn: psycopg.Connection, vault: "Vault", egress: Egress, kind: Kind, target: str, *, actor: str) -> int:
    """A new channel; its number. It is told of the problems that are open now, too.

    Raises Problem, exit code 2, for an address that is none or when there are too many channels.
    """
    if kind == "email":
        refuse_address(target)
        name = target
    else:
        egress.refuse(target)
        name = urlsplit(target).hostname or ""
    if len(listing(conn)) >= CHANNELS_MAX:
        raise Problem(
            told("there are %(n)s channels already", n=CHANNELS_MAX),
            told("nothing was stored"),
            told("remove one that is no longer used"),
            2,
        )
    values = {"kind": kind, "name": name, "target": vault.encrypt(target.encode()), "actor": actor}
    row = conn.execute(sql(PACKAGE, "add_channel"), values).fetchone()
    assert row is not None  # the statement answers with the row it made
    return int(row[0])


def refuse_address(text: str) -> None:
    """Raises Problem, exit code 2, for anything but one plain e-mail address."""
    if len(text) > ADDRESS_LENGTH_MAX or not ADDRESS.fullmatch(text):
        raise Problem(
            told("this is not an e-mail address"),
            told("nothing was stored and nothing was sent"),
            told("give one address, such as team@example.com"),
            2,
        )


def remove(conn: psycopg.Connection, channel_id: int, *, actor: str) -> bool:
    """Ends a channel. False when it was gone already."""
    return conn.execute(sql(PACKAGE, "remove_channel"), {"channel": channel_id, "actor": actor}).rowcount > 0


def encrypt_again(conn: psycopg.Connection, vault: "Vault") -> int:
    """Puts every target under the vault's newest key; returns how many channels there are."""
    with conn.transaction():
        stored = conn.execute(sql(PACKAGE, "lock_alert_targets")).fetchall()
        for channel_id, target in stored:
            values = {"channel": channel_id, "target": vault.encrypt_again(target)}
            conn.execute(sql(PACKAGE, "replace_alert_target"), values)
    return len(stored)
