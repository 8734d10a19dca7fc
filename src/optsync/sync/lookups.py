"""Finding the Salesforce records of an address by exact e-mail: at once after an opt-out, daily while none is known.

Addresses with known records are looked up after an opt-out, too, so that every record of theirs is reached. What is
found is stored as a link; writes use links only.
"""

from collections.abc import Sequence
from typing import Final

from optsync.core.record_ids import Kind
from optsync.core.rejections import RetryClass, explain
from optsync.core.retry import DAILY_SECONDS
from optsync.ledger import marks, people
from optsync.ledger.people import Link
from optsync.ledger.queries import sql
from optsync.salesforce.errors import ApiRefused, SalesforceError
from optsync.salesforce.query import MAX_LIST_VALUES
from optsync.sync import follow, records
from optsync.sync.line import HIDDEN_SECONDS, ORG_WIDE_CODES, Line
from optsync.sync.records import Row

PACKAGE = "optsync.sync"
LOOKED_UP_KINDS: Final[tuple[Kind, ...]] = ("Lead", "Contact")


def look_up_due(line: Line, limit: int = MAX_LIST_VALUES) -> dict[str, Row]:
    """Looks up to `limit` due addresses up and links what is found; returns the fresh rows by record id.

    A converted Lead hands over to its Contact. Raises SalesforceError when Salesforce cannot be asked; the look-ups are
    due again then.
    """
    values = {"worker": line.worker_no, "org": line.org_id, "limit": limit}
    claimed = line.conn.execute(sql(PACKAGE, "claim_lookups"), values, prepare=True).fetchall()
    if not claimed:
        return {}
    ids = [address_id for address_id, _ in claimed]
    try:
        rows, is_whole = _read(line, [normal for _, normal in claimed if normal is not None])
        link(line, list(rows.values()))
    except SalesforceError:
        _end(line, "give_back_lookups", ids, 0)
        raise
    if is_whole:
        _end(line, "finish_lookups", ids, DAILY_SECONDS)
    else:
        _end(line, "give_back_lookups", ids, HIDDEN_SECONDS)
    return {record_id: row for record_id, row in rows.items() if not row.is_converted}


def link(line: Line, rows: Sequence[Row]) -> None:
    """Stores records found by exact e-mail; marks come with the links, and converted Leads hand over to Contacts."""
    if not rows:
        return
    links = [Link(row.record_id, row.kind, row.email) for row in rows]
    people.link(line.conn, line.subject_key, line.org_id, links, "e")
    converted = [row for row in rows if row.is_converted]
    if converted:
        follow.follow(line, (), converted)


def _read(line: Line, addresses: Sequence[str]) -> tuple[dict[str, Row], bool]:
    """The records of these addresses, and whether both objects could be read."""
    found: dict[str, Row] = {}
    is_whole = True
    for kind in LOOKED_UP_KINDS:
        try:
            found |= _read_kind(line, kind, addresses)
        except ApiRefused as error:
            if explain(error.code, error.text).retry is not RetryClass.PAUSE or error.code in ORG_WIDE_CODES:
                raise
            prefix = "00Q" if kind == "Lead" else "003"
            marks.pause(line.conn, line.org_id, 0, prefix, HIDDEN_SECONDS, error.code or "", error.text)
            is_whole = False
    return found, is_whole


def _read_kind(line: Line, kind: Kind, addresses: Sequence[str]) -> dict[str, Row]:
    try:
        rows = list(records.by_email(line.session, kind, addresses, line.fields.values()))
    except ApiRefused as error:
        if error.code != "INVALID_FIELD" or not line.fields:
            raise
        # An opt-out field is hidden: the links are worth having all the same.
        rows = list(records.by_email(line.session, kind, addresses, ()))
    return {row.record_id: row for row in rows}


def _end(line: Line, name: str, address_ids: Sequence[int], seconds: float) -> None:
    values = {"worker": line.worker_no, "org": line.org_id, "addresses": address_ids, "seconds": seconds}
    line.conn.execute(sql(PACKAGE, name), values)
