"""What every write through the API goes through, one record at a time: rules, faults, the store, the org's own flow."""

import re
from collections.abc import Mapping

from practice_org import person_accounts
from practice_org.errors import RefusalError, converted_lead, no_such_column
from practice_org.org import Org
from practice_org.records import Change, Table
from practice_org.schema import PEOPLE, Field, Value
from practice_org.spy import NO_FIELDS
from practice_org.users import INTEGRATION_USER

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def table_for(org: Org, object_name: str) -> Table:
    """The table of Lead, Contact or Account, by its name without regard to case. Raises RefusalError NOT_FOUND."""
    for name in PEOPLE:
        if name.lower() == object_name.lower() and org.access.objects[name] != "absent":
            return org.tables[name]
    raise RefusalError("NOT_FOUND", "The requested resource does not exist", status=404)


def update_record(org: Org, table: Table, record_id: object, fields: Mapping[str, object]) -> str:
    """Updates one record and returns its 18-character id. Raises RefusalError."""
    values = _checked(org, table, fields, creating=False)
    number = _locate(org, table, record_id)
    full_id = table.id_of(number)
    if table.value(number, "IsConverted") and not org.behaviour.converted_lead_writable:
        raise converted_lead()
    person_accounts.refuse_contact(org, table, number)
    refusal = org.faults.for_record(table.name, full_id)
    if refusal is not None:
        raise refusal
    person_accounts.write(org, table, number, values, by=INTEGRATION_USER, at=org.now())
    org.spy.records_written += 1
    _run_flow(org, table, number, values)
    return full_id


def create_record(org: Org, table: Table, fields: Mapping[str, object]) -> str:
    """Creates one record and returns its id. Raises RefusalError."""
    _check_rights(org, table)
    values = _checked(org, table, fields, creating=True)
    required = ["LastName", "Company"] if table.name == "Lead" else ["LastName"]
    if table.name == "Account" and not values.get("LastName"):
        required = ["Name"]
    missing = [name for name in required if not values.get(name)]
    if missing:
        text = f"Required fields are missing: [{', '.join(missing)}]"
        raise RefusalError("REQUIRED_FIELD_MISSING", text, fields=missing)
    number = person_accounts.create(org, table, values, by=INTEGRATION_USER, at=org.now())
    org.spy.records_written += 1
    return table.id_of(number)


def delete_record(org: Org, table: Table, record_id: object) -> str:
    """Moves one record to the recycle bin and returns its id. Raises RefusalError."""
    number = _locate(org, table, record_id)
    person_accounts.bin_both(org, table, number, by=INTEGRATION_USER, at=org.now())
    return table.id_of(number)


def _locate(org: Org, table: Table, record_id: object) -> int:
    """The record that is to be written. Raises RefusalError when our user may not write it, or nobody may now."""
    _check_rights(org, table)
    number = table.locate_shared(record_id)
    if number in table.read_only:
        raise RefusalError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", fields=[])
    if number in table.locked:
        raise RefusalError("ENTITY_IS_LOCKED", "the entity is locked for editing", fields=[])
    return number


def _check_rights(org: Org, table: Table) -> None:
    if org.access.objects[table.name] != "edit":
        text = f"entity type cannot be updated: {table.name}"
        raise RefusalError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", text, fields=[])


def _run_flow(org: Org, table: Table, number: int, values: Change) -> None:
    """The org's automation takes an opt-out back right after the update that set it."""
    ticked = [name for name in org.opt_out_fields(table.name) if values.get(name) is True]
    if ticked and org.flow.strikes():
        unticked: Change = dict.fromkeys(ticked, False)
        person_accounts.write(org, table, number, unticked, by=INTEGRATION_USER, at=org.now())


def _checked(org: Org, table: Table, fields: Mapping[str, object], *, creating: bool) -> Change:
    values: Change = {}
    for name, value in fields.items():
        if name in NO_FIELDS:
            continue
        known = org.access.writable(table.name, name, creating=creating)
        values[known.name] = _checked_value(known, value)
    return values


def _checked_value(known: Field, value: object) -> Value:
    if known.type == "boolean":
        if isinstance(value, bool):
            return value
        text = f"{known.label}: value not of required type: {'' if value is None else value}"
        raise RefusalError("INVALID_TYPE_ON_FIELD_IN_RECORD", text, fields=[known.name])
    if value is None or value == "":
        if known.nillable:
            return None
        raise RefusalError(
            "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{known.name}]", fields=[known.name]
        )
    text = str(value)
    if len(text) > known.length:
        message = f"{known.label}: data value too large: {text[:40]} (max length={known.length})"
        raise RefusalError("STRING_TOO_LONG", message, fields=[known.name])
    if known.type == "email" and not _EMAIL.fullmatch(text):
        raise RefusalError(
            "INVALID_EMAIL_ADDRESS", f"{known.label}: invalid email address: {text}", fields=[known.name]
        )
    return text


def check_columns(org: Org, object_name: str, names: list[str]) -> None:
    """Raises RefusalError INVALID_FIELD for the first column that does not exist for our user."""
    for name in names:
        if org.access.readable(object_name, name) is None:
            raise no_such_column(name, object_name)
