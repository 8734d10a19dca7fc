"""Whose records these are: the e-mail addresses behind ids that somebody typed, asked of Salesforce just now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from optsync.connection.connect import Connection, connections
from optsync.connection.sessions import Sessions, check_org
from optsync.core.problems import Problem
from optsync.ledger import people
from optsync.ledger.people import Link
from optsync.salesforce.errors import SalesforceError
from optsync.seams import Seams
from optsync.sync import follow, records
from optsync.sync.line import NOBODY, Line
from optsync.sync.records import Row

if TYPE_CHECKING:
    from optsync.config.vault import Vault


@dataclass(slots=True)
class Given:
    """The addresses of each id that Salesforce knows, none for a record without e-mail; `unasked` names orgs that did
    not answer."""

    addresses: dict[str, set[str]] = field(default_factory=dict)
    unasked: list[str] = field(default_factory=list)


def look_up(conn: psycopg.Connection, vault: "Vault", seams: Seams, record_ids: Sequence[str], *, keep: bool) -> Given:
    """Reads these records in every connected org; of a converted one, what it became, too.

    `keep` stores the links that were found (rules 4: given id), so that their boxes are written.
    """
    given = Given()
    sessions = Sessions(vault, seams)
    try:
        for org in connections(conn) if record_ids else ():
            try:
                found = _addresses_in(_line(conn, vault, seams, sessions, org), record_ids, keep=keep)
            except (SalesforceError, Problem):
                given.unasked.append(org.name)
            else:
                for record_id, emails in found.items():
                    given.addresses.setdefault(record_id, set()).update(emails)
    finally:
        sessions.close()
    return given


def _line(conn: psycopg.Connection, vault: "Vault", seams: Seams, sessions: Sessions, org: Connection) -> Line:
    session, salesforce_id = sessions.get(conn, org.org_id, org.revision)
    check_org(session, salesforce_id)
    return Line(conn, session, org.org_id, salesforce_id, NOBODY, vault.subject_key, seams)


def _addresses_in(line: Line, record_ids: Sequence[str], *, keep: bool) -> dict[str, set[str]]:
    rows = _read(line, record_ids)
    became = _read(line, [row.converted_to for row in rows.values() if row.converted_to])
    if keep:
        _keep(line, rows)
    found = {}
    for record_id, row in rows.items():
        successor = became.get(row.converted_to or "")
        found[record_id] = {one.email for one in (row, successor) if one is not None and one.email}
    return found


def _read(line: Line, record_ids: Sequence[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for _, rows in records.by_id(line.session, record_ids, ()):
        found |= {record_id: row for record_id, row in rows.items() if row is not None}
    return found


def _keep(line: Line, rows: Mapping[str, Row]) -> None:
    links = [Link(row.record_id, row.kind, row.email) for row in rows.values()]
    people.link(line.conn, line.subject_key, line.org_id, links, "g")
    if converted := [row for row in rows.values() if row.is_converted]:
        follow.follow(line, (), converted)
