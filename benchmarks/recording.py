"""Recording an opt-out of a linked person: our door beside pgbench running the same statement on the same server.

Each round records RECORDINGS opt-outs, one after the other, each in its own durable commit.
"""

import re
import subprocess
import time
from pathlib import Path

from benchmarks.measure import Result, in_turn, percentile, say
from benchmarks.rig import House, fill_people, house, postgres_tool
from optsync.config.database import Connection
from optsync.ledger.record import opt_out

PEOPLE = 100_000
RECORDINGS = 2_000
ROUNDS = 5
TARGET = 0.8

SCRIPT = r"""
\set person random({first}, {last})
SELECT * FROM opt_out_record('person' || :person || '@example.com',
    decode(md5('a' || :person) || md5('b' || :person), 'hex'), 'manual', 0, NULL, NULL, NULL, '{{}}');
"""


def run() -> Result:
    """Opt-outs a second through `ledger.record.opt_out`, and the floor's."""
    with house() as our, our.database.connect() as conn:
        say(f"{PEOPLE:,} linked people")
        conn.execute("INSERT INTO org (salesforce_id) VALUES ('00D000000000001AAA')")
        conn.execute("INSERT INTO due (epoch, org_id, field) SELECT epoch, 1, 1 FROM target")
        fill_people(conn, 1, PEOPLE)
        next_person = iter(range(1, PEOPLE // 2))
        times: list[float] = []

        def ours() -> float:
            return record_some(conn, our, [next(next_person) for _ in range(RECORDINGS)], times)

        ours_per_s, floor_per_s = in_turn(ROUNDS, ours, lambda: pgbench(our))
    result = Result("Recording: one durable opt-out after the other")
    result.plain("ours", ours_per_s, "/s")
    result.plain("pgbench, the same statement", floor_per_s, "/s")
    result.at_least("ours / pgbench", ours_per_s / floor_per_s, "x", TARGET)
    result.plain("ours p50", percentile(times, 50) * 1000, "ms")
    result.plain("ours p99", percentile(times, 99) * 1000, "ms")
    return result


def record_some(conn: Connection, our: House, people: list[int], times: list[float]) -> float:
    """Records these people and answers how many a second."""
    started = time.perf_counter()
    for person in people:
        one = time.perf_counter()
        opt_out(conn, our.vault.subject_key, f"person{person}@example.com", "manual")
        times.append(time.perf_counter() - one)
    return len(people) / (time.perf_counter() - started)


def pgbench(our: House) -> float:
    """The floor: the server's own client, the same statement, as many times, on people of the other half."""
    script = Path(our.folder) / "recording.sql"
    script.write_text(SCRIPT.format(first=PEOPLE // 2, last=PEOPLE), encoding="ascii")
    command = [postgres_tool("pgbench"), "--no-vacuum", "--protocol=prepared", "--client=1"]
    command += [f"--transactions={RECORDINGS}", f"--file={script}", our.database.dsn]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])
