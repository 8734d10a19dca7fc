"""The hash chain over all events: one sealer, within a second; verification recomputes every link (I8)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import psycopg

from optsync.ledger.queries import sql

SEAL_EVENTS_MAX = 10_000
"""Events in one link at most, so that sealing a large import keeps its transactions short."""


@dataclass(frozen=True, slots=True)
class ChainState:
    """What a verification found. `first_break` is the number of the first seal that does not fit.

    `stray` events are neither sealed nor waiting: slipped in, or their seal was taken away. Negative: events are gone.
    """

    sealed: int
    unsealed: int
    stray: int
    head_hex: str
    first_break: int | None

    @property
    def ok(self) -> bool:
        """Whether every event is as it was sealed, and none is missing or slipped in."""
        return self.first_break is None and self.stray == 0


def seal(conn: psycopg.Connection) -> int:
    """Seals every event that waits; returns how many. 0 also while another sealer is at it."""
    total = 0
    while True:
        row = conn.execute(sql("optsync.ledger", "seal"), [SEAL_EVENTS_MAX]).fetchone()
        assert row is not None  # the function answers with one row
        sealed = int(row[0])
        total += sealed
        if sealed < SEAL_EVENTS_MAX:
            return total


def verify(conn: psycopg.Connection) -> ChainState:
    """Recomputes the whole chain. The head, kept elsewhere, also proves that the chain's end was not cut off."""
    row = conn.execute(sql("optsync.ledger", "chain_state")).fetchone()
    assert row is not None  # scalar sub-selects give one row
    events, sealed, unsealed, head, first_break = row
    return ChainState(sealed, unsealed, events - sealed - unsealed, head or "", first_break)


def unsealed_tail(conn: psycopg.Connection) -> tuple[int, datetime | None]:
    """How many events wait for the sealer, and when the oldest of them happened (None when none waits)."""
    row = conn.execute(sql("optsync.ledger", "unsealed_tail")).fetchone()
    assert row is not None  # an aggregate answers with one row
    return row[0], row[1]


def export_lines(conn: psycopg.Connection) -> Iterator[bytes]:
    """The sealed events as JSON lines, each seal after its events: anyone can recompute the chain from them."""
    with conn.cursor().copy(sql("optsync.ledger", "chain_lines")) as copy:
        for block in copy:
            yield bytes(block)
