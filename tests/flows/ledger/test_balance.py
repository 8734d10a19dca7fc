"""The balance: two identities, each side counted from its own tables, always true (rules 5.6)."""

import random

import pytest

from optsync.core.record_ids import to_18
from optsync.ledger import balance, marks, people, targets
from optsync.ledger.people import Link
from tests.flows.ledger.desk import KEY, Desk, contact, lead

STEPS = 60


@pytest.mark.parametrize("seed", range(6))
def test_both_identities_hold_after_every_step_of_a_random_world(desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    targets.register_org(desk.conn, to_18("00D5e000000Othr"))
    sales = targets.ensure_field(desk.conn, desk.org_id, "Sales__c", "Sales__c", "Sales")
    addresses = [f"p{n}@example.com" for n in range(5)]
    records = [contact(n) for n in range(26)] + [lead(n) for n in range(4)]

    def step() -> str:
        address, record_id = chance.choice(addresses), chance.choice(records)
        act = chance.choice(
            ["opt out", "link", "crowd", "lift", "wait", "follow", "forget", "confirm", "park", "target"]
        )
        if act == "opt out":
            desk.opt_out(address, named=[record_id])
        elif act == "link":
            desk.link(address, record_id)
        elif act == "crowd":
            desk.link(address, *chance.sample(records, 22))
        elif act in ("lift", "wait"):
            desk.lift(address, "now" if act == "lift" else "when-unticked")
        elif act == "follow":
            other = chance.choice([r for r in records if r != record_id])
            follow(desk, record_id, Link(other, "Contact", chance.choice([address, None])))
        elif act == "forget":
            people.forget(desk.conn, KEY, desk.org_id, record_id)
        elif act == "confirm":
            desk.confirm_all()
        elif act == "park":
            with desk.worker() as worker:
                failed = [(*mark.key, "NO_ACCESS: x") for mark in worker.claim(3)]
                marks.park(worker.conn, KEY, worker.number, desk.org_id, failed)
        else:
            fields = chance.choice([{1}, {sales}, {1, sales}])
            targets.retarget(desk.conn, desk.org_id, fields, chance.choice(["all", "new"]))
        return f"{act} {address} {record_id}"

    for number in range(STEPS):
        done = step()
        found = balance.balance(desk.conn, desk.org_id)
        assert found.closes(), (seed, number, done, found)
        audit = balance.audit(desk.conn, desk.org_id, repair=False)
        assert audit.is_even, (seed, number, done, audit)


def follow(desk: Desk, old: str, new: Link) -> None:
    """Only live records end, and only in live ones: the caller resolves chains first."""
    dead = "SELECT count(*) FROM record WHERE record_id IN (%s, %s) AND successor IS NOT NULL"
    if desk.count(dead, old, new.record_id) == 0:
        people.follow(desk.conn, KEY, desk.org_id, old, new, "m")


def test_the_audit_finds_and_repairs_a_missing_and_an_extra_mark(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1), contact(2))
    desk.opt_out("ann@example.com")
    desk.confirm_all()
    desk.conn.execute("DELETE FROM mark WHERE record_id = %s", [contact(1)])
    desk.conn.execute(
        "INSERT INTO mark (org_id, field, record_id, touched_run, state) VALUES (%s, 1, %s, 0, 'c')",
        [desk.org_id, contact(9)],
    )

    found = balance.audit(desk.conn, desk.org_id, repair=True)

    assert (found.missing, found.extra) == (1, 1)
    assert balance.audit(desk.conn, desk.org_id, repair=False).is_even
    assert desk.state_of(contact(1)) == "owed"
    assert desk.state_of(contact(2)) == "confirmed"


def test_the_audit_makes_a_missing_mark_of_a_waiting_lift_held(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    desk.opt_out("ann@example.com")
    desk.lift("ann@example.com", "when-unticked")
    desk.conn.execute("DELETE FROM mark")
    balance.audit(desk.conn, desk.org_id, repair=True)
    assert desk.states() == {(1, contact(1)): ("held", "lift")}


def test_the_audit_leaves_an_extra_mark_that_is_being_sent(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    desk.opt_out("ann@example.com")
    with desk.worker() as worker:
        worker.claim()
        desk.conn.execute("UPDATE opt_out SET lifted_at = clock()")
        assert balance.audit(desk.conn, desk.org_id, repair=True).extra == 1
        assert desk.state_of(contact(1)) == "owed"
    balance.audit(desk.conn, desk.org_id, repair=True)
    assert desk.states() == {}
