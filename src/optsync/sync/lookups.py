"""Finding the Salesforce records of an address by exact e-mail: at once after an opt-out, daily while none is known.

Addresses with known records are looked up after an opt-out, too, so that every record of theirs is reached. What is
found is stored as a link; writes use links only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import psycopg

from optsync.config.logging import get_logger
from optsync.core.record_ids import Kind, prefix_of
from optsync.core.rejections import RetryClass, explain
from optsync.core.retry import DAILY_SECONDS
from optsync.ledger import marks, people
from optsync.ledger.people import Link
from optsync.ledger.queries import sql
from optsync.salesforce.errors import ApiRefused, Busy, LimitExceeded, SalesforceError
from optsync.salesforce.query import MAX_LIST_VALUES
from optsync.sync import follow, records
from optsync.sync.line import HIDDEN_SECONDS, ORG_WIDE_CODES, Line
from optsync.sync.records import Row

PACKAGE: Final = "optsync.sync"
log = get_logger("optsync.sync.lookups")
Wanted = list[tuple[int, str | None]]
"""Claimed look-ups: (address id, normal form; None once erased)."""


@dataclass(frozen=True, slots=True)
class Found:
    """Fresh rows by record id, and how many boxes became owed by linking them."""

    rows: dict[str, Row] = field(default_factory=dict)
    owed: int = 0


def claim(line: Line, limit: int = MAX_LIST_VALUES) -> Wanted:
    """Claims due look-ups for a live worker, some of the newest ones and the oldest."""
    values = {"worker": line.worker_no, "org": line.org_id, "limit": limit, "newest": marks.newest_of(limit)}
    return line.conn.execute(sql(PACKAGE, "claim_lookups"), values, prepare=True).fetchall()


def look_up_due(line: Line, limit: int = MAX_LIST_VALUES) -> Found:
    """Claims and looks up in one go. Raises SalesforceError as `look_up`."""
    return look_up(line, claim(line, limit))


def look_up(line: Line, wanted: Wanted) -> Found:
    """Looks claimed addresses up and links what is found; a converted Lead hands over to its Contact.

    Raises SalesforceError when Salesforce cannot be asked at all: the look-ups are due again then. A query that is
    refused for itself waits alone: what is known already is pushed all the same.
    """
    if not wanted:
        return Found()
    ids = [address_id for address_id, _ in wanted]
    try:
        rows, is_whole = _read(line, [normal for _, normal in wanted if normal is not None])
        owed = link(line, list(rows.values()))
    except SalesforceError as error:
        if not _is_about_query(error):
            _end(line, "give_back_lookups", ids, 0)
            raise
        _end(line, "give_back_lookups", ids, HIDDEN_SECONDS)
        log.warning("look-ups refused", org=line.org_id, code=error.code, count=len(ids))
        return Found()
    except psycopg.OperationalError:
        raise
    except Exception:
        _end(line, "give_back_lookups", ids, HIDDEN_SECONDS)  # a fault of ours must not be met again at once
        raise
    _end(line, *(("finish_lookups", ids, DAILY_SECONDS) if is_whole else ("give_back_lookups", ids, HIDDEN_SECONDS)))
    return Found({record_id: row for record_id, row in rows.items() if not row.is_converted}, owed)


def link(line: Line, rows: Sequence[Row]) -> int:
    """Stores records found by exact e-mail, and lets converted Leads hand over. Returns how many boxes are owed now."""
    if not rows:
        return 0
    links = [Link(row.record_id, row.kind, row.email) for row in rows]
    owed = people.link(line.conn, line.subject_key, line.org_id, links, "e")
    converted = [row for row in rows if row.is_converted]
    if converted:
        follow.follow(line, (), converted)
    return owed


def _is_about_query(error: SalesforceError) -> bool:
    """Whether Salesforce refused this query as such, and not us, the org, or everybody."""
    if not isinstance(error, ApiRefused) or isinstance(error, LimitExceeded | Busy):
        return False
    return explain(error.code, error.text).retry in (RetryClass.RETRY, RetryClass.PARK)


def _read(line: Line, addresses: Sequence[str]) -> tuple[dict[str, Row], bool]:
    """The records of these addresses, and whether every object could be read."""
    found: dict[str, Row] = {}
    is_whole = True
    for kind in records.kinds_of(line.session):
        try:
            found |= _read_kind(line, kind, addresses)
        except ApiRefused as error:
            if explain(error.code, error.text).retry is not RetryClass.PAUSE or error.code in ORG_WIDE_CODES:
                raise
            marks.pause(line.conn, line.org_id, 0, prefix_of(kind), HIDDEN_SECONDS, error.code or "", error.text)
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
