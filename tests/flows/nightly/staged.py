"""The comparison on a real database with rows staged by hand: no Salesforce is needed to check what it decides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import psycopg

from optsync.core.addresses import hmac_pads
from optsync.core.record_ids import suffix_of
from optsync.ledger import lifts, people, record, targets
from optsync.ledger.people import Link
from optsync.ledger.queries import sql
from optsync.sync import apply, staging, sweep
from optsync.sync.apply import Applied, Scope
from optsync.sync.staging import Reader

KEY = b"k" * 32
ORG = "00D000000000001EAA"
PREFIX = {"Lead": "00Q", "Contact": "003", "Account": "001"}


def record_id(kind: str, number: int) -> str:
    """An 18-character id of that object."""
    fifteen = f"{PREFIX[kind]}{number:012d}"
    return fifteen + suffix_of(fifteen)


@dataclass
class Box:
    """One record of Salesforce as a test thinks of it: its e-mail and which fields are ticked."""

    email: str | None
    ticked: set[int] = field(default_factory=set)
    converted_to: str | None = None


@dataclass
class Ledger:
    """The ledger of one org and a Salesforce that is a dict."""

    conn: psycopg.Connection
    org_id: int
    salesforce: dict[str, Box] = field(default_factory=dict)
    deleted: dict[str, str | None] = field(default_factory=dict)
    read: tuple[int, ...] = (1,)
    fields: tuple[int, ...] = (1,)
    night: "Night | None" = None

    @classmethod
    def new(cls, conn: psycopg.Connection) -> "Ledger":
        apply.set_pace(conn)
        return cls(conn, targets.register_org(conn, ORG))

    # --- what people do ---------------------------------------------------------------------------------------------

    def person(self, kind: str, number: int, email: str | None, *, ticked: bool = False, linked: bool = True) -> str:
        """A record in Salesforce; linked here when it has an address."""
        key = record_id(kind, number)
        self.salesforce[key] = Box(email, {1} if ticked else set())
        if linked and email:
            people.link(self.conn, KEY, self.org_id, [Link(key, kind, email)], "g")  # type: ignore[arg-type]  # from a table
        return key

    def opt_out(self, email: str) -> int:
        """An unsubscribe through a door."""
        return record.opt_out(self.conn, KEY, email, "manual").address_id

    def lift(self, email: str, mode: str = "now") -> str:
        """An admin's lift."""
        return lifts.lift(self.conn, KEY, email, mode=mode, actor="ann", reason="asked")  # type: ignore[arg-type]  # from a table

    def tick(self, key: str, *fields: int) -> None:
        self.salesforce[key].ticked |= set(fields or (1,))

    def untick(self, key: str) -> None:
        self.salesforce[key].ticked.clear()

    def push(self) -> None:
        """What the worker does: every owed box is ticked and confirmed, unless another worker is sending it."""
        free = "(claimed_by IS NULL OR claimed_by NOT IN (SELECT live_workers()))"
        due = f"SELECT field, record_id FROM mark WHERE org_id = %s AND state = 'o' AND {free}"
        for number, key in self.conn.execute(due, (self.org_id,)).fetchall():
            self.salesforce[key].ticked.add(number)
        self.conn.execute(
            "UPDATE mark m SET state = 'c', reason = NULL, claimed_by = NULL, touched_run = g.run_no FROM org g"
            f" WHERE g.org_id = m.org_id AND m.org_id = %s AND m.state = 'o' AND {free}",
            (self.org_id,),
        )

    # --- the night --------------------------------------------------------------------------------------------------

    def compare(self, *, approved: bool = True, unticked: Iterable[str] = ()) -> Applied:
        """One comparison: read, decide, apply. `unticked` are records that the read of changes brought."""
        night = Night(self, approved)
        night.read(unticked)
        return night.apply()

    # --- what is seen afterwards ------------------------------------------------------------------------------------

    def state(self, key: str, number: int = 1) -> str | None:
        """owed, confirmed, held, parked; None without a mark."""
        row = self.conn.execute(
            "SELECT state FROM mark WHERE org_id = %s AND field = %s AND record_id = %s", (self.org_id, number, key)
        ).fetchone()
        return {"o": "owed", "c": "confirmed", "h": "held", "p": "parked"}[row[0]] if row else None

    def reason(self, key: str, number: int = 1) -> str | None:
        row = self.conn.execute(
            "SELECT reason FROM mark WHERE org_id = %s AND field = %s AND record_id = %s", (self.org_id, number, key)
        ).fetchone()
        return row[0] if row else None

    def is_opted_out(self, email: str) -> bool:
        row = self.conn.execute(
            "SELECT true FROM opt_out o JOIN address a USING (address_id) WHERE a.normal = %s AND o.scope = 0"
            " AND o.lifted_at IS NULL",
            (email,),
        ).fetchone()
        return row is not None

    def source(self, email: str) -> str | None:
        row = self.conn.execute(
            "SELECT o.source FROM opt_out o JOIN address a USING (address_id) WHERE a.normal = %s AND o.scope = 0",
            (email,),
        ).fetchone()
        return row[0] if row else None

    def link_of(self, key: str) -> tuple[str | None, str | None] | None:
        """(address, successor) of a record."""
        row = self.conn.execute(
            "SELECT a.normal, r.successor FROM record r LEFT JOIN address a USING (address_id)"
            " WHERE r.org_id = %s AND r.record_id = %s",
            (self.org_id, key),
        ).fetchone()
        return (row[0], row[1]) if row else None


class Night:
    """One comparison in its steps, so that a test may do something in between."""

    def __init__(self, ledger: Ledger, approved: bool = True) -> None:
        self.ledger, self.conn = ledger, ledger.conn
        row = self.conn.execute(
            "UPDATE org SET run_no = run_no + 1 WHERE org_id = %s"
            " RETURNING run_no, (SELECT last_value FROM version_seq)",
            (ledger.org_id,),
        ).fetchone()
        assert row is not None
        pads = hmac_pads(KEY)
        self.scope = Scope(ledger.org_id, 1, row[0], row[1], ledger.fields, ledger.read, approved, pads)
        known = {one.field: one for one in targets.fields(self.conn, ledger.org_id)}
        self.reader = Reader(self.conn, None, None, [known[n] for n in ledger.fields])  # type: ignore[arg-type]  # only its tables

    def read(self, unticked: Iterable[str] = (), *, only_changed: bool = False) -> None:
        """Takes the snapshot; `unticked` are records that the sweep, or the read of changes, brought."""
        shown = [(key, box) for key, box in self.ledger.salesforce.items() if box.ticked & set(self.ledger.fields)]
        self._fill("staged", shown)
        self.conn.execute("DROP TABLE IF EXISTS deleted")
        self.conn.execute('CREATE TEMP TABLE deleted (record_id text COLLATE "C", master text COLLATE "C")')
        for key, master in self.ledger.deleted.items():
            self.conn.execute("INSERT INTO deleted VALUES (%s, %s)", (key, master))
        self._fill("unticked", [(key, self.ledger.salesforce[key]) for key in unticked])
        sweep.match(self.conn, self.reader, self.scope, only_changed=only_changed)

    def apply(self) -> Applied:
        self.decide()
        return apply.apply(self.conn, self.scope)

    def decide(self) -> None:
        """The comparison and the single re-read, up to the moment before the apply."""
        apply.compare(self.conn, self.scope)
        apply.add_matched(self.conn, self.scope)
        candidates = apply.find_candidates(self.conn, self.scope)
        if candidates:
            live = self.ledger.salesforce
            self._fill("reread", [(key, live[key]) for key in candidates if key in live])
        apply.decide_revivals(self.conn, self.scope, reread=bool(candidates))
        self.conn.execute("DROP TABLE IF EXISTS gone")
        self.conn.execute(sql("optsync.sync", "gone_table"), self.scope.params())
        wanted = [row[0] for row in self.conn.execute(sql("optsync.sync", "successors_to_read"), self.scope.params())]
        live = self.ledger.salesforce
        staging.fill_successors(self.conn, [(key, live[key].email) for key in wanted if key in live])
        self.conn.execute(sql("optsync.sync", "know_successors"), self.scope.params())

    def _fill(self, table: str, rows: Sequence[tuple[str, Box]]) -> None:
        self.reader.make_table(table)
        with self.conn.cursor() as cursor, cursor.copy(self.reader.copy_into(table, with_converted=True)) as copy:
            for key, box in rows:
                boxes = [number in box.ticked for number in self.ledger.fields]
                copy.write_row((key, box.email, box.converted_to is not None, box.converted_to, *boxes))
