"""May I mail them? `POST /v1/check` over real HTTP with a million opt-outs, beside the same SQL under pgbench.

The floor for 1,000 addresses is the statement of `optsync.ledger.check` alone, sent by the server's own client, which
makes the addresses inside the server. Beside it: the same statement by psycopg, its addresses sent as ours are.
"""

import contextlib
import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.measure import Result, in_turn, percentile, say
from benchmarks.rig import House, house, postgres_tool
from optsync.access import keys
from optsync.config.database import Connection
from optsync.ledger.queries import sql

OPT_OUTS = 1_000_000
SIZES = {1: 500, 100: 300, 10_000: 20}
"""How many addresses at once, and how often."""
FLOOR_SIZE, FLOOR_TIMES, ROUNDS, TARGET = 1_000, 100, 5, 0.7
PORT = 8917
START_SECONDS = 30.0


def run() -> Result:
    """Milliseconds of a call by size, and calls a second beside the floor's."""
    result = Result("Check before sending: POST /v1/check with 1,000,000 opt-outs, half of those asked are blocked")
    with house() as our, our.database.connect() as conn:
        say(f"{OPT_OUTS:,} opt-outs")
        fill(conn)
        _, key = keys.make(conn, our.vault.subject_key, our.seams.token_bytes, "bench", ["check"], days=None, actor="-")
        with served(our) as url:
            asking = Asking(url, key)
            for size, times in SIZES.items():
                asking.seconds(size)
                taken = [asking.seconds(size) for _ in range(times)]
                result.plain(f"{size:,} addresses, p50", percentile(taken, 50) * 1000, "ms")
                result.plain(f"{size:,} addresses, p99", percentile(taken, 99) * 1000, "ms")
            script = floor_script(our)
            ours, floor, sent = in_turn(
                ROUNDS,
                lambda: FLOOR_TIMES / sum(asking.seconds(FLOOR_SIZE) for _ in range(FLOOR_TIMES)),
                lambda: pgbench(our, script),
                lambda: psycopg_alone(conn, asking),
            )
    result.plain(f"{FLOOR_SIZE:,} addresses, ours", ours, "/s")
    result.plain(f"{FLOOR_SIZE:,} addresses, the same SQL under pgbench", floor, "/s")
    result.plain(f"{FLOOR_SIZE:,} addresses, the same SQL by psycopg", sent, "/s")
    result.at_least("ours / pgbench", ours / floor, "x", TARGET)
    result.plain("ours / psycopg", ours / sent, "x")
    return result


def fill(conn: Connection) -> None:
    """Opted-out addresses: person1, person3, ... A sender asks about odd and even ones."""
    conn.execute(
        "INSERT INTO address (normal) SELECT 'person' || 2 * n - 1 || '@example.com' FROM generate_series(1, %s) n",
        [OPT_OUTS],
    )
    conn.execute("""INSERT INTO opt_out (address_id, source, epoch)
                    SELECT address_id, 'import', epoch FROM address, target""")
    conn.execute("VACUUM ANALYZE address, opt_out")


class Asking:
    """A sender with one connection that stays open; it asks about other people each time."""

    def __init__(self, url: str, key: str) -> None:
        where = urlsplit(url)
        self.connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.next = 1

    def people(self, size: int) -> list[str]:
        """As many as wanted, others each time; every second one is opted out."""
        first, self.next = self.next, (self.next + size) % (2 * OPT_OUTS - size)
        return [f"person{n}@example.com" for n in range(first, first + size)]

    def seconds(self, size: int) -> float:
        """How long one call took, from the first byte sent to the last byte read; half of them are blocked."""
        body = json.dumps({"addresses": self.people(size)}).encode()
        started = time.perf_counter()
        self.connection.request("POST", "/v1/check", body, self.headers)
        response = self.connection.getresponse()
        text = response.read()
        taken = time.perf_counter() - started
        assert response.status == 200, text
        assert abs(json.loads(text)["blocked"] - size / 2) <= 0.5
        return taken


@contextlib.contextmanager
def served(our: House) -> Iterator[str]:
    """The web server as users run it, one worker."""
    command = [sys.executable, "-m", "optsync.cli", "serve", "--port", str(PORT)]
    process = subprocess.Popen(command, env=our.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_live(process)
        yield f"http://127.0.0.1:{PORT}"
    finally:
        process.terminate()
        process.wait(20)


def wait_until_live(process: "subprocess.Popen[bytes]") -> None:
    """Returns when the server answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
        try:
            connection.request("GET", "/health/live")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise AssertionError("the web server did not start")


def floor_script(our: House) -> str:
    """The statement for pgbench, about as many people; the place where they begin is drawn for each call."""
    statement = sql("optsync.ledger", "may_mail").rstrip().rstrip(";")
    people = f"generate_series(:first, :first + {FLOOR_SIZE - 1}) n"
    values = {
        "%(normals)b::text[]": f"(SELECT array_agg('person' || n || '@example.com') FROM {people})",
        "%(subjects)b::bytea[]": "'{}'::bytea[]",
        "%(parents)b::text[]": "'{com,example.com}'::text[]",
        "%(non_commercial)s": "false",
        "%(scope)s": "0",
    }
    for name, value in values.items():
        statement = statement.replace(name, value)
    statement = statement.replace("%%", "%")
    script = our.folder / "check.sql"
    last = 2 * OPT_OUTS - FLOOR_SIZE
    script.write_text(f"\\set first random(1, {last})\n{statement};\n", encoding="ascii")
    return str(script)


def pgbench(our: House, script: str) -> float:
    """Calls a second by the server's own client, one connection, prepared."""
    command = [postgres_tool("pgbench"), "--no-vacuum", "--protocol=prepared", "--client=1"]
    command += [f"--transactions={FLOOR_TIMES}", f"--file={script}", our.database.dsn]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


def psycopg_alone(conn: Connection, asking: Asking) -> float:
    """Calls a second of the statement, its addresses sent and its rows read; nothing is normalised, parsed or told."""
    statement = sql("optsync.ledger", "may_mail")
    values = {"subjects": [], "parents": ["com", "example.com"], "non_commercial": False, "scope": 0}
    seconds = 0.0
    for _ in range(FLOOR_TIMES):
        people = asking.people(FLOOR_SIZE)
        started = time.perf_counter()
        rows = conn.execute(statement, values | {"normals": people}, prepare=True).fetchall()
        seconds += time.perf_counter() - started
        assert abs(len(rows) - FLOOR_SIZE / 2) <= 0.5, len(rows)
    return FLOOR_TIMES / seconds
