"""The ledger's SQL and the plain-Python rules (core/optouts.py) agree, whatever happens in whatever order.

A world does the same steps on both and compares everything after each one. Hypothesis chooses the steps and their order
and shrinks a failure to the steps that matter; OPTSYNC_WORLDS=n runs n worlds.
"""

import os
import random
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optsync.core.optouts import FAN_OUT_CAP, World
from optsync.core.targets import Choice, FieldRole, Policy, write_fields
from optsync.ledger import balance, holds, lifts, marks, people, targets
from optsync.ledger.people import Link
from tests.flows.ledger.desk import KEY, Desk, contact, lead
from tests.servers import Servers

WORLDS = int(os.environ.get("OPTSYNC_WORLDS", "25"))
STEPS = (30, 50)
ADDRESSES = [f"{name}@example.com" for name in ("ann", "bob", "cem", "info")]
CROWDED = ADDRESSES[-1]
Marks = dict[tuple[FieldRole, str], tuple[str, str]]


class Twins:
    """One world told twice: to the reference and to the database."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.chance = desk, random.Random(seed)
        self.world = World(orgs=(1,))
        sales = targets.ensure_field(desk.conn, desk.org_id, "Sales__c", "Sales__c", "Sales")
        self.numbers = {FieldRole.EMAIL: targets.EMAIL_OPT_OUT, FieldRole.CUSTOM: sales}
        self.roles = {number: role for role, number in self.numbers.items()}
        self.made = 0
        for _ in range(6):
            self.create()

    # -- Steps --------------------------------------------------------------------------------------------------------

    def nothing(self) -> None:
        """What a step that does not matter shrinks to."""

    def opt_out(self) -> None:
        address, named = self.chance.choice(ADDRESSES), [self.record()] * self.chance.randint(0, 1)
        expected = self.world.opt_out(address, "manual", named=named)
        assert self.desk.opt_out(address, named=named).outcome == expected

    def one_sender(self) -> None:
        address = self.chance.choice(ADDRESSES)
        expected = self.world.opt_out(address, "manual", scope=7)
        assert self.desk.opt_out(address, scope=7).outcome == expected

    def create(self, address: str | None = None) -> None:
        self.made += 1
        name = self.chance.choice((contact, lead))(self.made)
        self.link(name, address or self.chance.choice(ADDRESSES), is_new=True)

    def move(self) -> None:
        self.link(self.record(), self.chance.choice(ADDRESSES), is_new=False)

    def crowd(self) -> None:
        if len(self.live()) < 3 * FAN_OUT_CAP:
            for _ in range(FAN_OUT_CAP + 1):
                self.create(CROWDED)

    def push(self) -> None:
        self.world.refusing = {name for name in self.live() if self.chance.random() < 0.2}
        self.world.push()
        marks.retry_now(self.desk.conn, self.desk.org_id)
        with self.desk.worker() as worker:
            claimed = worker.claim(10_000)
            refused = [mark for mark in claimed if self.is_refused(mark.key)]
            done = [mark.key for mark in claimed if mark not in refused]
            parked = [(*mark.key, "refused") for mark in refused]
            marks.park(worker.conn, KEY, worker.number, self.desk.org_id, parked)
            marks.confirm(worker.conn, KEY, worker.number, self.desk.org_id, done)

    def lift_now(self) -> None:
        address = self.chance.choice(ADDRESSES)
        expected = self.world.lift(address, "now")
        assert self.desk.lift(address) == expected

    def lift_when_unticked(self) -> None:
        address = self.chance.choice(ADDRESSES)
        known = self.world.opt_outs.get((address, 0))
        if known is None or known.lift_waits:
            return
        expected = self.world.lift(address, "when unticked")
        assert self.desk.lift(address, "when-unticked") == ("not opted out" if expected == "not opted out" else "waits")
        self.look(address)

    def untick_and_look(self) -> None:
        address = self.chance.choice(ADDRESSES)
        if self.world.is_opted_out(address) and self.world.opt_outs[address, 0].lift_waits:
            for name in self.live():
                if self.world.links[name] == address:
                    self.world.salesforce[name].ticked.clear()
            self.world.look_at_lift(address)
            self.look(address)

    def look(self, address: str) -> None:
        """What the worker's look does with what it reads; only its outcome is taken from the reference."""
        for (role, name), mark in self.world.marks.items():
            if self.world.links[name] == address and mark.state == "confirmed":
                self.desk.conn.execute(
                    "UPDATE mark SET state = 'c', reason = NULL WHERE field = %s AND record_id = %s",
                    [self.numbers[role], name],
                )
        if not self.world.is_opted_out(address):
            for waited in lifts.waiting(self.desk.conn):
                if waited.normal == address:
                    assert lifts.complete(self.desk.conn, KEY, waited) == "lifted"

    def hand_over(self) -> None:
        old, new = self.record(), self.record()
        if old == new:
            return
        act = self.chance.choice((self.world.merge, self.world.convert))
        act(old, new)
        self.world._follow(old)
        link = Link(new, "Contact" if new.startswith("003") else "Lead", self.world.salesforce[new].email)
        people.follow(self.desk.conn, KEY, self.desk.org_id, old, link, "m" if act == self.world.merge else "c")

    def delete(self) -> None:
        name = self.record()
        self.world.delete(name)
        self.world._follow(name)
        people.forget(self.desk.conn, KEY, self.desk.org_id, name)

    def decide(self) -> None:
        for hold in holds.undecided(self.desk.conn):
            allowed = self.chance.random() < 0.5
            row = self.desk.conn.execute(
                "SELECT a.normal FROM hold_item JOIN address a USING (address_id) WHERE hold_id = %s", [hold.hold_id]
            ).fetchone()
            assert row is not None
            self.world.decide_fan_out(row[0], "allowed" if allowed else "refused")
            if allowed:
                holds.apply(self.desk.conn, KEY, hold.hold_id, "kim")
            else:
                holds.drop(self.desk.conn, KEY, hold.hold_id, "kim", None)

    def change_field(self) -> None:
        policy = Policy(self.chance.random() < 0.8, self.chance.choice(list(Choice)))
        carry: targets.Carry = self.chance.choice(("all", "new"))
        self.world.set_policy(1, policy, carry)
        fields = {self.numbers[role] for role in write_fields(policy)}
        targets.retarget(self.desk.conn, self.desk.org_id, fields, carry if policy.switch_on else "new")
        if not policy.switch_on:
            targets.release_carried(self.desk.conn, self.desk.org_id)
        for waited in lifts.waiting(self.desk.conn):  # a carried box may have been ticked long ago: only a look tells
            if waited.normal is not None:
                self.look(waited.normal)

    # -- Comparison ---------------------------------------------------------------------------------------------------

    def compare(self) -> None:
        """Who is blocked, every mark with its reason, every live link, and the balance."""
        assert {a for a in ADDRESSES if self.desk.is_blocked(a)} == self.world.blocked
        assert self.marks_here() == {box: (mark.state, mark.reason) for box, mark in self.world.marks.items()}
        assert self.links_here() == {name: self.world.links[name] for name in self.live()}
        found = balance.balance(self.desk.conn, self.desk.org_id)
        assert found == self.world.balance(1)
        assert found.closes()
        assert balance.audit(self.desk.conn, self.desk.org_id, repair=False).is_even

    def marks_here(self) -> Marks:
        return {
            (self.roles[field], name): (state, "" if state in ("owed", "confirmed") else reason or "")
            for (field, name), (state, reason) in self.desk.states().items()
        }

    def links_here(self) -> dict[str, str]:
        query = "SELECT r.record_id, a.normal FROM record r JOIN address a USING (address_id) WHERE r.successor IS NULL"
        return dict(self.desk.conn.execute(query).fetchall())

    # -- Small questions ----------------------------------------------------------------------------------------------

    def live(self) -> list[str]:
        return sorted(name for name, record in self.world.salesforce.items() if record.is_live)

    def record(self) -> str:
        if not self.live():
            self.create()
        return self.chance.choice(self.live())

    def is_refused(self, key: marks.Key) -> bool:
        """A box that was ticked before needs no write, so nothing can refuse it."""
        mark = self.world.marks[self.roles[key[0]], key[1]]
        return mark.state == "parked"

    def link(self, name: str, address: str, *, is_new: bool) -> None:
        if is_new:
            self.world.create(name, address)
        else:
            self.world.change_email(name, address)
        self.world.link(name, address)
        self.desk.link(address, name)


LIKELIHOODS = {
    Twins.opt_out: 4,
    Twins.create: 3,
    Twins.push: 3,
    Twins.move: 2,
    Twins.lift_now: 2,
    Twins.lift_when_unticked: 2,
    Twins.untick_and_look: 2,
    Twins.hand_over: 2,
    Twins.delete: 1,
    Twins.crowd: 1,
    Twins.decide: 1,
    Twins.change_field: 1,
    Twins.one_sender: 1,
}
ACTS = [act for act, likelihood in LIKELIHOODS.items() for _ in range(likelihood)]
steps = st.lists(st.sampled_from([Twins.nothing, *ACTS]), min_size=STEPS[0], max_size=STEPS[1])


@settings(max_examples=WORLDS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.integers(0, 2**32 - 1))
def test_the_rules_in_sql_and_in_plain_python_agree_after_every_step(
    postgres_servers: Servers, acts: list[Callable[[Twins], None]], seed: int
) -> None:
    with postgres_servers.fresh_database("embedded") as database, database.connect() as conn:
        twins = Twins(Desk.open(conn, database), seed)
        for act in acts:
            act(twins)
            twins.compare()
