"""Delivering: from the ledger's sealed events to what an endpoint answered, at least once each.

Any number of workers may do this at once: handing out moves an endpoint's place in the same statement that makes the
deliveries, and a delivery that is being sent is put off by its lease. No HTTP happens in a transaction; the threads
that wait for receivers have no database session at all.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.rows import dict_row

from optsync.config.logging import get_logger
from optsync.core.addresses import hmac_pads, without_addresses
from optsync.core.problems import Problem
from optsync.ledger.queries import sql
from optsync.seams import Seams
from optsync.webhooks import endpoints
from optsync.webhooks.egress import Answer, Egress
from optsync.webhooks.endpoints import ENDPOINTS_MAX, KEPT_DAYS, PACKAGE
from optsync.webhooks.reading import events_of
from optsync.webhooks.retries import Fate, fate_of
from optsync.webhooks.signing import headers
from optsync.webhooks.types import KIND_OF, Event, kinds_of

if TYPE_CHECKING:
    from optsync.config.vault import Vault

EACH: Final = 2
"""Calls to one endpoint at once in either lane: a slow one leaves room for the others, a mass for what comes singly."""
SENDERS: Final = 2 * EACH * ENDPOINTS_MAX
SINGLE_MAX: Final = 20
"""More events of one kind in one moment are a mass, such as an import; one address has at most 20 boxes pushed."""
LEASE_SECONDS: Final = 120.0
"""Longer than any attempt takes, its look-up of the name included."""
WAITING_MAX: Final = 1_000
"""An endpoint with so many deliveries ahead is handed no more: they wait in the ledger, which costs nothing."""
SEALS_MAX, EVENTS_MAX = 1_000, 10_000
FAILING_DAYS: Final = 5
WAIT_SECONDS: Final = 0.2

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process is sending."""

    delivery_id: int
    endpoint_id: int
    attempts: int
    is_mass: bool = False


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
        handed_out = hand_out(conn, self.vault)
        settled = self._settle(conn)
        claimed = self._send(conn)
        return bool(handed_out or settled or claimed)

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
        """Sends what is due, as far as each lane has room. An endpoint whose secret cannot be read is disabled."""
        targets = {row["endpoint_id"]: row for row in _rows(conn, "sendable")}
        busy = Counter((claimed.endpoint_id, claimed.is_mass) for claimed in self._flying.values())
        lanes = [(number, is_mass) for number in targets for is_mass in (False, True) if busy[number, is_mass] < EACH]
        secrets = {number: self._secrets(conn, targets[number]) for number, _ in lanes}
        lanes = [lane for lane in lanes if secrets[lane[0]]]
        values = {
            "endpoints": [number for number, _ in lanes],
            "masses": [is_mass for _, is_mass in lanes],
            "rooms": [EACH - busy[lane] for lane in lanes],
        }
        claimed = _rows(conn, "claim", values | {"lease": LEASE_SECONDS}) if lanes else []
        events = events_of(conn, claimed)
        for one in claimed:
            number = one["endpoint_id"]
            flight = self._pool.submit(self._attempt, targets[number]["url"], secrets[number], events[one["event_id"]])
            self._flying[flight] = Claimed(one["delivery_id"], number, one["attempts"], one["is_mass"])
        return len(claimed)

    def _secrets(self, conn: psycopg.Connection, target: Mapping[str, Any]) -> list[str]:
        """What signs for an endpoint, the newest first; none when that cannot be read, and the endpoint is disabled."""
        readable = []
        for secret in (target["secret"], *target["old_secrets"]):
            try:
                readable.append(self.vault.decrypt(secret).decode())
            except Problem:
                if not readable:  # the newest; one that was replaced is missed by its receiver, and that is seen
                    log.warning("a webhook's secret cannot be read", endpoint=target["endpoint_id"])
                    endpoints.disable(conn, target["endpoint_id"], "secret", actor="optsync")
                    return []
        return readable

    def _attempt(self, url: str, secrets: Sequence[str], event: Event) -> Answer:
        """One attempt, in a thread of its own and without the database."""
        body = json.dumps(event.as_dict(), ensure_ascii=False, separators=(",", ":")).encode()
        seconds = int(self.seams.now().timestamp())
        return self.egress.post(url, body, headers(secrets, event.id, seconds, body))

    def _settle(self, conn: psycopg.Connection) -> int:
        done = [flight for flight in self._flying if flight.done()]
        for flight in done:
            claimed = self._flying.pop(flight)
            answer = flight.result() if flight.exception() is None else not_sent(flight.exception())
            settle(conn, claimed, answer, fate_of(claimed.attempts, answer.status, self.seams.random.random()))
        return len(done)


def not_sent(error: BaseException | None) -> Answer:
    """An attempt that failed here: it is tried again like any other, and stops nobody else's."""
    log.warning("a delivery could not be made", error=type(error).__name__)
    return Answer(None, f"not sent: {type(error).__name__}", 0)


def hand_out(conn: psycopg.Connection, vault: "Vault") -> bool:
    """Makes deliveries of what was sealed since, for each lane that keeps up; whether there was anything."""
    moved = False
    for one in _rows(conn, "behind", {"waiting_max": WAITING_MAX}):
        types = [name for name in one["types"] if name in KIND_OF]
        inner, outer = hmac_pads(vault.subject_key)
        values = {"endpoint": one["endpoint_id"], "lane": one["lane"], "types": types, "kinds": kinds_of(types)}
        values |= {"inner": inner, "outer": outer}
        values |= {"seals": SEALS_MAX, "events": EVENTS_MAX, "single_max": SINGLE_MAX}
        moved |= conn.execute(sql(PACKAGE, "hand_out"), values).rowcount > 0
    return moved


def settle(conn: psycopg.Connection, claimed: Claimed, answer: Answer, fate: Fate) -> None:
    """Notes an attempt; 410 ends the endpoint, and so do five days of attempts without a success."""
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
