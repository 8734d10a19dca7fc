"""How soon a program elsewhere hears of a single click while 100,000 events of an import are on their way to it.

A worker's deliverer and sealer, real HTTP to a receiver on this machine that takes its time over each answer.
"""

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.measure import Result, say
from benchmarks.rig import House, house
from optsync.config.database import Connection
from optsync.ledger import chain
from optsync.ledger.batches import Wanted, opt_out_all
from optsync.ledger.record import opt_out
from optsync.webhooks import endpoints
from optsync.webhooks.delivering import Deliverer
from optsync.webhooks.egress import Egress

PEOPLE, BATCH = 100_000, 10_000
CLICKS = 15
ANSWER_SECONDS, POLL_SECONDS, SEAL_SECONDS = 0.05, 1.0, 1.0
TARGET_SECONDS = 3.0
ARRIVES_WITHIN_SECONDS = 120.0


def run() -> Result:
    """Seconds from the commit of a click to its arrival, and what else arrived meanwhile."""
    result = Result("Webhooks: a click beside 100,000 events of an import, answers taking 50 ms")
    with house() as our, our.database.connect() as conn, receiver() as (url, arrived):
        egress = Egress(our.seams, to_loopback=True)
        types = ["unsubscribe.created"]
        endpoints.add(conn, our.vault, egress, our.seams.token_bytes, url, types, actor="benchmark")
        say(f"recording {PEOPLE:,} unsubscribes of an import")
        for first in range(0, PEOPLE, BATCH):
            rows = [Wanted(f"person{number}@example.com", "import") for number in range(first, first + BATCH)]
            opt_out_all(conn, our.vault.subject_key, rows, actor="benchmark")
        with worker(our, egress):
            until(lambda: len(arrived) > 0)
            waits = [click(our, conn, arrived, number) for number in range(CLICKS)]
            delivered = len(arrived)
        result.at_most("a click arrives, median", statistics.median(waits), "s", TARGET_SECONDS)
        result.at_most("a click arrives, slowest", max(waits), "s", 2 * TARGET_SECONDS)
        result.plain("events of the import delivered meanwhile", delivered - CLICKS, "")
    return result


def click(our: House, conn: Connection, arrived: dict[str, float], number: int) -> float:
    """Records one and waits for its event; the seconds in between."""
    address = f"click{number}@example.com"
    opt_out(conn, our.vault.subject_key, address, "one-click")
    committed_at = time.monotonic()
    until(lambda: address in arrived)
    return arrived[address] - committed_at


def until(true: Callable[[], bool]) -> None:
    """Waits for something."""
    ends_at = time.monotonic() + ARRIVES_WITHIN_SECONDS
    while not true():
        assert time.monotonic() < ends_at, "it never arrived"
        time.sleep(0.005)


@contextmanager
def worker(our: House, egress: Egress) -> Iterator[None]:
    """What a worker does for webhooks: a sealer and a deliverer, each on a session of its own."""
    stopping = threading.Event()

    def seal() -> None:
        with our.database.connect() as conn:
            while not stopping.wait(SEAL_SECONDS):
                chain.seal(conn)

    def deliver() -> None:
        deliverer = Deliverer(our.vault, our.seams, egress)
        with our.database.connect() as conn:
            while not stopping.is_set():
                if not deliverer.step(conn) and not deliverer.wait():
                    stopping.wait(POLL_SECONDS)
        deliverer.close()

    threads = [threading.Thread(target=duty) for duty in (seal, deliver)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


@contextmanager
def receiver() -> Iterator[tuple[str, dict[str, float]]]:
    """The address of one, and when it first heard of whom."""
    arrived: dict[str, float] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            arrived.setdefault(body["data"]["address"], time.monotonic())
            time.sleep(ANSWER_SECONDS)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/hook", arrived
        finally:
            server.shutdown()
