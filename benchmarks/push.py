"""Push: from an opt-out's commit to the first request at the org, at 100 opt-outs a second.

The floor of the same rounds is a bare loop over the same database and the same practice org: LISTEN, then one GET.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote_plus

from benchmarks.measure import Result, percentile, rss_peak_mb, say
from benchmarks.practice_org import call, query
from benchmarks.rig import House, house
from optsync.config.database import Connection
from optsync.connection.connect import connect
from optsync.ledger.record import opt_out
from optsync.salesforce.credentials import Credential
from tests.practice import PracticeOrg

RATE_PER_S = 100
SECONDS = 4
ROUNDS = 4


def run() -> Result:
    """Milliseconds from commit to the first request that names the person, and the calls it took."""
    result = Result("Push: commit to the first request at the org, 100 opt-outs a second")
    delays: list[float] = []
    calls = 0.0
    with (
        house() as our,
        PracticeOrg.start(leads=20_000, contacts=30_000, opted_out=0, seed=3, grant_opt_out=True) as org,
        our.database.connect() as conn,
    ):
        connect(conn, our.vault, Credential.from_file(org.credentials_file), our.seams)
        people = query(
            org, "SELECT Id, Email FROM Contact WHERE Email != null AND HasOptedOutOfEmail = false LIMIT 2000"
        )
        emails = list(dict.fromkeys(row["Email"] for row in people))
        with worker(our) as process:
            warm_up(conn, our, org, emails.pop())
            for number in range(ROUNDS):
                batch = [emails.pop() for _ in range(RATE_PER_S * SECONDS)]
                org.clear_spy()
                seen = in_this_round(conn, our, org, batch)
                delays += seen
                calls += org.spy()["api_calls"]
                say(
                    f"round {number + 1} of {ROUNDS}: p50 {percentile(seen, 50):.1f}, p99 {percentile(seen, 99):.1f} ms"
                )
            memory = rss_peak_mb(process.pid)
        left = conn.execute("SELECT count(*) FROM mark WHERE state <> 'c'").fetchone()
    assert left == (0,), f"{left} marks were not confirmed"
    result.at_most("p50", percentile(delays, 50), "ms", 5.0)
    result.at_most("p99", percentile(delays, 99), "ms", 25.0)
    result.plain("API calls for 100 opt-outs", calls / (ROUNDS * RATE_PER_S * SECONDS) * 100, "calls")
    result.at_most("worker memory", memory, "MB", 100.0)
    result.plain("bare round trip: a practice-org GET, p50", percentile(bare_get_ms(), 50), "ms")
    return result


@contextmanager
def worker(our: House) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker as an operating-system process; ended on the way out."""
    process = subprocess.Popen([sys.executable, "-m", "optsync.sync.worker"], env=our.environ)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def wait_until(met: Callable[[], bool], seconds: float = 60.0) -> None:
    """Returns when it is so; fails after that many seconds."""
    ends = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)


def warm_up(conn: Connection, our: House, org: PracticeOrg, email: str) -> None:
    """One opt-out all the way, so that sign-in and describe are over."""
    opt_out(conn, our.vault.subject_key, email, "manual")
    wait_until(lambda: bool(org.find(email)) and all(found["HasOptedOutOfEmail"] for found in org.find(email)))


def in_this_round(conn: Connection, our: House, org: PracticeOrg, emails: list[str]) -> list[float]:
    """Opts these people out at the rate and answers, for each, the ms to the first request that names them."""
    committed: dict[str, float] = {}
    first: dict[str, float] = {}
    started = time.monotonic()
    for number, email in enumerate(emails):
        time.sleep(max(0.0, started + number / RATE_PER_S - time.monotonic()))
        opt_out(conn, our.vault.subject_key, email, "one-click")
        committed[email.lower()] = time.time()
    done = threading.Event()
    wait_until(lambda: all_confirmed(conn))
    done.set()
    for request in org.spy()["requests"]:
        path = unquote_plus(request["path"]).lower()
        for email in committed:
            if email not in first and f"'{email}'" in path:
                first[email] = request["received_at"]
    assert len(first) >= 0.99 * len(committed), f"only {len(first)} of {len(committed)} were seen"
    return [max(0.0, (first[email] - committed[email]) * 1000) for email in first]


def all_confirmed(conn: Connection) -> bool:
    """Nothing waits: no look-up that never ran, no mark that is owed."""
    waiting = "SELECT FROM lookup WHERE attempts = 0 UNION ALL SELECT FROM mark WHERE state <> 'c' LIMIT 1"
    return conn.execute(waiting).fetchone() is None


def bare_get_ms() -> list[float]:
    """What one small GET costs on this machine right now."""
    with PracticeOrg.start(leads=10, contacts=10, opted_out=0, seed=3) as org:
        seen = []
        for _ in range(100):
            began = time.perf_counter()
            call(org, "GET", "/services/data/v62.0/limits")
            seen.append((time.perf_counter() - began) * 1000)
    return seen
