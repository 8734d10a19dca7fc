"""A durable unsubscribe by one click (RFC 8058) over real HTTP: our web server beside a hand-written twin.

Both are one process on the same database, asked by the same client over the same number of connections; each request
opts out another linked person, committed before the answer.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlencode

from psycopg.conninfo import conninfo_to_dict

from benchmarks.measure import Result, in_turn, percentile, rss_peak_mb, say
from benchmarks.rig import House, fill_people, house
from optsync.public.tokens import make_token

PEOPLE = 60_000
REQUESTS, CONNECTIONS, ROUNDS, TARGET = 2_000, 8, 5, 1.0
OURS_PORT, TWIN_PORT = 8918, 8919
START_SECONDS = 30.0
BODY = b"List-Unsubscribe=One-Click"


def run() -> Result:
    """Unsubscribes a second through our door and through the twin's, their times and the memory of both."""
    result = Result("One-click: durable unsubscribes over HTTP, 8 connections")
    with house() as our, our.database.connect() as conn:
        say(f"{PEOPLE:,} linked people")
        conn.execute("INSERT INTO org (salesforce_id) VALUES ('00D000000000001AAA')")
        conn.execute("INSERT INTO due (epoch, org_id, field) SELECT epoch, 1, 1 FROM target")
        fill_people(conn, 1, PEOPLE)
        people = iter(range(1, PEOPLE))
        with our_server(our) as ours, twin_server(our) as twin:
            times: dict[int, list[float]] = {OURS_PORT: [], TWIN_PORT: []}

            def clicks(port: int) -> float:
                paths = [path_of(our, f"person{next(people)}@example.com") for _ in range(REQUESTS)]
                started = time.perf_counter()
                times[port] += asyncio.run(click(port, paths))
                return REQUESTS / (time.perf_counter() - started)

            for port in (OURS_PORT, TWIN_PORT):
                clicks(port)  # what is loaded on first use is loaded
                times[port].clear()
            our_rate, twin_rate = in_turn(ROUNDS, lambda: clicks(OURS_PORT), lambda: clicks(TWIN_PORT))
            recorded = conn.execute("SELECT count(*) FROM opt_out").fetchone()
            assert recorded == ((2 * ROUNDS + 2) * REQUESTS,), "every answer was a committed opt-out"
            result.plain("ours", our_rate, "/s")
            result.plain("FastAPI + asyncpg twin", twin_rate, "/s")
            result.at_least("ours / twin", our_rate / twin_rate, "x", TARGET)
            for name, port, pid in (("ours", OURS_PORT, ours), ("twin", TWIN_PORT, twin)):
                result.plain(f"{name} p50", percentile(times[port], 50) * 1000, "ms")
                result.plain(f"{name} p99", percentile(times[port], 99) * 1000, "ms")
                result.plain(f"{name} memory", rss_peak_mb(pid), "MB")
    return result


def path_of(our: House, address: str) -> str:
    """The link of one person."""
    return f"/u/{make_token(our.vault.link_keys, our.seams.token_bytes, address)}"


async def click(port: int, paths: list[str]) -> list[float]:
    """Posts to every path once over CONNECTIONS kept-open connections; the seconds of each answer."""
    shares = [paths[start::CONNECTIONS] for start in range(CONNECTIONS)]
    taken = await asyncio.gather(*(click_in_turn(port, share) for share in shares))
    return [seconds for one in taken for seconds in one]


async def click_in_turn(port: int, paths: list[str]) -> list[float]:
    """One connection, one POST after the other; each must answer 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    for path in paths:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(BODY)}\r\n"
        started = time.perf_counter()
        writer.write(head.encode() + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + BODY)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        taken.append(time.perf_counter() - started)
    writer.close()
    return taken


@contextlib.contextmanager
def our_server(our: House) -> Iterator[int]:
    """The web server as users run it, with one process; its pid."""
    command = [sys.executable, "-m", "optsync.cli", "serve", "--port", str(OURS_PORT)]
    with running(command, our.environ, OURS_PORT) as pid:
        yield pid


@contextlib.contextmanager
def twin_server(our: House) -> Iterator[int]:
    """The twin under uvicorn with uvloop; its pid."""
    keys = {"KEY": our.vault.link_keys[0].hex(), "SUBJECT_KEY": our.vault.subject_key.hex(), "DSN": address_of(our)}
    command = [sys.executable, "-m", "uvicorn", "benchmarks.twin.app:app", "--port", str(TWIN_PORT)]
    command += ["--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]
    with running(command, {**os.environ, **keys}, TWIN_PORT) as pid:
        yield pid


def address_of(our: House) -> str:
    """The database's address as asyncpg wants it."""
    words = conninfo_to_dict(our.database.dsn)
    words["database"] = words.pop("dbname")
    return f"postgresql:///?{urlencode(words)}"


@contextlib.contextmanager
def running(command: list[str], environ: dict[str, str], port: int) -> Iterator[int]:
    """A server that answers on its port; ended afterwards."""
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert process.poll() is None, f"{command[2]} did not start"
            assert time.monotonic() < deadline, f"{command[2]} does not answer"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)
