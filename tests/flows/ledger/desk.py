"""The ledger at hand: a connection, one org, and short names for what most tests do."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from optsync.config.database import Connection, Database
from optsync.core.counts import Balance
from optsync.core.record_ids import to_18
from optsync.ledger import balance, lifts, marks, people, record, targets
from optsync.ledger.marks import ClaimedMark
from optsync.ledger.people import Link
from optsync.ledger.record import Recorded

KEY = b"a subject key of thirty-two byte"
ORG_ID_18 = to_18("00D5e000000Test")
PATIENCE_SECONDS = 10.0


def contact(number: int) -> str:
    """The 18-character id of a Contact."""
    return to_18(f"0035e{number:010d}")


def lead(number: int) -> str:
    """The 18-character id of a Lead."""
    return to_18(f"00Q5e{number:010d}")


@dataclass
class Desk:
    """One org's ledger; every helper speaks through `conn`."""

    conn: Connection
    database: Database
    org_id: int = 0
    errors: list[BaseException] = field(default_factory=list)

    @classmethod
    def open(cls, conn: Connection, database: Database) -> "Desk":
        return cls(conn, database, targets.register_org(conn, ORG_ID_18))

    def opt_out(self, address: str, source: record.Source = "manual", **more: Any) -> Recorded:
        return record.opt_out(self.conn, KEY, address, source, **more)

    def link(self, address: str | None, *record_ids: str, provenance: people.Provenance = "g") -> int:
        links = [Link(r, "Lead" if r.startswith("00Q") else "Contact", address) for r in record_ids]
        return people.link(self.conn, KEY, self.org_id, links, provenance)

    def lift(self, address: str, mode: lifts.Mode = "now", **more: Any) -> lifts.Answer:
        return lifts.lift(self.conn, KEY, address, mode=mode, actor="kim", reason="asked by phone", **more)

    def find(self, address: str) -> people.Person:
        person = people.find(self.conn, KEY, address)
        assert person is not None
        return person

    def is_blocked(self, address: str) -> bool:
        person = people.find(self.conn, KEY, address)
        return person is not None and person.blocked

    def states(self) -> dict[tuple[int, str], tuple[str, str | None]]:
        """(field, record) -> (state, reason) of every mark."""
        rows = self.conn.execute("SELECT field, record_id, state, reason FROM mark WHERE org_id = %s", [self.org_id])
        return {(f, r): (marks.STATES[state], reason) for f, r, state, reason in rows}

    def state_of(self, record_id: str, field: int = 1) -> str | None:
        """The mark's state; None when the box is owed nothing."""
        found = self.states().get((field, record_id))
        return found[0] if found else None

    def balance(self) -> Balance:
        """The balance, checked: both identities hold and the marks are exactly the pairs."""
        found = balance.balance(self.conn, self.org_id)
        assert found.closes(), found
        assert balance.audit(self.conn, self.org_id, repair=False).is_even
        return found

    def count(self, query: str, *values: Any) -> int:
        row = self.conn.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])

    def kinds(self, address: str) -> list[str]:
        """What happened to a person, oldest first."""
        return [entry.kind for entry in people.timeline(self.conn, KEY, address)]

    def confirm_all(self) -> int:
        """Everything owed and due is confirmed, as if a worker had delivered it."""
        with self.worker() as worker:
            claimed = worker.claim()
            return marks.confirm(worker.conn, KEY, worker.number, self.org_id, [mark.key for mark in claimed])

    @contextmanager
    def worker(self) -> Iterator["WorkerSession"]:
        """A live worker: a session of its own that holds its lock until the block ends."""
        with self.database.connect() as session:
            number = marks.new_worker(session)
            session.execute("SELECT pg_advisory_lock(7001, %s)", [number])
            yield WorkerSession(session, number, self.org_id)
        self._until(lambda: number not in self._live_workers())  # the server notices a closed session a moment later

    @contextmanager
    def meanwhile(self, act: Callable[[Connection], Any]) -> Iterator[threading.Thread]:
        """Runs `act` in a second session; the block starts once that session waits for a lock, and its end joins it."""
        results: list[BaseException] = []
        with self.database.connect() as session:

            def run() -> None:
                try:
                    act(session)
                except BaseException as error:  # noqa: BLE001 - shown by the test that waits for it
                    results.append(error)

            thread = threading.Thread(target=run)
            thread.start()
            self._until_waiting(session.info.backend_pid)
            yield thread
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
        if results:
            raise results[0]

    def _live_workers(self) -> set[int]:
        return {number for (number,) in self.conn.execute("SELECT live_workers()")}

    def _until_waiting(self, backend: int) -> None:
        with self.database.connect() as watcher:
            blocked = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
            self._until(lambda: watcher.execute(blocked, [backend]).fetchone() == (True,))

    def _until(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < until, "it never came to that"
            time.sleep(0.002)


@dataclass
class WorkerSession:
    """A worker that can be watched: its session and its number."""

    conn: Connection
    number: int
    org_id: int

    def claim(self, limit: int = 200) -> list[ClaimedMark]:
        return marks.claim(self.conn, self.number, self.org_id, limit)
