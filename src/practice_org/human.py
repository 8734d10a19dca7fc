"""What people do in Salesforce itself: edit, convert, merge, delete and undelete. None of it is an API call."""

from collections.abc import Mapping

from practice_org import ids, person_accounts
from practice_org.errors import RefusalError
from practice_org.org import Org
from practice_org.records import Change, Table, object_of
from practice_org.schema import Value, account_name
from practice_org.users import HUMAN


def locate(org: Org, record_id: str) -> tuple[Table, int]:
    """The record with that id, live or binned. Raises RefusalError."""
    full = ids.normalise(record_id) or record_id
    table = org.tables.get(object_of(full) or "")
    if table is None:
        raise RefusalError("NOT_FOUND", "no Lead, Contact or Account has that id", status=404)
    return table, table.locate(full)


def show(table: Table, number: int) -> dict[str, Value]:
    """Every field of a record, hidden ones too, and its type."""
    checkboxes = sorted(table.checkboxes())
    names = dict.fromkeys([*table.crowd.field_names(), *checkboxes, *table.changes.get(number, {})])
    return {"type": table.name, **{name: table.value(number, name) for name in names}}


def find(org: Org, address: str) -> list[dict[str, Value]]:
    """All records with that address, binned ones too."""
    return [show(table, number) for table in org.tables.values() for number in table.find(address)]


def create(org: Org, values: Mapping[str, object]) -> str:
    """A record as a person types it in; returns its id. `type` says Lead, Contact or Account."""
    table = org.tables.get(str(values.get("type")))
    if table is None:
        raise RefusalError("INVALID_TYPE", "type must be Lead, Contact or Account")
    typed = _checked(org, table, {name: value for name, value in values.items() if name != "type"})
    defaults: Change = {} if table.name == "Account" and "Name" in typed else {"LastName": "Practice"}
    if table.name == "Lead":
        defaults["Company"] = "Practice Works"
    return table.id_of(person_accounts.create(org, table, defaults | typed, by=HUMAN, at=org.now()))


def edit(org: Org, record_id: str, values: Mapping[str, object]) -> None:
    """Changes any field, also one that the API user may not see; SystemModstamp moves."""
    table, number = locate(org, record_id)
    person_accounts.write(org, table, number, _checked(org, table, values), by=HUMAN, at=org.now())


def make_person(org: Org, record_id: str) -> str:
    """Turns a Contact into a Person Account; returns the Account's id."""
    table, number = locate(org, record_id)
    if table.name != "Contact" or number in table.deleted or person_accounts.is_person(table, number):
        raise RefusalError("INVALID_OPERATION", "only a live Contact can become a Person Account")
    return person_accounts.make_person(org, number, by=HUMAN, at=org.now())


def convert(org: Org, record_id: str, contact_id: str | None, *, copy_opt_out: bool | None) -> str:
    """Converts a Lead, into a new Contact or an existing one; returns the Contact's id.

    `copy_opt_out` None copies the boxes into a new Contact and leaves an existing one as it is. A Lead without company
    becomes a Person Account where the org has them, and the id is that of its Contact.
    """
    table, number = locate(org, record_id)
    contacts = org.tables["Contact"]
    if table.name != "Lead" or table.value(number, "IsConverted"):
        raise RefusalError("INVALID_STATUS", "only a Lead that is not yet converted can be converted")
    copies = contact_id is None if copy_opt_out is None else copy_opt_out
    boxes = _as_contact_boxes(org, _boxes(org, table, number)) if copies else {}
    if contact_id is None:
        person: Change = {
            name: table.value(number, name) for name in ("FirstName", "LastName", "Email", "Phone", "Title")
        }
        into = contacts.create(person | boxes, by=HUMAN, at=org.now())
        if org.access.person_accounts and not table.value(number, "Company"):
            person_accounts.make_person(org, into, by=HUMAN, at=org.now())
    else:
        into = contacts.locate_live(contact_id)
        if boxes:
            person_accounts.write(org, contacts, into, boxes, by=HUMAN, at=org.now())
    converted: Change = {
        "IsConverted": True,
        "ConvertedContactId": contacts.id_of(into),
        "ConvertedAccountId": contacts.value(into, "AccountId"),
        "ConvertedDate": org.now().date().isoformat(),
        "Status": "Closed - Converted",
    }
    table.write(number, converted, by=HUMAN, at=org.now())
    return contacts.id_of(into)


def merge(org: Org, record_id: str, into_id: str, *, keep_opt_out: bool | None) -> None:
    """Merges a record into another of its type. `keep_opt_out` None leaves the survivor's boxes alone;
    True ticks what either had ticked; False unticks the survivor, as a careless merge does.
    """
    table, number = locate(org, record_id)
    into = table.locate_live(into_id)
    is_person = person_accounts.is_person(table, number)
    if table.name == "Contact" and is_person:
        raise RefusalError("INVALID_OPERATION", "a Person Account is merged as an Account")
    if number == into or number in table.deleted or is_person != person_accounts.is_person(table, into):
        raise RefusalError("INVALID_OPERATION", "a live record can be merged into another live record of its type")
    boxes = _boxes(org, table, number)
    if keep_opt_out is not None:
        kept: Change = {
            name: keep_opt_out and bool(ticked or table.value(into, name)) for name, ticked in boxes.items()
        }
        person_accounts.write(org, table, into, kept, by=HUMAN, at=org.now())
    person_accounts.bin_both(org, table, number, by=HUMAN, at=org.now(), master=into)


def delete(org: Org, record_id: str) -> None:
    """Moves a record to the recycle bin."""
    table, number = locate(org, record_id)
    person_accounts.bin_both(org, table, number, by=HUMAN, at=org.now())


def undelete(org: Org, record_id: str) -> None:
    """Takes a record out of the recycle bin."""
    table, number = locate(org, record_id)
    person_accounts.restore_both(org, table, number, by=HUMAN, at=org.now())


def purge(org: Org, record_id: str) -> None:
    """Takes a record out of the recycle bin for good. Raises RefusalError for one that does not stand there."""
    table, number = locate(org, record_id)
    if number not in table.deleted:
        raise RefusalError("INVALID_OPERATION", "only a record in the recycle bin can be deleted for good")
    table.purge(number)


def _boxes(org: Org, table: Table, number: int) -> Change:
    return {name: table.value(number, name) for name in org.opt_out_fields(table.name)}


def _as_contact_boxes(org: Org, boxes: Change) -> Change:
    """A Lead's boxes under the Contact's names: the package's box may be named differently there."""
    names = org.access.package_fields
    return {names["Contact"] if name == names["Lead"] else name: value for name, value in boxes.items()}


def _checked(org: Org, table: Table, values: Mapping[str, object]) -> Change:
    known = org.access.fields[table.name]
    checked: Change = {}
    for name, value in values.items():
        field = known.get(name.lower())
        if field is None or not (isinstance(value, str | bool | int) or value is None):
            raise RefusalError("INVALID_FIELD", f"{table.name} has no field {name}, or not of that type")
        checked[field.name] = value
    return checked


def count_opted_out(org: Org, field: str) -> dict[str, int]:
    """Live records of each object whose box is ticked; 0 where the object lacks it. Person Accounts count once each."""
    counts = {}
    for name in org.access.package_fields:
        table, spelled = org.tables[name], account_name(field) if name == "Account" else field
        exists = spelled.lower() in org.access.fields[name]
        ticked = table.ticked(spelled) - table.deleted if exists else set()
        if name == "Contact":
            ticked -= table.ticked("IsPersonAccount")
        counts[name] = len(ticked)
    return counts
