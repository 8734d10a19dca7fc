"""Permission sets, their rows and assignments, written through the data API (salesforce.md 5.8)."""

import re
from collections.abc import Callable, Mapping

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import Response
from starlette.routing import Route

from practice_org import ids, set_up
from practice_org.access import LEVELS_BY_RIGHTS
from practice_org.describe import asked_object
from practice_org.errors import RefusalError, field_not_writable, invalid_cross_reference, no_such_column, not_found
from practice_org.http import Call, route
from practice_org.maintenance import in_maintenance
from practice_org.org import Org
from practice_org.permission_sets import PermissionSet
from practice_org.rest import created, get, show_object
from practice_org.row_queries import Row
from practice_org.schema import PEOPLE, Field
from practice_org.set_up_schema import CHANGEABLE, OBJECT_RIGHTS, SET_UP_FIELDS
from practice_org.sharing import COLUMNS
from practice_org.spy import NO_FIELDS
from practice_org.users import SALESFORCE_LICENSE, USERS

Values = dict[str, object]

SET_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")
NAME_LENGTH_MAX = 80
_DEPENDS = {
    "Create": ("Read",),
    "Edit": ("Read",),
    "Delete": ("Read", "Edit"),
    "ViewAllRecords": ("Read",),
    "ModifyAllRecords": ("Read", "Edit", "Delete", "ViewAllRecords"),
}
"""What each right to an object needs beside itself."""


class _Changeable(StringConvertor):
    regex = f"(?i:{'|'.join(CHANGEABLE)})"


register_url_convertor("changeable", _Changeable())


def routes(org: Org) -> list[Route]:
    """The four objects that can be written; describes of them are answered before."""
    path = "/services/data/v{version}/sobjects/{object:changeable}"
    return [
        route(org, path, POST=("setup.create", create), GET=("describe.basic", show_object)),
        route(
            org,
            path + "/{id}",
            GET=("record.get", get),
            PATCH=("setup.update", update),
            DELETE=("setup.delete", delete),
        ),
    ]


async def create(call: Call) -> Response:
    """201 with the new id."""
    object_name = _writable_object(call)
    values = _checked(object_name, call.json(), creating=True)
    record_id = _CREATE[object_name](call.org, values)
    call.org.settle()
    return created(call, object_name, {"id": record_id, "success": True, "errors": []})


async def update(call: Call) -> Response:
    """204 and an empty body."""
    object_name = _writable_object(call)
    row = _row(call, object_name)
    values = _checked(object_name, call.json(), creating=False)
    _UPDATE[object_name](call.org, row, values)
    call.org.settle()
    return Response(status_code=204)


async def delete(call: Call) -> Response:
    """204; there is no recycle bin for these."""
    object_name = _writable_object(call)
    _DELETE[object_name](call.org, _row(call, object_name))
    call.org.settle()
    return Response(status_code=204)


def _writable_object(call: Call) -> str:
    """The object of the path. Raises RefusalError when it does not exist for our user, or may not be written."""
    org, object_name = call.org, asked_object(call)
    if org.read_only:
        raise in_maintenance()
    needed = "assign_permission_sets" if object_name == "PermissionSetAssignment" else "manage_permission_sets"
    if not org.permissions.has(needed):
        raise no_rights(org)
    return object_name


def no_rights(org: Org) -> RefusalError:
    """Our user lacks a permission that changing the set-up needs."""
    text, status = "insufficient access rights on object id", org.behaviour.insufficient_access_status
    return RefusalError("INSUFFICIENT_ACCESS_OR_READONLY", text, status=status, fields=[])


def _row(call: Call, object_name: str) -> Row:
    row = set_up.rows(call.org, object_name, call.version).find(call.params["id"])
    if row is None:
        raise not_found()
    return row


def _checked(object_name: str, given: Mapping[str, object], *, creating: bool) -> Values:
    """The values by their fields' names in Salesforce's spelling. Raises RefusalError."""
    values: Values = {}
    for name, value in given.items():
        if name in NO_FIELDS:
            continue
        known = SET_UP_FIELDS[object_name].get(name.lower())
        if known is None:
            raise no_such_column(name, object_name)
        if not (known.createable if creating else known.updateable):
            raise field_not_writable(known.name)
        values[known.name] = _checked_value(known, value)
    return values


def _checked_value(known: Field, value: object) -> object:
    wanted = bool if known.type == "boolean" else str
    if value is None and known.type != "boolean":
        return None
    if not isinstance(value, wanted):
        text = f"{known.label}: value not of required type: {value}"
        raise RefusalError("INVALID_TYPE_ON_FIELD_IN_RECORD", text, fields=[known.name])
    if isinstance(value, str) and known.length and len(value) > known.length:
        text = f"{known.label}: data value too large: {value[:40]} (max length={known.length})"
        raise RefusalError("STRING_TOO_LONG", text, fields=[known.name])
    return value


def _required(values: Values, *names: str) -> list[str]:
    missing = [name for name in names if not values.get(name)]
    if missing:
        text = f"Required fields are missing: [{', '.join(missing)}]"
        raise RefusalError("REQUIRED_FIELD_MISSING", text, fields=missing)
    return [str(values[name]) for name in names]


def _set_of(org: Org, set_id: object) -> PermissionSet:
    known = org.permission_sets.sets.get(ids.normalise(str(set_id)) or "")
    if known is None:
        raise _bad_reference()
    return known


def _bad_reference() -> RefusalError:
    refusal = invalid_cross_reference()
    refusal.status = 400
    return refusal


def _create_set(org: Org, values: Values) -> str:
    name, label = _required(values, "Name", "Label")
    if not SET_NAME.fullmatch(name) or len(name) > NAME_LENGTH_MAX:
        text = (
            "The Permission Set API Name can only contain underscores and alphanumeric characters. It must be unique, "
            "begin with a letter, not include spaces, not end with an underscore, and not contain two consecutive "
            "underscores."
        )
        raise RefusalError("INVALID_FIELD", text, fields=["Name"])
    if org.permission_sets.named(name) is not None:
        text = f"This Permission Set Name already exists or has been previously used: {name}"
        raise RefusalError("DUPLICATE_DEVELOPER_NAME", text, fields=["Name"])
    if values.get("LicenseId") and ids.normalise(str(values["LicenseId"])) != SALESFORCE_LICENSE:
        raise _bad_reference()
    made = org.permission_sets.create(name, label)
    made.license_id = SALESFORCE_LICENSE if values.get("LicenseId") else None
    _fill(made, values)
    return made.id


def _update_set(org: Org, row: Row, values: Values) -> None:
    known = _set_of(org, row["Id"])
    named = org.permission_sets.named(str(values.get("Name")))
    if "Name" in values and named not in (None, known):
        raise RefusalError("DUPLICATE_DEVELOPER_NAME", f"already in use: {values['Name']}", fields=["Name"])
    _fill(known, values)


def _fill(one: PermissionSet, values: Values) -> None:
    one.name = str(values.get("Name") or one.name)
    one.label = str(values.get("Label") or one.label)
    if "Description" in values:
        one.description = None if values["Description"] is None else str(values["Description"])
    for name, column in COLUMNS.items():
        if column in values:
            (one.permissions.add if values[column] else one.permissions.discard)(name)


def _delete_set(org: Org, row: Row) -> None:
    known = _set_of(org, row["Id"])
    if known.profile_id is not None:
        raise no_rights(org)
    if any(set_id == known.id for _, set_id in org.permission_sets.assignments.values()):
        text = "Your attempt to delete the permission set could not be completed because it is assigned to users."
        raise RefusalError("DELETE_FAILED", text, fields=[])
    org.permission_sets.delete(known.id)


def _create_assignment(org: Org, values: Values) -> str:
    user_text, set_text = _required(values, "AssigneeId", "PermissionSetId")
    user_id, known = ids.normalise(user_text) or "", _set_of(org, set_text)
    if user_id not in USERS or known.profile_id is not None:
        raise _bad_reference()
    if (user_id, known.id) in org.permission_sets.assignments.values():
        text = f"Duplicate PermissionSetAssignment. Assignee: {user_id[:15]}; Permission Set: {known.id[:15]}"
        raise RefusalError("DUPLICATE_VALUE", text, fields=[])
    return org.permission_sets.assign(user_id, known.id)


def _update_assignment(org: Org, row: Row, values: Values) -> None:
    """Nothing of an assignment can be changed; `_checked` has refused every field."""


def _delete_assignment(org: Org, row: Row) -> None:
    if _set_of(org, row["PermissionSetId"]).profile_id is not None:
        raise no_rights(org)
    del org.permission_sets.assignments[str(row["Id"])]


def _create_field_row(org: Org, values: Values) -> str:
    parent, object_name, name = _required(values, "ParentId", "SobjectType", "Field")
    known_set, key = _set_of(org, parent), _field_of(org, object_name, name)
    if known_set.fields.get(key, "absent") != "absent":
        raise _duplicate_row()
    if not _write_field(known_set, key, values, {}):
        text = "Field permissions must at least allow to read the field"
        raise RefusalError("FIELD_INTEGRITY_EXCEPTION", text, fields=["PermissionsRead"])
    return set_up.field_row_id(org, known_set, key)


def _field_of(org: Org, object_name: str, name: str) -> tuple[str, str]:
    """Object and name of a field that can be granted. Raises RefusalError as for a value the picklist does not have."""
    prefix, _, rest = name.partition(".")
    known = org.access.fields[object_name].get(rest.lower()) if object_name in PEOPLE else None
    if prefix != object_name or known is None or not known.permissionable:
        text = f"Field Name: bad value for restricted picklist field: {name}"
        raise RefusalError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", text, fields=["Field"])
    return object_name, known.name


def _duplicate_row() -> RefusalError:
    text = "duplicate value found: <unknown> duplicates value on record with id: <unknown>"
    return RefusalError("DUPLICATE_VALUE", text, fields=[])


def _write_field(one: PermissionSet, key: tuple[str, str], values: Values, before: Mapping[str, object]) -> bool:
    """Sets a field's level; False when nothing is left of the row. Raises RefusalError for Edit without Read."""
    read, edit = (values.get(name, before.get(name, False)) for name in ("PermissionsRead", "PermissionsEdit"))
    if edit and not read:
        text = f"Permission Edit {'.'.join(key)} depends on permission(s): Read {'.'.join(key)}"
        raise RefusalError("FIELD_INTEGRITY_EXCEPTION", text, fields=["PermissionsRead"])
    one.fields[key] = LEVELS_BY_RIGHTS[bool(read), bool(edit)]
    return bool(read)


def _update_field_row(org: Org, row: Row, values: Values) -> None:
    """A row that is left without Read is deleted (salesforce.md 5.8)."""
    _write_field(_set_of(org, row["ParentId"]), _key_of(row), values, row)


def _delete_field_row(org: Org, row: Row) -> None:
    _set_of(org, row["ParentId"]).fields[_key_of(row)] = "absent"


def _key_of(row: Row) -> tuple[str, str]:
    object_name, _, name = str(row["Field"]).partition(".")
    return object_name, name


def _create_object_row(org: Org, values: Values) -> str:
    parent, object_name = _required(values, "ParentId", "SobjectType")
    known = _set_of(org, parent)
    if object_name not in PEOPLE:
        text = f"SObject Type Name: bad value for restricted picklist field: {object_name}"
        raise RefusalError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", text, fields=["SobjectType"])
    if known.rights.get(object_name):
        raise _duplicate_row()
    _write_rights(known, object_name, values, {})
    return set_up.object_row_id(org, known, object_name)


def _write_rights(one: PermissionSet, object_name: str, values: Values, before: Mapping[str, object]) -> None:
    columns = {right: f"Permissions{right}" for right in OBJECT_RIGHTS}
    given = frozenset(right for right, name in columns.items() if values.get(name, before.get(name, False)))
    check_rights(given, object_name)
    one.rights[object_name] = given


def check_rights(given: frozenset[str], object_name: str) -> None:
    """Raises RefusalError for a right that needs another one beside itself."""
    for right in OBJECT_RIGHTS:
        lacking = [needed for needed in _DEPENDS.get(right, ()) if right in given and needed not in given]
        if lacking:
            needs = ", ".join(f"{needed} {object_name}" for needed in lacking)
            text = f"Permission {right} {object_name} depends on permission(s): {needs}"
            raise RefusalError("FIELD_INTEGRITY_EXCEPTION", text, fields=[])


def _update_object_row(org: Org, row: Row, values: Values) -> None:
    _write_rights(_set_of(org, row["ParentId"]), str(row["SobjectType"]), values, row)


def _delete_object_row(org: Org, row: Row) -> None:
    _set_of(org, row["ParentId"]).rights[str(row["SobjectType"])] = frozenset()


_CREATE: dict[str, Callable[[Org, Values], str]] = {
    "PermissionSet": _create_set,
    "PermissionSetAssignment": _create_assignment,
    "FieldPermissions": _create_field_row,
    "ObjectPermissions": _create_object_row,
}
_UPDATE: dict[str, Callable[[Org, Row, Values], None]] = {
    "PermissionSet": _update_set,
    "PermissionSetAssignment": _update_assignment,
    "FieldPermissions": _update_field_row,
    "ObjectPermissions": _update_object_row,
}
_DELETE: dict[str, Callable[[Org, Row], None]] = {
    "PermissionSet": _delete_set,
    "PermissionSetAssignment": _delete_assignment,
    "FieldPermissions": _delete_field_row,
    "ObjectPermissions": _delete_object_row,
}
