"""Drain: a backlog after an outage, 5 connections, 50 ms a call, the read before the write included. In the last round
single people opt out during the drain, one after the other.

The floor of the same rounds is the time that the calls alone take over 5 connections when nothing else is done.
"""

import time

from benchmarks.measure import Result, percentile, rss_peak_mb, say
from benchmarks.practice_org import call
from benchmarks.push import wait_until, worker
from benchmarks.rig import House, house
from optsync.config.database import Connection
from optsync.connection.connect import connect
from optsync.ledger import people
from optsync.ledger.record import opt_out
from optsync.salesforce.credentials import Credential
from tests.practice import PracticeOrg

CALL_MS = 50
CONNECTIONS = 5
RECORDS_A_CALL = 200
BACKLOG = 40_000
ROUNDS = 3
SINGLE = 20


def run() -> Result:
    """Marks a second from the worker's first confirmation to its last, and the update calls of 1,000 opt-outs."""
    rates = []
    with (
        house() as our,
        PracticeOrg.start(leads=0, contacts=BACKLOG * ROUNDS * 2, opted_out=0, seed=9, grant_opt_out=True) as org,
        our.database.connect() as conn,
    ):
        org_id = connect(conn, our.vault, Credential.from_file(org.credentials_file), our.seams).org_id
        records = linkable(org)
        single, records = records[:SINGLE], records[SINGLE:]
        link(conn, our, org_id, single)
        for number in range(ROUNDS):
            owe(conn, our, org_id, records[number * BACKLOG : (number + 1) * BACKLOG])
            org.latency(CALL_MS)
            rates.append(drained_per_s(conn, our, single if number == ROUNDS - 1 else []))
            say(f"round {number + 1} of {ROUNDS}: {rates[-1]:,.0f} marks/s, worker {MEMORY[-1]:.0f} MB")
            org.latency(0)
        owe(conn, our, org_id, records[-1_000:])
        org.clear_spy()
        drained_per_s(conn, our, [])
        updates = org.spy()["routes"].get("collections.update", 0)
    calls_alone = CONNECTIONS * RECORDS_A_CALL / (2 * CALL_MS / 1000)
    result = Result("Drain: a backlog of marks, 5 connections, 50 ms a call")
    result.at_least("ours", percentile(rates, 50), "marks/s", 5_000)
    result.plain("calls alone (a read and a write of 200 in turn)", calls_alone, "marks/s")
    result.at_most("single opt-out during the drain until its box is ticked, p95", percentile(WAITS, 95), "s", 5.0)
    result.at_most("update calls for 1,000 opt-outs", updates, "calls", 5)
    result.at_most("worker memory", max(MEMORY), "MB", 100.0)
    return result


MEMORY: list[float] = []
WAITS: list[float] = []


def linkable(org: PracticeOrg) -> list[tuple[str, str]]:
    """Ids and e-mails of Contacts, each address once."""
    found: dict[str, str] = {}
    page = call(org, "GET", "/services/data/v62.0/query?q=SELECT+Id,+Email+FROM+Contact+WHERE+Email+!=+null")
    while len(found) < BACKLOG * ROUNDS + 1_000 + SINGLE:
        found |= {row["Email"].lower(): row["Id"] for row in page["records"]}
        page = call(org, "GET", page["nextRecordsUrl"])
    return [(record_id, email) for email, record_id in found.items()]


def link(conn: Connection, our: House, org_id: int, records: list[tuple[str, str]]) -> None:
    """Links these records to their addresses."""
    links = [people.Link(record_id, "Contact", email) for record_id, email in records]
    people.link(conn, our.vault.subject_key, org_id, links, "g")


def owe(conn: Connection, our: House, org_id: int, records: list[tuple[str, str]]) -> None:
    """Links these records and opts their people out; their look-ups are left out of this measurement."""
    link(conn, our, org_id, records)
    conn.execute(
        """SELECT count(*) FROM opt_out_addresses(
            ARRAY(SELECT address_id FROM record WHERE record_id = ANY (%(ids)s) ORDER BY address_id),
            ARRAY(SELECT sha256(record_id::bytea) FROM record WHERE record_id = ANY (%(ids)s) ORDER BY address_id),
            'bulk', 0, NULL, ARRAY[]::text[], ARRAY[]::jsonb[], '{}', NULL)""",
        {"ids": [record_id for record_id, _ in records]},
    )
    conn.execute("DELETE FROM lookup")
    conn.execute("ANALYZE mark")


def drained_per_s(conn: Connection, our: House, single: list[tuple[str, str]]) -> float:
    """Starts a worker on the backlog and answers how many marks a second it confirmed, its start not counted.

    As long as there is a backlog, these people opt out, each when the one before is done; their waits go to WAITS.
    """
    with worker(our) as process:
        before = confirmed(conn)
        wait_until(lambda: confirmed(conn) > before)
        began, at_first = time.monotonic(), confirmed(conn)
        for record_id, email in single:
            if is_waiting(conn):
                WAITS.append(opted_out_s(conn, our, record_id, email))
        wait_until(lambda: not is_waiting(conn), 300)
        rate = (confirmed(conn) - at_first) / max(time.monotonic() - began, 1e-9)
        MEMORY.append(rss_peak_mb(process.pid))
    return rate


def opted_out_s(conn: Connection, our: House, record_id: str, email: str) -> float:
    """Opts one person out; the seconds until Salesforce has confirmed the box of that record."""
    began = time.monotonic()
    opt_out(conn, our.vault.subject_key, email, "one-click")
    done = "SELECT FROM mark WHERE record_id = %s AND state = 'c'"
    wait_until(lambda: conn.execute(done, [record_id]).fetchone() is not None, 300)
    return time.monotonic() - began


def is_waiting(conn: Connection) -> bool:
    """Whether anything is left to send."""
    return conn.execute("SELECT FROM mark WHERE state <> 'c' LIMIT 1").fetchone() is not None


def confirmed(conn: Connection) -> int:
    """Marks that Salesforce has confirmed."""
    row = conn.execute("SELECT count(*) FROM mark WHERE state = 'c'").fetchone()
    assert row is not None
    return int(row[0])
