"""The comparison of Salesforce with the marks, and its one transaction: all in sets, no row passes through Python.

What Salesforce shows lies in temporary tables that `optsync.sync.staging` filled. The order is that of rules 5:
compare, re-read what would revive a lifted address, then apply: links, opt-outs, marks, disputes, audit, brake.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, LiteralString

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Identifier

from optsync.core import addresses, brake
from optsync.ledger import balance
from optsync.ledger.queries import sql

PACKAGE: Final = "optsync.sync"
APPLY_LOCK: Final = 7004
"""Exclusive here, shared by links, follows and lifts: the apply's snapshot could predate them."""
TARGET_LOCK: Final = 7005
"""Shared here: a field change waits for the apply and the other way round."""
ATTEMPTS: Final = 5
"""A worker that settles at the same moment may end the apply as a deadlock's victim; it is simply done again."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one comparison is about. `fields` are the numbers of the boxes that were read, `read` those whose tick opts
    a person out here; a mark touched in run `run_no` or later is newer than what was read."""

    org_id: int
    run_id: int
    run_no: int
    start_version: int
    fields: tuple[int, ...]
    read: tuple[int, ...]
    approved: bool
    pads: tuple[bytes, bytes] = field(repr=False)

    def params(self) -> dict[str, Any]:
        """The parameters of every statement."""
        return {
            "org": self.org_id,
            "run_id": self.run_id,
            "run_no": self.run_no,
            "start_version": self.start_version,
            "fields": list(self.fields),
            "read": sum(1 << number for number in self.read),
            "plain": addresses.PLAIN,
            "inner": self.pads[0],
            "outer": self.pads[1],
            "origin": f"run {self.run_id}",
        }


@dataclass(frozen=True, slots=True)
class Applied:
    """What the apply did, in people or boxes; `held_in` and `held_out` are the holds it made, None where none."""

    recorded: int = 0
    followed: int = 0
    owed: int = 0
    audit_missing: int = 0
    audit_extra: int = 0
    held_in: int | None = None
    held_in_people: int = 0
    held_out: int | None = None
    held_out_people: int = 0


def set_pace(conn: psycopg.Connection) -> None:
    """The session settings of a run: without them the planner makes the apply three times slower (marks.md 3)."""
    conn.execute("SET jit = off")
    conn.execute("SET random_page_cost = 1.1")
    conn.execute("SET work_mem = '64MB'")
    conn.execute("SET max_parallel_workers_per_gather = 0")  # a scan of every record would look cheap to them
    analyze(conn, [table for (table,) in _run(conn, "never_analysed").fetchall()])
    conn.execute("SET default_statistics_target = 10")  # enough for temp tables, and a tenth of the time


def analyze(conn: psycopg.Connection, tables: Sequence[str]) -> None:
    """Renews what the planner knows of lasting tables, at the server's usual precision."""
    if tables:
        with conn.transaction():
            conn.execute("SET LOCAL default_statistics_target TO DEFAULT")
            conn.execute(SQL("ANALYZE {}").format(SQL(", ").join(map(Identifier, tables))))


def compare(conn: psycopg.Connection, scope: Scope) -> int:
    """Joins S with the marks into the temp table `difference`; returns how many boxes differ, 0 when in sync."""
    conn.execute("DROP TABLE IF EXISTS difference, candidate, revive")
    differing = _run(conn, "compare", scope.params()).rowcount
    if differing:
        conn.execute("ANALYZE difference")
        normalize_odd(conn, "odd_addresses_out", scope.params())
        _run(conn, "odd_addresses_in")
    return differing


def add_matched(conn: psycopg.Connection, scope: Scope) -> int:
    """Adds the unticked records that concern an opted-out person to the difference."""
    return _run(conn, "matched_to_difference", scope.params()).rowcount


def find_candidates(conn: psycopg.Connection, scope: Scope) -> list[str]:
    """Ids of the records that would revive a lifted address or end a waiting lift: they are re-read singly."""
    _run(conn, "find_candidates", scope.params())
    return [row[0] for row in conn.execute("SELECT DISTINCT record_id FROM candidate ORDER BY 1")]


def decide_revivals(conn: psycopg.Connection, scope: Scope, *, reread: bool) -> None:
    """Takes the temp table `reread` into the difference and chooses which lifted opt-outs may come back."""
    if reread:
        _run(conn, "take_reread")
        _run(conn, "normalize_reread", scope.params())
        normalize_odd(conn, "odd_addresses_out", scope.params())
        _run(conn, "odd_addresses_in")
    _run(conn, "choose_revivals", scope.params())


def apply(conn: psycopg.Connection, scope: Scope) -> Applied:
    """Makes both sides of the ledger agree with S in one transaction. Nothing is sent from here."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with conn.transaction():
                return _apply(conn, scope)
        except errors.DeadlockDetected:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def normalize_odd(conn: psycopg.Connection, out: LiteralString, params: Mapping[str, Any]) -> None:
    """Gives the few e-mails that need more than lower and trim their normal form, through COPY out and in."""
    _run(conn, "odd_addresses_table")
    known = {row[0] for row in conn.execute("SELECT email FROM odd_address")}
    with conn.cursor() as cursor:
        with cursor.copy(sql(PACKAGE, out), params) as copy:
            odd = [email for (email,) in copy.rows() if email not in known]
        if odd:
            with cursor.copy("COPY odd_address (email, normal) FROM STDIN") as copy:
                for email in odd:
                    copy.write_row((email, addresses.normalize(email)))


def _apply(conn: psycopg.Connection, scope: Scope) -> Applied:
    conn.execute("SELECT pg_advisory_xact_lock(%s, 0)", (APPLY_LOCK,))
    conn.execute("SELECT pg_advisory_xact_lock_shared(%s, 0)", (TARGET_LOCK,))
    params = scope.params() | {
        "erased": _one(conn, "SELECT EXISTS (SELECT FROM address WHERE erased_hash IS NOT NULL)"),
        "all_fields": _one(conn, "SELECT coalesce(array_agg(DISTINCT field), '{}') FROM opt_out_field"),
    }
    _run(conn, "end_no_address", params)  # first: an unticked record without address has nothing to take along
    _link(conn, params)
    _run(conn, "want_opt_outs", params)
    held_in, held_in_people = _brake_inbound(conn, scope, params)
    _record(conn, params)
    _owe(conn, params)
    _run(conn, "settle", params)
    for statement in ("find_ended_waits", "release_ended_waits", "count_ended_waits"):
        _run(conn, statement, params)
    _run(conn, "free_moved", params)
    _run(conn, "free_repeated")
    _run(conn, "end_disputes", params)
    _audit(conn, params)
    held_out, held_out_people = _brake_outbound(conn, scope, params)
    counts = _run(conn, "count_apply", params).fetchone()
    assert counts is not None
    if counts[2]:
        conn.execute("SELECT pg_notify('mark', '')")
    found = Applied(*counts)
    return replace(
        found, held_in=held_in, held_in_people=held_in_people, held_out=held_out, held_out_people=held_out_people
    )


def _link(conn: psycopg.Connection, params: Mapping[str, Any]) -> None:
    _run(conn, "know_records", params)
    _run(conn, "find_converted", params)
    conn.execute("ANALYZE known")
    if params["erased"]:
        _run(conn, "know_erased")
        _run(conn, "know_erased_converted", params)
    _run(conn, "add_addresses")
    _run(conn, "place_records")
    _run(conn, "leave_unread")
    _run(conn, "add_converted_addresses")
    _run(conn, "place_converted")
    _run(conn, "lock_addresses")
    _run(conn, "link_records", params)
    _run(conn, "link_converted", params)
    for statement in ("follow_converted", "follow_merged", "forget_deleted"):
        _run(conn, statement, params)


def _brake_inbound(conn: psycopg.Connection, scope: Scope, params: Mapping[str, Any]) -> tuple[int | None, int]:
    people = int(_one(conn, sql(PACKAGE, "count_wanted")))
    if not _is_held(conn, scope, people):
        return None, 0
    hold_id = int(_one(conn, sql(PACKAGE, "hold_inbound"), params))
    _run(conn, "empty_wanted")
    return hold_id, people


def _brake_outbound(conn: psycopg.Connection, scope: Scope, params: Mapping[str, Any]) -> tuple[int | None, int]:
    if scope.approved:
        return None, 0
    people = int(_one(conn, sql(PACKAGE, "count_owed_addresses")))
    if _is_held(conn, scope, people) and _run(conn, "leave_out_waited").rowcount:
        people = int(_one(conn, sql(PACKAGE, "count_owed_addresses")))
    if not _is_held(conn, scope, people):
        return None, 0
    return int(_one(conn, sql(PACKAGE, "hold_outbound"), params)), people


def _is_held(conn: psycopg.Connection, scope: Scope, people: int) -> bool:
    """The brake of rules 8. What it measures against is counted only when the small limit is passed."""
    if scope.approved or people <= brake.HELD_ABOVE_ADDRESSES:
        return False
    return brake.is_held(people, balance.linked_addresses(conn))


def _record(conn: psycopg.Connection, params: Mapping[str, Any]) -> None:
    _run(conn, "fresh_table")
    _run(conn, "apply_opt_outs", params)
    _run(conn, "tell_opt_outs", params)
    _run(conn, "look_up_fresh")


def _owe(conn: psycopg.Connection, params: Mapping[str, Any]) -> None:
    _run(conn, "find_pairs", params)
    conn.execute("ANALYZE pair")
    _run(conn, "owed_table")
    _run(conn, "make_marks", params)
    _run(conn, "hold_fan_out")
    _run(conn, "mark_no_address", params)


def _audit(conn: psycopg.Connection, params: Mapping[str, Any]) -> None:
    _run(conn, "audit_marks", params)
    _run(conn, "repair_missing", params)
    _run(conn, "settle_repaired", params)
    _run(conn, "remove_extra", params)


def _run(conn: psycopg.Connection, name: LiteralString, params: Mapping[str, Any] | None = None) -> psycopg.Cursor:
    return conn.execute(sql(PACKAGE, name), params)


def _one(conn: psycopg.Connection, statement: LiteralString, params: Mapping[str, Any] | None = None) -> Any:
    row = conn.execute(statement, params).fetchone()
    assert row is not None
    return row[0]
