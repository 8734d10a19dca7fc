"""The practice org's own speed: everything else here is measured against it, so it must not be what is measured."""

import http.client
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.measure import Result, percentile, rss_peak_mb, say
from tests.practice import PracticeOrg

API = "/services/data/v62.0"
STARTS = 5
UPDATES = 40
PEOPLE = 5_000_000
BULK_PEOPLE = 2_000_000


def run() -> Result:
    """Start, memory with five million people, Bulk results as curl takes them, and one Collections update."""
    result = Result("Practice org")
    result.at_most("start with 50,000 people, median", start_seconds(), "s", 2.0)
    with PracticeOrg.start(leads=20_000, contacts=30_000, opted_out=2, seed=5, grant_opt_out=True) as org:
        result.at_most("a Collections update of 200 records, median", update_ms(org), "ms", 10.0)
    with PracticeOrg.start(leads=0, contacts=BULK_PEOPLE, opted_out=2, seed=5, grant_opt_out=True) as org:
        megabytes, seconds = bulk_results(org, "SELECT Id, Email FROM Contact WHERE HasOptedOutOfEmail = false")
        result.at_least(f"Bulk results, {megabytes:.0f} MB through curl", megabytes / seconds, "MB/s", 50.0)
    with PracticeOrg.start(leads=PEOPLE // 2, contacts=PEOPLE // 2, opted_out=2, seed=5, grant_opt_out=True) as org:
        bulk_results(org, "SELECT Id, Email FROM Lead WHERE HasOptedOutOfEmail = true")
        bulk_results(org, "SELECT Id, Email FROM Contact WHERE HasOptedOutOfEmail = false")
        result.at_most("memory with 5 M people, both objects read", rss_peak_mb(org.process.pid), "MB", 2048.0)
    return result


def start_seconds() -> float:
    """From starting the process to the first answer."""
    seen = []
    for number in range(STARTS):
        began = time.perf_counter()
        with PracticeOrg.start(leads=20_000, contacts=30_000, opted_out=2, seed=5) as org:
            call(org, "GET", "/services/data")
            seen.append(time.perf_counter() - began)
        say(f"start {number + 1} of {STARTS}: {seen[-1]:.2f} s")
    return percentile(seen, 50)


def update_ms(org: PracticeOrg) -> float:
    """The median of sending 200 ticks and reading the 200 results, over one kept connection."""
    rows = query(org, "SELECT Id FROM Contact WHERE HasOptedOutOfEmail = false LIMIT 2000")
    address = urlsplit(org.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    seen = []
    for number in range(UPDATES):
        chosen = [rows[(number * 200 + at) % len(rows)]["Id"] for at in range(200)]
        body = {
            "allOrNone": False,
            "records": [{"attributes": {"type": "Contact"}, "id": one, "HasOptedOutOfEmail": True} for one in chosen],
        }
        began = time.perf_counter()
        connection.request("PATCH", f"{API}/composite/sobjects", json.dumps(body), headers(org))
        answer = json.loads(connection.getresponse().read())
        seen.append((time.perf_counter() - began) * 1000)
        assert len(answer) == 200
        assert all(item["success"] for item in answer)
    connection.close()
    return percentile(seen, 50)


def bulk_results(org: PracticeOrg, soql: str) -> tuple[float, float]:
    """Megabytes and seconds of a query job's result pages, as curl fetches them; the job's own time is not counted."""
    job = call(org, "POST", f"{API}/jobs/query", {"operation": "query", "query": soql})["id"]
    while call(org, "GET", f"{API}/jobs/query/{job}")["state"] != "JobComplete":
        time.sleep(0.02)
    locator, total, seconds = "", 0, 0.0
    folder = Path(org.credentials_file).parent
    while locator != "null":
        url = f"{org.url}{API}/jobs/query/{job}/results" + (f"?locator={locator}" if locator else "")
        command = ["curl", "-sS", "--fail", "-H", f"Authorization: Bearer {org.credentials['access_token']}"]
        began = time.perf_counter()
        subprocess.run([*command, "-D", str(folder / "head"), "-o", str(folder / "body"), url], check=True)
        seconds += time.perf_counter() - began
        total += (folder / "body").stat().st_size
        locator = re.findall(r"(?im)^sforce-locator: *(\S+)", (folder / "head").read_text(encoding="latin-1"))[0]
    return total / 1e6, seconds


def query(org: PracticeOrg, soql: str) -> list[dict[str, Any]]:
    """The first page of a query."""
    rows: list[dict[str, Any]] = call(org, "GET", f"{API}/query?q={soql.replace(' ', '+')}")["records"]
    return rows


def call(org: PracticeOrg, method: str, path: str, body: object = None) -> Any:
    """One request with the long-lived token; the decoded answer."""
    address = urlsplit(org.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.request(method, path, None if body is None else json.dumps(body), headers(org))
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    assert response.status < 300, answer[:300]
    return json.loads(answer)


def headers(org: PracticeOrg) -> dict[str, str]:
    """What a reader with a token sends."""
    return {"Authorization": f"Bearer {org.credentials['access_token']}", "Content-Type": "application/json"}
