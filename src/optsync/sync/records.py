"""Reading Leads, Contacts and Person Accounts with their opt-out boxes, by id or by exact e-mail."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from optsync.core.record_ids import BadRecordId, Kind, kind_of, to_18
from optsync.ledger.targets import OptOutField
from optsync.salesforce import collections, describe, query
from optsync.salesforce.errors import OddAnswer
from optsync.salesforce.session import Session

LEAD_FIELDS: Final = ("IsConverted", "ConvertedContactId")
PERSON_CONTACT_FIELDS: Final = ("IsPersonAccount", "AccountId")
_BECOMES: Final[dict[Kind, tuple[str, str]]] = {"Lead": LEAD_FIELDS, "Contact": PERSON_CONTACT_FIELDS}
MAX_EMAIL_CHARS: Final = 80
"""Salesforce's e-mail fields hold no more: a longer address is on no record."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record as Salesforce showed it a moment ago. `ticked` and `unticked` are numbers of fields that were read.

    What another record stands for is `is_converted`, `converted_to` names that one: of a converted Lead its Contact, of
    the Contact of a Person Account its Account, which alone is written (rules 4).
    """

    record_id: str
    kind: Kind
    email: str | None
    ticked: frozenset[int]
    unticked: frozenset[int]
    is_converted: bool = False
    converted_to: str | None = None

    def has_read(self, fields: Collection[int]) -> bool:
        """Whether all of these boxes were read."""
        return all(field in self.ticked or field in self.unticked for field in fields)


def kinds_of(session: Session) -> tuple[Kind, ...]:
    """The objects whose records are people: Account only where the org has Person Accounts. Raises SalesforceError."""
    return ("Lead", "Contact", "Account") if describe.has_person_accounts(session) else ("Lead", "Contact")


def own_records(session: Session, kind: Kind) -> str:
    """The condition that leaves every person one record where the org has Person Accounts; "" where none is needed."""
    if kind == "Lead" or not describe.has_person_accounts(session):
        return ""
    return f"{describe.IS_PERSON} = {'true' if kind == 'Account' else 'false'}"


def email_on(kind: Kind) -> str:
    """The API name of the e-mail field."""
    return "PersonEmail" if kind == "Account" else "Email"


def may_be_a_person(session: Session, code: str) -> bool:
    """Whether a Contact was refused, perhaps, as that of a Person Account, whose boxes are read-only there."""
    return code == "INSUFFICIENT_ACCESS_OR_READONLY" and describe.has_person_accounts(session)


def by_id(
    session: Session, record_ids: Sequence[str], fields: Iterable[OptOutField]
) -> Iterator[tuple[Kind, dict[str, Row | None]]]:
    """Reads these records, 2,000 of an object a call; None for one that is deleted, invisible, never was, or is a
    company's Account."""
    wanted = list(fields)
    for kind, ids in _by_kind(record_ids).items():
        for start in range(0, len(ids), collections.MAX_READ_RECORDS):
            part = ids[start : start + collections.MAX_READ_RECORDS]
            found = collections.retrieve(session, kind, part, columns(session, kind, wanted))
            yield kind, {key: _person(kind, values, wanted) for key, values in found.items()}


def by_email(session: Session, kind: Kind, addresses: Sequence[str], fields: Iterable[OptOutField]) -> Iterator[Row]:
    """Reads the records of an object whose e-mail is one of these, in as few calls as fit into 16 kB each."""
    wanted = list(fields)
    own = own_records(session, kind)
    condition = f"{own} AND {email_on(kind)}" if own else email_on(kind)
    prefix = f"SELECT {','.join(columns(session, kind, wanted))} FROM {kind} WHERE {condition} IN ("
    for soql, _ in query.in_batches(prefix, [one for one in addresses if _can_be_on_a_record(one)], ")"):
        for values in query.rows(session, soql):
            yield row_of(kind, values, wanted)


def columns(session: Session, kind: Kind, fields: Iterable[OptOutField]) -> list[str]:
    """What is read of each record."""
    more: tuple[str, ...] = LEAD_FIELDS if kind == "Lead" else ()
    if kind == "Contact" and describe.has_person_accounts(session):
        more = PERSON_CONTACT_FIELDS
    if kind == "Account":
        more = (describe.IS_PERSON,)
    return ["Id", email_on(kind), *more, *(field.name_on(kind) for field in fields)]


def row_of(kind: Kind, values: Mapping[str, Any], fields: Iterable[OptOutField]) -> Row:
    """A record of Salesforce's answer as a Row; a box that is neither true nor false was not read. Raises OddAnswer."""
    boxes = {field.field: values.get(field.name_on(kind)) for field in fields}
    email = values.get(email_on(kind))
    is_converted, became = (values.get(name) for name in _BECOMES.get(kind, LEAD_FIELDS))
    became = became if kind == "Lead" or is_converted is True else None  # a company's Contact has an Account, too
    if not isinstance(email, str | None):
        raise OddAnswer("a record whose e-mail is no text")
    try:
        record_id, converted_to = to_18(str(values.get("Id"))), to_18(str(became)) if became else None
    except BadRecordId as error:
        raise OddAnswer("a record without an id of Salesforce's") from error
    return Row(
        record_id,
        kind,
        email or None,
        frozenset(field for field, box in boxes.items() if box is True),
        frozenset(field for field, box in boxes.items() if box is False),
        is_converted is True,
        converted_to,
    )


def _person(kind: Kind, values: Mapping[str, Any] | None, fields: Iterable[OptOutField]) -> Row | None:
    if not values or (kind == "Account" and values.get(describe.IS_PERSON) is not True):
        return None
    return row_of(kind, values, fields)


def _by_kind(record_ids: Iterable[str]) -> dict[Kind, list[str]]:
    found: dict[Kind, list[str]] = {}
    for record_id in record_ids:
        kind = kind_of(record_id)
        if kind is not None:
            found.setdefault(kind, []).append(record_id)
    return found


def _can_be_on_a_record(address: str) -> bool:
    return "@" in address and len(address) <= MAX_EMAIL_CHARS and address.isprintable()
