"""Looking at the boxes of one person in every org: before a lift, and hourly while one waits (rules 6).

A waiting lift completes when every box could be read and none is ticked. A box that was seen unticked and is ticked
again ends the wait: somebody opted the person out anew. Unreadable is not unticked; a disconnected org has no say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg

from optsync.connection import settings
from optsync.connection.connect import connections
from optsync.connection.sessions import Sessions, check_org
from optsync.core.addresses import normalize
from optsync.core.problems import Problem
from optsync.core.record_ids import Kind, kind_of
from optsync.ledger import lifts, record, targets
from optsync.ledger.lifts import Answer, Mode, WaitingLift
from optsync.ledger.queries import sql
from optsync.salesforce.errors import SalesforceError
from optsync.seams import Seams
from optsync.sync import follow, lookups, records
from optsync.sync.line import NOBODY, Line
from optsync.sync.records import Row

if TYPE_CHECKING:
    from optsync.config.vault import Vault

PACKAGE: Final = "optsync.sync"
DISCONNECTED: Final = (
    "this org is disconnected: nobody waits for it, and a box ticked there brings the unsubscribe back once it is "
    "connected again and compared"
)
MAX_TURNS: Final = 3
"""Following a conversion or a merge may bring another record; after so many turns the rest waits for the next look."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box of one record, read just now. `ticked` is None where it could not be read, and then `why` says why."""

    org_id: int
    record_id: str
    kind: Kind
    field: int
    label: str
    ticked: bool | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at the waiting lifts did."""

    completed: int = 0
    ended: int = 0
    waiting: int = 0


def boxes_of(conn: psycopg.Connection, vault: "Vault", seams: Seams, address_id: int, normal: str | None) -> list[Box]:
    """Every box of an address in every connected org, read just now; links and follows what it finds on the way.

    A disconnected org that has a record of it is named, not read: no lift waits for it.
    """
    sessions = Sessions(vault, seams)
    try:
        lines, unreadable = _lines(conn, vault, seams, sessions)
        read = [box for line in lines for box in _boxes_in(line, address_id, normal)]
    finally:
        sessions.close()
    rows = conn.execute(sql(PACKAGE, "disconnected_orgs_of"), {"address": address_id}).fetchall()
    return unreadable + read + [Box(org_id, "", "Lead", 0, "", None, DISCONNECTED) for (org_id,) in rows]


def remove(
    conn: psycopg.Connection,
    vault: "Vault",
    seams: Seams,
    address: str,
    *,
    mode: Mode,
    actor: str,
    reason: str,
    evidence: Mapping[str, Any] | None = None,
) -> Answer:
    """A lift as every door asks for it: one that waits has its first look at once and may be 'lifted' by it."""
    key = vault.subject_key
    answer = lifts.lift(conn, key, address, mode=mode, actor=actor, reason=reason, evidence=evidence)
    if answer == "waits" and look(conn, vault, seams, only=address).completed:
        return "lifted"
    return answer


def look(conn: psycopg.Connection, vault: "Vault", seams: Seams, *, only: str | None = None) -> Looked:
    """Reads the boxes of every waiting lift (or of that address), singly, and completes or ends what can be."""
    waiting = [lift for lift in lifts.waiting(conn) if only is None or lift.normal == normalize(only)]
    outcomes = []
    if waiting:
        sessions = Sessions(vault, seams)
        try:
            lines, unreadable = _lines(conn, vault, seams, sessions)
            outcomes = [_look_at(conn, vault, lines, unreadable, lift) for lift in waiting]
        finally:
            sessions.close()
    return Looked(outcomes.count("completed"), outcomes.count("ended"), outcomes.count("waiting"))


def _lines(conn: psycopg.Connection, vault: "Vault", seams: Seams, sessions: Sessions) -> tuple[list[Line], list[Box]]:
    """A line to each org, and one unreadable box for each org whose credential cannot be used."""
    found, unreadable = [], []
    for org in connections(conn):
        try:
            session, salesforce_id = sessions.get(conn, org.org_id, org.revision)
        except (SalesforceError, Problem) as error:
            unreadable.append(_away(org.org_id, error))
        else:
            found.append(Line(conn, session, org.org_id, salesforce_id, NOBODY, vault.subject_key, seams))
    return found, unreadable


def _away(org_id: int, error: SalesforceError | Problem) -> Box:
    why = error.what if isinstance(error, Problem) else error.message
    return Box(org_id, "", "Lead", 0, "", None, why)


def _look_at(
    conn: psycopg.Connection, vault: "Vault", lines: Sequence[Line], unreadable: Sequence[Box], lift: WaitingLift
) -> str:
    boxes = [*unreadable, *(box for line in lines for box in _boxes_in(line, lift.address_id, lift.normal))]
    if lift.normal is not None and (again := _ticked_again(conn, boxes, lift)):
        record.opt_out(
            conn,
            vault.subject_key,
            lift.normal,
            "salesforce sync",
            reason="ticked again while the lift waited",
            evidence={"record": again[0]},
            named=again,
        )
        conn.execute(sql(PACKAGE, "forget_looks"), {"version": lift.version})
        return "ended"
    _remember(conn, [box for box in boxes if box.ticked is False], lift)
    if any(box.ticked is not False for box in boxes):
        return "waiting"
    answer = lifts.complete(conn, vault.subject_key, lift, evidence={"boxes": len(boxes)})
    if answer == "lifted":
        conn.execute(sql(PACKAGE, "forget_looks"), {"version": lift.version})
    return "completed" if answer == "lifted" else "waiting"


def _ticked_again(conn: psycopg.Connection, boxes: Sequence[Box], lift: WaitingLift) -> list[str]:
    found: list[str] = []
    for org_id in sorted({box.org_id for box in boxes}):
        ticked = [box for box in boxes if box.org_id == org_id and box.ticked]
        rows = conn.execute(sql(PACKAGE, "ticked_again"), _keyed(org_id, ticked, lift))
        found += [record_id for (record_id,) in rows]
    return found


def _remember(conn: psycopg.Connection, boxes: Sequence[Box], lift: WaitingLift) -> None:
    for org_id in sorted({box.org_id for box in boxes}):
        values = _keyed(org_id, [box for box in boxes if box.org_id == org_id], lift)
        conn.execute(sql(PACKAGE, "remember_unticked"), values | {"address": lift.address_id})


def _keyed(org_id: int, boxes: Sequence[Box], lift: WaitingLift) -> dict[str, object]:
    return {
        "org": org_id,
        "fields": [box.field for box in boxes],
        "records": [box.record_id for box in boxes],
        "version": lift.version,
    }


def _boxes_in(line: Line, address_id: int, normal: str | None) -> list[Box]:
    """The boxes in one org: every due or read field of every live record. One unreadable box when the org is away."""
    wanted = targets.due_fields(line.conn, line.org_id) | settings.load(line.conn, line.org_id).read
    try:
        check_org(line.session, line.salesforce_id)
        rows, unseen = _read(line, address_id, normal, [line.fields[number] for number in sorted(wanted)])
    except (SalesforceError, Problem) as error:
        return [_away(line.org_id, error)]
    boxes = [_unseen(line, record_id) for record_id in unseen]
    for row in rows:
        for number in sorted(wanted):
            label, was_read = line.fields[number].label, row.has_read([number])
            ticked, why = (number in row.ticked, "") if was_read else (None, "Salesforce did not show this box")
            boxes.append(Box(line.org_id, row.record_id, row.kind, number, label, ticked, why))
    return boxes


def _read(
    line: Line, address_id: int, normal: str | None, fields: Sequence[targets.OptOutField]
) -> tuple[list[Row], list[str]]:
    """The live records of an address, by e-mail and by link, and those that Salesforce does not show to us."""
    for kind in records.kinds_of(line.session) if normal is not None else ():
        lookups.link(line, list(records.by_email(line.session, kind, [normal or ""], fields)))
    rows: list[Row] = []
    unseen: list[str] = []
    for _ in range(MAX_TURNS):
        values = {"org": line.org_id, "address": address_id}
        ids = [record_id for (record_id,) in line.conn.execute(sql(PACKAGE, "live_records_of"), values)]
        read: dict[str, Row | None] = {}
        for _, found in records.by_id(line.session, ids, fields):
            read |= found
        rows = [row for row in read.values() if row is not None and not row.is_converted]
        converted = [row for row in read.values() if row is not None and row.is_converted]
        followed = follow.follow(line, [key for key, row in read.items() if row is None], converted)
        unseen = followed.out_of_sight + followed.unchanged
        if not (followed.handed_over or followed.deleted):
            break
    return rows, unseen


def _unseen(line: Line, record_id: str) -> Box:
    return Box(
        line.org_id,
        record_id,
        kind_of(record_id) or "Contact",
        0,
        "",
        None,
        "Salesforce does not show this record to us",
    )
