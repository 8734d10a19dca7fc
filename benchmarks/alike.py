"""The form for damaged links over real HTTP: does its time tell known, unknown and opted-out people apart?

Posts of the three kinds in random order; medians, and a Kolmogorov-Smirnov distance that chance alone exceeds once in a
hundred times.
"""

import http.client
import math
import random
import statistics
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import combinations
from urllib.parse import urlencode

from benchmarks.measure import Result, say
from benchmarks.one_click import OURS_PORT, our_server
from benchmarks.rig import house
from optsync.ledger.record import opt_out

KINDS = ("known", "unknown", "opted out")
EACH = 90
"""Three times as many stay below what one web process takes from all networks together."""
MEDIANS_PERCENT, KS = 5.0, 1.63
"""KS times sqrt(2 / n) is the distance of two samples of n that chance exceeds once in a hundred times."""


def run() -> Result:
    """The medians of the three, how far they are apart, and the largest distance of two of their distributions."""
    result = Result("The form for damaged links: time to answer, by what we know of the address")
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with house() as our, our.database.connect() as conn:
        for n in range(EACH):
            conn.execute("INSERT INTO address (normal) VALUES (%s)", [address_of("known", n)])
            opt_out(conn, our.vault.subject_key, address_of("opted out", n), "manual")
        asked = [(kind, n) for kind in KINDS for n in range(EACH)]
        random.Random(1).shuffle(asked)
        with our_server(our):
            say(f"{len(asked)} posts")
            for place, (kind, n) in enumerate(asked):
                seconds[kind].append(post(address_of(kind, n), f"198.{place // 250}.{place % 250}.9"))
    medians = {kind: statistics.median(values) for kind, values in seconds.items()}
    for kind, median in medians.items():
        result.plain(f"{kind}: median", median * 1000, "ms")
    spread = (max(medians.values()) / min(medians.values()) - 1) * 100
    result.at_most("medians apart", spread, "%", MEDIANS_PERCENT)
    farthest = max(distance(seconds[one], seconds[other]) for one, other in combinations(KINDS, 2))
    result.at_most("largest distance of two distributions", farthest, "", KS * math.sqrt(2 / EACH))
    return result


def address_of(kind: str, n: int) -> str:
    """One of the people of a kind; all of the same length."""
    return f"{kind.replace(' ', '-'):x<9}{n:04}@example.com"


def post(address: str, network: str) -> float:
    """The seconds until the form has answered somebody from some network."""
    connection = http.client.HTTPConnection("127.0.0.1", OURS_PORT, timeout=20)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Forwarded-For": network}
    started = time.perf_counter()
    connection.request("POST", "/u/", urlencode({"address": address}), headers)
    response = connection.getresponse()
    response.read()
    taken = time.perf_counter() - started
    connection.close()
    assert response.status == 200, response.status
    return taken


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest difference of two empirical distributions, 0 to 1 (Kolmogorov-Smirnov)."""
    first, second = sorted(one), sorted(other)
    return max(
        abs(bisect_right(first, value) / len(first) - bisect_right(second, value) / len(second))
        for value in (*first, *second)
    )
