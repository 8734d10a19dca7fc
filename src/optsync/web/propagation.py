"""How long unsubscribes took until Salesforce confirmed a box: the histogram of the Overview. No Django here."""

from dataclasses import dataclass
from math import ceil, inf
from typing import Final

import psycopg

from optsync.ledger.queries import sql

LIMITS_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0, inf)
"""The upper ends of the bars."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the histogram: its name on the page, and in the address of the list of its people."""

    name: str
    key: str


BARS: Final = (
    Bar("< 1 s", "0-1"),
    Bar("1–2 s", "1-2"),
    Bar("2–5 s", "2-5"),
    Bar("5–15 s", "5-15"),
    Bar("15–60 s", "15-60"),
    Bar("1–5 min", "60-300"),
    Bar("> 5 min", "300-"),
)


@dataclass(frozen=True, slots=True)
class Propagation:
    """The latest unsubscribes that came one by one and were confirmed since; `seconds` in rising order, never empty."""

    seconds: tuple[float, ...]

    @property
    def bars(self) -> tuple[int, ...]:
        """How many fell below each limit and not below the one before."""
        below = [sum(one < limit for one in self.seconds) for limit in LIMITS_SECONDS]
        return tuple(now - before for now, before in zip(below, [0, *below], strict=False))

    def percentile(self, share: int) -> float:
        """The smallest of these durations that `share` per cent do not exceed."""
        return self.seconds[max(0, ceil(len(self.seconds) * share / 100) - 1)]


def look(conn: psycopg.Connection, org_id: int) -> Propagation | None:
    """The latest 500 of one org, as far as they lie among the newest events; None when there are none."""
    seconds = tuple(took for took, _record_id in conn.execute(sql("optsync.web", "propagation"), {"org": org_id}))
    return Propagation(seconds) if seconds else None


def people(conn: psycopg.Connection, org_id: int, key: str) -> list[int]:
    """The addresses of one bar; who has no record any more is left out."""
    nth = [bar.key for bar in BARS].index(key)
    above, below = (0.0, *LIMITS_SECONDS)[nth], LIMITS_SECONDS[nth]
    rows = conn.execute(sql("optsync.web", "propagation"), {"org": org_id})
    records = [record_id for took, record_id in rows if above <= took < below]
    found = conn.execute(sql("optsync.web", "people_of_records"), {"org": org_id, "records": records})
    return [address_id for (address_id,) in found]
