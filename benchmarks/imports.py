"""Importing a file of unsubscribes beside what PostgreSQL needs for it: COPY into a table and the same rows inserted.

Each round imports ROWS people nobody knows yet, from a file as Mailchimp exports it; OPTSYNC_BENCHMARK_ROWS changes it.
"""

import os
import time
from itertools import count
from pathlib import Path

from benchmarks.measure import Result, in_turn, rss_peak_mb, say
from benchmarks.rig import House, house
from optsync.config.database import Connection
from optsync.core.addresses import hmac_pads
from optsync.ledger.imports import import_file

ROWS = int(os.environ.get("OPTSYNC_BENCHMARK_ROWS", "100000"))
ROUNDS = 3
TARGET = 1.5

COPY = "COPY floor_row FROM STDIN WITH (FORMAT csv, HEADER)"
INSERT = """
WITH given AS MATERIALIZED (
    SELECT lower(f.address) AS normal, subject_of(lower(f.address), NULL, %(inner)s, %(outer)s) AS subject, f.reason,
           jsonb_build_object('unsubscribed_at', f.at, 'campaign', f.campaign) AS evidence FROM floor_row f),
made AS (INSERT INTO address (normal) SELECT normal FROM given RETURNING address_id),
told AS (INSERT INTO event (kind, subject, scope, source, reason, evidence)
         SELECT 'opted out', subject, 0, 'import', reason, evidence FROM given)
INSERT INTO opt_out (address_id, scope, source, epoch) SELECT m.address_id, 0, 'import', t.epoch FROM made m, target t
"""


def run() -> Result:
    """Seconds for a file, ours and the floor's, and the memory that ours took."""
    with house() as our, our.database.connect() as conn:
        conn.execute("CREATE TABLE floor_row (address text, at text, reason text, campaign text)")
        number = count()
        start_mb = rss_peak_mb()
        say(f"{ROWS:,} rows a file")
        ours_s, floor_s = in_turn(
            ROUNDS, lambda: imported(conn, our, next(number)), lambda: copied(conn, our, next(number))
        )
    result = Result(f"Import: {ROWS:,} unsubscribes nobody knew")
    result.plain("ours", ours_s, "s")
    result.plain("COPY and the same rows inserted", floor_s, "s")
    result.at_most("ours / floor", ours_s / floor_s, "x", TARGET)
    result.plain("memory that importing added, at its peak", rss_peak_mb() - start_mb, "MB")
    return result


def imported(conn: Connection, our: House, number: int) -> float:
    """How long our import takes."""
    path = file_of(our, number)
    started = time.perf_counter()
    report = import_file(conn, our.vault.subject_key, path, confirmed=True)
    assert report.new == ROWS, report
    return time.perf_counter() - started


def copied(conn: Connection, our: House, number: int) -> float:
    """How long the floor takes, in one commit."""
    path, (inner, outer) = file_of(our, number), hmac_pads(our.vault.subject_key)
    started = time.perf_counter()
    with conn.transaction():
        conn.execute("TRUNCATE floor_row")
        with path.open("rb") as file, conn.cursor().copy(COPY) as copy:
            while block := file.read(1 << 20):
                copy.write(block)
        conn.execute(INSERT, {"inner": inner, "outer": outer})
    return time.perf_counter() - started


def file_of(our: House, number: int) -> Path:
    """A file whose people no other file has."""
    path = Path(our.folder) / f"import-{number}.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("Email Address,UNSUB_TIME,UNSUB_REASON,UNSUB_CAMPAIGN_TITLE\n")
        for row in range(ROWS):
            file.write(
                f"p{number}.{row}@example{row % 97}.com,2024-01-02 10:11:12,No longer interested,Spring {row % 7}\n"
            )
    return path
