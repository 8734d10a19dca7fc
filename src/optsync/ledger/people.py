"""Whom we know, which Salesforce records are theirs, and what happened to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import psycopg

from optsync.core.addresses import normalize, subject_of, without_addresses
from optsync.core.record_ids import Kind
from optsync.ledger.marks import STATES, State
from optsync.ledger.queries import sql
from optsync.ledger.record import WHOLE_ACCOUNT, again_after_deadlock

Provenance = Literal["g", "e", "v", "n", "c", "m"]
"""How we know a link: given id, look-up by exact e-mail, event, nightly, conversion, merge."""

KINDS: dict[str, Kind] = {"L": "Lead", "C": "Contact", "A": "Account"}
PROVENANCES = {
    "g": "given id",
    "e": "exact e-mail",
    "v": "event",
    "n": "nightly",
    "c": "conversion",
    "m": "merge",
}


@dataclass(frozen=True, slots=True)
class Link:
    """A record (18-character id) of a kind belongs to an e-mail address; None = the record has no e-mail."""

    record_id: str
    kind: Kind
    email: str | None


@dataclass(frozen=True, slots=True)
class OptOut:
    """One opt-out of an address: active, waiting to be lifted (still blocked), or lifted. Scope 0 = whole account."""

    scope: int
    since_at: datetime
    source: str
    version: int
    lifted_at: datetime | None
    lift_waits_at: datetime | None

    @property
    def is_active(self) -> bool:
        """Whether it blocks."""
        return self.lifted_at is None


@dataclass(frozen=True, slots=True)
class BoxMark:
    """What one box of a record is owed; `is_being_sent` while a live worker holds it.

    `due_at` is when it is sent; None = not by itself.
    """

    field: int
    state: State
    reason: str | None
    attempts: int
    due_at: datetime | None
    is_being_sent: bool


@dataclass(frozen=True, slots=True)
class Disputed:
    """A box that is ticked in Salesforce by a mistake, as somebody decided: the mass change that was dropped, or the
    run that was undone. Its tick counts again once it was seen unticked."""

    field: int
    hold_id: int | None
    run_id: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """A Salesforce record of a person with its marks; `successor` names what a converted or merged one became."""

    org_id: int
    record_id: str
    kind: Kind
    provenance: str
    successor: str | None
    marks: tuple[BoxMark, ...] = ()
    disputed: tuple[Disputed, ...] = ()

    @property
    def is_live(self) -> bool:
        """Not converted or merged."""
        return self.successor is None


@dataclass(frozen=True, slots=True)
class Person:
    """An address as we know it, also an erased one. `why` says in plain words what blocks it; empty: nothing does."""

    address_id: int
    normal: str
    opt_outs: tuple[OptOut, ...]
    records: tuple[Record, ...]
    hold_ids: tuple[int, ...]
    why: str = ""
    is_erased: bool = False

    @property
    def blocked(self) -> bool:
        """Whether the whole account must not mail this person."""
        return bool(self.why)

    @property
    def opt_out(self) -> OptOut | None:
        """The account-wide opt-out, lifted or not; None when there never was one."""
        return next((o for o in self.opt_outs if o.scope == WHOLE_ACCOUNT), None)


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One event of a person's history, as it is sealed in the chain."""

    event_id: int
    at: datetime
    kind: str
    scope: int | None
    source: str | None
    actor: str | None
    org_id: int | None
    field: int | None
    record_id: str | None
    run_id: int | None
    reason: str | None
    evidence: dict[str, Any] | None


def find(conn: psycopg.Connection, subject_key: bytes, address: str) -> Person | None:
    """Everything about one address, also an erased one; None when unknown. Blocked domains are `check`'s to say."""
    normal = normalize(address)
    known = {"normal": normal, "subject": subject_of(normal, subject_key)}
    row = conn.execute(sql("optsync.ledger", "find_address"), known).fetchone()
    return None if row is None else _person(conn, row[0], normal, is_erased=row[1])


def find_by_id(conn: psycopg.Connection, address_id: int) -> Person | None:
    """The same by our own number; `normal` is empty once the address was erased. None when there is no such number."""
    row = conn.execute(sql("optsync.ledger", "address_by_id"), [address_id]).fetchone()
    return None if row is None else _person(conn, address_id, row[0] or "", is_erased=row[0] is None)


def link(
    conn: psycopg.Connection, subject_key: bytes, org_id: int, links: Sequence[Link], provenance: Provenance
) -> int:
    """Stores links and owes what is due; the opt-out follows a marked record to a new address (rules 4).

    Known links change nothing. Returns how many boxes are now owed.
    """
    normals = [None if i.email is None else normalize(i.email) for i in links]
    values = {
        "org": org_id,
        "records": [i.record_id for i in links],
        "kinds": [i.kind[0] for i in links],
        "normals": normals,
        "subjects": [None if n is None else subject_of(n, subject_key) for n in normals],
        "provenance": provenance,
    }
    statement = sql("optsync.ledger", "link_records")
    return _one(again_after_deadlock(lambda: conn.execute(statement, values).fetchone()))


def follow(
    conn: psycopg.Connection,
    subject_key: bytes,
    org_id: int,
    old: str,
    new: Link,
    provenance: Literal["c", "m"],
) -> bool:
    """A converted ('c') or merged ('m') record hands over to what it became: link, opt-out and marks (rules 4).

    `new` is the live end of the chain with its current e-mail. Returns whether the old record had a mark.
    """
    normal = None if new.email is None else normalize(new.email)
    values = {
        "org": org_id,
        "old": old,
        "new": new.record_id,
        "kind": new.kind[0],
        "normal": normal,
        "subject": None if normal is None else subject_of(normal, subject_key),
        "provenance": provenance,
        "subject_old": _subject_of_record(conn, subject_key, org_id, old),
    }
    statement = sql("optsync.ledger", "follow_record")
    return bool(_one(again_after_deadlock(lambda: conn.execute(statement, values).fetchone())))


def forget(conn: psycopg.Connection, subject_key: bytes, org_id: int, record_id: str) -> None:
    """A record was deleted in Salesforce: its marks and link end; its address stays opted out, looked up again."""
    subject = _subject_of_record(conn, subject_key, org_id, record_id)
    values = {"org": org_id, "record": record_id, "subject": subject}
    again_after_deadlock(lambda: conn.execute(sql("optsync.ledger", "forget_record"), values))


def erase(conn: psycopg.Connection, subject_key: bytes, address: str, *, actor: str, reason: str) -> bool:
    """Keeps only the keyed hash of an address; it stays blocked and counts (rules 4). False when unknown or erased."""
    normal = normalize(address)
    values = {"normal": normal, "subject": subject_of(normal, subject_key), "actor": actor}
    values["reason"] = without_addresses(reason)
    return bool(_one(conn.execute(sql("optsync.ledger", "erase_address"), values).fetchone()))


def timeline(conn: psycopg.Connection, subject_key: bytes, address: str) -> list[TimelineEntry]:
    """What happened to one person, oldest first; empty for an address nobody ever heard of."""
    subject = subject_of(normalize(address), subject_key)
    return [TimelineEntry(*row) for row in conn.execute(sql("optsync.ledger", "timeline_of"), [subject])]


def timeline_after(
    conn: psycopg.Connection, subject_key: bytes, address_id: int, after_event_id: int, limit: int
) -> list[TimelineEntry] | None:
    """A stretch of the same by our own number, also of an erased person; None when there is no such number."""
    row = conn.execute(sql("optsync.ledger", "address_by_id"), [address_id]).fetchone()
    if row is None:
        return None
    subject = row[1] if row[0] is None else subject_of(row[0], subject_key)
    rows = conn.execute(sql("optsync.ledger", "timeline_after"), [subject, after_event_id, limit])
    return [TimelineEntry(*entry) for entry in rows]


def _person(conn: psycopg.Connection, address_id: int, normal: str, *, is_erased: bool) -> Person:
    opt_outs = tuple(OptOut(*o) for o in conn.execute(sql("optsync.ledger", "opt_outs_of"), [address_id]))
    holds = conn.execute(sql("optsync.ledger", "holds_of"), [address_id]).fetchall()
    hold_ids = tuple(hold_id for hold_id, _ in holds)
    why = _why_blocked(opt_outs, waits_inbound=any(direction == "i" for _, direction in holds))
    return Person(address_id, normal, opt_outs, _records_of(conn, address_id), hold_ids, why, is_erased)


def _why_blocked(opt_outs: tuple[OptOut, ...], *, waits_inbound: bool) -> str:
    active = next((o for o in opt_outs if o.scope == WHOLE_ACCOUNT and o.is_active), None)
    if active is not None and active.lift_waits_at is not None:
        return "unsubscribed; the removal waits until every box in Salesforce is unticked"
    if active is not None:
        return f"unsubscribed ({active.source})"
    return "in a mass change that waits for a decision" if waits_inbound else ""


def _records_of(conn: psycopg.Connection, address_id: int) -> tuple[Record, ...]:
    found: dict[tuple[int, str], Record] = {}
    for org_id, record_id, kind, provenance, successor, *mark in conn.execute(
        sql("optsync.ledger", "records_of"), [address_id]
    ):
        before = found.get((org_id, record_id))
        marks = before.marks if before else ()
        if mark[0] is not None:
            field, state, reason, attempts, due_at, is_being_sent = mark
            marks += (BoxMark(field, STATES[state], reason, attempts, due_at, bool(is_being_sent)),)
        found[org_id, record_id] = Record(org_id, record_id, KINDS[kind], PROVENANCES[provenance], successor, marks)
    for org_id, record_id, *box in conn.execute(sql("optsync.ledger", "disputed_boxes_of"), [address_id]):
        one = found[org_id, record_id]
        found[org_id, record_id] = replace(one, disputed=(*one.disputed, Disputed(*box)))
    return tuple(found.values())


def _subject_of_record(conn: psycopg.Connection, subject_key: bytes, org_id: int, record_id: str) -> bytes | None:
    row = conn.execute(sql("optsync.ledger", "address_of_record"), {"org": org_id, "record": record_id}).fetchone()
    if row is None:
        return None
    normal, erased_hash = row
    return erased_hash if normal is None else subject_of(normal, subject_key)


def _one(row: tuple[Any, ...] | None) -> int:
    assert row is not None  # the function answers with one row
    return int(row[0])
