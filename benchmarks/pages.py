"""The lists with a million unsubscribes: server time of each page over real HTTP, as a signed-in browser asks for it.

One million people, nearly all with a record and a confirmed box, some thousand of them in every other state.
"""

import http.client
import re
import time
from itertools import combinations
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from benchmarks.check import served
from benchmarks.measure import Result, percentile, say
from benchmarks.rig import House, house
from optsync.config.database import Connection
from optsync.core.addresses import hmac_pads
from optsync.web.sign_in import make_link

TIMES = 40
PAIR_TIMES = 5
TARGET_MS = 50.0
CAUSE = "1-00000000000000000000000000000000"
"""Stands for one that the database names."""
PAGES = {
    "/ (Overview)": "/",
    "/unsubscribes": "/unsubscribes",
    "/unsubscribes by source": "/unsubscribes?source=complaint",
    "/unsubscribes since a day": "/unsubscribes?since=2026-02-01",
    "/unsubscribes by source, since": "/unsubscribes?source=api&since=2026-02-01",
    "/unsubscribes in Salesforce": "/unsubscribes?state=confirmed",
    "/unsubscribes on their way": "/unsubscribes?state=owed",
    "/unsubscribes waiting for a person": "/unsubscribes?state=parked",
    "/unsubscribes held": "/unsubscribes?state=held",
    "/unsubscribes not linked": "/unsubscribes?state=not+linked",
    "/unsubscribes removed": "/unsubscribes?state=lifted",
    "/unsubscribes beginning rarely": "/unsubscribes?q=person99999",
    "/unsubscribes beginning often": "/unsubscribes?q=person",
    "/unsubscribes beginning with nobody": "/unsubscribes?q=zzz",
    "/unsubscribes of a bar of the histogram": "/unsubscribes?took=0-1",
    "/unsubscribes of a record": "/unsubscribes?q=003000000500001AAA",
    "/unsubscribes far back": "/unsubscribes?before=2025-12-01T00:00:00%2B00:00~500000",
    "/unsubscribes, all filters": "/unsubscribes?q=person1&state=parked&source=import&since=2025-01-01",
    "/unsubscribes by a program": "/unsubscribes?by=API+key+crm",
    "/unsubscribes by a person": "/unsubscribes?by=Petra",
    "/unsubscribes of a field": "/unsubscribes?field=1-2",
    "/people": "/people",
    "/people beginning": "/people?q=person77",
    "/people not linked": "/people?linked=no",
    "/people linked, far on": "/people?linked=yes&after=person5",
    "one person": "/people?address=person500001@example.com",
    "/issues": "/issues",
    "one issue": f"/issues/{CAUSE}",
    "/holds": "/holds",
    "/runs": "/runs",
    "one run": "/runs/1",
    "/runs of one result": "/runs?result=failed",
    "/unsubscribes/import": "/unsubscribes/import",
    "/audit": "/audit",
    "/audit of a day": "/audit?since=2026-11-01",
    "/settings/unsubscribes/sources": "/settings/unsubscribes/sources",
    "/settings/unsubscribes/integrations": "/settings/unsubscribes/integrations",
    "/settings/alerts": "/settings/alerts",
    "/settings/webhooks": "/settings/webhooks",
    "/settings/users": "/settings/users",
    "/settings/api-keys": "/settings/api-keys",
}

FILTERS = {
    "q": ("person1", "person", "person998", "zzz"),
    "state": ("owed", "confirmed", "parked", "held", "not linked", "lifted"),
    "source": ("import", "api", "follows record"),
    "field": ("1-1", "1-2"),
    "since": ("2025-01-01", "2026-09-20"),
    "until": ("2025-02-01", "2026-07-01"),
    "took": ("0-1",),
    "by": ("API key crm", "Petra", "nobody"),
    "before": ("2025-12-01T00:00:00+00:00~500000",),
}
"""Of the list of unsubscribes; every two of them are asked for together."""
FILL = Path(__file__).with_suffix(".sql")


def run() -> Result:
    """p50 and p95 of each page, in milliseconds."""
    result = Result("Pages with 1,000,000 unsubscribes: server time")
    with house() as our, our.database.connect() as conn:
        fill(conn, our.vault.subject_key)
        with served(our) as url:
            browser = Browser(our, conn, url)
            result.plain("the sums of the Overview, counted in the background", browser.seconds_until_counted(), "s")
            for name, path in PAGES.items():
                taken = browser.milliseconds(path.replace(CAUSE, cause_in(conn)))
                result.plain(f"{name}, p50", percentile(taken, 50), "ms")
                result.at_most(f"{name}, p95", percentile(taken, 95), "ms", TARGET_MS)
            worst, pair = max((percentile(browser.milliseconds(path, PAIR_TIMES), 50), path) for path in pairs())
            result.at_most(f"the worst pair of filters ({pair}), p50", worst, "ms", TARGET_MS)
    return result


def pairs() -> list[str]:
    """The list of unsubscribes with every two values of two filters."""
    return [
        f"/unsubscribes?{urlencode({one: this, other: that})}"
        for one, other in combinations(FILTERS, 2)
        for this in FILTERS[one]
        for that in FILTERS[other]
    ]


def cause_in(conn: Connection) -> str:
    """A cause for which boxes wait."""
    row = conn.execute("SELECT cause_of(reason, record_id) FROM mark WHERE state = 'p' LIMIT 1").fetchone()
    assert row is not None
    return str(row[0])


def fill(conn: Connection, subject_key: bytes) -> None:
    """The million and their states."""
    conn.execute("CREATE TEMP TABLE pads (inner_pad bytea, outer_pad bytea)")
    conn.execute("INSERT INTO pads VALUES (%s, %s)", hmac_pads(subject_key))
    for statement in FILL.read_text(encoding="ascii").split(";\n\n"):
        started = time.perf_counter()
        conn.execute(statement)
        say(f"{time.perf_counter() - started:5.1f} s  {statement.strip()[:60]}")
    conn.execute("VACUUM ANALYZE")


class Browser:
    """A signed-in browser with one connection that stays open."""

    def __init__(self, our: House, conn: Connection, url: str) -> None:
        where = urlsplit(url)
        self.connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        self.cookies: dict[str, str] = {}
        path = f"/sign-in/{make_link(conn, our.seams.token_bytes)}"
        text = self.read("GET", path)
        found = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', text)
        assert found is not None
        self.read("POST", path, urlencode({"csrfmiddlewaretoken": found[1]}), Origin=url)
        assert "session" in self.cookies

    def read(self, method: str, path: str, body: str | None = None, **headers: str) -> str:
        """One request with the cookies it has."""
        sent = {"Cookie": "; ".join(map("=".join, self.cookies.items())), "Accept-Language": "en"} | headers
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, path, body, sent)
        response = self.connection.getresponse()
        text = response.read().decode()
        assert response.status in (200, 302), (path, response.status)
        for line in response.headers.get_all("set-cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return text

    def seconds_until_counted(self) -> float:
        """How long a fresh process shows the Overview without its sums."""
        started = time.perf_counter()
        while "being counted" in self.read("GET", "/"):
            time.sleep(0.1)
        return time.perf_counter() - started

    def milliseconds(self, path: str, times: int = TIMES) -> list[float]:
        """How long each answer took, after two that warm up."""
        for _ in range(2):
            self.read("GET", path)
        taken = []
        for _ in range(times):
            started = time.perf_counter()
            self.read("GET", path)
            taken.append((time.perf_counter() - started) * 1000)
        say(f"{percentile(taken, 50):6.1f} {percentile(taken, 95):6.1f} ms  {path}")
        return taken
