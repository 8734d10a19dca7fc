"""Every act of the ledger at once, in real sessions: nothing is lost and nothing is left over (marks.md 6 and 7)."""

import contextlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from optsync.config.database import Connection
from optsync.core.problems import Problem
from optsync.core.record_ids import Kind
from optsync.ledger import chain, holds, lifts, marks, people, record, targets
from optsync.ledger.people import Link
from tests.flows.ledger.desk import KEY, Desk, contact, lead

SESSIONS = 5
ACTS = 50
NEVER_LIFTED = "ann@example.com"
ADDRESSES = [NEVER_LIFTED, *(f"{name}@example.com" for name in ("bob", "cem", "info"))]
RECORDS = [contact(number) for number in range(25)] + [lead(number) for number in range(5)]


def kind_of(record_id: str) -> Kind:
    return "Lead" if record_id.startswith("00Q") else "Contact"


class Session:
    """One of several who act on the same few people at random; it is a live worker too."""

    def __init__(self, desk: Desk, conn: Connection, seed: int) -> None:
        self.org_id, self.conn, self.chance = desk.org_id, conn, random.Random(seed)
        self.worker = marks.new_worker(conn)
        conn.execute("SELECT pg_advisory_lock(7001, %s)", [self.worker])

    def act(self) -> None:
        acts = [self.opt_out] * 5 + [self.link] * 4 + [self.push] * 3 + [self.lift] * 2
        acts += [self.wait, self.follow, self.forget, self.seal, self.erase, self.decide, self.retarget]
        self.chance.choice(acts)()

    def opt_out(self) -> None:
        named = [self.record()] * self.chance.randint(0, 1)
        record.opt_out(self.conn, KEY, self.chance.choice(ADDRESSES), "one-click", named=named)

    def link(self) -> None:
        chosen = self.chance.sample(RECORDS, self.chance.choice([1, 1, 2, 22]))
        links = [Link(name, kind_of(name), self.chance.choice(ADDRESSES)) for name in chosen]
        people.link(self.conn, KEY, self.org_id, links, "e")

    def push(self) -> None:
        claimed = [mark.key for mark in marks.claim(self.conn, self.worker, self.org_id, 5)]
        refused = [(*key, "NO_ACCESS: x") for key in claimed[::3]]
        marks.park(self.conn, KEY, self.worker, self.org_id, refused)
        marks.confirm(
            self.conn, KEY, self.worker, self.org_id, [key for key in claimed if (*key, "NO_ACCESS: x") not in refused]
        )

    def lift(self) -> None:
        lifts.lift(self.conn, KEY, self.liftable(), mode="now", actor="kim", reason="asked")

    def wait(self) -> None:
        lifts.lift(self.conn, KEY, self.liftable(), mode="when-unticked", actor="kim", reason="asked")
        for waited in lifts.waiting(self.conn):
            lifts.complete(self.conn, KEY, waited)

    def follow(self) -> None:
        old, new = self.chance.sample(RECORDS, 2)
        dead = self.conn.execute(
            "SELECT FROM record WHERE record_id = ANY (%s) AND successor IS NOT NULL", [[old, new]]
        )
        if dead.rowcount == 0:  # only live records end, and only in live ones: the caller resolves chains first
            link = Link(new, kind_of(new), self.chance.choice([*ADDRESSES, None]))
            people.follow(self.conn, KEY, self.org_id, old, link, "m")

    def forget(self) -> None:
        people.forget(self.conn, KEY, self.org_id, self.record())

    def seal(self) -> None:
        chain.seal(self.conn)

    def erase(self) -> None:
        people.erase(self.conn, KEY, self.chance.choice(ADDRESSES), actor="kim", reason="article 17")

    def decide(self) -> None:
        for hold in holds.undecided(self.conn):
            with contextlib.suppress(Problem):  # another session decided it first
                if self.chance.random() < 0.5:
                    holds.apply(self.conn, KEY, hold.hold_id, "kim")
                else:
                    holds.drop(self.conn, KEY, hold.hold_id, "kim", None)

    def retarget(self) -> None:
        sales = targets.ensure_field(self.conn, self.org_id, "Sales__c", "Sales__c", "Sales")
        with contextlib.suppress(Problem):  # another session is sending
            fields = self.chance.choice([{1}, {sales}, {1, sales}])
            targets.retarget(self.conn, self.org_id, fields, self.chance.choice(["all", "new"]))

    def record(self) -> str:
        return self.chance.choice(RECORDS)

    def liftable(self) -> str:
        return self.chance.choice(ADDRESSES[1:])


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_at_once_the_balance_closes_the_audit_is_even_and_the_chain_holds(
    desk: Desk, seed: int
) -> None:
    desk.opt_out(NEVER_LIFTED)
    targets.ensure_field(desk.conn, desk.org_id, "Sales__c", "Sales__c", "Sales")

    def work(number: int) -> None:
        with desk.database.connect() as conn:
            session = Session(desk, conn, seed * SESSIONS + number)
            for _ in range(ACTS):
                session.act()

    with ThreadPoolExecutor(SESSIONS) as pool:
        for done in [pool.submit(work, number) for number in range(SESSIONS)]:
            done.result()

    desk.balance()
    assert desk.is_blocked(NEVER_LIFTED)
    chain.seal(desk.conn)
    state = chain.verify(desk.conn)
    assert state.ok
    assert state.unsealed == 0
    clear = desk.count("SELECT count(*) FROM address x JOIN address y ON y.erased_hash = sha256(x.normal::bytea)")
    assert clear == 0
