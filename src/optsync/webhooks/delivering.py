"""Delivering: from the ledger's sealed events to what an endpoint answered, at least once each.

Any number of workers may do this at once: handing out moves an endpoint's place in the same statement that makes the
deliveries, and a delivery that is being sent is put off by its lease. No HTTP happens in a transaction; the threads
that wait for receivers have no database session at all.
"""

import json
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.rows import dict_row

from optsync.core.addresses import hmac_pads, without_addresses
from optsync.ledger.queries import sql
from optsync.seams import Seams
from optsync.webhooks import endpoints
from optsync.webhooks.egress import Answer, Egress
from optsync.webhooks.endpoints import KEPT_DAYS, PACKAGE
from optsync.webhooks.reading import events_of
from optsync.webhooks.retries import Fate, fate_of
from optsync.webhooks.signing import headers
from optsync.webhooks.types import KIND_OF, Event, kinds_of

if TYPE_CHECKING:
    from optsync.config.vault import Vault

SENDERS: Final = 8
EACH: Final = 2
"""Calls to one endpoint at once, so that a slow one leaves room for the others."""
LEASE_SECONDS: Final = 120.0
"""Longer than any attempt takes, its look-up of the name included."""
WAITING_MAX: Final = 1_000
"""An endpoint with so many deliveries ahead is handed no more: they wait in the ledger, which costs nothing."""
SEALS_MAX, EVENTS_MAX = 1_000, 10_000
FAILING_DAYS: Final = 5
WAIT_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process is sending."""

    delivery_id: int
    endpoint_id: int
    attempts: int


class Deliverer:
    """Delivers what is due; `step` is called again and again by one thread, and never waits for a receiver."""

    def __init__(self, vault: "Vault", seams: Seams, egress: Egress) -> None:
        self.vault = vault
        self.seams = seams
        self.egress = egress
        self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="webhook")
        self._flying: dict[Future[Answer], Claimed] = {}

    def step(self, conn: psycopg.Connection) -> bool:
        """Hands out, sends, settles what came back; whether there is more to do at once."""
        hand_out(conn, self.vault)
        settled = self._settle(conn)
        claimed = self._send(conn)
        return bool(settled or claimed)

    def wait(self) -> bool:
        """Waits a moment for an answer; False, at once, when nothing is on its way."""
        if self._flying:
            wait(self._flying, WAIT_SECONDS, FIRST_COMPLETED)
        return bool(self._flying)

    def drain(self, conn: psycopg.Connection) -> None:
        """Settles whatever is on its way: at most one deadline long."""
        while self._flying:
            self.wait()
            self._settle(conn)

    def close(self) -> None:
        """Leaves what is on its way to its lease."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _send(self, conn: psycopg.Connection) -> int:
        busy = Counter(claimed.endpoint_id for claimed in self._flying.values())
        free = SENDERS - len(self._flying)
        targets = {row["endpoint_id"]: row for row in _rows(conn, "sendable")}
        rooms = {number: EACH - busy[number] for number in targets if busy[number] < EACH}
        if not rooms or not free:
            return 0
        values = {"endpoints": list(rooms)[:free], "rooms": list(rooms.values())[:free], "lease": LEASE_SECONDS}
        claimed = _rows(conn, "claim", values)
        events = events_of(conn, claimed)
        for one in claimed:
            flight = self._pool.submit(self._attempt, targets[one["endpoint_id"]], events[one["event_id"]])
            self._flying[flight] = Claimed(one["delivery_id"], one["endpoint_id"], one["attempts"])
        return len(claimed)

    def _attempt(self, target: Mapping[str, Any], event: Event) -> Answer:
        """One attempt, in a thread of its own and without the database."""
        body = json.dumps(event.as_dict(), ensure_ascii=False, separators=(",", ":")).encode()
        sealed = [secret for secret in (target["secret"], target["old_secret"]) if secret]
        secrets = [self.vault.decrypt(secret).decode() for secret in sealed]
        seconds = int(self.seams.now().timestamp())
        return self.egress.post(target["url"], body, headers(secrets, event.id, seconds, body))

    def _settle(self, conn: psycopg.Connection) -> int:
        done = [flight for flight in self._flying if flight.done()]
        for flight in done:
            claimed = self._flying.pop(flight)
            answer = flight.result()
            settle(conn, claimed, answer, fate_of(claimed.attempts, answer.status, self.seams.random.random()))
        return len(done)


def hand_out(conn: psycopg.Connection, vault: "Vault") -> None:
    """Makes deliveries of what was sealed since, for each endpoint that keeps up."""
    behind = [row["endpoint_id"] for row in _rows(conn, "behind", {"waiting_max": WAITING_MAX})]
    if not behind:
        return
    inner, outer = hmac_pads(vault.subject_key)
    for one in endpoints.listing(conn):
        if one.endpoint_id in behind:
            types = [name for name in one.types if name in KIND_OF]
            values = {
                "endpoint": one.endpoint_id,
                "types": types,
                "kinds": kinds_of(types),
                "inner": inner,
                "outer": outer,
            }
            conn.execute(sql(PACKAGE, "hand_out"), values | {"seals": SEALS_MAX, "events": EVENTS_MAX})


def settle(conn: psycopg.Connection, claimed: Claimed, answer: Answer, fate: Fate) -> None:
    """Notes an attempt; 410 ends the endpoint, and so do five days without a success."""
    values = {
        "delivery": claimed.delivery_id,
        "delivered": fate.what == "delivered",
        "again": fate.again_seconds,
        "status": answer.status,
        "took_ms": answer.took_ms,
        "said": without_addresses(answer.said),  # a receiver may repeat whom it was told of
    }
    conn.execute(sql(PACKAGE, "settle_delivery"), values)
    if fate.what == "gone":
        endpoints.disable(conn, claimed.endpoint_id, "gone", actor="optsync")


def tidy(conn: psycopg.Connection) -> None:
    """Disables what has failed for five days, and forgets deliveries after 30."""
    for row in _rows(conn, "failing_for_days", {"days": FAILING_DAYS}):
        endpoints.disable(conn, row["endpoint_id"], "failing", actor="optsync")
    conn.execute(sql(PACKAGE, "forget"), {"days": KEPT_DAYS})


def _rows(conn: psycopg.Connection, statement: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql(PACKAGE, statement), values).fetchall()
