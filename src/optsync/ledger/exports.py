"""Who must not be mailed, as a file: the active account-wide opt-outs, streamed, in order of the address."""

from collections.abc import Iterator
from typing import Literal

import psycopg

from optsync.ledger.queries import sql

Format = Literal["csv", "json lines"]
STATEMENTS: dict[Format, str] = {"csv": "export_csv", "json lines": "export_json_lines"}


def export_opt_outs(conn: psycopg.Connection, format: Format = "csv") -> Iterator[bytes]:  # noqa: A002 - what it is
    """Blocks of UTF-8: CSV with `address,since,source` that no spreadsheet runs, or one JSON object a line.

    An import of the CSV restores every address. Erased people are left out: nobody can name them any more.
    """
    with conn.cursor().copy(sql("optsync.ledger", STATEMENTS[format])) as copy:
        for block in copy:
            yield bytes(block)
