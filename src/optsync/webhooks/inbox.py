"""The inbox between mail providers and the ledger: what is acknowledged is committed here first.

`put` stores the events of one call in one statement; `take_these` and `take_waiting` record what waits, each event in a
transaction of its own together with the mark that it was taken. Whoever is killed in between, the next one goes on: the
receiver after its next call, or a worker within a second. No Django here: workers load it.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from optsync.config.logging import get_logger
from optsync.core.addresses import normalize, subject_of
from optsync.ledger.queries import sql
from optsync.ledger.record import Source, opt_out
from optsync.webhooks.providers import Deed, Provider, Said

PACKAGE: Final = "optsync.webhooks"
TAKEN_AT_ONCE: Final = 200
"""How many events a worker takes in one go, each by itself; seals and lifts come between."""
TAKEN_BY_THE_CALL: Final = 1_000
"""As many are recorded before the provider has its answer, in about a second and a half; it waits for ten."""
NEVER: Final = frozenset({"22", "23", "42", "54", "P0"})
"""Classes of SQLSTATE that say that this row will be refused again: data, constraint, statement, limit, function."""
SHOWN_MAX: Final = 20

SOURCES: Final[Mapping[str, Source]] = {
    "unsubscribe": "mail provider",
    "complaint": "complaint",
    "bounce": "bounce",
}
NOTES: Final = {"group": "left a group", "resubscribed": "provider resubscribed"}
"""What changes nothing here and still stands in the person's history."""

log = get_logger("optsync.webhooks.inbox")


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of a call: how many events are new, and the numbers of those that the ledger has not taken yet."""

    new: int = 0
    waiting: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that the ledger has not taken yet."""

    inbox_id: int
    provider: str
    deed: Deed
    address: str
    evidence: dict[str, Any]


def put(conn: psycopg.Connection, subject_key: bytes, provider: Provider, said: Sequence[Said]) -> Stored:
    """Stores what concerns opt-outs, all of it or nothing, each event once. Raises psycopg.Error."""
    kept = [one for one in said if one.deed is not None]
    conn.execute(sql(PACKAGE, "forget_taken"))
    if not kept:
        return Stored()
    values = {
        "provider": provider.slug,
        "event_keys": [key_of(subject_key, provider, one) for one in kept],
        "deeds": [one.deed for one in kept],
        "addresses": [normalize(one.address) if one.deed != "unreadable" else None for one in kept],
        "evidences": [Jsonb(one.evidence) for one in kept],
        "raws": [one.raw or None for one in kept],
    }
    row = conn.execute(sql(PACKAGE, "put_into_inbox"), values).fetchone()
    assert row is not None  # it counts
    return Stored(*row)


def key_of(subject_key: bytes, provider: Provider, one: Said) -> bytes:
    """Names an event, so that it is stored once however often it is told: by its number, else by all it says."""
    says = one.event_id or json.dumps(one.evidence, sort_keys=True) + one.raw
    parts = "\0".join((provider.slug, str(one.deed), normalize(one.address), says))
    return hmac.digest(subject_key, b"mail event\0" + parts.encode(errors="replace"), "sha256")


def take_waiting(conn: psycopg.Connection, subject_key: bytes, most: int = TAKEN_AT_ONCE) -> bool:
    """Records what has waited longest, at most so many; whether more may wait."""
    rows = waiting(conn, "inbox_waiting", most)
    return take_each(conn, subject_key, rows) and len(rows) == most


def take_these(conn: psycopg.Connection, subject_key: bytes, numbers: Sequence[int]) -> None:
    """Records some events, whatever waits before them."""
    take_each(conn, subject_key, waiting(conn, "inbox_waiting_of", list(numbers)))


def take_waiting_of(conn: psycopg.Connection, subject_key: bytes, address: str) -> None:
    """Records what waits about one person. An erasure comes after it: here addresses stand in clear until then."""
    take_each(conn, subject_key, waiting(conn, "inbox_waiting_about", normalize(address)))


def take_each(conn: psycopg.Connection, subject_key: bytes, rows: Sequence[Waiting]) -> bool:
    """Records events one by one; whether any has gone on, so that those behind it can be looked at.

    One that cannot be recorded now is put off, one that never can be is put before a person; the others go on. Raises
    psycopg.Error when the session is lost.
    """
    went_on = False
    for row in rows:
        try:
            went_on |= take(conn, subject_key, row)
        except Exception as error:
            if conn.closed:
                raise
            went_on |= is_out_of_the_way(conn, row, error)
    return went_on


def is_out_of_the_way(conn: psycopg.Connection, row: Waiting, error: Exception) -> bool:
    """Whether it is now: put off after a deadlock or a full disk, put before a person when it can never be taken.

    A full disk may refuse that, too: then the event waits where it stands.
    """
    name = type(error).__name__
    log.warning("an event of a mail provider was not recorded", error=name, inbox=row.inbox_id)
    passes = isinstance(error, psycopg.Error) and (error.sqlstate or "")[:2] not in NEVER
    statement = "put_off" if passes else "cannot_be_recorded"
    try:
        return conn.execute(sql(PACKAGE, statement), {"inbox": row.inbox_id, "why": name}).rowcount > 0
    except psycopg.Error:
        if conn.closed:
            raise
        return False


def waiting(conn: psycopg.Connection, which: str, of: int | list[int] | str) -> list[Waiting]:
    """What a statement finds: the oldest so many, those with some numbers, or those about an address."""
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(sql(PACKAGE, which), [of], prepare=True).fetchall()


def take(conn: psycopg.Connection, subject_key: bytes, row: Waiting) -> bool:
    """Records one event and marks it taken, in one transaction; False when somebody else took it meanwhile."""
    with conn.transaction():
        if conn.execute(sql(PACKAGE, "take_from_inbox"), [row.inbox_id], prepare=True).fetchone() is None:
            return False
        if row.deed in SOURCES:
            opt_out(conn, subject_key, row.address, SOURCES[row.deed], evidence=row.evidence)
        else:
            note = {
                "kind": NOTES[row.deed],
                "subject": subject_of(row.address, subject_key),
                "evidence": Jsonb(row.evidence),
            }
            conn.execute(sql(PACKAGE, "note_of_provider"), note)
    return True


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event that nobody could read: why, and as it came."""

    inbox_id: int
    received_at: Any
    why: str
    raw: str


def unreadable(conn: psycopg.Connection, provider: Provider) -> list[Unreadable]:
    """The newest ones that wait for a person."""
    with conn.cursor(row_factory=class_row(Unreadable)) as cursor:
        return cursor.execute(sql(PACKAGE, "unreadable"), [provider.slug, SHOWN_MAX]).fetchall()


def put_aside(conn: psycopg.Connection, provider: Provider, inbox_id: int) -> bool:
    """A person has dealt with an unreadable event; False when somebody had before."""
    return conn.execute(sql(PACKAGE, "put_aside"), [inbox_id, provider.slug]).fetchone() is not None
