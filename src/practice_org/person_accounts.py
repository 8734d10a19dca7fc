"""Person Accounts: one person in two rows, an Account and its Contact, that share what both have (salesforce.md 5.1).

Every write of a person goes through here, so that both rows always agree.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from practice_org import names
from practice_org.errors import RefusalError
from practice_org.people import LAST_BIRTH
from practice_org.records import Change, Table
from practice_org.schema import EMAIL_OPT_OUT, account_name
from practice_org.users import INTEGRATION_USER

if TYPE_CHECKING:
    from practice_org.org import Org

_SHARED = ("LastName", "FirstName", "Salutation", "Email", EMAIL_OPT_OUT, "DoNotCall")


def is_person(table: Table, number: int) -> bool:
    """Whether the row is half of a Person Account."""
    return table.value(number, "IsPersonAccount") is True


def write(org: "Org", table: Table, number: int, values: Change, *, by: str, at: datetime) -> None:
    """Stores values in a row, and in its twin what both share."""
    table.write(number, values, by=by, at=at)
    if is_person(table, number):
        twin, twin_number = _twin(org, table, number)
        spelled = _as_on(org, twin, values)
        twin.write(twin_number, spelled, by=by, at=at)


def create(org: "Org", table: Table, values: Change, *, by: str, at: datetime) -> int:
    """A new row. An Account with a last name is a person and gets its Contact; one with a name only is a company."""
    if table.name != "Account" or not values.get("LastName"):
        return table.create(values, by=by, at=at)
    contacts = org.tables["Contact"]
    contact = contacts.create({"IsPersonAccount": True} | _as_on(org, contacts, values), by=by, at=at)
    account = table.create(values | {"IsPersonAccount": True, "PersonContactId": contacts.id_of(contact)}, by=by, at=at)
    contacts.write(contact, {"AccountId": table.id_of(account)}, by=by, at=at)
    return account


def make_person(org: "Org", contact: int, *, by: str, at: datetime) -> str:
    """Turns a Contact into a Person Account; returns the Account's id. The Contact keeps its own."""
    contacts, accounts = org.tables["Contact"], org.tables["Account"]
    if "Account" not in org.access.package_fields:
        raise RefusalError("INVALID_OPERATION", "this org has no Person Accounts")
    shared = {name: contacts.value(contact, name) for name in _shared(org)}
    person: Change = {"IsPersonAccount": True, "PersonContactId": contacts.id_of(contact)}
    account = accounts.create(_as_on(org, accounts, shared) | person, by=by, at=at)
    account_id = accounts.id_of(account)
    contacts.write(contact, {"IsPersonAccount": True, "AccountId": account_id}, by=by, at=at)
    return account_id


def bin_both(org: "Org", table: Table, number: int, *, by: str, at: datetime, master: int | None = None) -> None:
    """Moves a row to the recycle bin, and its twin with it; with `master` as the loser of a merge."""
    if is_person(table, number):
        twin, twin_number = _twin(org, table, number)
        twin_master = None
        if master is not None and org.behaviour.merged_person_contact_has_master:
            twin_master = _twin(org, table, master)[1]
        twin.bin(twin_number, by=by, at=at, master=twin_master)
    table.bin(number, by=by, at=at, master=master)


def restore_both(org: "Org", table: Table, number: int, *, by: str, at: datetime) -> None:
    """Takes a row out of the recycle bin, and its twin with it."""
    if is_person(table, number):
        twin, twin_number = _twin(org, table, number)
        twin.restore(twin_number, by=by, at=at)
    table.restore(number, by=by, at=at)


def refuse_contact(org: "Org", table: Table, number: int) -> None:
    """The person fields are written through the Account (salesforce.md 5.1). Raises RefusalError."""
    if table.name == "Contact" and is_person(table, number) and not org.behaviour.person_contact_writable:
        text = "insufficient access rights on object id"
        raise RefusalError("INSUFFICIENT_ACCESS_OR_READONLY", text, fields=[])


def make_person_accounts(org: "Org") -> None:
    """The generated Person Accounts of a fresh org: p1@person.example and so on, of whom a share has opted out."""
    count = org.options.person_accounts or 0
    born = datetime.fromisoformat(LAST_BIRTH)
    for number in range(count):
        person: Change = {
            "FirstName": names.FIRST[number % len(names.FIRST)],
            "LastName": names.LAST[number % len(names.LAST)],
            "PersonEmail": f"p{number + 1}@person.example",
        }
        for name, percent in zip(
            org.opt_out_fields("Account"), (org.options.opted_out, org.options.sales_opted_out), strict=False
        ):
            person[name] = number * percent // 100 != (number + 1) * percent // 100
        create(org, org.tables["Account"], person, by=INTEGRATION_USER, at=born)


def _twin(org: "Org", table: Table, number: int) -> tuple[Table, int]:
    other, key = ("Contact", "PersonContactId") if table.name == "Account" else ("Account", "AccountId")
    twin = org.tables[other]
    return twin, twin.locate(table.value(number, key))


def _shared(org: "Org") -> list[str]:
    """The fields that both rows have, as Contact calls them."""
    custom = [known.name for known in org.access.fields["Contact"].values() if known.custom]
    return [*_SHARED, *custom]


def _as_on(org: "Org", twin: Table, values: Change) -> Change:
    """What the twin takes over, under its own names."""
    pairs = [(name, account_name(name)) for name in _shared(org)]
    if twin.name == "Contact":
        pairs = [(account, contact) for contact, account in pairs]
    return {theirs: values[ours] for ours, theirs in pairs if ours in values}
