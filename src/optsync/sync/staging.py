"""What Salesforce shows, brought into temporary tables: bytes go from the answer into COPY, and no row passes through
Python unless there are few of them. Short, cut or odd answers raise before anything was decided.

Every table has the columns record_id, email, is_converted, converted_to, one box_N per field that was read, and
`boxes`, in which bit N says that the box of field N is ticked.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Final

import psycopg
from psycopg.sql import SQL, Composed, Identifier
from psycopg.sql import Literal as SqlLiteral

from optsync.core.record_ids import Kind, kind_of, to_18
from optsync.ledger.targets import OptOutField
from optsync.salesforce import bulk, query
from optsync.salesforce.errors import ApiRefused, OddAnswer
from optsync.salesforce.session import Session
from optsync.seams import Seams
from optsync.sync import records

Rows = list[tuple[object, ...]]
PAGES_MAX_RECORDS: Final = 8_000
"""Up to here plain query pages are read, above a Bulk job: four pages cost what a job does (docs/decisions/0009)."""


@dataclass
class Jobs:
    """The Salesforce jobs of a run by what they do. `remember` stores one before anything depends on it, and None when
    nobody is to go on with it any more."""

    known: dict[str, str] = field(default_factory=dict)
    remember: Callable[[str, str | None], None] = lambda name, job_id: None

    def get(self, name: str, make: Callable[[], str]) -> str:
        """The job of that name, made when there is none yet; a successor of a dead run finds it again."""
        if name not in self.known:
            self.known[name] = make()
            self.remember(name, self.known[name])
        return self.known[name]

    def forget(self, name: str) -> None:
        """Ends the job of that name, also for a successor: what is claimed after it was settled is not what it sent."""
        if self.known.pop(name, None) is not None:
            self.remember(name, None)


@dataclass
class Reader:
    """Reads the records of one org into temp tables of `conn`. `fields` are the boxes to read; `sizes` remembers how
    many records each question had, so that the next one goes straight to the better way."""

    conn: psycopg.Connection
    session: Session
    seams: Seams
    fields: Sequence[OptOutField]
    jobs: Jobs = field(default_factory=Jobs)
    sizes: dict[str, int] = field(default_factory=dict)
    progress: Callable[[str, int], None] = lambda what, records: None

    @property
    def objects(self) -> tuple[Kind, ...]:
        """The objects to read."""
        return records.kinds_of(self.session)

    def make_table(self, name: str) -> None:
        """An empty table of that name."""
        boxes = SQL(", ").join(SQL("{} boolean").format(_box(one)) for one in self.fields)
        bits = SQL(" | ").join(
            SQL("(coalesce({}, false)::int::bigint << {})").format(_box(one), SqlLiteral(one.field))
            for one in self.fields
        )
        statement = SQL(
            'CREATE TEMP TABLE {} (record_id text COLLATE "C" NOT NULL, email text COLLATE "C", is_converted boolean,'
            ' converted_to text COLLATE "C", {}, boxes bigint GENERATED ALWAYS AS ({}) STORED)'
        )
        self.conn.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier(name)))
        self.conn.execute(statement.format(Identifier(name), boxes, bits))

    def read_ticked(self, table: str, label: str) -> int:
        """All records with any of the boxes ticked: S. Returns how many."""
        return self._read_all(table, label, lambda kind: " OR ".join(f"{name} = true" for name in self._names(kind)))

    def read_changed(self, table: str, since_at: datetime) -> int:
        """Records created or changed since then whose boxes are all unticked."""
        since = since_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._read_all(table, "changed", lambda kind: f"SystemModstamp >= {since} AND {self._unticked(kind)}")

    def read_unticked(self, table: str) -> int:
        """Every record whose boxes are all unticked: the sweep."""
        return self._read_all(table, "sweep", self._unticked)

    def add_uncounted(self, table: str, read: int) -> None:
        """Adds the staged records that are ticked only in boxes whose tick does not count (`read` has the bits of those
        that do): for the question whose records they are they are as good as unticked."""
        if all(read >> one.field & 1 for one in self.fields):
            return
        columns = [Identifier(name) for name in ("record_id", "email", "is_converted", "converted_to")]
        columns += [_box(one) for one in self.fields]
        statement = SQL("INSERT INTO {} ({}) SELECT {} FROM staged WHERE boxes & %s = 0")
        names = SQL(", ").join(columns)
        self.conn.execute(statement.format(Identifier(table), names, names), [read])
        self.conn.execute(SQL("ANALYZE {}").format(Identifier(table)))

    def read_deleted(self) -> int:
        """Deleted and merged records, with what the merged ones became, into the temp table `deleted`."""
        self.conn.execute("DROP TABLE IF EXISTS deleted")
        self.conn.execute('CREATE TEMP TABLE deleted (record_id text COLLATE "C" NOT NULL, master text COLLATE "C")')
        total = 0
        for kind in self.objects:
            soql = f"SELECT Id, MasterRecordId FROM {kind} WHERE IsDeleted = true"
            if kind == "Account":
                soql += f" AND {records.own_records(self.session, kind)}"
            question = Question(f"deleted {kind}", soql, ("Id", "MasterRecordId"), all_rows=True)
            total += self._take(question, self._ask(question), SQL("COPY deleted (record_id, master) FROM STDIN"))
        return total

    def read_by_id(self, table: str, record_ids: Sequence[str]) -> int:
        """These records as they are at this moment, 2,000 a call; those that are gone leave no row."""
        self.make_table(table)
        count = 0
        with self.conn.cursor() as cursor:
            for _, rows in records.by_id(self.session, [one for one in record_ids if kind_of(one)], self.fields):
                found = [row for row in rows.values() if row is not None]
                count += len(found)
                with cursor.copy(self.copy_into(table, with_converted=True)) as copy:
                    for row in found:
                        ticks = [one.field in row.ticked for one in self.fields]
                        copy.write_row((row.record_id, row.email, row.is_converted, row.converted_to, *ticks))
        return count

    def _read_all(self, table: str, label: str, condition: Callable[[Kind], str]) -> int:
        self.make_table(table)
        questions = [(kind, self._question(kind, f"{label} {kind}", condition(kind))) for kind in self.objects]
        few = [self._ask(question) for _, question in questions]  # Salesforce works on all jobs at once
        total = 0
        for (kind, question), rows in zip(questions, few, strict=True):
            total += self._take(question, rows, self.copy_into(table, with_converted=kind == "Lead"))
        self.conn.execute(SQL("ANALYZE {}").format(Identifier(table)))
        return total

    def _question(self, kind: Kind, label: str, condition: str) -> "Question":
        if own := records.own_records(self.session, kind):
            condition = f"{own} AND ({condition})"
        columns = ("Id", records.email_on(kind), *(records.LEAD_FIELDS if kind == "Lead" else ()), *self._names(kind))
        return Question(label, f"SELECT {', '.join(columns)} FROM {kind} WHERE {condition}", columns)

    def _ask(self, question: "Question") -> Rows | None:
        """The rows, when there are few of them; None when a job works on them."""
        known_large = question.label in self.jobs.known or self.sizes.get(question.label, 0) > PAGES_MAX_RECORDS
        rows = None if known_large else self._read_pages(question)
        if rows is None:
            self._job_of(question)
        return rows

    def _take(self, question: "Question", rows: Rows | None, copy_into: Composed | SQL) -> int:
        self.progress(question.label, 0)
        if rows is None:
            count = self._read_job(question, copy_into)
        else:
            count = len(rows)
            with self.conn.cursor() as cursor, cursor.copy(copy_into) as copy:
                for row in rows:
                    copy.write_row(row)
        self.sizes[question.label] = count
        self.progress(question.label, count)
        return count

    def _read_pages(self, question: "Question") -> Rows | None:
        """The rows of a small answer. None when the first page says that there are many, or that asking takes long."""
        rows: Rows = []
        try:
            for page in query.pages(self.session, question.soql, all_rows=question.all_rows, at_most=PAGES_MAX_RECORDS):
                rows += [tuple(_value(record, name) for name in question.columns) for record in page]
        except query.TooMany:
            return None
        except ApiRefused as error:
            if error.code != "QUERY_TIMEOUT":
                raise
            return None
        return rows

    def _read_job(self, question: "Question", copy_into: Composed | SQL) -> int:
        job_id = self._job_of(question)
        info = bulk.wait_for_query(
            self.session, job_id, self.seams, lambda now: self._say(question, now.records_processed)
        )
        pages = bulk.query_pages(self.session, job_id, question.columns, info.records_processed)
        return sum(copy_blocks(self.conn, copy_into, rows) for rows in pages)  # a COPY of its own for each request

    def _job_of(self, question: "Question") -> str:
        return self.jobs.get(question.label, lambda: bulk.create_query(self.session, question.soql, question.all_rows))

    def _say(self, question: "Question", count: int) -> None:
        self.progress(question.label, count)
        self.conn.execute("SELECT 1")  # a connection that says nothing for long looks dead to proxies on the way

    def _names(self, kind: Kind) -> list[str]:
        return [one.name_on(kind) for one in self.fields]

    def _unticked(self, kind: Kind) -> str:
        return " AND ".join(f"{name} = false" for name in self._names(kind))

    def copy_into(self, table: str, *, with_converted: bool) -> Composed:
        """The COPY that fills a table of `make_table`, in the order of the columns asked."""
        columns = [Identifier("record_id"), Identifier("email")]
        if with_converted:
            columns += [Identifier("is_converted"), Identifier("converted_to")]
        columns += [_box(one) for one in self.fields]
        return SQL("COPY {} ({}) FROM STDIN").format(Identifier(table), SQL(", ").join(columns))


@dataclass(frozen=True, slots=True)
class Question:
    """One query for many records. `label` names it in the run's jobs and counts; the columns are in the order asked."""

    label: str
    soql: str
    columns: tuple[str, ...]
    all_rows: bool = False


def copy_blocks(conn: psycopg.Connection, copy_into: Composed | SQL, blocks: Iterator[bytes]) -> int:
    """CSV rows from Salesforce straight into a table; returns how many. Raises what the blocks raise: nothing is kept.

    The first block is fetched before the statement begins: with the blocks of one request none starts while it is open.
    """
    first = next(blocks, b"")
    with conn.cursor() as cursor:
        try:
            with cursor.copy(copy_into + SQL(" (FORMAT csv)")) as copy:
                for block in chain((first,), blocks):
                    copy.write(block)
        except (psycopg.errors.DataError, psycopg.errors.NotNullViolation) as error:
            raise OddAnswer("a CSV row does not hold what was asked for") from error
        return max(cursor.rowcount, 0)


def blocks_out(conn: psycopg.Connection, statement: SQL | Composed, block_bytes: int = 256 * 1024) -> Iterator[bytes]:
    """The bytes of a COPY ... TO STDOUT in blocks, for an upload."""
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        block = bytearray()
        for row in copy:
            block += row
            if len(block) >= block_bytes:
                yield bytes(block)
                block.clear()
        if block:
            yield bytes(block)


def fill_successors(conn: psycopg.Connection, rows: Iterable[tuple[str, str | None]]) -> None:
    """The temp table of successors' e-mails, for `nightly_follow.sql`."""
    conn.execute("DROP TABLE IF EXISTS successor")
    conn.execute(
        'CREATE TEMP TABLE successor (record_id text COLLATE "C", email text COLLATE "C", normal text COLLATE "C")'
    )
    with conn.cursor() as cursor, cursor.copy("COPY successor (record_id, email) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _value(record: dict[str, object], name: str) -> object:
    value = record.get(name)
    if name in ("Id", "ConvertedContactId", "MasterRecordId") and value:
        return to_18(str(value))
    if isinstance(value, str):
        return value.replace("\0", "")
    return value


def _box(one: OptOutField) -> Identifier:
    return Identifier(f"box_{one.field}")
