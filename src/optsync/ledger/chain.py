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

    `stray` counts events that are neither sealed nor waiting, wait without being there, or are sealed twice.
    `keeps_head` is False when a head that was kept elsewhere is not in the chain: its end was cut off or built anew.
    """

    sealed: int
    unsealed: int
    stray: int
    head_hex: str
    first_break: int | None
    keeps_head: bool = True

    @property
    def ok(self) -> bool:
        """Whether every event is as it was sealed, none is missing or slipped in, and the kept head is there."""
        return self.first_break is None and self.stray == 0 and self.keeps_head


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


def verify(conn: psycopg.Connection, kept_head: str | None = None) -> ChainState:
    """Recomputes the whole chain. `kept_head`, 64 hex digits kept elsewhere, also proves that no end was cut off."""
    kept = None if kept_head is None else bytes.fromhex(kept_head)
    row = conn.execute(sql("optsync.ledger", "chain_state"), {"kept": kept}).fetchone()
    assert row is not None  # an aggregate answers with one row
    sealed, unsealed, stray, head, first_break, keeps_head = row
    return ChainState(sealed, unsealed, stray, head or "", first_break, keeps_head)


@dataclass(frozen=True, slots=True)
class Part:
    """Some links, recomputed: the last of them (None: there were none), their events, the first that does not fit."""

    last: int | None
    events: int
    first_break: int | None


def verify_part(conn: psycopg.Connection, after: int, events: int) -> Part:
    """Recomputes the links after number `after` (0 = from the start), in full links of about `events` events."""
    row = conn.execute(sql("optsync.ledger", "verify_part"), {"after": after, "events": events}).fetchone()
    assert row is not None  # an aggregate answers with one row
    return Part(*row)


def strays(conn: psycopg.Connection) -> ChainState:
    """What is left to look at once every link was recomputed: did anything slip in beside the links?"""
    row = conn.execute(sql("optsync.ledger", "strays")).fetchone()
    assert row is not None  # a SELECT of aggregates answers with one row
    sealed, waiting, gone, total, head = row
    return ChainState(sealed, waiting, gone + abs(total - sealed - waiting), head or "", None)


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
