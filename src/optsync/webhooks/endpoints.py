"""Endpoints: who elsewhere is told, of what, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import class_row, dict_row

from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql
from optsync.webhooks.egress import Egress
from optsync.webhooks.signing import new_secret
from optsync.webhooks.types import KIND_OF, TEST

if TYPE_CHECKING:
    from optsync.config.vault import Vault

PACKAGE: Final = "optsync.webhooks"
KEPT_DAYS: Final = 30
OVERLAP_HOURS: Final = 24
"""How long the secret before signs too."""
OLD_SECRETS_MAX: Final = 5
"""As many that were replaced sign at the same time, at most: each is a signature in the header of every delivery."""
ENDPOINTS_MAX: Final = 20
Why = Literal["by hand", "gone", "failing", "secret"]
"""secret: no key of ours opens it any more, so nothing can be signed."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of them. `waiting` counts deliveries, up to 10,001; `replays_since`: from when on it is told again."""

    endpoint_id: int
    url: str
    types: Sequence[str]
    made_at: datetime
    made_by: str
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_why: Why | None
    old_until: datetime | None
    replays_since: datetime | None
    waiting: int

    @property
    def state(self) -> Literal["active", "failing", "disabled"]:
        """In one word."""
        if self.disabled_at is not None:
            return "disabled"
        return "active" if self.failing_since is None else "failing"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: `status` is None when no answer came; `said` is then why, else the start of the answer."""

    nth: int
    at: datetime
    status: int | None
    took_ms: int
    said: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint. `due_at` is the next attempt, None when there is none."""

    delivery_id: int
    event_id: int
    type: str
    made_at: datetime
    due_at: datetime | None
    attempts: int
    delivered_at: datetime | None
    tried: list[Attempt] = field(default_factory=list)

    @property
    def state(self) -> Literal["delivered", "pending", "failed"]:
        """In one word."""
        if self.due_at is not None:
            return "pending"
        return "failed" if self.delivered_at is None else "delivered"


def add(
    conn: psycopg.Connection,
    vault: "Vault",
    egress: Egress,
    token_bytes: Callable[[int], bytes],
    url: str,
    types: Sequence[str],
    *,
    actor: str,
) -> tuple[int, str]:
    """A new endpoint that hears of what happens from now on: its number and its secret, which nobody can show again.

    Raises Problem, exit code 2, for an address or a type that is none, or when there are too many endpoints.
    """
    egress.refuse(url)
    refuse_types(types)
    if len(listing(conn)) >= ENDPOINTS_MAX:
        raise Problem(
            told("there are %(n)s endpoints already", n=ENDPOINTS_MAX),
            told("nothing was stored"),
            told("remove one that is no longer used"),
            2,
        )
    secret = new_secret(token_bytes)
    values = {"url": url, "types": list(dict.fromkeys(types)), "secret": vault.encrypt(secret.encode()), "actor": actor}
    row = conn.execute(sql(PACKAGE, "add_endpoint"), values | {"host": urlsplit(url).hostname}).fetchone()
    assert row is not None  # the statement answers with the row it made
    return row[0], secret


def refuse_types(types: Sequence[str]) -> None:
    """Raises Problem, exit code 2, for no types or unknown ones."""
    unknown = [name for name in types if name not in KIND_OF]
    if types and not unknown:
        return
    raise Problem(
        told("no type of event was chosen")
        if not types
        else told("%(type)s is no type of event", type=unknown[0][:60]),
        told("nothing was stored"),
        told("choose from: %(types)s", types=", ".join(KIND_OF)),
        2,
    )


def listing(conn: psycopg.Connection) -> list[Endpoint]:
    """Every endpoint, the oldest first."""
    with conn.cursor(row_factory=class_row(Endpoint)) as cursor:
        return cursor.execute(sql(PACKAGE, "endpoints")).fetchall()


def found(conn: psycopg.Connection, endpoint_id: int) -> Endpoint:
    """One endpoint. Raises Problem when there is none of that number."""
    for one in listing(conn):
        if one.endpoint_id == endpoint_id:
            return one
    raise Problem(
        told("there is no webhook with the number %(n)s", n=endpoint_id),
        told("nothing was done"),
        told("see: optsync webhooks list"),
    )


def disable(conn: psycopg.Connection, endpoint_id: int, why: Why = "by hand", *, actor: str) -> bool:
    """Stops deliveries; what happens meanwhile waits in the ledger, for 30 days. False when it was disabled already."""
    values = {"endpoint": endpoint_id, "why": why, "actor": actor}
    return conn.execute(sql(PACKAGE, "disable_endpoint"), values).rowcount > 0


def enable(conn: psycopg.Connection, endpoint_id: int, *, actor: str) -> bool:
    """Goes on where deliveries stopped. False when it was enabled already."""
    values = {"endpoint": endpoint_id, "days": KEPT_DAYS, "actor": actor}
    return conn.execute(sql(PACKAGE, "enable_endpoint"), values).rowcount > 0


def remove(conn: psycopg.Connection, endpoint_id: int, *, actor: str) -> bool:
    """Ends an endpoint for good. False when it was gone already."""
    return conn.execute(sql(PACKAGE, "remove_endpoint"), {"endpoint": endpoint_id, "actor": actor}).rowcount > 0


def rotate(
    conn: psycopg.Connection,
    vault: "Vault",
    token_bytes: Callable[[int], bytes],
    endpoint_id: int,
    *,
    actor: str,
) -> str:
    """A new secret; each that was replaced signs too for 24 hours.

    Raises Problem when there is no such endpoint, or when too many were replaced within those hours.
    """
    secret = new_secret(token_bytes)
    values = {"endpoint": endpoint_id, "secret": vault.encrypt(secret.encode()), "hours": OVERLAP_HOURS, "actor": actor}
    if conn.execute(sql(PACKAGE, "rotate_secret"), values | {"most": OLD_SECRETS_MAX}).rowcount:
        return secret
    found(conn, endpoint_id)
    raise Problem(
        told("webhook %(n)s got %(most)s new secrets within a day already", n=endpoint_id, most=OLD_SECRETS_MAX),
        told("each still signs, so that no receiver is shut out; nothing was changed"),
        told("use the newest one, or try again in some hours"),
    )


def send_test(conn: psycopg.Connection, endpoint_id: int, *, actor: str) -> int:
    """An event of type webhook.test for one endpoint; the worker delivers it. The delivery's number.

    Raises Problem when the endpoint is disabled or gone.
    """
    row = conn.execute(sql(PACKAGE, "send_test"), {"endpoint": endpoint_id, "type": TEST, "actor": actor}).fetchone()
    if row is not None:
        return int(row[0])
    found(conn, endpoint_id)
    raise Problem(
        told("webhook %(n)s is disabled", n=endpoint_id),
        told("nothing is delivered to it"),
        told("enable it first: optsync webhooks enable %(n)s", n=endpoint_id),
    )


def resend(conn: psycopg.Connection, endpoint_id: int, delivery_id: int, *, actor: str) -> bool:
    """Sends a delivery of the last 30 days again; the worker does it. False when there is none of that number."""
    values = {"endpoint": endpoint_id, "delivery": delivery_id, "actor": actor}
    return conn.execute(sql(PACKAGE, "resend"), values).rowcount > 0


def replay(conn: psycopg.Connection, endpoint_id: int, since: datetime, *, actor: str) -> None:
    """Tells an endpoint again of all that happened since an instant (aware), what it never was told included.

    The worker does it, behind what is new. Raises Problem, exit code 2, for an instant that is not within the last 30
    days; and when there is no such endpoint.
    """
    found(conn, endpoint_id)
    values = {"endpoint": endpoint_id, "since": since, "days": KEPT_DAYS, "actor": actor}
    if not conn.execute(sql(PACKAGE, "replay"), values).rowcount:
        raise Problem(
            told("this moment is not within the last %(n)s days", n=KEPT_DAYS),
            told("nothing is sent again"),
            told("name one that is: what happened since then is sent again"),
            2,
        )


def deliveries(conn: psycopg.Connection, endpoint_id: int, before: int, limit: int) -> list[Delivery]:
    """A page of an endpoint's deliveries with each attempt, the newest first."""
    values = {"endpoint": endpoint_id, "before": before, "limit": limit}
    with conn.cursor(row_factory=class_row(Delivery)) as cursor:
        page = cursor.execute(sql(PACKAGE, "deliveries"), values).fetchall()
    by_number = {one.delivery_id: one for one in page}
    with conn.cursor(row_factory=dict_row) as rows:
        for row in rows.execute(sql(PACKAGE, "attempts"), {"deliveries": list(by_number)}):
            by_number[row.pop("delivery_id")].tried.append(Attempt(**row))
    return page


def encrypt_again(conn: psycopg.Connection, vault: "Vault") -> int:
    """Puts every secret under the vault's newest key; returns how many endpoints there are."""
    with conn.transaction():
        stored = conn.execute(sql(PACKAGE, "lock_webhook_secrets")).fetchall()
        old = conn.execute(sql(PACKAGE, "lock_old_webhook_secrets")).fetchall()
        for statement, rows in (("replace_webhook_secret", stored), ("replace_old_webhook_secret", old)):
            for number, secret in rows:
                values = {"number": number, "secret": vault.encrypt_again(secret)}
                conn.execute(sql(PACKAGE, statement), values)
    return len(stored)
