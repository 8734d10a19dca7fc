"""The bound on the form that anybody may post to, and when it answers. Links are never bounded: a valid one is always
honoured.

In the process, as with the API's limits: what is protected is this machine, and the table of opt-outs from strangers.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` at once, refilled evenly by `per_second`."""

    burst: float
    per_second: float


ONE_NETWORK = Rate(20, 1 / 6)
EVERYBODY = Rate(300, 5)
NETWORKS_MAX = 10_000
"""How many networks are remembered; the one that was quiet longest is forgotten first (about 2 MB)."""


ANSWER_SECONDS = 0.1
"""The form answers at the end of such a slot, so that its time does not tell whom we know."""


def rest_of_the_slot(worked_seconds: float) -> float:
    """How long to wait for its end: a slow machine answers late, and still not by whom it was asked about."""
    return ANSWER_SECONDS - worked_seconds % ANSWER_SECONDS


@dataclass
class Bucket:
    """What is left, as of a moment."""

    left: float
    at: float

    def level(self, rate: Rate, now: float) -> float:
        """How much there is by now."""
        return min(rate.burst, self.left + (now - self.at) * rate.per_second)


@dataclass
class Flood:
    """Counts posts of the anonymous form, by network and in total."""

    networks_max: int = NETWORKS_MAX
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _networks: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)
    _all: Bucket = field(default_factory=lambda: Bucket(EVERYBODY.burst, 0.0))

    def wait_seconds(self, network: str, now: float) -> float:
        """Counts a post at a moment of a clock that never steps back; above 0 = one too many, come back after that."""
        with self._lock:
            own = self._networks.pop(network, None) or Bucket(ONE_NETWORK.burst, now)
            levels = [
                (own, ONE_NETWORK, own.level(ONE_NETWORK, now)),
                (self._all, EVERYBODY, self._all.level(EVERYBODY, now)),
            ]
            wait = max(0.0, *((1 - level) / rate.per_second for _, rate, level in levels))
            for bucket, _, level in levels:
                bucket.left, bucket.at = level - (0 if wait else 1), now
            self._networks[network] = own
            while len(self._networks) > self.networks_max:
                self._networks.popitem(last=False)
        return wait
