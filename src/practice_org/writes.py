"""What every write through the API goes through, one record at a time: rules, faults, the store, the org's own flow."""

import contextlib
import re
from collections.abc import Iterable, Mapping

from practice_org import ids, person_accounts
from practice_org.errors import RefusalError, converted_lead, no_such_column
from practice_org.http import Call
from practice_org.maintenance import in_maintenance
from practice_org.org import Org
from practice_org.records import Change, Table, object_of
from practice_org.row_locks import keys_of
from practice_org.rules import Draft, Saving
from practice_org.schema import PEOPLE, Field, Value
from practice_org.spy import NO_FIELDS
from practice_org.users import INTEGRATION_USER

DEFAULT_SAVING = Saving()
_ALLOW_SAVE = re.compile(r"allowSave\s*=\s*true", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def table_for(org: Org, object_name: str) -> Table:
    """The table of Lead, Contact or Account, by its name without regard to case. Raises RefusalError NOT_FOUND."""
    for name in PEOPLE:
        if name.lower() == object_name.lower() and org.access.objects[name] != "absent":
            return org.tables[name]
    raise RefusalError("NOT_FOUND", "The requested resource does not exist", status=404)


def saving_of(call: Call) -> Saving:
    """What the request's headers say about how its records are saved."""
    allow = _ALLOW_SAVE.search(call.header("sforce-duplicate-rule-header")) is not None
    return Saving(call.version, allow_duplicates=allow)


def update_record(
    org: Org, table: Table, record_id: object, fields: Mapping[str, object], saving: Saving = DEFAULT_SAVING
) -> str:
    """Updates one record and returns its 18-character id. Raises RefusalError."""
    values = _checked(org, table, fields, creating=False)
    number = _locate(org, table, record_id)
    full_id = table.id_of(number)
    if table.value(number, "IsConverted") and not org.permissions.has("view_and_edit_converted_leads"):
        raise converted_lead()
    person_accounts.refuse_contact(org, table, number)
    refusal = org.faults.for_record(table.name, full_id)
    if refusal is not None:
        raise refusal
    org.row_locks.check(keys_of(table, number) if org.row_locks else ())
    org.rules.check(Draft(table, number, values), org.access, org.now().date(), org.behaviour, saving)
    person_accounts.write(org, table, number, values, by=INTEGRATION_USER, at=org.now())
    org.spy.records_written += 1
    _run_flow(org, table, number, values)
    return full_id


def create_record(org: Org, table: Table, fields: Mapping[str, object], saving: Saving = DEFAULT_SAVING) -> str:
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
    org.rules.check(Draft(table, None, values), org.access, org.now().date(), org.behaviour, saving)
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
    table.sharing.check_edit(number)
    return number


def failing_trigger(org: Org, records: Iterable[tuple[Table, object, Mapping[str, object]]]) -> RefusalError | None:
    """What all of these records are refused with because a trigger fails on one of them; None if none does."""
    if not org.rules.has_triggers() or not org.behaviour.failed_trigger_fails_its_chunk:
        return None
    for table, record_id, fields in records:
        try:
            number, values = table.locate_live(record_id), _checked(org, table, fields, creating=False)
        except RefusalError:
            continue  # it does not come as far as the trigger
        failure = org.rules.failing_trigger(Draft(table, number, values), org.access, org.now().date())
        if failure is not None:
            return failure
    return None


async def wait_for_rows(org: Org, record_ids: Iterable[object]) -> None:
    """Waits for those of these records that another transaction holds."""
    if not org.row_locks:
        return
    keys: list[str] = []
    for record_id in record_ids:
        full = ids.normalise(str(record_id)) or ""
        table = org.tables.get(object_of(full) or "")
        if table is not None:
            with contextlib.suppress(RefusalError):
                keys += keys_of(table, table.locate(full))
    await org.row_locks.wait(keys, org.behaviour.row_lock_wait_seconds)


def _check_rights(org: Org, table: Table) -> None:
    if org.read_only:
        raise in_maintenance()
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


def readable_columns(org: Org, object_name: str, names: list[str]) -> list[Field]:
    """The fields of those names, each once. Raises RefusalError INVALID_FIELD for what does not exist for our user."""
    fields = {}
    for name in names:
        known = org.access.readable(object_name, name)
        if known is None:
            raise no_such_column(name, object_name)
        fields[known.name] = known
    return list(fields.values())
