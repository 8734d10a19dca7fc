"""Files of other tools, imported: who unsubscribed there, and which Salesforce records belong to whom.

A file is read row by row into a temporary table and recorded from there in portions: memory does not grow with it. Good
rows are kept, bad ones come back with a reason each, and the same bytes twice change nothing.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import chain
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any, TextIO

import psycopg
from psycopg.types.json import Jsonb

from optsync.core.addresses import subject_of, without_addresses
from optsync.core.brake import is_held
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger import acts, holds
from optsync.ledger.balance import linked_addresses
from optsync.ledger.compliance import latest_day, storable
from optsync.ledger.files import Row, TableFile, digest_of, empty, open_table, safe_cell, shown_name
from optsync.ledger.layouts import (
    REJECT_COLUMNS,
    Columns,
    Layout,
    Parsed,
    Purpose,
    Reader,
    columns_by_name,
    guess,
)
from optsync.ledger.queries import sql
from optsync.ledger.record import again_after_deadlock

PORTION_ADDRESSES = 20_000
PROGRESS_ROWS = 5_000

Progress = Callable[[str, int, int], None]
"""Told what is being done ('reading', 'linking', 'recording', 'compliance'), how far, and of how much."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do (`dry_run`). Addresses: new, again (after a lift), already. Rows: the rest.

    `bad` rows came back with a reason (`reasons` counts them), `skipped` ones say that nobody opted out, `duplicates`
    repeat one.
    `linked` counts new links to Salesforce records, `owed` boxes now owed, `compliance` people whose compliance data
    are new or different, `erased` those about whom nothing is kept because they were erased. `hold_id` is set when the
    brake held it; `seen_before_at` when the same bytes were imported before, so that nothing was changed.
    """

    name: str
    layout: str
    purpose: Purpose
    rows: int = 0
    new: int = 0
    again: int = 0
    already: int = 0
    linked: int = 0
    owed: int = 0
    compliance: int = 0
    erased: int = 0
    bad: int = 0
    skipped: int = 0
    duplicates: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    held: bool = False
    hold_id: int | None = None
    seen_before_at: datetime | None = None
    dry_run: bool = False
    reject_path: Path | None = None

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        plain = asdict(self)
        plain["seen_before_at"] = self.seen_before_at.isoformat() if self.seen_before_at else None
        plain["reject_path"] = str(self.reject_path) if self.reject_path else None
        return plain


@dataclass(slots=True)
class Rejects:
    """The rows that were not taken, as a CSV that a spreadsheet can open safely; made with the first of them."""

    path: Path | None
    header: Sequence[str]
    reasons: Counter[str] = field(default_factory=Counter)
    file: TextIO | None = field(default=None, repr=False)

    def add(self, row: Row, reason: str) -> None:
        """Keeps one row with its reason."""
        self.reasons[reason] += 1
        if self.path is None:
            return
        if self.file is None:
            self.file = self.path.open("w", encoding="utf-8", newline="")
            self._write([*REJECT_COLUMNS, *(self.header or ["address"])])
        self._write([str(row.number), reason, *row.cells])

    def close(self) -> None:
        if self.file is not None:
            self.file.close()

    @property
    def count(self) -> int:
        """How many there are."""
        return self.reasons.total()

    @property
    def written_path(self) -> Path | None:
        """Where the rows are; None when there are none."""
        return self.path if self.file is not None else None

    def _write(self, cells: Sequence[str]) -> None:
        assert self.file is not None  # opened by add
        csv.writer(self.file).writerow([safe_cell(cell) for cell in cells])


def read_file(path: Path, columns: Columns | None = None) -> tuple[TableFile, Reader, Iterator[Row]]:
    """How a file is written, its layout, and its rows without the header. Raises Problem when it cannot be imported.

    `columns` say what a person knows about it; None = the layout is recognised.
    """
    table = open_table(path)
    rows = table.rows()
    first = next(rows, None)
    name = shown_name(path)
    if first is None:
        raise empty(name)
    if columns is not None:
        return table, columns.reader(first.cells, name), rows if columns.has_header else chain([first], rows)
    second = next(rows, None)
    reader = guess(first.cells, second.cells if second else [], name)
    again = [row for row in (None if reader.header else first, second) if row is not None]
    return table, reader, chain(again, rows)


def columns_named(path: Path, purpose: Purpose, named: Mapping[str, str]) -> Columns | None:
    """What a person says about the columns of a file, by their names; None when they say nothing. Raises Problem."""
    if not named and purpose == "opt-outs":
        return None
    first = next(open_table(path).rows(), None)
    if first is None:
        raise empty(shown_name(path))
    return columns_by_name(first.cells, purpose, named, shown_name(path))


def import_file(
    conn: psycopg.Connection,
    subject_key: bytes,
    path: Path,
    *,
    org_id: int | None = None,
    dry_run: bool = False,
    confirmed: bool = False,
    actor: str | None = None,
    progress: Progress | None = None,
    recognised: Callable[[Layout], None] | None = None,
    reject_path: Path | None = None,
    columns: Columns | None = None,
    rows_max: int | None = None,
    origin: str | None = None,
) -> ImportReport:
    """Imports one file: opt-outs are recorded with their original time and reason, Salesforce ids are linked.

    A file of people only links their ids and sets their compliance data. More new opt-outs than the brake allows are
    recorded and blocked, but their boxes are held, unless the preview was `confirmed` (rules 8). What came from the
    same `origin` within the hour counts, too; None = the file is judged alone. `org_id` is where ids belong; None = the
    only org.
    With `dry_run` nothing is changed. `reject_path` receives the rows that were not taken, with a reason each, also
    when the file was imported before. `recognised` is told the layout before anything is done.
    Raises Problem for a file or an org that is not to be had; then nothing was changed.
    """
    _refuse_same_file(path, reject_path)
    table, reader, rows = read_file(path, columns)
    reader = replace(reader, latest_day=latest_day(conn))
    report = ImportReport(shown_name(path), reader.layout.name, reader.layout.purpose, dry_run=dry_run)
    rejects = Rejects(reject_path, reader.header)
    digest = digest_of(path)
    with _alone(conn, digest):
        if before := conn.execute(sql("optsync.ledger", "imported_before"), [digest]).fetchone():
            return _seen_before(_read_again(report, reader, rows, rejects), *before)
        if recognised:
            recognised(reader.layout)
        org = _org_of(conn, org_id, reader)
        run = _Import(conn, subject_key, table, reader, org, actor, progress or _silence, rows_max, origin)
        conn.execute(sql("optsync.ledger", "drop_stage"))
        try:
            report = run.stage(rows, rejects, report)
            report = run.preview(report, confirmed=confirmed)
            return report if dry_run else run.carry_out(report, digest)
        finally:
            rejects.close()
            if not (conn.closed or conn.broken):
                conn.execute(sql("optsync.ledger", "drop_stage"))


@contextmanager
def _alone(conn: psycopg.Connection, digest: bytes) -> Iterator[None]:
    """While this lasts, nobody else imports the same bytes; whoever tries waits and finds them imported."""
    key = [int.from_bytes(digest[:4], signed=True)]
    conn.execute(sql("optsync.ledger", "one_at_a_time"), key)
    try:
        yield
    finally:
        if not (conn.closed or conn.broken):
            conn.execute(sql("optsync.ledger", "next_one"), key)


def _refuse_same_file(path: Path, reject_path: Path | None) -> None:
    """Raises Problem when the rejects would be written over the file that is being read."""
    if reject_path is not None and reject_path.exists() and path.exists() and reject_path.samefile(path):
        raise Problem(
            "the rejected rows cannot go into the file they come from",
            "it would be overwritten while it is read; nothing was imported",
            "name another file: --rejects FILE",
            2,
        )


def _read_again(report: ImportReport, reader: Reader, rows: Iterator[Row], rejects: Rejects) -> ImportReport:
    """The rows that were not taken at the first time, for whoever asks for them now."""
    try:
        for row in rows:
            parsed = reader.parse_row(row)
            if parsed.problem or parsed.note:
                rejects.add(row, parsed.problem or parsed.note)
    finally:
        rejects.close()
    return replace(report, bad=rejects.count, reasons=dict(rejects.reasons), reject_path=rejects.written_path)


@dataclass(slots=True)
class _Import:
    conn: psycopg.Connection
    subject_key: bytes
    table: TableFile
    reader: Reader
    org_id: int | None
    actor: str | None
    progress: Progress
    rows_max: int | None
    origin: str | None
    people: int = 0
    links: int = 0
    compliance: int = 0

    def stage(self, rows: Iterator[Row], rejects: Rejects, report: ImportReport) -> ImportReport:
        """Reads every row into the temporary tables; the good ones are kept, the others counted."""
        self.conn.execute(sql("optsync.ledger", "create_stage"))
        count = good = skipped = 0
        file = quoted(shown_name(self.table.path))
        with self.conn.cursor().copy(sql("optsync.ledger", "copy_stage")) as copy:
            for row in rows:
                count += 1
                if self.rows_max is not None and count > self.rows_max:
                    raise _too_many_rows(report.name, self.rows_max)
                parsed = self.reader.parse_row(row)
                if parsed.problem or parsed.note:
                    rejects.add(row, parsed.problem or parsed.note)
                skipped += parsed.skipped
                if not (parsed.problem or parsed.skipped):
                    good += 1
                    copy.write_row(self._staged(file, row.number, parsed))
                if count % PROGRESS_ROWS == 0:
                    self.progress("reading", self.table.read_bytes, self.table.size_bytes)
        self._stage_once()
        distinct = self.people
        if report.purpose == "people":
            (distinct,) = self._row("count_rows_of_people")
        return replace(
            report,
            rows=count,
            bad=rejects.count,
            reasons=dict(rejects.reasons),
            skipped=skipped,
            duplicates=good - distinct,
            reject_path=rejects.written_path,
        )

    def preview(self, report: ImportReport, *, confirmed: bool) -> ImportReport:
        """What recording would change, and whether the brake holds it; the latest set decides about held ones.

        What is confirmed and recorded at once is counted by the recording alone.
        """
        linked = 0 if self.org_id is None else self._row("count_new_links", [self.org_id])[0]
        if report.purpose == "people":
            changed, erased = self._row("count_compliance")
            return replace(report, linked=linked, compliance=changed, erased=erased)
        if confirmed and not report.dry_run:
            return replace(report, linked=linked)
        new, again, already, kept_back = self._row("count_changes")
        changed = new + again + kept_back
        together = changed + self._earlier(changed, dry_run=report.dry_run)
        is_mass = changed > 0 and is_held(together, 0) and is_held(together, linked_addresses(self.conn))
        held = is_mass and not confirmed
        return replace(report, new=new, again=again, already=already, linked=linked, held=held)

    def _earlier(self, changed: int, *, dry_run: bool) -> int:
        """How many people of the same origin came before; a dry run only looks."""
        if self.origin is None:
            return 0
        return acts.earlier(self.conn, self.origin) if dry_run else acts.begin(self.conn, self.origin, changed).earlier

    def carry_out(self, report: ImportReport, digest: bytes) -> ImportReport:
        """Links, then records, in portions of one commit and one notify each; the file is remembered last."""
        owed = self._link()
        if report.purpose == "opt-outs":
            report = self._record(report)
        else:
            report = replace(report, compliance=self._set_compliance())
        report = replace(report, owed=report.owed + owed)
        counts = {name: value for name, value in report.as_dict().items() if isinstance(value, int)}
        told = {"file": report.name, "layout": report.layout, "digest": digest.hex(), **counts}
        with self.conn.transaction():
            file = {"name": report.name, "layout": report.layout, "hold": report.hold_id, "counts": Jsonb(counts)}
            self.conn.execute(sql("optsync.ledger", "remember_file"), file | {"digest": digest})
            values = {"actor": self.actor, "org": self.org_id, "evidence": Jsonb(told)}
            self.conn.execute(sql("optsync.ledger", "tell_import"), values)
        return report

    def _staged(self, file: str, number: int, parsed: Parsed) -> tuple[object, ...]:
        """One row for `copy_stage`. Its evidence is JSON put together here: json.dumps takes three times as long."""
        subject = subject_of(parsed.normal, self.subject_key)
        reason = parsed.reason and without_addresses(parsed.reason)
        kept = "".join(f", {quoted(name)}: {quoted(without_addresses(cell))}" for name, cell in parsed.evidence.items())
        evidence = f'{{"file": {file}, "row": {number}{kept}}}'
        kind = parsed.kind[0] if parsed.kind else None
        record_id = parsed.record_id if self.org_id is not None else None
        change = json.dumps(storable(parsed.change)) if parsed.change else None
        return number, parsed.normal, subject, record_id, kind, reason, evidence, change

    def _stage_once(self) -> None:
        """Each person and each Salesforce record once."""
        with self.conn.transaction():
            for name in ("quick_joins", "stage_people", "stage_links", "stage_compliance", "index_stage"):
                self.conn.execute(sql("optsync.ledger", name))
        self.people, self.links, self.compliance = self._row("count_stage")

    def _link(self) -> int:
        total = self.links
        owed = 0
        for after in range(0, total if self.org_id is not None else 0, PORTION_ADDRESSES):
            owed += self._portion("link_portion", after, {"org": self.org_id})[0]
            self.progress("linking", min(after + PORTION_ADDRESSES, total), total)
        return owed

    def _record(self, report: ImportReport) -> ImportReport:
        total = self.people
        sums = [0, 0, 0, 0]
        hold_id: int | None = None
        for after in range(0, total, PORTION_ADDRESSES):
            values = {"after": after, "upto": after + PORTION_ADDRESSES, "actor": self.actor}
            row, hold_id = again_after_deadlock(partial(self._record_portion, report, values, hold_id))
            sums = [a + b for a, b in zip(sums, row, strict=True)]
            self.progress("recording", min(after + PORTION_ADDRESSES, total), total)
        return replace(report, new=sums[0], again=sums[1], already=sums[2], owed=sums[3], hold_id=hold_id)

    def _record_portion(
        self, report: ImportReport, values: dict[str, Any], hold_id: int | None
    ) -> tuple[tuple[int, ...], int | None]:
        """One commit. A hold that was decided meanwhile is not joined: the decision was about those who were in it."""
        with self.conn.transaction():
            if report.held and self.origin is None:
                hold_id = holds.join_outbound(self.conn, f"import {report.name}", only=hold_id or 0)
            elif report.held:
                hold_id = holds.join_outbound(self.conn, str(self.origin))
            self.conn.execute(sql("optsync.ledger", "quick_joins"))
            return self._row("record_portion", values | {"hold": hold_id}), hold_id

    def _set_compliance(self) -> int:
        total = self.compliance
        changed = 0
        for after in range(0, total, PORTION_ADDRESSES):
            changed += self._portion("compliance_portion", after, {"actor": self.actor or ""})[0]
            self.progress("compliance", min(after + PORTION_ADDRESSES, total), total)
        return changed

    def _portion(self, name: str, after: int, values: dict[str, Any]) -> tuple[int, ...]:
        bounds = {"after": after, "upto": after + PORTION_ADDRESSES}
        return again_after_deadlock(lambda: self._in_one_commit(name, values | bounds))

    def _in_one_commit(self, name: str, values: dict[str, Any]) -> tuple[int, ...]:
        with self.conn.transaction():
            self.conn.execute(sql("optsync.ledger", "quick_joins"))
            return self._row(name, values)

    def _row(self, name: str, values: Sequence[Any] | dict[str, Any] | None = None) -> tuple[int, ...]:
        row = self.conn.execute(sql("optsync.ledger", name), values).fetchone()
        assert row is not None  # an aggregate answers with one row
        return row


def _org_of(conn: psycopg.Connection, org_id: int | None, reader: Reader) -> int | None:
    """Where the ids of a file belong; None when it has none, or when opt-outs can be recorded without linking."""
    if org_id is not None or not reader.ids:
        return org_id
    known = [number for (number,) in conn.execute(sql("optsync.ledger", "orgs"))]
    if len(known) == 1:
        return int(known[0])
    if not known and reader.layout.purpose == "opt-outs":
        return None
    means = told("we cannot tell which org they are in; nothing was imported")
    if not known:
        connect = told("connect the org first: optsync connect --credentials FILE")
        raise Problem(told("the file names Salesforce records, but no org is connected"), means, connect)
    name_it = told("name it: optsync import FILE --org ID")
    raise Problem(told("the file names Salesforce records, but several orgs are connected"), means, name_it)


def _too_many_rows(name: str, rows_max: int) -> Problem:
    return Problem(
        told("%(file)s has more than %(rows)s rows", file=name, rows=f"{rows_max:,}"),
        told("nothing was imported"),
        told("split the file, or import it on the machine that runs optsync: optsync import FILE"),
    )


def _seen_before(report: ImportReport, seen_before_at: datetime, counts: dict[str, int]) -> ImportReport:
    """What the file held when its bytes were imported before; this time it changed nothing."""
    return replace(
        report,
        seen_before_at=seen_before_at,
        rows=counts["rows"],
        skipped=counts["skipped"],
        duplicates=counts["duplicates"],
        already=counts["new"] + counts["again"] + counts["already"],
    )


def _silence(_doing: str, _done: int, _total: int) -> None:
    """Nobody watches."""
