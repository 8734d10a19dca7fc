"""The rows of the set-up's objects, made from what the org knows (salesforce.md 5.8)."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache

from practice_org.org import Org
from practice_org.people import BORN_AT, instant_text
from practice_org.permission_sets import PROFILES, PermissionSet
from practice_org.row_queries import Row, Rows
from practice_org.rules import Duplicates
from practice_org.set_up_schema import ALL_PREFIXES, OBJECT_RIGHTS
from practice_org.sharing import COLUMNS
from practice_org.users import SALESFORCE_LICENSE

BORN = instant_text(BORN_AT)


def rows_of(org: Org, object_name: str) -> Sequence[Row]:
    """The rows of any object that holds no people: the org, its users, its set-up."""
    maker = _MAKERS.get(object_name)
    return list(maker(org)) if maker else org.fixed_rows(object_name)


def rows(org: Org, object_name: str, version: str) -> Rows:
    """The same, ready to be queried."""
    return Rows(object_name, org.access, cache(lambda name: rows_of(org, name)), f"/services/data/v{version}")


def _licenses(_: Org) -> Iterator[Row]:
    yield {
        "Id": SALESFORCE_LICENSE,
        "Name": "Salesforce",
        "MasterLabel": "Salesforce",
        "LicenseDefinitionKey": "SFDC",
        "Status": "Active",
        "SystemModstamp": BORN,
    }


def _profiles(org: Org) -> Iterator[Row]:
    for profile_id, name in PROFILES.items():
        given = org.permission_sets.of_profile(profile_id).permissions
        yield {
            "Id": profile_id,
            "Name": name,
            "UserLicenseId": SALESFORCE_LICENSE,
            "UserType": "Standard",
            "SystemModstamp": BORN,
            **_columns(given),
        }


def _sets(org: Org) -> Iterator[Row]:
    for one in org.permission_sets.sets.values():
        yield {
            "Id": one.id,
            "Name": one.name,
            "Label": one.label,
            "Description": one.description,
            "LicenseId": one.license_id,
            "ProfileId": one.profile_id,
            "IsOwnedByProfile": one.profile_id is not None,
            "IsCustom": True,
            "Type": "Profile" if one.profile_id else "Regular",
            "NamespacePrefix": None,
            "SystemModstamp": BORN,
            **_columns(one.permissions),
        }


def _columns(given: set[str]) -> dict[str, bool]:
    return {column: name in given for name, column in COLUMNS.items()}


def _assignments(org: Org) -> Iterator[Row]:
    for assignment, (user_id, set_id) in org.permission_sets.assignments.items():
        yield {
            "Id": assignment,
            "PermissionSetId": set_id,
            "AssigneeId": user_id,
            "IsActive": True,
            "SystemModstamp": BORN,
        }


def _field_permissions(org: Org) -> Iterator[Row]:
    for one in org.permission_sets.sets.values():
        for object_name, name in _known_fields(org, one):
            level = one.fields[object_name, name]
            yield {
                "Id": field_row_id(org, one, (object_name, name)),
                "ParentId": one.id,
                "SobjectType": object_name,
                "Field": f"{object_name}.{name}",
                "PermissionsRead": True,
                "PermissionsEdit": level == "edit",
                "SystemModstamp": BORN,
            }


def field_row_id(org: Org, one: PermissionSet, key: tuple[str, str]) -> str:
    """The id of the FieldPermissions row of a set for a field."""
    return org.row_ids.of(ALL_PREFIXES["FieldPermissions"], one.id, *key)


def object_row_id(org: Org, one: PermissionSet, object_name: str) -> str:
    """The id of the ObjectPermissions row of a set for an object."""
    return org.row_ids.of(ALL_PREFIXES["ObjectPermissions"], one.id, object_name)


def _known_fields(org: Org, one: PermissionSet) -> Iterator[tuple[str, str]]:
    """The fields that can be granted, still exist, and are granted here."""
    for (object_name, name), level in one.fields.items():
        known = org.access.fields[object_name].get(name.lower())
        if known is not None and known.permissionable and level != "absent":
            yield object_name, known.name


def _object_permissions(org: Org) -> Iterator[Row]:
    for one in org.permission_sets.sets.values():
        for object_name, given in one.rights.items():
            if given:
                yield {
                    "Id": object_row_id(org, one, object_name),
                    "ParentId": one.id,
                    "SobjectType": object_name,
                    "SystemModstamp": BORN,
                    **{f"Permissions{right}": right in given for right in OBJECT_RIGHTS},
                }


def _duplicate_rules(org: Org) -> Iterator[Row]:
    for number, rule in enumerate(org.rules.ordered):
        if isinstance(rule, Duplicates):
            name = f"Standard_{rule.object}_Duplicate_Rule"
            yield {
                "Id": org.row_ids.of(ALL_PREFIXES["DuplicateRule"], str(number)),
                "DeveloperName": name,
                "MasterLabel": f"Standard {rule.object} Duplicate Rule",
                "SobjectType": rule.object,
                "IsActive": rule.active,
                "SystemModstamp": BORN,
            }


_MAKERS: dict[str, Callable[[Org], Iterator[Row]]] = {
    "UserLicense": _licenses,
    "Profile": _profiles,
    "PermissionSet": _sets,
    "PermissionSetAssignment": _assignments,
    "FieldPermissions": _field_permissions,
    "ObjectPermissions": _object_permissions,
    "DuplicateRule": _duplicate_rules,
}
