"""Rows that a transaction holds while it lasts: others wait for them, and then give up (salesforce.md 3.2, 5.7)."""

import contextlib
from collections import Counter
from collections.abc import Collection, Iterator

from practice_org import clock
from practice_org.errors import RefusalError
from practice_org.records import Table

POLL_SECONDS = 0.01


def keys_of(table: Table, number: int) -> list[str]:
    """The ids that a write to this record locks: its own, and that of its Account."""
    account = table.value(number, "AccountId")
    return [table.id_of(number), *([str(account)] if account else [])]


class RowLocks:
    """The ids held now, by how many transactions of people and of Bulk batches."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._held)

    def take(self, keys: Collection[str]) -> None:
        """A transaction begins to hold these rows."""
        self._held.update(keys)

    def release(self, keys: Collection[str]) -> None:
        """It ends."""
        self._held -= Counter(keys)

    @contextlib.contextmanager
    def hold(self, keys: Collection[str]) -> Iterator[None]:
        """Holds these rows meanwhile."""
        self.take(keys)
        try:
            yield
        finally:
            self.release(keys)

    def check(self, keys: Collection[str]) -> None:
        """Raises RefusalError UNABLE_TO_LOCK_ROW when any of them is held."""
        for key in keys:
            if self._held[key]:
                text = f"unable to obtain exclusive access to this record or 1 records: {key}"
                raise RefusalError("UNABLE_TO_LOCK_ROW", text, fields=[])

    async def wait(self, keys: Collection[str], seconds: float) -> None:
        """Until none of them is held, but not longer than that."""
        deadline = clock.monotonic() + seconds
        while any(self._held[key] for key in keys) and clock.monotonic() < deadline:
            await clock.sleep(POLL_SECONDS)
