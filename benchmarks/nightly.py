"""The nightly comparison with 5 M linked people and 100,000 opted out on each side, half overlapping.

Each round takes 50,000 opt-outs away here and 50,000 ticks away in the org, then runs the sync (brake pre-approved).
The floor moves the same bytes with curl: the ticked records before the run and again after it (the proof), the changed
ones once, and the upload. Then psql copies the rows that the run changed, each once in its last state, into equal
tables: equal columns, indexes and defaults, holding all the rows that the run left alone. Neither side counts the
waiting for jobs: ours subtracts what it slept between polls, the floor downloads results of jobs that are complete. The
floor counts the starts of curl and psql (some 10 ms each), ours the time from sign-in to the stored report, without
Python's start.

`python -m benchmarks.nightly PEOPLE` runs it for another number of people.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import Result, percentile, rss_peak_mb, say
from benchmarks.practice_org import bulk_results, call
from benchmarks.rig import House, house, postgres_tool
from optsync.config.database import Connection
from optsync.connection.connect import connect
from optsync.connection.sessions import open_session
from optsync.connection.settings import Change, apply_change
from optsync.salesforce import bulk
from optsync.salesforce.credentials import Credential
from tests.practice import PracticeOrg

PEOPLE = 5_000_000
SMALLER = 500_000
OPTED_OUT = 100_000
ROUNDS = 3
TABLES = ("opt_out", "event", "mark", "lookup")
API = "/services/data/v62.0"
BOX = "HasOptedOutOfEmail"


@dataclass
class Round:
    """What one run took: seconds without the waiting for jobs, the floor's seconds, phases and memory."""

    seconds: float
    floor_seconds: float
    phases: dict[str, dict[str, float]]
    memory_mb: float


def run() -> Result:
    """The figures for 5 M people, and how much of it 0.5 M people would have taken."""
    result = Result(f"Nightly: {PEOPLE:,} linked people, {OPTED_OUT:,} opted out on each side, half overlapping")
    _, small, _ = measured(SMALLER, Result("smaller"))
    _, large, _ = measured(PEOPLE, result)
    result.at_most("5 M people / 0.5 M people, ours", large / small, "x", 1.3)
    return result


def measured(people: int, result: Result) -> tuple[Result, float, list[Round]]:
    """Sets everything up for that many people, runs the rounds, and adds the figures."""
    leads = people // 5
    with (
        house() as our,
        PracticeOrg.start(
            leads=leads, contacts=people - leads, opted_out=OPTED_OUT / people * 100, seed=11, grant_opt_out=True
        ) as org,
        our.database.connect() as conn,
    ):
        org_id = connect(conn, our.vault, Credential.from_file(org.credentials_file), our.seams).org_id
        with open_session(conn, our.vault, org_id, our.seams) as session:
            apply_change(conn, session, org_id, Change(sync_on=True))
            say(f"linking {people:,} people")
            for kind in ("Lead", "Contact"):
                link_everybody(conn, session, our, org_id, kind)
        first = synced(our, "--full")
        say(f"first run with its sweep: {first['seconds']:.1f} s, {first['result']}")
        look_everybody_up(conn)
        conn.execute("VACUUM ANALYZE")
        quiet = [synced(our) for _ in range(ROUNDS)]
        rounds = [one_round(conn, our, org, number) for number in range(ROUNDS)]
    ours = percentile([one.seconds for one in rounds], 50)
    floor = percentile([one.floor_seconds for one in rounds], 50)
    tell(result, people, first, quiet, rounds, ours, floor)
    return result, ours, rounds


def tell(
    result: Result,
    people: int,
    first: dict[str, Any],
    quiet: list[dict[str, Any]],
    rounds: list[Round],
    ours: float,
    floor: float,
) -> None:
    """Adds what was seen to the result."""
    result.plain(f"ours, {people:,} people", ours, "s")
    result.plain("floor: curl both ways, psql \\copy of the changed rows", floor, "s")
    result.at_most("ours / floor", ours / floor, "x", 2.0)
    compare = percentile([one["phases"]["comparing"]["seconds"] for one in quiet], 50)
    audited = percentile([compare_and_apply(one) for one in quiet], 50)
    result.at_most("in sync: the comparison", compare, "s", 0.3)
    result.at_most("in sync: with the audit", audited, "s", 0.7)
    calls = rounds[-1].phases
    paid = {name: phase["api_calls"] - phase["polls"] for name, phase in calls.items()}
    to_compare = paid["starting"] + paid["reading"] + paid["comparing"]
    to_write = paid["writing"]
    result.at_most("API calls to compare, polls apart", to_compare, "calls", 12)
    result.at_most("API calls for changes and proof", sum(paid.values()) - to_compare - to_write, "calls", 14)
    result.at_most("API calls to write, per object", to_write / 2, "calls", 7)
    result.at_most("memory of the run's process", max(one.memory_mb for one in rounds), "MB", 100.0)
    result.plain(
        "the sweep of everything unticked (first run)", first["phases"].get("sweep", {}).get("seconds", 0.0), "s"
    )
    spent = {name: f"{phase['seconds']:.2f}" for name, phase in calls.items()}
    result.notes.append(f"phases of the last round, seconds: {spent}")


def compare_and_apply(report: dict[str, Any]) -> float:
    """Comparing, what is re-read for it, and the apply, whose body is the audit when nothing differs."""
    return sum(float(report["phases"][name]["seconds"]) for name in ("comparing", "reading again", "applying"))


def link_everybody(conn: Connection, session: Any, our: House, org_id: int, kind: str) -> None:
    """Every record of a kind, read by a Bulk query and linked to its address in sets."""
    conn.execute('CREATE TEMP TABLE everybody ("Id" text COLLATE "C", "Email" text)')
    job = bulk.create_query(session, f"SELECT Id, Email FROM {kind}")
    bulk.wait_for_query(session, job, our.seams)
    with conn.cursor() as cursor, cursor.copy("COPY everybody FROM STDIN (FORMAT csv)") as copy:
        for block in bulk.query_results(session, job, ["Id", "Email"]):
            copy.write(block)
    conn.execute(
        """INSERT INTO address (normal) SELECT DISTINCT lower("Email") FROM everybody WHERE "Email" <> ''
        ON CONFLICT DO NOTHING"""
    )
    conn.execute(
        """INSERT INTO record (org_id, record_id, kind, address_id, provenance)
        SELECT %s, "Id", %s, address_id, 'n' FROM everybody LEFT JOIN address ON normal = lower("Email")
        ON CONFLICT DO NOTHING""",
        [org_id, kind[0]],
    )
    conn.execute("DROP TABLE everybody")


def one_round(conn: Connection, our: House, org: PracticeOrg, number: int) -> Round:
    """Makes both sides differ by half, syncs, and moves the same bytes and rows the plain way."""
    look_everybody_up(conn)
    forget_half_here(conn)
    untick_half_there(conn, org)
    conn.execute("VACUUM ANALYZE mark, opt_out, lookup, event")
    before = marker(conn)
    floor = download_seconds(org, ticked) + download_seconds(org, changed_since(conn))
    report = synced(our)
    assert report["result"] == "proved", report
    seconds = report["seconds"] - report["waited_seconds"]
    floor += download_seconds(org, ticked)
    floor += sum(upload_seconds(org, kind, conn, before) for kind in ("Lead", "Contact"))
    floor += copy_seconds(conn, our, before)
    say(f"round {number + 1} of {ROUNDS}: ours {seconds:.2f} s, floor {floor:.2f} s ({report['counts']})")
    return Round(seconds, floor, report["phases"], report["memory_mb"])


def synced(our: House, *options: str) -> dict[str, Any]:
    """One run in a process of its own; its report, with the seconds it only waited and its memory."""
    command = [sys.executable, "-m", "benchmarks.nightly", "--one", *options]
    done = subprocess.run(command, env=our.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def one_run(full: bool) -> dict[str, Any]:
    """What that process does."""
    from dataclasses import replace

    from optsync import seams as real_seams
    from optsync.config.database import open_database
    from optsync.config.environment import read_environment
    from optsync.config.vault import Vault
    from optsync.sync.nightly import sync_now

    env, seams = read_environment(), real_seams.real()
    waited = [0.0]

    def sleep(seconds: float) -> None:
        began = time.monotonic()
        seams.sleep(seconds)
        waited[0] += time.monotonic() - began

    watched = replace(seams, sleep=sleep)
    with open_database(env) as database:
        vault = Vault.load_or_create(env, seams)
        report = sync_now(database, vault, watched, 1, full=full, approve=True, by="benchmark")
    return report.as_dict() | {"waited_seconds": waited[0], "memory_mb": rss_peak_mb()}


def look_everybody_up(conn: Connection) -> None:
    """A worker has looked every new address up since the last run, and found nothing new."""
    conn.execute("DELETE FROM lookup")


def forget_half_here(conn: Connection) -> None:
    """Takes half of our opt-outs away, as if they had never been recorded: their ticks are new to us."""
    conn.execute(
        """CREATE TEMP TABLE half AS SELECT address_id FROM opt_out WHERE scope = 0
        AND hashint8(address_id) & 1 = 0 ORDER BY address_id LIMIT %s""",
        [OPTED_OUT // 2],
    )
    conn.execute(
        "DELETE FROM mark USING record r, half WHERE r.address_id = half.address_id AND r.record_id = mark.record_id"
    )
    conn.execute("DELETE FROM lookup USING half WHERE lookup.address_id = half.address_id")
    conn.execute("DELETE FROM opt_out USING half WHERE opt_out.address_id = half.address_id")
    conn.execute("DROP TABLE half")


def untick_half_there(conn: Connection, org: PracticeOrg) -> None:
    """Unticks as many other records in the org, by an ingest job of somebody else."""
    rows = conn.execute(
        "SELECT record_id FROM mark WHERE state = 'c' ORDER BY hashtext(record_id) LIMIT %s", [OPTED_OUT // 2]
    ).fetchall()
    for kind, prefix in (("Lead", "00Q"), ("Contact", "003")):
        chosen = [record_id for (record_id,) in rows if record_id.startswith(prefix)]
        job = call(org, "POST", f"{API}/jobs/ingest", {"object": kind, "operation": "update", "lineEnding": "LF"})["id"]
        file = Path(org.credentials_file).parent / "untick.csv"
        file.write_text(f"Id,{BOX}\n" + "".join(f"{one},false\n" for one in chosen), encoding="ascii")
        put(org, job, file)
        call(org, "PATCH", f"{API}/jobs/ingest/{job}", {"state": "UploadComplete"})
        while call(org, "GET", f"{API}/jobs/ingest/{job}")["state"] != "JobComplete":
            time.sleep(0.05)


def put(org: PracticeOrg, job: str, file: Path) -> float:
    """Seconds that curl takes to upload a file to an ingest job."""
    command = ["curl", "-sS", "--fail", "-X", "PUT", "-H", f"Authorization: Bearer {org.credentials['access_token']}"]
    command += ["-H", "Content-Type: text/csv", "-H", "Expect:", "--data-binary", f"@{file}"]
    began = time.perf_counter()
    subprocess.run([*command, f"{org.url}{API}/jobs/ingest/{job}/batches"], check=True)
    return time.perf_counter() - began


def marker(conn: Connection) -> dict[str, int]:
    """Where the counters stand, to find afterwards which rows a run changed."""
    row = conn.execute(
        """SELECT (SELECT coalesce(max(event_id), 0) FROM event), (SELECT last_value FROM version_seq),
                  (SELECT run_no FROM org WHERE org_id = 1)"""
    ).fetchone()
    assert row is not None
    return {"event": row[0], "version": row[1], "run_no": row[2]}


def ticked(kind: str) -> str:
    """What the comparison and the proof ask of an object."""
    return f"{columns(kind)} FROM {kind} WHERE {BOX} = true"


def changed_since(conn: Connection) -> Callable[[str], str]:
    """What the run will ask for what changed since the last one, an hour of overlap included."""
    row = conn.execute(
        "SELECT options->>'salesforce_at' FROM run WHERE state = 'finished' ORDER BY run_id DESC"
    ).fetchone()
    assert row is not None
    since = (datetime.fromisoformat(row[0]) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return lambda kind: f"{columns(kind)} FROM {kind} WHERE SystemModstamp >= {since} AND {BOX} = false"


def columns(kind: str) -> str:
    """The same columns as ours reads."""
    return f"SELECT Id, Email, {'IsConverted, ConvertedContactId, ' if kind == 'Lead' else ''}{BOX}"


def download_seconds(org: PracticeOrg, soql: Callable[[str], str]) -> float:
    """Both objects' answers by curl."""
    return sum(bulk_results(org, soql(kind))[1] for kind in ("Lead", "Contact"))


def upload_seconds(org: PracticeOrg, kind: str, conn: Connection, before: dict[str, int]) -> float:
    """The upload of the boxes that the run set; the job is not closed."""
    rows = conn.execute(
        "SELECT record_id FROM event WHERE event_id > %s AND kind = 'confirmed' AND left(record_id, 3) = %s",
        [before["event"], {"Lead": "00Q", "Contact": "003"}[kind]],
    ).fetchall()
    job = call(org, "POST", f"{API}/jobs/ingest", {"object": kind, "operation": "update", "lineEnding": "LF"})["id"]
    file = Path(org.credentials_file).parent / "upload.csv"
    file.write_text(f"Id,{BOX}\n" + "".join(f"{one},true\n" for (one,) in rows), encoding="ascii")
    return put(org, job, file)


def copy_seconds(conn: Connection, our: House, before: dict[str, int]) -> float:
    """psql \\copy of the rows the run changed, one file a table, into tables that hold the others already."""
    conn.execute("DROP SCHEMA IF EXISTS floor CASCADE")
    conn.execute("CREATE SCHEMA floor")
    is_changed = {
        "opt_out": f"version > {before['version']}",
        "event": f"event_id > {before['event']}",
        "mark": f"touched_run > {before['run_no']}",
        "lookup": f"address_id IN (SELECT address_id FROM opt_out WHERE version > {before['version']})",
    }
    script = []
    for table in TABLES:
        conn.execute(f"CREATE TABLE floor.{table} (LIKE public.{table} INCLUDING ALL)")
        conn.execute(
            f"INSERT INTO floor.{table} OVERRIDING SYSTEM VALUE SELECT * FROM {table} WHERE NOT ({is_changed[table]})"
        )
        file = our.folder / f"{table}.csv"
        with (
            file.open("wb") as out,
            conn.cursor() as cursor,
            cursor.copy(f"COPY (SELECT * FROM {table} WHERE {is_changed[table]}) TO STDOUT (FORMAT csv)") as rows,
        ):
            for block in rows:
                out.write(block)
        script += ["-c", f"\\copy floor.{table} FROM '{file}' (FORMAT csv)"]
    conn.execute("VACUUM ANALYZE " + ", ".join(f"floor.{table}" for table in TABLES))
    command = [postgres_tool("psql"), "-q", "-X", "-v", "ON_ERROR_STOP=1", our.database.dsn, *script]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    if "--one" in sys.argv:
        print(json.dumps(one_run("--full" in sys.argv), default=str))
    else:
        chosen = int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE
        measured(chosen, Result(f"Nightly: {chosen:,} linked people"))[0].show()
