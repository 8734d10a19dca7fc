"""A flood of the form that anybody may post to, and what it does to people who press a link from a mail meanwhile.

Ten times as many posts of the form as the server takes, and at least 1,000 a second, arrive from other networks each
time, over connections of their own, whether those before were answered or not. Half of the links are pressed by a mail
program (RFC 8058), half on the page. The flood runs in a process of its own, on the same machine: it takes a part of
the processor, too.
"""

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from urllib.parse import urlencode

from benchmarks.measure import Result, percentile, rss_peak_mb, say
from benchmarks.one_click import BODY, OURS_PORT, our_server, path_of
from benchmarks.rig import House, house

TIMES_CAPACITY, RATE_MIN = 10, 1_000
WARM_SECONDS, CAPACITY_SECONDS, CALM_SECONDS, FLOOD_SECONDS = 2, 3, 5, 15
LINKS_A_SECOND = 20
PATIENCE_SECONDS = 20.0
"""How long a mail program waits for an answer; a stranger of the flood gives up after two."""
STRANGERS_AT_ONCE_MAX = 1_000
MEMORY_MB_MAX = 32.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def run() -> Result:
    """Links accepted of those pressed, their times with and without the flood, and the server's memory."""
    result = Result("Flood: the open form, and who presses a link meanwhile")
    with house() as our, our.database.connect() as conn, our_server(our) as server:
        flooded(0, WARM_SECONDS)
        capacity = sum(flooded(0, CAPACITY_SECONDS).values()) / CAPACITY_SECONDS
        say(f"{capacity:,.0f} posts of the form a second are taken")
        calm = asyncio.run(press(our, "calm", CALM_SECONDS))
        before_mb = rss_peak_mb(server)
        rate = max(RATE_MIN, round(capacity * TIMES_CAPACITY))
        command = [sys.executable, "-m", "benchmarks.flood", str(rate), str(FLOOD_SECONDS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as strangers:
            during = asyncio.run(press(our, "flood", FLOOD_SECONDS))
            answers = Counter(json.loads(strangers.communicate(timeout=FLOOD_SECONDS + 30)[0]))
        after_mb = rss_peak_mb(server)
        recorded = conn.execute("SELECT count(*) FROM address WHERE normal LIKE 'flood%@example.org'").fetchone()
        pressed = FLOOD_SECONDS * LINKS_A_SECOND
    assert recorded is not None
    result.plain("the form alone", capacity, "posts/s")
    result.at_least("the flood", answers.total() / FLOOD_SECONDS, "posts/s", capacity * TIMES_CAPACITY)
    result.at_least("links answered 200 of those pressed", len(during) / pressed * 100, "%", 100)
    result.at_least("links recorded of those pressed", recorded[0] / pressed * 100, "%", 100)
    for name, seconds in (("no flood", calm), ("flood", during)):
        result.plain(f"a link, {name}, p50", percentile(seconds, 50) * 1000, "ms")
        result.plain(f"a link, {name}, p99", percentile(seconds, 99) * 1000, "ms")
    result.at_most("memory that the flood added, at its peak", after_mb - before_mb, "MB", MEMORY_MB_MAX)
    result.notes.append("the flood was answered: " + ", ".join(f"{n:,} x {told}" for told, n in answers.most_common()))
    return result


async def press(our: House, name: str, seconds: int) -> list[float]:
    """Presses LINKS_A_SECOND for some seconds, answered or not; how long each took that was answered 200 in time."""
    tasks = []
    for number in range(seconds * LINKS_A_SECOND):
        path = path_of(our, f"{name}{number}@example.org")
        body = BODY if number % 2 else b"stop=all"
        tasks.append(asyncio.create_task(pressed(path, body)))
        await asyncio.sleep(1 / LINKS_A_SECOND)
    return [taken for taken in await asyncio.gather(*tasks) if taken is not None]


async def pressed(path: str, body: bytes) -> float | None:
    """Seconds until one link was answered 200; None when it was not."""
    started = time.perf_counter()
    told = await post(path, body, PATIENCE_SECONDS)
    return time.perf_counter() - started if told == "200" else None


async def post(path: str, body: bytes, patience_seconds: float, network: str = "") -> str:
    """The status of a post over a connection of its own, or what became of it instead."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{OURS_PORT}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    )
    lines = FORM | ({"X-Forwarded-For": network} if network else {})
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer = None
    try:
        async with asyncio.timeout(patience_seconds):
            source = (f"127.0.0.{random.randint(2, 250)}", 0)
            reader, writer = await asyncio.open_connection("127.0.0.1", OURS_PORT, local_addr=source)
            writer.write(f"{head}\r\n".encode() + body)
            return (await reader.readuntil(b"\r\n"))[9:12].decode()
    except TimeoutError:
        return "no answer"
    except (OSError, asyncio.IncompleteReadError):
        return "no connection"
    finally:
        if writer is not None:
            writer.close()


async def flood(rate: int, seconds: float) -> Counter[str]:
    """Posts of the form, `rate` a second (0: eight at once, each after an answer); how many had which answer."""
    told: Counter[str] = Counter()
    ends = time.monotonic() + seconds
    running: set[asyncio.Task[None]] = set()

    async def once() -> None:
        body = urlencode({"address": f"stranger{random.getrandbits(48)}@example.net"}).encode()
        network = ".".join(str(random.randint(1, 9) * 20 + random.randint(1, 9)) for _ in range(4))
        told[await post("/u/", body, 2.0, network)] += 1

    async def one_after_the_other() -> None:
        while time.monotonic() < ends:
            await once()

    if not rate:
        await asyncio.gather(*(one_after_the_other() for _ in range(8)))
    began = time.monotonic()
    sent = 0
    while rate and time.monotonic() < ends:
        due = int((time.monotonic() - began) * rate)
        while sent < due and len(running) < STRANGERS_AT_ONCE_MAX:
            task = asyncio.create_task(once())
            running.add(task)
            task.add_done_callback(running.discard)
            sent += 1
        await asyncio.sleep(0.005)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*running), 5)
    return told


def flooded(rate: int, seconds: float) -> Counter[str]:
    """The same, run to its end."""
    return asyncio.run(flood(rate, seconds))


if __name__ == "__main__":
    print(json.dumps(flooded(int(sys.argv[1]), float(sys.argv[2]))))
