"""The undo of a sync run: what it brought in by ticks is taken back here, and disputed (rules 8)."""

from typing import Final

import psycopg

from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger import undo
from optsync.ledger.queries import sql
from optsync.ledger.undo import RunTicks, Undone

PACKAGE: Final = "optsync.sync"


def ticks_of(conn: psycopg.Connection, run_id: int) -> RunTicks:
    """What there is to undo in a run. Raises Problem when it is unknown, goes on, or compared nothing."""
    row = conn.execute(sql(PACKAGE, "run_to_undo"), {"run_id": run_id}).fetchone()
    if row is None:
        raise Problem(
            told("there is no sync run %(n)s", n=run_id),
            told("nothing was changed"),
            told("see the runs that there are"),
        )
    org_id, state, run_no, boxes_read = row
    if state != "finished":
        raise Problem(
            told("sync run %(n)s is not over yet", n=run_id),
            told("nothing was changed; what it will bring in is not known"),
            told("wait for its end, or cancel it first"),
        )
    if run_no is None or boxes_read is None:
        raise _nothing(run_id)
    return RunTicks(run_id, org_id, run_no, tuple(boxes_read[1]))


def look(conn: psycopg.Connection, subject_key: bytes, run_id: int) -> Undone:
    """What an undo would do. Raises Problem when there is nothing to undo, or nothing left."""
    found = undo.look(conn, subject_key, ticks_of(conn, run_id))
    if not found.lifted:
        raise _nothing(run_id, found.stay, again=undo.was_undone(conn, run_id))
    return found


def undo_run(conn: psycopg.Connection, subject_key: bytes, run_id: int, actor: str, reason: str) -> Undone:
    """Does it. Raises Problem as `look`."""
    look(conn, subject_key, run_id)
    return undo.undo(conn, subject_key, ticks_of(conn, run_id), actor, reason)


def _nothing(run_id: int, stay: int = 0, *, again: bool = False) -> Problem:
    if stay:
        what = told("everybody whom sync run %(n)s brought in has been opted out by others since", n=run_id)
    elif again:
        what = told("sync run %(n)s was undone before", n=run_id)
    else:
        what = told("sync run %(n)s brought nobody in by a tick who is still opted out by it", n=run_id)
    return Problem(
        what,
        told("there is nothing to undo; nothing was changed"),
        told("one person's unsubscribe is removed on that person's page"),
    )
