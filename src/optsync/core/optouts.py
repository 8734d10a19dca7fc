"""The rules of opt-outs as a small world in plain Python, to read and to check the real thing against.

The SQL in the ledger and the flows in sync do this work; this module says what the result must be. It is written with
dictionaries and sets only, and knows no locks, claims or lost connections. Rules 2-7 are its source; "row n" is row n
of the lift's truth table. Left out: the brake, disputes and erasure.

Two sides meet here. `salesforce` is what the org holds: people there create, tick, untick, merge and delete. Everything
else is ours. Only `push` writes to the org, and all it can do is tick.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from optsync.core.counts import Balance
from optsync.core.targets import FieldRole, Policy, read_fields, write_fields

FAN_OUT_CAP = 20
"""An address with more live records than this (info@, none@none) is blocked, but its marks wait for a decision."""

Address = str
RecordId = str
Org = int
Box = tuple[FieldRole, RecordId]
State = Literal["owed", "confirmed", "held", "parked"]
LiftMode = Literal["when unticked", "now"]
Carry = Literal["all", "new"]


@dataclass
class SalesforceRecord:
    """A Lead or Contact as its org holds it. `became`: the Contact of a converted Lead, or the survivor of a merge."""

    org: Org
    email: Address | None = None
    ticked: set[FieldRole] = field(default_factory=set)
    became: RecordId | None = None
    deleted: bool = False

    @property
    def is_live(self) -> bool:
        return self.became is None and not self.deleted


@dataclass
class OptOut:
    """One opt-out of (address, scope). `changed_at` orders it against readings; `epoch` says where it is due."""

    epoch: int
    changed_at: int
    source: str
    lifted: bool = False
    lift_waits: bool = False


@dataclass
class Mark:
    """What one box is owed. `touched_at` is when it was made or last settled."""

    state: State
    touched_at: int
    reason: str = ""


@dataclass(frozen=True)
class Reading:
    """All records of an org with a box in use true, at one moment: their e-mail and the boxes that are true."""

    org: Org
    taken_at: int
    records: dict[RecordId, tuple[Address | None, frozenset[FieldRole]]]


class World:
    """Some orgs, their records, and what we know and owe."""

    def __init__(self, orgs: Collection[Org] = (1,)) -> None:
        self.now = 0
        self.epoch = 0
        self.policies = {org: Policy() for org in orgs}
        self.due = {(self.epoch, org): set(write_fields(policy)) for org, policy in self.policies.items()}
        self.salesforce: dict[RecordId, SalesforceRecord] = {}
        self.refusing: set[RecordId] = set()
        self.opt_outs: dict[tuple[Address, int], OptOut] = {}
        self.links: dict[RecordId, Address | None] = {}
        self.successors: dict[RecordId, RecordId] = {}
        self.marks: dict[Box, Mark] = {}
        self.fan_out: dict[Address, Literal["allowed", "refused"]] = {}
        self.look_ups: set[tuple[Org, Address]] = set()
        self.writes: list[Box] = []

    # -- What people do in Salesforce ---------------------------------------------------------------------------------

    def create(self, record: RecordId, email: Address | None, org: Org = 1, ticked: Iterable[FieldRole] = ()) -> None:
        """A new Lead or Contact; we do not hear of it."""
        self.salesforce[record] = SalesforceRecord(org, email, set(ticked))

    def tick(self, record: RecordId, box: FieldRole = FieldRole.EMAIL) -> None:
        self.salesforce[record].ticked.add(box)

    def untick(self, record: RecordId, box: FieldRole = FieldRole.EMAIL) -> None:
        """A person or another program clears a box. Nothing of ours ever does."""
        self.salesforce[record].ticked.discard(box)

    def change_email(self, record: RecordId, email: Address | None) -> None:
        self.salesforce[record].email = email

    def convert(self, lead: RecordId, contact: RecordId, copies: Iterable[FieldRole] = ()) -> None:
        """The Lead becomes a Contact that exists; only mapped boxes are copied."""
        self._replace(lead, contact, copies)

    def merge(self, loser: RecordId, winner: RecordId, keeps: Iterable[FieldRole] = ()) -> None:
        """The loser is deleted and points to the winner, which keeps the boxes somebody chose."""
        self._replace(loser, winner, keeps)
        self.salesforce[loser].deleted = True

    def delete(self, record: RecordId) -> None:
        self.salesforce[record].deleted = True

    def _replace(self, old: RecordId, new: RecordId, copies: Iterable[FieldRole]) -> None:
        self.salesforce[new].ticked |= self.salesforce[old].ticked & set(copies)
        self.salesforce[old].became = new

    # -- What people do here ------------------------------------------------------------------------------------------

    def opt_out(
        self, address: Address, source: str = "manual", scope: int = 0, named: Collection[RecordId] = ()
    ) -> Literal["new", "again", "already"]:
        """Records an opt-out and owes its boxes. Again is a no-op, except during or after a lift (rules 3, row 8).

        Scope 0 is the whole account; a one-sender opt-out makes no marks (row 12). `named` records pass the cap.
        """
        self._tick_clock()
        known = self.opt_outs.get((address, scope))
        if known is not None and not known.lifted and not known.lift_waits:
            if scope == 0 and named:
                self._owe(address, named)
            return "already"
        self.opt_outs[address, scope] = OptOut(self.epoch, self.now, source)
        if scope == 0:
            self._owe(address, named, again=known is not None)
            self.look_ups |= {(org, address) for org in self.policies}
        return "new" if known is None else "again"

    def link(self, record: RecordId, address: Address) -> None:
        """Stores that a record belongs to an address, and owes it what the address is owed.

        When a record with a mark moves to another address, the opt-out follows the person; the old one keeps its own.
        """
        self._tick_clock()
        moved = self.links.get(record) != address and bool(self._marks_of(record))
        self.links[record] = address
        if moved and not self.is_opted_out(address):
            self.opt_out(address, "follows record", named=[record])
        if moved:
            self._trim(address)
        if self.is_opted_out(address):
            self._owe(address, [record] if moved else [])

    def lift(self, address: Address, mode: LiftMode = "when unticked") -> Literal["lifted", "waits", "not opted out"]:
        """Ends an opt-out here, at once or when every box is seen unticked; until then the person stays blocked."""
        self._look_up_everywhere(address)
        self._tick_clock()
        if not self.is_opted_out(address):
            return "not opted out"
        if mode == "now":
            self._finish_lift(address)
            return "lifted"
        self.opt_outs[address, 0].lift_waits = True
        for box in self._boxes_owed_by(address):
            if box in self.marks:
                self._set(box, "confirmed" if self._is_ticked(box) else "held", "lift")
        self.look_at_lift(address)
        return "waits" if self.is_opted_out(address) else "lifted"

    def look_at_lift(self, address: Address) -> None:
        """Reads the boxes of a waiting lift, hourly: all false ends it; false and then true is a new opt-out."""
        self._tick_clock()
        if not self.opt_outs[address, 0].lift_waits:
            return
        for box in self._boxes_owed_by(address):
            mark = self.marks.get(box)
            if mark and mark.reason == "lift" and mark.state == "held" and self._is_ticked(box):
                self.opt_out(address, "Salesforce Sync", named=[box[1]])
                return
            if mark and mark.state == "confirmed" and not self._is_ticked(box):
                self._set(box, "held", "lift")
        if not any(self._is_ticked(box) for box in self._boxes_that_count(address)):
            self._finish_lift(address)

    def decide_fan_out(self, address: Address, decision: Literal["allowed", "refused"]) -> None:
        """Apply or drop of a fan-out hold: its held marks are owed, or parked, later ones too (rules 4)."""
        self._tick_clock()
        self.fan_out[address] = decision
        for box in self._boxes_owed_by(address):
            mark = self.marks.get(box)
            if mark and mark.reason.startswith("fan-out"):
                self._set(box, *(("owed", "") if decision == "allowed" else ("parked", "fan-out refused")))

    def set_policy(self, org: Org, policy: Policy, carry: Carry = "all") -> None:
        """Changes switch or field of an org. "all" makes every earlier opt-out due in the new field too (rules 7).

        Switching off carries nothing. Carried marks wait for the first comparison; nobody is ever unblocked by it.
        """
        self._tick_clock()
        targets = write_fields(policy)
        self.policies[org] = policy
        self.epoch += 1
        for other, its_policy in self.policies.items():
            self.due[self.epoch, other] = set(write_fields(its_policy))
        if not policy.switch_on:
            self._release_carried(org)  # no comparison will come; what was owed is still delivered, after a read
        if carry == "new" or not policy.switch_on:
            return
        for epoch in range(self.epoch):
            self.due[epoch, org] |= targets
        self._carry_marks()

    # -- What our worker does -----------------------------------------------------------------------------------------

    def push(self) -> None:
        """Looks up who has no record, then delivers every owed and parked mark, reading each box before writing it."""
        for org, address in sorted(self.look_ups):
            self._look_up(org, address)
            if self._live_records_of(address, org):
                self.look_ups.discard((org, address))
        while todo := [box for box in sorted(self.marks, key=_box_order) if self.marks[box].state == "owed"]:
            self._deliver(todo[0])
        for box in [box for box, mark in self.marks.items() if mark.state == "parked" and mark.reason == "refused"]:
            if box in self.marks:
                self._deliver(box)

    def nightly(self, org: Org = 1) -> None:
        """One night of one org: reads, compares, writes. Nothing with the switch off."""
        if self.policies[org].switch_on:
            self.compare(self.read(org))
            self.push()

    def read(self, org: Org = 1) -> Reading:
        """All records of the org with a box true that is read or due; converted Leads too, to learn what they became.

        A field may be due and no longer read (after a change that carried nothing): its marks are compared too.
        """
        self._tick_clock()
        fields = self.fields_in_use(org)
        return Reading(
            org,
            self.now,
            {
                name: (record.email, frozenset(record.ticked))
                for name, record in self.salesforce.items()
                if record.org == org and not record.deleted and record.ticked & fields
            },
        )

    def compare(self, reading: Reading) -> None:
        """Takes in new ticks and settles the marks that nobody touched since the reading (rules 5.3)."""
        self._tick_clock()
        self._follow_the_dead(reading)
        for record, (email, ticked) in reading.records.items():
            if not self.salesforce[record].is_live:
                continue
            if ticked & read_fields(self.policies[reading.org]):
                self._take_tick(record, email, reading)
            elif self._marks_of(record):
                self._link_as_seen(record, email)
        for box in list(self.marks):
            if box in self.marks and self._org_of(box) == reading.org:
                self._settle(box, reading)
        self._sweep(reading.org)
        self._audit(reading.org)

    # -- What must be true --------------------------------------------------------------------------------------------

    def is_opted_out(self, address: Address, scope: int = 0) -> bool:
        """An active opt-out; one whose lift waits is active."""
        known = self.opt_outs.get((address, scope))
        return known is not None and not known.lifted

    @property
    def blocked(self) -> set[Address]:
        """Every address with an active account-wide opt-out."""
        return {address for (address, scope), known in self.opt_outs.items() if scope == 0 and not known.lifted}

    def fields_in_use(self, org: Org) -> set[FieldRole]:
        """The fields that are read, and those in which an active or a new opt-out is due."""
        epochs = {known.epoch for (_, scope), known in self.opt_outs.items() if scope == 0 and not known.lifted}
        due = set[FieldRole]().union(*(self.due[epoch, org] for epoch in epochs | {self.epoch}))
        return due | read_fields(self.policies[org])

    @property
    def boxes(self) -> set[Box]:
        """Every ticked box of a live record, as Salesforce holds it."""
        return {(box, name) for name, record in self.salesforce.items() if record.is_live for box in record.ticked}

    @property
    def pairs(self) -> set[Box]:
        """(due field, live record) of every address with an active account-wide opt-out (rules 5.6)."""
        return {box for address in self.blocked for box in self._boxes_owed_by(address)}

    @property
    def no_address(self) -> set[Box]:
        """Marks of ticked records that have no e-mail."""
        return {box for box in self.marks if self.links[box[1]] is None}

    def balance(self, org: Org = 1) -> Balance:
        """The org's balance; pairs from opt-outs and links, states from marks."""
        linked = {address for address in self.blocked if self._live_records_of(address, org)}
        states = [mark.state for box, mark in self.marks.items() if self._org_of(box) == org]
        return Balance(
            recorded=len(self.blocked),
            linked=len(linked),
            not_linked=len(self.blocked - linked),
            pairs=sum(self._org_of(box) == org for box in self.pairs),
            no_address=sum(self._org_of(box) == org for box in self.no_address),
            confirmed=states.count("confirmed"),
            owed=states.count("owed"),
            held=states.count("held"),
            parked=states.count("parked"),
        )

    # -- Marks --------------------------------------------------------------------------------------------------------

    def _owe(self, address: Address, named: Collection[RecordId] = (), *, again: bool = False) -> None:
        """Owes every box of an address; what exists stays, unless the opt-out is new again or the record is named."""
        over_cap = len(self._live_records_of(address)) > FAN_OUT_CAP and self.fan_out.get(address) != "allowed"
        waits = self.opt_outs[address, 0].lift_waits
        if again:
            self._trim(address)
        for box in self._boxes_owed_by(address):
            mark = self.marks.get(box)
            is_named = box[1] in named
            is_freed = mark is not None and (
                (is_named and mark.reason.startswith("fan-out")) or (mark.reason == "lift" and not waits)
            )
            if mark and not again and not is_freed:
                continue
            if waits:
                self._set(box, "confirmed" if self._is_ticked(box) else "held", "lift")
            elif not over_cap or is_named:
                self._set(box, "owed")
            elif self.fan_out.get(address) == "refused":
                self._set(box, "parked", "fan-out refused")
            else:
                self._set(box, "held", "fan-out")

    def _trim(self, address: Address) -> None:
        """Removes marks in fields where the address's opt-out is not due (any more)."""
        for name in self._live_records_of(address):
            for box in set(self._marks_of(name)) - self._boxes_owed_by(address):
                del self.marks[box]

    def _carry_marks(self) -> None:
        before = set(self.marks)
        for address in self.blocked:
            self._owe(address)
        for box in self.marks.keys() - before:
            if self.marks[box].state == "owed":
                self._set(box, "held", "carried")

    def _release_carried(self, org: Org) -> None:
        for box, mark in list(self.marks.items()):
            if mark.reason == "carried" and self._org_of(box) == org:
                self._set(box, "owed")

    def _audit(self, org: Org) -> None:
        """Makes the marks exactly the pairs and the no-address marks: nothing missing, nothing more (rules 5.5)."""
        for address in self.blocked:
            self._owe(address)
        for box in self.marks.keys() - self.pairs - self.no_address:
            if self._org_of(box) == org:
                del self.marks[box]

    def _deliver(self, box: Box) -> None:
        """Act, then mark. The record's successor and current e-mail are taken in before anything is written."""
        box_field, name = box
        record = self.salesforce[name]
        if not record.is_live:
            self._follow(name)
            return
        if record.email is not None and record.email != self.links[name]:
            self.link(name, record.email)
        if box_field in record.ticked:
            self._set(box, "confirmed")
        elif name in self.refusing:
            self._set(box, "parked", "refused")
        else:
            record.ticked.add(box_field)
            self.writes.append(box)
            self._set(box, "confirmed")

    def _settle(self, box: Box, reading: Reading) -> None:
        """One row of the comparison: what the reading says about this box, against its mark."""
        mark, (box_field, record) = self.marks[box], box
        if mark.touched_at > reading.taken_at:
            return
        came = reading.records.get(record)
        if self.links[record] is None and not (came and came[1] & read_fields(self.policies[reading.org])):
            del self.marks[box]  # ticked without an e-mail, and now unticked
            return
        is_true = came is not None and box_field in came[1]
        address = self.links[record]
        waits = address is not None and self.opt_outs[address, 0].lift_waits
        if is_true and mark.state == "held" and mark.reason == "lift" and address is not None:
            self.opt_out(address, "Salesforce Sync", named=[record])
        elif is_true:
            self._set(box, "confirmed")
        elif mark.state == "confirmed":
            self._set(box, *(("held", "lift") if waits else ("owed", "")))
        elif mark.reason == "carried":
            self._set(box, "owed")

    def _set(self, box: Box, state: State, reason: str = "") -> None:
        self.marks[box] = Mark(state, self.now, "" if state == "confirmed" else reason)

    # -- Ticks, links, successors -------------------------------------------------------------------------------------

    def _take_tick(self, record: RecordId, email: Address | None, reading: Reading) -> None:
        """One tick opts out the record's linked address and its e-mail; a lifted one only after a fresh look."""
        linked = self.links.get(record)
        theirs = [address for address in dict.fromkeys([linked, email]) if address is not None]
        if not theirs:
            self._keep_without_address(record, reading)
        missing = [address for address in theirs if not self.is_opted_out(address)]
        missing = [address for address in missing if self._may_revive(address, record, reading)]
        self._link_as_seen(record, email)
        for address in missing:
            self.opt_out(address, "Salesforce Sync", named=[record])

    def _link_as_seen(self, record: RecordId, email: Address | None) -> None:
        """Links by the reading's e-mail, unless it has changed since."""
        if email is not None and self.salesforce[record].email == email:
            self.link(record, email)

    def _may_revive(self, address: Address, record: RecordId, reading: Reading) -> bool:
        """Never lifted: yes (row 3). Lifted since the reading: next night decides (row 7). Else a fresh look does."""
        known = self.opt_outs.get((address, 0))
        if known is None:
            return True
        if known.changed_at > reading.taken_at:
            return False
        now = self.salesforce[record]
        belongs = address in (now.email, self.links.get(record))
        return now.is_live and belongs and bool(now.ticked & read_fields(self.policies[reading.org]))

    def _keep_without_address(self, record: RecordId, reading: Reading) -> None:
        self.links.setdefault(record, None)
        _, ticked = reading.records[record]
        for box_field in write_fields(self.policies[reading.org]):
            if (box_field, record) not in self.marks:
                self._set((box_field, record), "confirmed" if box_field in ticked else "owed")

    def _follow_the_dead(self, reading: Reading) -> None:
        """Merges, conversions, deletions of linked records; a ticked Lead that nobody knew counts once."""
        for name, record in self.salesforce.items():
            if record.org != reading.org or record.is_live or name in self.successors:
                continue
            if name in self.links or name in reading.records:
                self._follow(name, was_ticked=name in reading.records)

    def _follow(self, old: RecordId, *, was_ticked: bool = False) -> None:
        """The opt-out follows the person to Contact or survivor; a deleted record ends its marks, not the opt-out."""
        new = self._survivor_of(old)
        address = self.links.get(old)
        marks = self._marks_of(old)
        for box in marks:
            del self.marks[box]
        if new is None:
            self.links.pop(old, None)
            if address is not None and self.is_opted_out(address):
                self.look_ups.add((self.salesforce[old].org, address))
            return
        self.successors[old] = new
        self.links.setdefault(old, address)
        self._hand_over(new, self.salesforce[new].email or self.links.get(new) or address, marks, was_ticked)

    def _hand_over(self, new: RecordId, address: Address | None, marks: list[Box], was_ticked: bool) -> None:
        if address is None:
            self.links[new] = None
            for box_field, _ in marks:
                if (box_field, new) not in self.marks:
                    self._set((box_field, new), "owed")
            return
        self.link(new, address)
        if (marks or was_ticked) and not self.is_opted_out(address):
            self.opt_out(address, "follows record", named=[new])
        elif marks or was_ticked:
            self._owe(address, [new])  # a conversion while a lift waits is no new opt-out

    def _survivor_of(self, record: RecordId) -> RecordId | None:
        """The end of the chain of ConvertedContactId and MasterRecordId; None when it was deleted."""
        while (became := self.salesforce[record].became) is not None:
            record = became
        return None if self.salesforce[record].deleted else record

    def _sweep(self, org: Org) -> None:
        """Links every live record whose e-mail is opted out: this finds duplicates that were made later."""
        for name, record in self.salesforce.items():
            is_ours = record.org == org and record.is_live and record.email is not None
            if is_ours and record.email in self.blocked and self.links.get(name) != record.email:
                self.link(name, str(record.email))

    def _look_up(self, org: Org, address: Address) -> None:
        for name, record in list(self.salesforce.items()):
            if record.org == org and record.email == address and record.is_live:
                self.link(name, address)

    def _look_up_everywhere(self, address: Address) -> None:
        """What a lift does first: finds every record of the address and follows those that became another one."""
        for org in self.policies:
            self._look_up(org, address)
        for name in [name for name, owner in self.links.items() if owner == address and name not in self.successors]:
            record = self.salesforce[name]
            if not record.is_live:
                self._follow(name)
            elif record.email is not None and record.email != address:
                self.link(name, record.email)

    def _finish_lift(self, address: Address) -> None:
        """Ends the opt-out and all its marks, parked ones too (rows 4 and 10)."""
        for record in self._live_records_of(address):
            for box in self._marks_of(record):
                del self.marks[box]
        known = self.opt_outs[address, 0]
        known.lifted, known.lift_waits, known.changed_at = True, False, self.now
        self.look_ups -= {(org, address) for org in self.policies}

    # -- Small questions ----------------------------------------------------------------------------------------------

    def _boxes_owed_by(self, address: Address) -> set[Box]:
        epoch = self.opt_outs[address, 0].epoch
        return {
            (box_field, name)
            for name in self._live_records_of(address)
            for box_field in self.due[epoch, self.salesforce[name].org]
        }

    def _boxes_that_count(self, address: Address) -> set[Box]:
        """The boxes a lift waits for: every field in use of every record of the address (row 11)."""
        return {
            (box_field, name)
            for name in self._live_records_of(address)
            for box_field in self.fields_in_use(self.salesforce[name].org)
        }

    def _live_records_of(self, address: Address, org: Org | None = None) -> set[RecordId]:
        """Live as far as we know: a record that became another one counts until we followed it."""
        return {
            name
            for name, owner in self.links.items()
            if owner == address and name not in self.successors and org in (None, self.salesforce[name].org)
        }

    def _marks_of(self, record: RecordId) -> list[Box]:
        return [box for box in self.marks if box[1] == record]

    def _is_ticked(self, box: Box) -> bool:
        return box[0] in self.salesforce[box[1]].ticked

    def _org_of(self, box: Box) -> Org:
        return self.salesforce[box[1]].org

    def _tick_clock(self) -> None:
        self.now += 1


def _box_order(box: Box) -> tuple[str, RecordId]:
    return box[1], box[0].value
