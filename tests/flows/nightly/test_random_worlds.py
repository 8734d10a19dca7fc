"""Random worlds over the real apply (marks.md 7): whatever people do, in whatever order, and with a night in between.

Checked at every step: no acknowledged opt-out is lost, nothing is written for a person who is not opted out, and what
was lifted on both sides does not come back by itself. At the end both sides agree, and the marks are exactly the pairs.
The seed is in the test's name; OPTSYNC_WORLDS=n runs n worlds.
"""

import os
import random

import pytest

from optsync.ledger import balance
from tests.flows.nightly.staged import Box, Ledger, Night, record_id

ADDRESSES = [f"{name}@example.com" for name in ("ann", "bob", "cat")]
STEPS = 40
ROUNDS_MAX = 8


class World:
    """A ledger, a Salesforce, and what must hold between them."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self.ledger, self.dice = ledger, random.Random(seed)
        self.acknowledged: set[str] = set()
        self.lifted_on_both: set[str] = set()
        self.night: Night | None = None
        self.number = 0
        for _ in range(6):
            self.create()

    # --- steps ------------------------------------------------------------------------------------------------------

    def create(self) -> None:
        self.number += 1
        email = self.dice.choice([*ADDRESSES, None]) if self.dice.random() < 0.2 else self.dice.choice(ADDRESSES)
        ticked = self.dice.random() < 0.2
        kind = self.dice.choice(["Lead", "Contact"])
        self.ledger.person(kind, self.number, email, ticked=ticked, linked=self.dice.random() < 0.7)
        if ticked:
            self.caused(email)

    def opt_out(self) -> None:
        email = self.dice.choice(ADDRESSES)
        self.ledger.opt_out(email)
        self.acknowledged.add(email)
        self.caused(email)
        linked = "SELECT record_id FROM record JOIN address USING (address_id) WHERE normal = %s"
        for (key,) in self.ledger.conn.execute(linked, (email,)).fetchall():
            end = self.ledger.salesforce.get(self.end_of(key))
            self.caused(end.email if end else None)  # the opt-out follows the person, as soon as a night sees where

    def lift(self) -> None:
        email = self.dice.choice(ADDRESSES)
        if self.ledger.lift(email) == "lifted":
            self.acknowledged.discard(email)
            self.look_for_completed(email)

    def ask_to_lift(self) -> None:
        self.ledger.lift(self.dice.choice(ADDRESSES), "when-unticked")

    def untick_one(self) -> None:
        if key := self.any_record():
            self.ledger.untick(key)
            self.look_for_completed(self.ledger.salesforce[key].email)

    def untick_all(self) -> None:
        email = self.dice.choice(ADDRESSES)
        for box in self.of(email).values():
            box.ticked.clear()
        self.look_for_completed(email)

    def tick(self) -> None:
        if key := self.any_record():
            self.ledger.tick(key)
            self.caused(self.ledger.salesforce[key].email)
            link = self.ledger.link_of(key)
            self.caused(link[0] if link else None)

    def change_e_mail(self) -> None:
        if key := self.any_record():
            self.ledger.salesforce[key].email = email = self.dice.choice(ADDRESSES)
            self.caused(email)  # a person who is opted out may have moved there
            self.cause_all_linked(key)

    def convert(self) -> None:
        leads = [key for key, box in self.ledger.salesforce.items() if key[:3] == "00Q" and not box.converted_to]
        if not leads:
            return
        lead = self.dice.choice(leads)
        self.number += 1
        contact, box = record_id("Contact", self.number), self.ledger.salesforce[lead]
        copied = set(box.ticked) if self.dice.random() < 0.5 else set()
        self.ledger.salesforce[contact] = Box(box.email, copied)
        box.converted_to = contact
        self.caused(box.email)
        self.cause_all_linked(lead)

    def merge(self) -> None:
        live = [key for key, box in self.ledger.salesforce.items() if not box.converted_to]
        kind = self.dice.choice(["00Q", "003"])
        same = [key for key in live if key[:3] == kind]
        if len(same) < 2:
            return
        loser, survivor = self.dice.sample(same, 2)
        gone = self.ledger.salesforce.pop(loser)
        if self.dice.random() < 0.5:
            self.ledger.salesforce[survivor].ticked |= gone.ticked
        self.ledger.deleted[loser] = survivor
        self.caused(gone.email)
        self.caused(self.ledger.salesforce[survivor].email)
        self.cause_all_linked(loser, survivor)

    def delete(self) -> None:
        if key := self.any_record():
            self.ledger.deleted[key] = None
            del self.ledger.salesforce[key]

    def push(self) -> None:
        wrong = self.ledger.conn.execute(
            "SELECT m.record_id FROM mark m JOIN record r USING (org_id, record_id) WHERE m.state = 'o'"
            " AND r.address_id IS NOT NULL AND NOT EXISTS (SELECT FROM opt_out o WHERE o.address_id = r.address_id"
            " AND o.scope = 0 AND o.lifted_at IS NULL AND o.lift_waits_at IS NULL)"
        ).fetchall()
        assert wrong == [], "a box of a person who is not opted out would be ticked"
        self.ledger.conn.execute("DELETE FROM mark WHERE record_id = ANY (%s)", (list(self.ledger.deleted),))
        self.ledger.conn.execute(
            "UPDATE mark SET state = 'p' WHERE state = 'o' AND record_id = ANY (%s)",
            ([key for key, box in self.ledger.salesforce.items() if box.converted_to],),
        )
        self.ledger.push()

    def begin_night(self) -> None:
        if self.night is None:
            self.night = Night(self.ledger)
            self.night.read(unticked=self.unticked())

    def end_night(self) -> None:
        if self.night is not None:
            night, self.night = self.night, None
            night.apply()

    # --- what is watched --------------------------------------------------------------------------------------------

    def caused(self, email: str | None) -> None:
        """Something happened that may opt this address out."""
        self.lifted_on_both.discard(email or "")

    def cause_all_linked(self, *keys: str) -> None:
        for key in keys:
            link = self.ledger.link_of(key)
            self.caused(link[0] if link else None)

    def look_for_completed(self, email: str | None) -> None:
        """Whether this address is now lifted here and unticked in every record that is linked to it or shows it."""
        if email is None or self.ledger.is_opted_out(email):
            return
        person = "SELECT true FROM opt_out JOIN address USING (address_id) WHERE normal = %s AND lifted_at IS NOT NULL"
        if not self.ledger.conn.execute(person, (email,)).fetchone():
            return
        linked = "SELECT record_id FROM record JOIN address USING (address_id) WHERE normal = %s"
        keys = {row[0] for row in self.ledger.conn.execute(linked, (email,))} | set(self.of(email))
        live = {self.end_of(key) for key in keys}
        boxes = [self.ledger.salesforce[key] for key in live if key in self.ledger.salesforce]
        if not any(box.ticked for box in boxes):
            self.lifted_on_both.add(email)

    def end_of(self, key: str) -> str:
        """What a merged or converted record became: that one is the person's now."""
        box = self.ledger.salesforce.get(key)
        after = box.converted_to if box else self.ledger.deleted.get(key)
        return self.end_of(after) if after else key

    def check(self) -> None:
        for email in self.acknowledged:
            assert self.ledger.is_opted_out(email), f"the opt-out of {email} was lost"
        for email in self.lifted_on_both:
            assert not self.ledger.is_opted_out(email), f"the lift of {email} came back by itself"

    def check_end(self) -> None:
        """Nobody acts any more: a few nights and pushes, and both sides are one."""
        self.end_night()
        self.ledger.conn.execute("UPDATE opt_out SET lift_waits_at = NULL")
        for _ in range(ROUNDS_MAX):
            self.begin_night()
            assert self.night is not None
            night, self.night = self.night, None
            found = night.apply()
            owed = self.ledger.conn.execute("SELECT count(*) FROM mark WHERE state <> 'c'").fetchone()
            self.push()
            self.check()
            if (found.recorded, found.followed, found.owed, owed) == (0, 0, 0, (0,)):
                break
        else:
            pytest.fail("the two sides did not come together")
        total = balance.balance(self.ledger.conn, self.ledger.org_id)
        assert total.closes()
        assert total.agree
        assert balance.audit(self.ledger.conn, self.ledger.org_id, repair=False).is_even
        for key, box in self.ledger.salesforce.items():
            if not box.converted_to and box.email:
                assert (1 in box.ticked) is self.ledger.is_opted_out(box.email), key

    def unticked(self) -> list[str]:
        return [key for key, box in self.ledger.salesforce.items() if not box.ticked]

    def any_record(self) -> str | None:
        live = [key for key, box in self.ledger.salesforce.items() if not box.converted_to]
        return self.dice.choice(live) if live else None

    def of(self, email: str) -> dict[str, Box]:
        shown = self.ledger.salesforce.items()
        return {key: box for key, box in shown if box.email == email and not box.converted_to}


STEPS_OF = {
    World.create: 2, World.opt_out: 4, World.lift: 4, World.ask_to_lift: 1, World.untick_one: 3, World.untick_all: 4,
    World.tick: 3, World.change_e_mail: 2, World.convert: 1, World.merge: 1, World.delete: 1, World.push: 4,
    World.begin_night: 5, World.end_night: 6,
}  # fmt: skip


@pytest.mark.parametrize("seed", range(int(os.environ.get("OPTSYNC_WORLDS", "12"))))
def test_a_random_world_loses_nothing_and_comes_together(ledger: Ledger, seed: int) -> None:
    world = World(ledger, seed)
    steps, weights = list(STEPS_OF), list(STEPS_OF.values())
    told = [f"seed {seed}"]
    for _ in range(STEPS):
        (step,) = world.dice.choices(steps, weights)
        told.append(step.__name__)
        step(world)
        try:
            world.check()
        except AssertionError as error:
            raise AssertionError(" -> ".join(told)) from error
    try:
        world.check_end()
    except AssertionError as error:
        raise AssertionError(" -> ".join([*told, "quiet"])) from error
