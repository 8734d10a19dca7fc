"""What our user may do, and permission sets. Source: Object Reference, "ObjectPermissions",
"PermissionSet", "FieldPermissions", "PermissionSetAssignment"; salesforce.md 5.3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from optsync.salesforce import query
from optsync.salesforce.errors import ApiRefused, OddAnswer
from optsync.salesforce.session import Session

MODIFY_ALL: Final = "PermissionsModifyAllData"
CONVERTED_LEADS: Final = "PermissionsAllowViewEditConvertedLeads"


@dataclass(frozen=True, slots=True)
class User:
    """The user behind the session. `licence` is "" where Salesforce does not tell."""

    name: str
    is_active: bool
    licence: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What a permission set gives on one field, and the id of that row."""

    id: str
    read: bool
    edit: bool


@dataclass(frozen=True, slots=True)
class PermissionSet:
    """One permission set: its grants by (object, field) and who has it, each assignment's id by the user's id."""

    id: str
    grants: dict[tuple[str, str], Grant]
    assignments: dict[str, str]


def who_am_i(session: Session) -> User:
    """Our own user. Its licence is a part of Setup, which it need not be allowed to see."""
    me = f"FROM User WHERE Id = {query.quote_id(session.user_id)}"
    row = _only(list(query.rows(session, f"SELECT Name, IsActive {me}")), "users with our id")
    try:
        known = list(query.rows(session, f"SELECT Profile.UserLicense.Name {me}"))
        licence = str(known[0]["Profile"]["UserLicense"]["Name"])
    except (ApiRefused, LookupError, TypeError):
        licence = ""
    return User(str(row.get("Name") or ""), row.get("IsActive") is True, licence)


def may(session: Session, *permissions: str) -> dict[str, bool]:
    """Our user's system permissions; its profile stands among the permission sets that are assigned to it."""
    columns = ", ".join(f"PermissionSet.{name}" for name in permissions)
    soql = f"SELECT {columns} FROM PermissionSetAssignment WHERE AssigneeId = {query.quote_id(session.user_id)}"
    sets = [row.get("PermissionSet") or {} for row in query.rows(session, soql)]
    return {name: any(one.get(name) is True for one in sets) for name in permissions}


def modify_all_records(session: Session, objects: Iterable[str]) -> set[str]:
    """The objects of which our user may edit every record, whatever sharing says, by object permissions."""
    wanted = ", ".join(query.quote(name) for name in objects)
    soql = (
        "SELECT SobjectType FROM ObjectPermissions "
        f"WHERE PermissionsModifyAllRecords = true AND SobjectType IN ({wanted}) AND ParentId IN "
        f"(SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = {query.quote_id(session.user_id)})"
    )
    return {str(row.get("SobjectType")) for row in query.rows(session, soql)}


def users_without_field(session: Session, object_name: str, field: str) -> dict[str, int] | None:
    """How many active users see the object but, by field-level security, not its field: by their profile's name.

    What a profile gives is a set like any other, and stands among a user's assignments. None when more sets speak of
    the object than fit into one query.
    """
    of_object = f"WHERE SobjectType = {query.quote(object_name)} AND PermissionsRead = true"
    may_see = _parents(session, f"SELECT ParentId FROM ObjectPermissions {of_object}")
    named = query.quote(f"{object_name}.{field}")
    may_read = _parents(session, f"SELECT ParentId FROM FieldPermissions {of_object} AND Field = {named}")
    wheres = [f"Id IN ({_assigned(may_see)})"] if may_see else []
    wheres += [f"Id NOT IN ({_assigned(may_read)})"] if may_read else []
    soql = (
        f"SELECT Profile.Name, COUNT(Id) users FROM User WHERE IsActive = true AND UserType = 'Standard' "
        f"AND {' AND '.join(wheres)} GROUP BY Profile.Name"
    )
    if not may_see:
        return {}
    if len(query.query_path(soql)) > query.MAX_URI_BYTES:
        return None
    return {str(row.get("Name")): int(row.get("users") or 0) for row in query.rows(session, soql)}


def _parents(session: Session, soql: str) -> list[str]:
    return sorted({query.id_from(row, "ParentId") for row in query.rows(session, soql)})


def _assigned(set_ids: Iterable[str]) -> str:
    listed = ",".join(query.quote_id(one) for one in set_ids)
    return f"SELECT AssigneeId FROM PermissionSetAssignment WHERE PermissionSetId IN ({listed})"


def permission_set(session: Session, name: str) -> PermissionSet | None:
    """Our permission set of that API name, None when there is none; one that a package brought is another."""
    soql = f"SELECT Id FROM PermissionSet WHERE Name = {query.quote(name)} AND NamespacePrefix = null"
    found = list(query.rows(session, soql))
    if not found:
        return None
    set_id = query.id_from(_only(found, "permission sets of one name"))
    parent = query.quote_id(set_id)
    granted = query.rows(
        session,
        "SELECT Id, SobjectType, Field, PermissionsRead, PermissionsEdit FROM FieldPermissions "
        f"WHERE ParentId = {parent}",
    )
    grants = {
        (str(row.get("SobjectType")), str(row.get("Field")).rpartition(".")[2]): Grant(
            query.id_from(row), row.get("PermissionsRead") is True, row.get("PermissionsEdit") is True
        )
        for row in granted
    }
    assigned = query.rows(
        session, f"SELECT Id, AssigneeId FROM PermissionSetAssignment WHERE PermissionSetId = {parent}"
    )
    return PermissionSet(set_id, grants, {str(row.get("AssigneeId")): query.id_from(row) for row in assigned})


def make_permission_set(session: Session, name: str, label: str, description: str) -> str:
    """A new, empty permission set; returns its id."""
    return _make(session, "PermissionSet", {"Name": name, "Label": label, "Description": description})


def grant(session: Session, set_id: str, object_name: str, field: str) -> str:
    """Read and Edit on a field that the set says nothing about yet; returns the row's id."""
    values = {"ParentId": set_id, "SobjectType": object_name, "Field": f"{object_name}.{field}"}
    return _make(session, "FieldPermissions", values | {"PermissionsRead": True, "PermissionsEdit": True})


def set_grant(session: Session, grant_id: str, *, edit: bool) -> None:
    """Makes a grant that is there Read and Edit, or Read only."""
    values = {"PermissionsRead": True, "PermissionsEdit": edit}
    session.request("PATCH", f"sobjects/FieldPermissions/{grant_id}", json=values)


def assign(session: Session, set_id: str, user_id: str) -> str:
    """Gives the set to a user; returns the assignment's id."""
    return _make(session, "PermissionSetAssignment", {"AssigneeId": user_id, "PermissionSetId": set_id})


def delete(session: Session, kind: str, record_id: str) -> None:
    """Takes away a PermissionSet, FieldPermissions or PermissionSetAssignment; one that is gone already is fine."""
    try:
        session.request("DELETE", f"sobjects/{kind}/{record_id}")
    except ApiRefused as error:
        if error.status != 404:
            raise


def _make(session: Session, kind: str, values: dict[str, Any]) -> str:
    return query.id_from(session.request("POST", f"sobjects/{kind}", json=values).json_object(), "id")


def _only(found: list[dict[str, Any]], what: str) -> dict[str, Any]:
    if len(found) != 1:
        raise OddAnswer(f"{len(found)} {what}")
    return found[0]
