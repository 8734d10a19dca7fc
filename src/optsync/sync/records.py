"""Reading Leads, Contacts and Person Accounts with their opt-out boxes, by id or by exact e-mail."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from optsync.core.record_ids import BadRecordId, Kind, kind_of, to_18
from optsync.ledger.targets import OptOutField
from optsync.salesforce import collections, query
from optsync.salesforce.errors import OddAnswer
from optsync.salesforce.session import Session

LEAD_FIELDS: Final = ("IsConverted", "ConvertedContactId")
MAX_EMAIL_CHARS: Final = 80
"""Salesforce's e-mail fields hold no more: a longer address is on no record."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record as Salesforce showed it a moment ago. `ticked` and `unticked` are numbers of fields that were read."""

    record_id: str
    kind: Kind
    email: str | None
    ticked: frozenset[int]
    unticked: frozenset[int]
    is_converted: bool = False
    converted_contact_id: str | None = None

    def has_read(self, fields: Collection[int]) -> bool:
        """Whether all of these boxes were read."""
        return all(field in self.ticked or field in self.unticked for field in fields)


def name_on(field: OptOutField, kind: Kind) -> str:
    """The API name of an opt-out field on an object; on a Person Account it is the Contact's, in Account spelling."""
    name = field.name_on(kind)
    if kind != "Account":
        return name
    return name.removesuffix("__c") + "__pc" if name.endswith("__c") else f"Person{name}"


def email_on(kind: Kind) -> str:
    """The API name of the e-mail field."""
    return "PersonEmail" if kind == "Account" else "Email"


def by_id(
    session: Session, record_ids: Sequence[str], fields: Iterable[OptOutField]
) -> Iterator[tuple[Kind, dict[str, Row | None]]]:
    """Reads these records, 2,000 of an object a call; None for one that is deleted, invisible or never was."""
    wanted = list(fields)
    for kind, ids in _by_kind(record_ids).items():
        for start in range(0, len(ids), collections.MAX_READ_RECORDS):
            part = ids[start : start + collections.MAX_READ_RECORDS]
            found = collections.retrieve(session, kind, part, columns(kind, wanted))
            yield kind, {key: row_of(kind, values, wanted) if values else None for key, values in found.items()}


def by_email(session: Session, kind: Kind, addresses: Sequence[str], fields: Iterable[OptOutField]) -> Iterator[Row]:
    """Reads the records of an object whose e-mail is one of these, in as few calls as fit into 16 kB each."""
    wanted = list(fields)
    prefix = f"SELECT {','.join(columns(kind, wanted))} FROM {kind} WHERE {email_on(kind)} IN ("
    for soql, _ in query.in_batches(prefix, [one for one in addresses if _can_be_on_a_record(one)], ")"):
        for values in query.rows(session, soql):
            yield row_of(kind, values, wanted)


def columns(kind: Kind, fields: Iterable[OptOutField]) -> list[str]:
    """What is read of each record."""
    more = LEAD_FIELDS if kind == "Lead" else ()
    return ["Id", email_on(kind), *more, *(name_on(field, kind) for field in fields)]


def row_of(kind: Kind, values: Mapping[str, Any], fields: Iterable[OptOutField]) -> Row:
    """A record of Salesforce's answer as a Row; a box that is neither true nor false was not read. Raises OddAnswer."""
    boxes = {field.field: values.get(name_on(field, kind)) for field in fields}
    email, contact = values.get(email_on(kind)), values.get("ConvertedContactId")
    if not isinstance(email, str | None):
        raise OddAnswer("a record whose e-mail is no text")
    try:
        record_id, contact_id = to_18(str(values.get("Id"))), to_18(str(contact)) if contact else None
    except BadRecordId as error:
        raise OddAnswer("a record without an id of Salesforce's") from error
    return Row(
        record_id,
        kind,
        email or None,
        frozenset(field for field, box in boxes.items() if box is True),
        frozenset(field for field, box in boxes.items() if box is False),
        values.get("IsConverted") is True,
        contact_id,
    )


def _by_kind(record_ids: Iterable[str]) -> dict[Kind, list[str]]:
    found: dict[Kind, list[str]] = {}
    for record_id in record_ids:
        kind = kind_of(record_id)
        if kind is not None:
            found.setdefault(kind, []).append(record_id)
    return found


def _can_be_on_a_record(address: str) -> bool:
    return "@" in address and len(address) <= MAX_EMAIL_CHARS and address.isprintable()
