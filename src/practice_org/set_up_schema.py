"""The fields of the set-up: who may do what, duplicate rules, and what Tooling knows (salesforce.md 5.8, 5.9)."""

import re

from practice_org.schema import PREFIXES, Field
from practice_org.sharing import COLUMNS

_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _column(
    name: str, kind: str = "string", *, to: str = "", create: bool = False, update: bool = False, nillable: bool = False
) -> Field:
    length = {"id": 18, "reference": 18, "string": 255, "picklist": 40, "textarea": 1000}.get(kind, 0)
    label = _WORDS.sub(" ", name.removesuffix("Id") or name)
    points_to = (to,) if to else ()
    return Field(name, label, kind, length, nillable, create, update, permissionable=False, reference_to=points_to)


def _id(name: str, to: str, *, create: bool = False, nillable: bool = False) -> Field:
    return _column(name, "reference", to=to, create=create, nillable=nillable)


def _flags(names: tuple[str, ...], *, writable: bool) -> tuple[Field, ...]:
    return tuple(_column(name, "boolean", create=writable, update=writable) for name in names)


_ID = _column("Id", "id")
_STAMP = _column("SystemModstamp", "datetime")
OBJECT_RIGHTS = ("Create", "Read", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords")

_OBJECTS: dict[str, tuple[Field, ...]] = {
    "UserLicense": (
        _ID,
        _column("Name"),
        _column("MasterLabel"),
        _column("LicenseDefinitionKey"),
        _column("Status", "picklist"),
        _STAMP,
    ),
    "Profile": (
        _ID,
        _column("Name"),
        _id("UserLicenseId", "UserLicense"),
        _column("UserType", "picklist"),
        *_flags(tuple(COLUMNS.values()), writable=False),
        _STAMP,
    ),
    "PermissionSet": (
        _ID,
        _column("Name", create=True, update=True),
        _column("Label", create=True, update=True),
        _column("Description", create=True, update=True, nillable=True),
        _id("LicenseId", "UserLicense", create=True, nillable=True),
        _id("ProfileId", "Profile", nillable=True),
        _column("IsOwnedByProfile", "boolean"),
        _column("IsCustom", "boolean"),
        _column("Type", "picklist"),
        _column("NamespacePrefix", nillable=True),
        *_flags(tuple(COLUMNS.values()), writable=True),
        _STAMP,
    ),
    "PermissionSetAssignment": (
        _ID,
        _id("PermissionSetId", "PermissionSet", create=True),
        _id("AssigneeId", "User", create=True),
        _column("IsActive", "boolean"),
        _STAMP,
    ),
    "FieldPermissions": (
        _ID,
        _id("ParentId", "PermissionSet", create=True),
        _column("SobjectType", "picklist", create=True),
        _column("Field", "picklist", create=True),
        *_flags(("PermissionsRead", "PermissionsEdit"), writable=True),
        _STAMP,
    ),
    "ObjectPermissions": (
        _ID,
        _id("ParentId", "PermissionSet", create=True),
        _column("SobjectType", "picklist", create=True),
        *_flags(tuple(f"Permissions{right}" for right in OBJECT_RIGHTS), writable=True),
        _STAMP,
    ),
    "DuplicateRule": (
        _ID,
        _column("DeveloperName"),
        _column("MasterLabel"),
        _column("SobjectType", "picklist"),
        _column("IsActive", "boolean"),
        _STAMP,
    ),
}

SET_UP_FIELDS = {name: {known.name.lower(): known for known in fields} for name, fields in _OBJECTS.items()}
"""The data API's objects of the set-up, as Access keeps fields."""
_OF_SETS = ("view_setup", "manage_permission_sets", "assign_permission_sets")
NEEDED = dict.fromkeys(_OBJECTS, ("view_setup",)) | dict.fromkeys(
    ("PermissionSet", "PermissionSetAssignment"), _OF_SETS
)
"""Without any of these permissions the object does not exist."""
del NEEDED["Profile"]
CHANGEABLE = ("PermissionSet", "PermissionSetAssignment", "FieldPermissions", "ObjectPermissions")

_PREFIXES_HERE = {
    "UserLicense": "100",
    "Profile": "00e",
    "PermissionSet": "0PS",
    "PermissionSetAssignment": "0Pa",
    "FieldPermissions": "01k",
    "ObjectPermissions": "110",
    "DuplicateRule": "0Bm",
}
ALL_PREFIXES = PREFIXES | _PREFIXES_HERE
"""The first characters of ids, for every object of the data API."""

_METADATA = (
    _column("FullName", create=True, update=True),
    _column("Metadata", "complexvalue", create=True, update=True),
)
_OF_OBJECT = (_id("EntityDefinitionId", "EntityDefinition"), _column("TableEnumOrId", "picklist"))

_TOOLING: dict[str, tuple[Field, ...]] = {
    "EntityDefinition": (
        _ID,
        _column("DurableId"),
        _column("QualifiedApiName"),
        _column("DeveloperName"),
        _column("Label"),
        _column("KeyPrefix"),
    ),
    "Layout": (
        _ID,
        _column("Name"),
        *_OF_OBJECT,
        _column("LayoutType", "picklist"),
        _column("NamespacePrefix", nillable=True),
        _column("ManageableState", "picklist"),
        *_METADATA,
    ),
    "CustomField": (
        _ID,
        _column("DeveloperName"),
        *_OF_OBJECT,
        _column("NamespacePrefix", nillable=True),
        _column("ManageableState", "picklist"),
        *_METADATA,
    ),
    "ValidationRule": (
        _ID,
        _column("ValidationName"),
        _column("Active", "boolean"),
        _column("Description", nillable=True),
        _column("ErrorMessage"),
        _column("ErrorDisplayField", nillable=True),
        _id("EntityDefinitionId", "EntityDefinition"),
        _column("NamespacePrefix", nillable=True),
        *_METADATA,
    ),
    "SubscriberPackage": (
        _ID,
        _column("Name"),
        _column("NamespacePrefix", nillable=True),
        _column("Description", nillable=True),
    ),
    "SubscriberPackageVersion": (
        _ID,
        _id("SubscriberPackageId", "SubscriberPackage"),
        _column("Name"),
        *(_column(name, "int") for name in ("MajorVersion", "MinorVersion", "PatchVersion", "BuildNumber")),
        _column("IsBeta", "boolean"),
    ),
    "InstalledSubscriberPackage": (
        _ID,
        _id("SubscriberPackageId", "SubscriberPackage"),
        _id("SubscriberPackageVersionId", "SubscriberPackageVersion"),
    ),
    "PlatformEventChannelMember": (
        _ID,
        _column("DeveloperName"),
        _column("MasterLabel"),
        _column("EventChannel", "picklist"),
        _column("SelectedEntity", "picklist"),
        *_METADATA,
    ),
}
TOOLING_FIELDS = {name: {known.name.lower(): known for known in fields} for name, fields in _TOOLING.items()}
TOOLING_PREFIXES = {
    "Layout": "00h",
    "CustomField": "00N",
    "ValidationRule": "03d",
    "SubscriberPackage": "033",
    "SubscriberPackageVersion": "04t",
    "InstalledSubscriberPackage": "0A3",
    "PlatformEventChannelMember": "0v8",
}
