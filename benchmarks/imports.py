"""Importing a file of unsubscribes beside what PostgreSQL needs for it: COPY into a table and the same rows inserted.

Each round imports ROWS people, from a file as Mailchimp exports it; every tenth of them is a Contact of a connected
org, the others nobody knows. The floor writes what ours writes, in one commit: for each person an address, an opt-out,
an event with keyed hash and evidence, and a look-up; for each Contact a mark. It checks nothing: no cell, no quotes, no
address, no erased person, no lock, no duplicate. OPTSYNC_BENCHMARK_ROWS changes ROWS.
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
CONTACTS = ROWS // 10
ROUNDS = 3
TARGET = 1.5

COPY = "COPY floor_row FROM STDIN WITH (FORMAT csv, HEADER)"
INSERT = """
WITH given AS MATERIALIZED (
    SELECT lower(f.address) AS normal, subject_of(lower(f.address), NULL, %(inner)s, %(outer)s) AS subject, f.reason,
           jsonb_build_object('file', %(file)s::text, 'row', row_number() OVER (), 'unsubscribed_at', f.at,
                              'unsub_campaign_title', f.campaign) AS evidence FROM floor_row f),
made AS (INSERT INTO address (normal) SELECT normal FROM given ON CONFLICT (normal) DO NOTHING RETURNING address_id),
person AS MATERIALIZED (
    SELECT address_id FROM made UNION ALL SELECT a.address_id FROM given JOIN address a USING (normal)),
told AS (INSERT INTO event (kind, subject, scope, source, reason, evidence)
         SELECT 'opted out', subject, 0, 'import', reason, evidence FROM given),
wanted AS (INSERT INTO lookup (org_id, address_id)
           SELECT d.org_id, p.address_id FROM person p, target t JOIN due d USING (epoch)),
owed AS (INSERT INTO mark (org_id, field, record_id, due_at, touched_run, state)
         SELECT r.org_id, d.field, r.record_id, clock(), 0, 'o'
         FROM person p JOIN record r USING (address_id) JOIN target t ON true JOIN due d USING (epoch, org_id))
INSERT INTO opt_out (address_id, scope, source, epoch) SELECT p.address_id, 0, 'import', t.epoch FROM person p, target t
"""
WRITTEN = """SELECT (SELECT count(*) FROM address), (SELECT count(*) FROM opt_out), (SELECT count(*) FROM lookup),
                    (SELECT count(*) FROM mark), (SELECT count(*) FROM event WHERE kind = 'opted out')"""


def run() -> Result:
    """Seconds for a file, ours and the floor's, and the memory that ours took."""
    with house() as our, our.database.connect() as conn:
        prepare(conn)
        number = count()
        start_mb = rss_peak_mb()
        say(f"{ROWS:,} rows a file")
        ours_s, floor_s = in_turn(
            ROUNDS, lambda: imported(conn, our, next(number)), lambda: copied(conn, our, next(number))
        )
        written = conn.execute(WRITTEN).fetchone()
        assert written == (*[2 * ROUNDS * ROWS] * 3, 2 * ROUNDS * CONTACTS, 2 * ROUNDS * ROWS), written
    result = Result(f"Import: {ROWS:,} unsubscribes, every tenth of a known Contact")
    result.plain("ours", ours_s, "s")
    result.plain("COPY and the same rows inserted", floor_s, "s")
    result.at_most("ours / floor", ours_s / floor_s, "x", TARGET)
    result.plain("memory that importing added, at its peak", rss_peak_mb() - start_mb, "MB")
    return result


def prepare(conn: Connection) -> None:
    """A connected org, and the floor's table."""
    conn.execute("CREATE TABLE floor_row (address text, at text, reason text, campaign text)")
    conn.execute("INSERT INTO org (salesforce_id) VALUES ('00D000000000001AAA')")
    conn.execute("INSERT INTO due (epoch, org_id, field) SELECT epoch, 1, 1 FROM target")


def imported(conn: Connection, our: House, number: int) -> float:
    """How long our import takes."""
    path = file_of(conn, our, number)
    started = time.perf_counter()
    report = import_file(conn, our.vault.subject_key, path, confirmed=True)
    taken = time.perf_counter() - started
    assert (report.new, report.owed) == (ROWS, CONTACTS), report
    return taken


def copied(conn: Connection, our: House, number: int) -> float:
    """How long the floor takes, in one commit."""
    path, (inner, outer) = file_of(conn, our, number), hmac_pads(our.vault.subject_key)
    started = time.perf_counter()
    with conn.transaction():
        conn.execute("TRUNCATE floor_row")
        with path.open("rb") as file, conn.cursor().copy(COPY) as copy:
            while block := file.read(1 << 20):
                copy.write(block)
        conn.execute(INSERT, {"inner": inner, "outer": outer, "file": path.name})
    return time.perf_counter() - started


def file_of(conn: Connection, our: House, number: int) -> Path:
    """A file whose people no other file has; every tenth of them is a Contact of the org."""
    path = Path(our.folder) / f"import-{number}.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("Email Address,UNSUB_TIME,UNSUB_REASON,UNSUB_CAMPAIGN_TITLE\n")
        for row in range(ROWS):
            file.write(
                f"p{number}.{row}@example{row % 97}.com,2024-01-02 10:11:12,No longer interested,Spring {row % 7}\n"
            )
    conn.execute(
        """WITH made AS (
            INSERT INTO address (normal) SELECT 'p' || %s || '.' || n * 10 || '@example' || n * 10 %% 97 || '.com'
            FROM generate_series(0, %s - 1) n RETURNING address_id)
        INSERT INTO record (org_id, record_id, kind, address_id, provenance)
        SELECT 1, '003' || lpad(address_id::text, 12, '0') || 'AAA', 'C', address_id, 'g' FROM made""",
        [number, CONTACTS],
    )
    conn.execute("VACUUM ANALYZE address, record, opt_out, mark, lookup")
    return path
