"""Who changed a record in Salesforce last, and when: as near as its API comes to who ticked a box.

Salesforce says it without field history, for the record as a whole: a later change by somebody else hides the tick.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from optsync.core.record_ids import kind_of, to_18
from optsync.salesforce import query
from optsync.salesforce.errors import OddAnswer
from optsync.salesforce.session import Session

IDS_PER_QUERY: Final = 200
"""A query travels in the address of its request: 200 ids are 4.6 kB of the 16 kB that Salesforce takes."""


@dataclass(frozen=True, slots=True)
class LastChange:
    """`by` is a user name of Salesforce; '' when it hides who it was."""

    record_id: str
    by: str
    at: datetime


def last_changes(session: Session, record_ids: Sequence[str]) -> dict[str, LastChange]:
    """The last change of each of these Leads, Contacts and Accounts; one that is gone is left out.

    One call for 200 records of an object. Raises SalesforceError.
    """
    return {one.record_id: one for soql in _questions(record_ids) for one in _asked(session, soql)}


@dataclass(frozen=True, slots=True)
class Changer:
    """Who changed how many of the records last, between when and when."""

    by: str
    count: int
    first_at: datetime
    last_at: datetime


def by_whom(changes: Iterable[LastChange]) -> list[Changer]:
    """The same by user, whoever changed the most first."""
    moments: dict[str, list[datetime]] = {}
    for one in changes:
        moments.setdefault(one.by, []).append(one.at)
    found = [Changer(by, len(at), min(at), max(at)) for by, at in moments.items()]
    return sorted(found, key=lambda one: (-one.count, one.by))


def _questions(record_ids: Sequence[str]) -> Iterator[str]:
    by_kind: dict[str, list[str]] = {}
    for record_id in record_ids:
        if kind := kind_of(record_id):
            by_kind.setdefault(kind, []).append(record_id)
    for name, ids in by_kind.items():
        for start in range(0, len(ids), IDS_PER_QUERY):
            quoted = ", ".join(f"'{one}'" for one in ids[start : start + IDS_PER_QUERY])
            yield f"SELECT Id, LastModifiedBy.Username, LastModifiedDate FROM {name} WHERE Id IN ({quoted})"


def _asked(session: Session, soql: str) -> Iterator[LastChange]:
    for page in query.pages(session, soql):
        for row in page:
            user = row.get("LastModifiedBy")
            try:
                at = datetime.fromisoformat(str(row["LastModifiedDate"]))
                yield LastChange(to_18(str(row["Id"])), str((user or {}).get("Username") or ""), at)
            except (KeyError, ValueError, AttributeError) as error:
                raise OddAnswer("a record came without its last change") from error
