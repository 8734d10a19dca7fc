"""A real database connected to the practice org over HTTP, as an operator would have it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from optsync.config.database import Connection, Database
from optsync.config.vault import Vault, new_vault
from optsync.connection import connect, settings
from optsync.connection.sessions import open_session
from optsync.connection.settings import Change
from optsync.core.counts import Balance
from optsync.ledger import balance, lifts, people, record
from optsync.ledger.people import Link
from optsync.ledger.targets import Carry
from optsync.salesforce.credentials import Credential
from optsync.seams import Seams, real
from optsync.sync import nightly, push, runs, writing
from optsync.sync.line import Line
from optsync.sync.runs import RunReport
from tests.practice import PracticeOrg


@dataclass
class House:
    """What a test does as people and programs would."""

    database: Database
    conn: Connection
    org: PracticeOrg
    vault: Vault
    org_id: int
    seams: Seams = field(default_factory=real)

    @classmethod
    @contextmanager
    def connected(cls, database: Database, org: PracticeOrg, folder: Path) -> Iterator["House"]:
        seams = real()
        vault = new_vault(folder / "key.json", seams)
        with database.connect() as conn:
            found = connect.connect(conn, vault, Credential.from_file(org.credentials_file), seams, actor="test")
            house = cls(database, conn, org, vault, found.org_id, seams)
            house.switch(Change(sync_on=True))
            settings.approve_first_run(conn, found.org_id)
            yield house

    def switch(self, change: Change, carry: Carry = "all") -> None:
        with open_session(self.conn, self.vault, self.org_id, self.seams) as session:
            settings.apply_change(self.conn, session, self.org_id, change, carry, actor="test")

    def sync(self, **options: Any) -> RunReport:
        options.setdefault("by", "test")
        return nightly.sync_now(self.database, self.vault, self.seams, self.org_id, **options)

    def start_due(self, at: datetime | None = None) -> list[RunReport]:
        """What a worker does each second, at that moment."""
        seams = replace(self.seams, now=lambda: at) if at else self.seams
        return nightly.start_due(self.database, self.vault, seams)

    def push(self) -> int:
        """What a worker's sender does in one round; how many boxes it ticked."""
        with (
            open_session(self.conn, self.vault, self.org_id, self.seams) as session,
            writing.claiming(self.database, self.seams) as worker_no,
        ):
            key = self.vault.subject_key
            line = Line(self.conn, session, self.org_id, session.org_id, worker_no, key, self.seams)
            return push.push_due(line).ticked

    def opt_out(self, email: str) -> None:
        record.opt_out(self.conn, self.vault.subject_key, email, "manual")

    def lift(self, email: str, mode: str = "now") -> str:
        key = self.vault.subject_key
        return lifts.lift(self.conn, key, email, mode=mode, actor="ann", reason="asked")  # type: ignore[arg-type]  # from a table

    def link(self, record_id: str, kind: str, email: str) -> None:
        links = [Link(record_id, kind, email)]  # type: ignore[arg-type]  # from a table
        people.link(self.conn, self.vault.subject_key, self.org_id, links, "g")

    def balance(self) -> Balance:
        return balance.balance(self.conn, self.org_id)

    def is_opted_out(self, email: str) -> bool:
        person = people.find(self.conn, self.vault.subject_key, email)
        return person is not None and person.opt_out is not None and person.opt_out.is_active

    def is_ticked(self, record_id: str, name: str = "HasOptedOutOfEmail") -> bool:
        return self.org.record(record_id)[name] is True

    def run(self, run_id: int | None) -> dict[str, Any]:
        assert run_id is not None
        found = runs.report(self.conn, run_id)
        assert found is not None
        return found

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table: equal contents mean that nothing was written."""
        names = self.conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        return {
            name: sorted((str(row[0]),) for row in self.conn.execute(f"SELECT t::text FROM {name} t"))
            for (name,) in names
        }
