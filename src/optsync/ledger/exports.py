"""What we know, as files: streamed from a cursor of the server, so that memory does not grow with them, and audited.

Cells are such that no spreadsheet runs them, and an import of a file restores every address exactly. Erased people are
left out: nobody can name them any more.
"""

import csv
import json
from collections.abc import Generator, Iterator, Sequence
from io import StringIO
from itertools import islice
from typing import Any, Final, Literal, get_args

import psycopg
from psycopg.types.json import Jsonb

from optsync.core.addresses import hmac_pads
from optsync.ledger.files import safe_cell
from optsync.ledger.queries import sql

PACKAGE: Final = "optsync.ledger"
What = Literal["opt-outs", "people", "ids", "evidence"]
Format = Literal["csv", "json lines"]
WHATS: Final[tuple[What, ...]] = get_args(What)
STATEMENTS: Final[dict[What, str]] = {
    "opt-outs": "export_opt_outs",
    "people": "export_people",
    "ids": "export_ids",
    "evidence": "export_evidence",
}
LINES_AT_ONCE: Final = 1_000
Lines = Generator[bytes, None, None]


def export(
    conn: psycopg.Connection,
    subject_key: bytes,
    what: What,
    *,
    actor: str,
    format: Format = "csv",  # noqa: A002 - what it is
    org_id: int | None = None,
) -> Iterator[bytes]:
    """Blocks of UTF-8: CSV with a header, or one JSON object a line; evidence always as the latter.

    `opt-outs` are the active account-wide ones, `people` everybody with compliance data, `ids` the live records of the
    org `org_id` with their boxes, `evidence` each person with the whole history. Who took how much becomes an event.
    """
    lines = _lines(conn, subject_key, what, "json lines" if what == "evidence" else format, org_id)
    return audited(conn, lines, what, actor=actor, org_id=org_id)


def audited(
    conn: psycopg.Connection,
    lines: Lines,
    what: What,
    *,
    actor: str,
    org_id: int | None = None,
    filters: dict[str, str] | None = None,
) -> Iterator[bytes]:
    """The lines in blocks; at the end, also when the reader leaves in the middle, an event says who got how many rows.

    A first line that is empty or a header of CSV is no row.
    """
    rows, complete = 0, False
    try:
        yield next(lines)
        while block := list(islice(lines, LINES_AT_ONCE)):
            rows += len(block)
            yield b"".join(block)
        complete = True
    finally:
        lines.close()
        told = {"what": what, "rows": rows, "complete": complete} | ({"filters": filters} if filters else {})
        conn.execute(sql(PACKAGE, "tell_export"), {"actor": actor, "org": org_id, "evidence": Jsonb(told)})


def csv_line(cells: Sequence[object]) -> bytes:
    """A line of CSV whose cells no spreadsheet runs; None is an empty cell, a truth value true or false."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow([safe_cell(_plain(cell)) for cell in cells])
    return text.getvalue().encode()


def _lines(
    conn: psycopg.Connection,
    subject_key: bytes,
    what: What,
    form: Format,
    org_id: int | None,
) -> Lines:
    """A header, empty where there is none, then a line for each row."""
    inner, outer = hmac_pads(subject_key)
    values = {"inner": inner, "outer": outer, "org": org_id}  # each statement takes what it names
    with conn.transaction(), conn.cursor(name="export") as cursor:
        cursor.itersize = LINES_AT_ONCE
        cursor.execute(sql(PACKAGE, STATEMENTS[what]), values)
        names = [column.name for column in cursor.description or ()]
        yield csv_line(names) if form == "csv" else b""
        for row in cursor:
            if form == "csv":
                yield csv_line(row)
            elif what == "evidence":
                yield f"{row[0]}\n".encode()
            else:
                yield _json_line(dict(zip(names, row, strict=True)))


def _json_line(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, default=str) + "\n").encode()


def _plain(cell: object) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return "" if cell is None else str(cell)
