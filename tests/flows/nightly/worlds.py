"""A random world: a ledger, a Salesforce that is a dict, people who do anything, and what must hold between them.

At every step: no acknowledged opt-out is lost, who is opted out or held is blocked, nothing is written for a person who
is not opted out, what was lifted on both sides does not come back by itself, and an erased address is never stored in
clear again. At the end both sides agree, and the marks are exactly the pairs.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import psycopg

from optsync.core.addresses import subject_of
from optsync.core.problems import Problem
from optsync.core.record_ids import PREFIXES
from optsync.ledger import balance, check, holds, lifts, marks, people, record, targets
from optsync.ledger.marks import Key
from optsync.ledger.people import Link
from optsync.ledger.targets import Carry
from tests.flows.nightly.staged import KEY, Box, Ledger, Night, record_id

ADDRESSES: Final = [f"{name}@example.com" for name in ("ann", "bob", "cat", "dan")]
SUBJECTS: Final = {subject_of(email, KEY): email for email in ADDRESSES}
ROUNDS_MAX: Final = 8
POLICIES: Final = [  # the fields that new opt-outs are due in, and those whose tick counts
    ({1}, (1,)),
    ({2}, (2,)),
    ({1}, (1, 2)),
    ({2}, (1, 2)),
    ({1, 2}, (1, 2)),
]


class World:
    """`session` is the worker's: it holds the lock by which its claims live."""

    def __init__(self, ledger: Ledger, session: psycopg.Connection, seed: int) -> None:
        self.ledger, self.conn, self.session = ledger, ledger.conn, session
        self.dice = random.Random(seed)
        self.acknowledged: set[str] = set()
        self.lifted_on_both: set[str] = set()
        self.erased: set[str] = set()
        self.hidden: dict[str, Box] = {}
        self.bin: dict[str, Box] = {}
        self.night: Night | None = None
        self.worker_no = 0
        self.claimed: list[Key] = []
        self.patched: list[Key] = []
        self.late: list[Key] = []
        self.number = 0

    @classmethod
    @contextmanager
    def new(cls, ledger: Ledger, session: psycopg.Connection, seed: int) -> Iterator["World"]:
        """Six records, an idle worker, two opt-out fields of which Email Opt Out is chosen."""
        world = cls(ledger, session, seed)
        targets.ensure_field(ledger.conn, ledger.org_id, "Sales_Opt_Out__c", "Sales_Opt_Out__c", "Sales Opt Out")
        world.become_worker()
        for _ in range(6):
            world.create()
        yield world

    def act(self) -> str:
        """One random operation; returns its name."""
        (operation,) = self.dice.choices(list(OPERATIONS), list(OPERATIONS.values()))
        operation(self)
        return operation.__name__

    # --- what people do in Salesforce -------------------------------------------------------------------------------

    def create(self) -> None:
        self.number += 1
        email = self.dice.choice([*ADDRESSES, None]) if self.dice.random() < 0.2 else self.dice.choice(ADDRESSES)
        kind, ticked = self.dice.choice(["Lead", "Contact", "Account"]), self.dice.random() < 0.2
        self.ledger.person(kind, self.number, email, ticked=ticked, linked=self.dice.random() < 0.7)
        if ticked:
            self.caused(email)

    def tick(self) -> None:
        if key := self.any_record():
            self.ledger.tick(key, self.dice.choice([1, 1, 2]))
            self.caused(self.ledger.salesforce[key].email, self.linked_email(key))

    def untick_one(self) -> None:
        if key := self.any_record():
            self.ledger.untick(key)
            self.look_for_completed(self.ledger.salesforce[key].email)

    def untick_all(self) -> None:
        email = self.dice.choice(ADDRESSES)
        for key in self.of(email):
            self.ledger.untick(key)
        self.look_for_completed(email)

    def change_e_mail(self) -> None:
        if key := self.any_record():
            self.ledger.salesforce[key].email = email = self.dice.choice(ADDRESSES)
            self.caused(email, self.linked_email(key))  # a person who is opted out may have moved there

    def convert(self) -> None:
        if lead := self.any_record("00Q"):
            box = self.ledger.salesforce[lead]
            contact = self.any_record("003") if self.dice.random() < 0.3 else None
            copied = set(box.ticked) if self.dice.random() < 0.5 else set()
            if contact is None:
                self.number += 1
                contact = record_id("Contact", self.number)
                self.ledger.salesforce[contact] = Box(box.email)
            self.ledger.salesforce[contact].ticked |= copied
            box.converted_to = contact
            self.caused(box.email, self.ledger.salesforce[contact].email)
            self.caused(self.linked_email(lead), self.linked_email(contact))

    def merge(self) -> None:
        loser = self.any_record()
        survivor = self.any_record(loser[:3], but=loser) if loser else None
        if loser is None or survivor is None:
            return
        gone, kept = self.ledger.salesforce.pop(loser), self.ledger.salesforce[survivor]
        if self.dice.random() < 0.5:
            kept.ticked |= gone.ticked
        self.ledger.deleted[loser] = survivor
        self.caused(gone.email, kept.email, self.linked_email(loser), self.linked_email(survivor))

    def delete(self) -> None:
        if key := self.any_record():
            self.ledger.deleted[key] = None
            self.bin[key] = self.ledger.salesforce.pop(key)

    def undelete(self) -> None:
        if self.bin:
            key = self.dice.choice(sorted(self.bin))
            self.appears(key, self.bin.pop(key))
            del self.ledger.deleted[key]

    def hide(self) -> None:
        """A sharing rule takes a record out of our sight: no answer shows it, not even among the deleted ones."""
        if key := self.any_record():
            self.hidden[key] = self.ledger.salesforce.pop(key)

    def show(self) -> None:
        if self.hidden:
            key = self.dice.choice(sorted(self.hidden))
            self.appears(key, self.hidden.pop(key))

    def appears(self, key: str, box: Box) -> None:
        self.ledger.salesforce[key] = box
        self.caused(box.email, self.linked_email(key))

    # --- what people do here ----------------------------------------------------------------------------------------

    def opt_out(self) -> None:
        email = self.dice.choice(ADDRESSES)
        self.ledger.opt_out(email)
        self.acknowledge(email)

    def opt_out_of_one_sender(self) -> None:
        record.opt_out(self.conn, KEY, self.dice.choice(ADDRESSES), "manual", scope=7)

    def import_held(self) -> None:
        """A mass import whose outside writes wait for a decision; the person is blocked at once."""
        email = self.dice.choice(ADDRESSES)
        made = record.opt_out(self.conn, KEY, email, "import")
        version = None if made.outcome == "already" else made.version
        holds.hold_outbound(self.conn, self.ledger.org_id, "import old.csv", [(made.address_id, version)])
        self.acknowledge(email)

    def lift(self) -> None:
        email = self.dice.choice(ADDRESSES)
        if self.ledger.lift(email) == "lifted":
            self.was_lifted(email)

    def ask_to_lift(self) -> None:
        self.ledger.lift(self.dice.choice(ADDRESSES), "when-unticked")

    def look_at_waiting_lifts(self) -> None:
        """The hourly look: a lift completes when every box is readable and unticked."""
        for waited in lifts.waiting(self.conn):
            email = self.email_of(waited.address_id)
            keys = {*self.linked_to(email), *self.of(email)}
            boxes = [self.ledger.salesforce.get(key) for key in keys]
            if any(box is None or box.converted_to or box.ticked for box in boxes):
                continue
            if lifts.complete(self.conn, KEY, waited) == "lifted":
                self.was_lifted(email)

    def erase(self) -> None:
        email = self.dice.choice(ADDRESSES)
        if self.dice.random() < 0.5 and people.erase(self.conn, KEY, email, actor="ann", reason="asked"):
            self.erased.add(email)

    def apply_a_hold(self) -> None:
        if hold := self.any_hold():
            self.caused(*self.held_in(hold))
            holds.apply(self.conn, KEY, hold, "ann")

    def drop_a_hold(self) -> None:
        if hold := self.any_hold():
            created = self.held_in(hold, "AND version IS NOT NULL")
            holds.drop(self.conn, KEY, hold, "ann", "a mistake")
            for email in created:
                if not self.is_opted_out(email):
                    self.was_lifted(email)

    def switch(self) -> None:
        """Another field, or another choice of what counts; refused while a box is being written."""
        written, read = self.dice.choice(POLICIES)
        carry: Carry = self.dice.choice(["all", "new"])
        if written != targets.target(self.conn, self.ledger.org_id):
            try:
                targets.retarget(self.conn, self.ledger.org_id, written, carry)
            except Problem:
                return
        self.ledger.read = read

    # --- what workers do --------------------------------------------------------------------------------------------

    def link(self) -> None:
        """A file names a record and its address."""
        if key := self.any_record():
            self.link_all([key], "g")

    def look_up(self) -> None:
        """An opted-out address is asked for; an erased one cannot be."""
        email = self.dice.choice(ADDRESSES)
        if self.is_opted_out(email) and email not in self.erased:
            self.link_all(sorted(self.of(email)), "e")

    def push(self) -> None:
        wrong = self.conn.execute(
            "SELECT m.record_id FROM mark m JOIN record r USING (org_id, record_id) WHERE m.state = 'o'"
            " AND r.address_id IS NOT NULL AND (m.claimed_by IS NULL OR m.claimed_by NOT IN (SELECT live_workers()))"
            " AND NOT EXISTS (SELECT FROM opt_out o WHERE o.address_id = r.address_id"
            " AND o.scope = 0 AND o.lifted_at IS NULL AND o.lift_waits_at IS NULL)"
        ).fetchall()
        assert wrong == [], "a box would be ticked of a person who is not opted out, or is being lifted"
        self.conn.execute("DELETE FROM mark WHERE record_id = ANY (%s)", (list(self.ledger.deleted),))
        self.follow_converted()
        live = [key for key, box in self.ledger.salesforce.items() if not box.converted_to]
        self.conn.execute("UPDATE mark SET state = 'p' WHERE state = 'o' AND record_id <> ALL (%s)", (live,))
        self.ledger.push()

    def follow_converted(self) -> None:
        """What a push does that reads a converted Lead: the mark is its Contact's."""
        for (key,) in self.conn.execute("SELECT DISTINCT record_id FROM mark WHERE state = 'o'").fetchall():
            end = self.end_of(key)
            box, ended = self.ledger.salesforce.get(key), self.ledger.salesforce.get(end)
            if box and box.converted_to and ended:
                self.caused(ended.email, self.linked_email(key), self.linked_email(end))
                link = Link(end, PREFIXES[end[:3]], ended.email)
                people.follow(self.conn, KEY, self.ledger.org_id, key, link, "c")

    def claim(self) -> None:
        if not self.claimed:
            self.conn.execute("UPDATE mark SET due_at = clock() WHERE state = 'o'")
            found = marks.claim(self.conn, self.worker_no, self.ledger.org_id, self.dice.randint(1, 4))
            self.claimed = [one.key for one in found]

    def patch(self) -> None:
        """The request: the claims are checked right before it is sent."""
        if self.claimed and not self.patched:
            mine = marks.still_mine(self.conn, self.worker_no, self.ledger.org_id, self.claimed)
            for _, key in mine:
                link = self.linked_email(key)
                assert link is None or self.is_opted_out(link), "a PATCH for a person who is not opted out"
            self.patched = [key for key in mine if self.sets(key)]

    def settle(self) -> None:
        if self.claimed and (self.patched or self.dice.random() < 0.3):
            org = self.ledger.org_id
            marks.confirm(self.conn, KEY, self.worker_no, org, self.patched, None)
            marks.release(self.conn, self.worker_no, org, [key for key in self.claimed if key not in self.patched])
            self.claimed, self.patched = [], []

    def lose_the_worker(self) -> None:
        """Killed or fenced: its claims are void at once. Its request may be on the way still."""
        if self.claimed and not self.patched and self.dice.random() < 0.3:
            self.late = self.claimed
        self.session.execute("SELECT pg_advisory_unlock(7001, %s)", (self.worker_no,))
        self.claimed, self.patched = [], []
        self.become_worker()

    def patch_late(self) -> None:
        """What cannot be excluded: a request that lands long after its claim was void (rules 6)."""
        for _, key in [key for key in self.late if self.sets(key)]:
            self.caused(self.ledger.salesforce[key].email, self.linked_email(key))
        self.late = []

    def begin_night(self) -> None:
        if self.night is None:
            due = targets.due_fields(self.conn, self.ledger.org_id)
            self.ledger.fields = tuple(sorted({*due, *self.ledger.read}))
            self.night = Night(self.ledger, approved=self.dice.random() < 0.7)
            self.night.read(unticked=self.unticked(), only_changed=self.dice.random() < 0.5)

    def end_night(self) -> None:
        if self.night is not None:
            night, self.night = self.night, None
            night.apply()

    # --- what is watched --------------------------------------------------------------------------------------------

    def check(self) -> None:
        """What must hold after each step."""
        for email in self.acknowledged:
            assert self.is_opted_out(email), f"the opt-out of {email} was lost"
        for email in self.lifted_on_both:
            assert not self.is_opted_out(email), f"the lift of {email} came back by itself"
        held = {email for hold in self.undecided() for email in self.held_in(hold)}
        for verdict in check.may_mail(self.conn, KEY, sorted(self.acknowledged | held)):
            assert not verdict.allowed, f"{verdict.address} would be mailed"
        clear = {email for (email,) in self.conn.execute("SELECT normal FROM address WHERE normal IS NOT NULL")}
        assert not clear & self.erased, "an erased address is stored in clear again"

    def check_end(self) -> None:
        """Nobody acts any more: a few nights and pushes, and both sides are one."""
        self.end_night()
        self.lose_the_worker()
        self.patch_late()
        while self.hidden:
            self.show()
        while hold := self.any_hold():
            holds.apply(self.conn, KEY, hold, "ann")
        self.conn.execute("UPDATE opt_out SET lift_waits_at = NULL")
        self.conn.execute("UPDATE address SET fan_out = NULL")
        assert any(self.is_round_quiet() for _ in range(ROUNDS_MAX)), "the two sides did not come together"
        total = balance.balance(self.conn, self.ledger.org_id)
        assert total.closes(), total
        assert total.agree, total
        assert balance.audit(self.conn, self.ledger.org_id, repair=False).is_even
        for key, box in self.ledger.salesforce.items():
            if not box.converted_to and box.email:
                self.check_box(key, box.email, box.ticked)

    def check_box(self, key: str, email: str, ticked: set[int]) -> None:
        """Ticked wherever the opt-out is due; or no tick that counts, but for disputed ones."""
        due = self.conn.execute(
            "SELECT d.field FROM due d JOIN opt_out o USING (epoch) WHERE o.scope = 0 AND o.lifted_at IS NULL"
            " AND o.address_id = %s AND d.org_id = %s",
            (self.address_id(email), self.ledger.org_id),
        )
        disputed = self.conn.execute("SELECT field FROM dispute WHERE record_id = %s", (key,))
        if self.is_opted_out(email):
            assert {field for (field,) in due} <= ticked, f"{key} of {email}"
        else:
            assert not ticked & set(self.ledger.read) - {field for (field,) in disputed}, f"{key} of {email}"

    def is_round_quiet(self) -> bool:
        """One night and one push; whether there was nothing to do."""
        self.conn.execute("UPDATE mark SET state = 'o', reason = NULL WHERE state = 'p'")
        self.begin_night()
        assert self.night is not None
        night, self.night = self.night, None
        night.scope = replace(night.scope, approved=True)
        found = night.apply()
        waiting = self.conn.execute("SELECT count(*) FROM mark WHERE state <> 'c'").fetchone()
        self.push()
        self.check()
        return (found.recorded, found.followed, found.owed, waiting) == (0, 0, 0, (0,))

    def acknowledge(self, email: str) -> None:
        """Somebody was told that they are out."""
        self.acknowledged.add(email)
        self.caused(email)
        for key in self.linked_to(email):
            end = self.ledger.salesforce.get(self.end_of(key))
            self.caused(end.email if end else None)  # the opt-out follows the person, as soon as a night sees where

    def was_lifted(self, email: str | None) -> None:
        self.acknowledged.discard(email or "")
        self.look_for_completed(email)

    def caused(self, *emails: str | None) -> None:
        """Something happened that may opt these addresses out."""
        self.lifted_on_both -= set(emails)

    def look_for_completed(self, email: str | None) -> None:
        """Whether this address is now lifted here and unticked in every record that is linked to it or shows it, and
        none of them became what it is by a merge or conversion that no night has seen and that hands an opt-out over.
        """
        if email is None or self.is_opted_out(email):
            return
        lifted = "SELECT true FROM opt_out WHERE address_id = %s AND scope = 0 AND lifted_at IS NOT NULL"
        if not self.conn.execute(lifted, (self.address_id(email),)).fetchone():
            return
        live = {self.end_of(key) for key in {*self.linked_to(email), *self.of(email)}}
        boxes = [self.ledger.salesforce[key] for key in live if key in self.ledger.salesforce]
        marked = {key for (key,) in self.conn.execute("SELECT record_id FROM mark")}
        handing_over = {self.end_of(key) for key in marked if self.end_of(key) != key}
        if not any(box.ticked for box in boxes) and not handing_over & live:
            self.lifted_on_both.add(email)

    # --- what is known ----------------------------------------------------------------------------------------------

    def become_worker(self) -> None:
        self.worker_no = marks.new_worker(self.session)
        self.session.execute("SELECT pg_advisory_lock(7001, %s)", (self.worker_no,))

    def sets(self, key: Key) -> bool:
        """Ticks a box in Salesforce, if the record takes it."""
        box = self.ledger.salesforce.get(key[1])
        if box is None or box.converted_to:
            return False
        box.ticked.add(key[0])
        return True

    def link_all(self, keys: list[str], provenance: people.Provenance) -> None:
        found = [Link(key, PREFIXES[key[:3]], self.ledger.salesforce[key].email) for key in keys]
        people.link(self.conn, KEY, self.ledger.org_id, found, provenance)

    def any_record(self, prefix: str = "", but: str | None = None) -> str | None:
        live = [key for key, box in self.ledger.salesforce.items() if not box.converted_to and key != but]
        live = [key for key in live if key.startswith(prefix)]
        return self.dice.choice(live) if live else None

    def of(self, email: str | None) -> list[str]:
        """The live records that show this address."""
        shown = self.ledger.salesforce.items()
        return [key for key, box in shown if email and box.email == email and not box.converted_to]

    def unticked(self) -> list[str]:
        fields = set(self.ledger.fields)
        return [key for key, box in self.ledger.salesforce.items() if not box.ticked & fields]

    def end_of(self, key: str) -> str:
        """What a merged or converted record became: that one is the person's now."""
        box = self.ledger.salesforce.get(key)
        after = box.converted_to if box else self.ledger.deleted.get(key)
        return self.end_of(after) if after else key

    def address_id(self, email: str) -> int | None:
        row = self.conn.execute(
            "SELECT address_id FROM address WHERE normal = %s OR erased_hash = %s", (email, subject_of(email, KEY))
        ).fetchone()
        return row[0] if row else None

    def email_of(self, address_id: int | None) -> str | None:
        row = self.conn.execute(
            "SELECT normal, erased_hash FROM address WHERE address_id = %s", (address_id,)
        ).fetchone()
        return (row[0] or SUBJECTS[bytes(row[1])]) if row else None

    def is_opted_out(self, email: str) -> bool:
        active = "SELECT true FROM opt_out WHERE address_id = %s AND scope = 0 AND lifted_at IS NULL"
        return self.conn.execute(active, (self.address_id(email),)).fetchone() is not None

    def linked_to(self, email: str | None) -> list[str]:
        linked = "SELECT record_id FROM record WHERE address_id = %s AND successor IS NULL ORDER BY 1"
        return [key for (key,) in self.conn.execute(linked, (self.address_id(email or ""),))]

    def linked_email(self, key: str) -> str | None:
        row = self.conn.execute("SELECT address_id FROM record WHERE record_id = %s", (key,)).fetchone()
        return self.email_of(row[0]) if row else None

    def undecided(self) -> list[int]:
        return [hold.hold_id for hold in holds.undecided(self.conn)]

    def any_hold(self) -> int | None:
        found = self.undecided()
        return self.dice.choice(found) if found else None

    def held_in(self, hold: int, condition: str = "") -> list[str]:
        items = f"SELECT DISTINCT address_id FROM hold_item WHERE hold_id = %s {condition} ORDER BY 1"
        return [email for (a,) in self.conn.execute(items, (hold,)).fetchall() if (email := self.email_of(a))]


OPERATIONS: Final[dict[Callable[[World], None], int]] = {
    World.create: 2, World.tick: 4, World.untick_one: 3, World.untick_all: 5, World.change_e_mail: 2, World.convert: 1,
    World.merge: 1, World.delete: 1, World.undelete: 1, World.hide: 1, World.show: 2,
    World.opt_out: 4, World.opt_out_of_one_sender: 1, World.import_held: 1, World.lift: 5, World.ask_to_lift: 2,
    World.look_at_waiting_lifts: 2, World.erase: 1, World.apply_a_hold: 2, World.drop_a_hold: 1, World.switch: 1,
    World.link: 1, World.look_up: 2, World.push: 4, World.claim: 3, World.patch: 3, World.settle: 3,
    World.lose_the_worker: 1, World.patch_late: 1, World.begin_night: 6, World.end_night: 7,
}  # fmt: skip
