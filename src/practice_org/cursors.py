"""Query results that wait for their next page."""

from array import array
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from practice_org.errors import RefusalError
from practice_org.records import Table
from practice_org.schema import Field

CURSORS_MAX = 100
"""Older ones are forgotten. Salesforce keeps two days' worth, some pages say ten per user (salesforce.md 2.6)."""


@dataclass(frozen=True)
class Cursor:
    """A finished query: the numbers of its records, and what to show of each."""

    table: Table
    fields: list[Field]
    numbers: "array[int] | range"
    opened_at: datetime


@dataclass
class Cursors:
    """Open cursors by locator."""

    open: OrderedDict[str, Cursor] = field(default_factory=OrderedDict)
    _count: int = 0

    def add(self, cursor: Cursor) -> str:
        """Keeps a cursor; returns its locator."""
        self._count += 1
        locator = f"0r8Pr{self._count:013d}"
        self.open[locator] = cursor
        if len(self.open) > CURSORS_MAX:
            self.open.popitem(last=False)
        return locator

    def get(self, locator: str, now: datetime, seconds_max: float) -> Cursor:
        """Raises RefusalError INVALID_QUERY_LOCATOR for one that is unknown, forgotten or older than that."""
        cursor = self.open.get(locator)
        if cursor is None or (now - cursor.opened_at).total_seconds() >= seconds_max:
            raise RefusalError("INVALID_QUERY_LOCATOR", "invalid query locator")
        return cursor
