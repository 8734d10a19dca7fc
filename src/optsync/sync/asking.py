"""Asking for a run from a page, seeing how far it is, and stopping it. A worker does it: a page answers at once.

The request is the row of the run itself, so it outlives the web server, and nothing else has to be kept in step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from optsync.connection import settings
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql
from optsync.sync import runs
from optsync.sync.nightly import refuse_switched_off

PACKAGE: Final = "optsync.sync"
Step = Literal["asked", "starting", "reading", "comparing", "looking up", "writing", "proving"]
STEPS: Final[dict[str, Step]] = {
    "starting": "starting",
    "reading": "reading",
    "changes": "reading",
    "sweep": "reading",
    "comparing": "comparing",
    "reading again": "comparing",
    "applying": "comparing",
    "looking up": "looking up",
    "writing": "writing",
    "proving": "proving",
}
"""What the phases of a run are to somebody who watches; in their order."""


def ask(conn: psycopg.Connection, org_id: int, by: str, *, dry_run: bool = False, go: bool = False) -> int:
    """Asks the worker for a run now and returns its number. `go` is an admin's word for the first run.

    Raises Problem when the org is not connected, the switch is off (a dry run works then too), the first run has no go
    yet, or another run is not over: one at a time.
    """
    chosen = settings.load(conn, org_id)
    kind: runs.Kind = "dry run" if dry_run else "by hand" if runs.has_compared(conn, org_id) else "first"
    if not dry_run:
        refuse_switched_off(chosen)
    if kind == "first" and not (go or chosen.first_run_approved_at):
        raise Problem(
            told("the first sync waits for an admin's go"),
            told("nothing was started; unsubscribes are pushed all the same"),
            told("look first at what it would do: preview it, then give the go"),
        )
    with conn.transaction():
        values = {"org": org_id, "kind": kind, "by": by, "options": Jsonb({"approved": kind == "first"})}
        row = conn.execute(sql(PACKAGE, "ask_for_run"), values).fetchone()
        if row is None:
            raise _going_on()
        if kind == "first" and not chosen.first_run_approved_at:
            settings.approve_first_run(conn, org_id, by)
    return int(row[0])


def cancel(conn: psycopg.Connection, run_id: int, by: str) -> bool:
    """Stops a run: one that goes on ends at its next step, any other at once. False when it is over, or stopping.

    What it has recorded stays recorded, and a box that is owed goes out as a push.
    """
    return conn.execute(sql(PACKAGE, "cancel_run"), {"run_id": run_id, "by": by}).fetchone() is not None


def unfinished(conn: psycopg.Connection, org_id: int) -> int | None:
    """The number of the run that goes on, was asked for, or waits for Salesforce; None when there is none."""
    row = conn.execute(sql(PACKAGE, "unfinished_run_id"), {"org": org_id}).fetchone()
    return None if row is None else int(row[0])


@dataclass(frozen=True, slots=True)
class Now:
    """How far a run is. `what` is the object being read, '' otherwise; `left_seconds` None without an earlier run."""

    run_id: int
    state: str
    step: Step
    what: str
    count: int
    kind: str
    by_whom: str
    is_stopping: bool
    started_at: datetime
    seconds: float
    left_seconds: float | None


def now(conn: psycopg.Connection, run_id: int) -> Now | None:
    """How far a run is; None when there is none of that number. One cheap query, whatever the org's size."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql(PACKAGE, "run_now"), {"run_id": run_id}).fetchone()
    if row is None:
        return None
    doing: str = row["progress"].get("doing", "starting")
    step: Step = "asked" if row["state"] == "asked" else step_of(doing)
    left = left_seconds(step, row["phase_seconds"] or 0.0, row["counts"], row["last"] or {})
    return Now(
        run_id,
        row["state"],
        step,
        next((kind for kind in ("Lead", "Contact", "Account") if doing.endswith(kind)), ""),
        row["progress"].get("count", 0),
        row["kind"],
        row["by_whom"],
        row["cancelled_by"] is not None,
        row["started_at"],
        row["seconds"],
        None if row["state"] != "running" or row["kind"] == "dry run" else left,
    )


def step_of(doing: str) -> Step:
    """The step that a phase, or a question to Salesforce such as 'ticked Lead', belongs to."""
    if doing.startswith("proof"):
        return "proving"
    return STEPS.get(doing, "reading")


def left_seconds(step: Step, phase_seconds: float, counts: Mapping[str, Any], last: Mapping[str, Any]) -> float | None:
    """How long a run still takes, by what each step of the last one took; None when there was none.

    Writing goes by the boxes: as many a second as the last time, when both runs have some to write.
    """
    phases = last.get("phases")
    if not phases:
        return None
    took: dict[Step, float] = {}
    for name, timing in phases.items():
        took[step_of(name)] = took.get(step_of(name), 0.0) + float(timing["seconds"])
    before, owed = (last.get("counts") or {}).get("owed", 0), (counts.get("applied") or {}).get("owed", 0)
    if before and owed and "writing" in took:
        took["writing"] *= owed / before
    order = list(dict.fromkeys(STEPS.values()))
    if step not in order:
        return sum(took.values())
    here = max(0.0, took.get(step, 0.0) - phase_seconds)
    return here + sum(took.get(later, 0.0) for later in order[order.index(step) + 1 :])


def _going_on() -> Problem:
    return Problem(
        told("a sync run of this org is going on already"),
        told("two runs at once would do the same work twice; nothing was started"),
        told("watch it in the list of sync runs"),
    )
