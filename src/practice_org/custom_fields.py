"""New checkboxes: what an administrator creates, one by one or in a deployment (salesforce.md 5.3).

Nobody can see a new field, administrators included, until a profile or a permission set grants it.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

from practice_org.errors import RefusalError
from practice_org.org import Org
from practice_org.schema import CUSTOM_FIELD, PEOPLE, Field, account_name
from practice_org.set_up_schema import TOOLING_PREFIXES

NAME_LENGTH_MAX = LABEL_LENGTH_MAX = 40


@dataclass(frozen=True)
class Wanted:
    """A checkbox that can be created."""

    object_name: str
    field: Field


def checked(full_name: object, tree: object, existing: Container[tuple[str, str]]) -> Wanted:
    """The field behind Lead.X__c and its metadata. `existing` are those that are there, in lower case.

    Raises RefusalError with what Salesforce says.
    """
    object_name, name = _names(full_name)
    if not isinstance(tree, Mapping):
        raise _bad("Required fields are missing: [Metadata]", "REQUIRED_FIELD_MISSING")
    if tree.get("type") is None:
        raise _bad("Required fields are missing: [type]", "REQUIRED_FIELD_MISSING")
    if tree["type"] != "Checkbox":
        raise _bad(f"this practice org creates fields of type Checkbox only, not {tree['type']}")
    if tree.get("required") is not None:
        raise _bad("Can not specify 'required' for a CustomField of type Checkbox")
    label = tree.get("label")
    if not isinstance(label, str) or not label.strip():
        raise _bad("Must specify a non-empty label for the CustomField")
    if len(label) > LABEL_LENGTH_MAX:
        raise _bad(f"Label: data value too large: {label} (max length={LABEL_LENGTH_MAX})", "STRING_TOO_LONG")
    if tree.get("defaultValue") not in (False, "false", True, "true"):
        raise _bad("Must specify 'defaultValue' for a CustomField of type Checkbox")
    if (object_name.lower(), name.lower()) in existing:
        raise _bad(f"There is already a field named {label} on {object_name}.", "DUPLICATE_DEVELOPER_NAME")
    return Wanted(object_name, Field(name, label, "boolean", nillable=False, custom=True))


def _names(full_name: object) -> tuple[str, str]:
    object_name, dot, name = str(full_name or "").partition(".")
    if not dot or object_name not in PEOPLE:
        raise _bad(f"Entity Enumeration Or ID: bad value for restricted picklist field: {object_name}")
    if not name.endswith("__c") or not CUSTOM_FIELD.fullmatch(name):
        text = "Field Name: The field name can only contain alphanumeric characters, must begin with a letter, cannot "
        raise _bad(text + "end with an underscore or contain two consecutive underscore characters, and ends in __c")
    if "__" in name.removesuffix("__c"):
        raise _bad("Cannot create a field with the namespace of a package")
    if len(name.removesuffix("__c")) > NAME_LENGTH_MAX:
        raise _bad(f"Field Name: data value too large: {name} (max length={NAME_LENGTH_MAX})", "STRING_TOO_LONG")
    return object_name, name


def _bad(text: str, code: str = "FIELD_INTEGRITY_EXCEPTION") -> RefusalError:
    return RefusalError(code, text, fields=["FullName"] if code == "DUPLICATE_DEVELOPER_NAME" else [])


def existing(org: Org) -> set[tuple[str, str]]:
    """Object and name of every field of people, in lower case."""
    return {(object_name.lower(), name) for object_name in PEOPLE for name in org.access.fields[object_name]}


def add(org: Org, wanted: Wanted) -> str:
    """Creates the field, which nobody may see yet; returns its id. A Contact's comes to Person Accounts, too."""
    for object_name, name in _everywhere(org, wanted.object_name, wanted.field.name):
        org.access.add_field(object_name, replace(wanted.field, name=name), "absent")
    return org.row_ids.of(TOOLING_PREFIXES["CustomField"], wanted.object_name, wanted.field.name)


def put(org: Org, wanted: Wanted) -> None:
    """Creates the field, or gives the one of that name another label; who may see it stays as it is."""
    known = org.access.fields[wanted.object_name].get(wanted.field.name.lower())
    if known is None:
        add(org, wanted)
    else:
        org.access.fields[wanted.object_name][known.name.lower()] = replace(known, label=wanted.field.label)


def remove(org: Org, object_name: str, name: str) -> None:
    """Deletes the field with every access to it; it leaves the layouts, and Person Accounts."""
    for known_on, known_as in _everywhere(org, object_name, name):
        org.access.remove_field(known_on, known_as)
        org.permission_sets.forget_field(known_on, known_as)
    org.layouts.remove_field(object_name, name)


def _everywhere(org: Org, object_name: str, name: str) -> list[tuple[str, str]]:
    """Where the field is: a custom field of Contact is one of Person Accounts as X__pc (salesforce.md 5.1)."""
    if object_name == "Contact" and org.access.person_accounts:
        return [("Contact", name), ("Account", account_name(name))]
    return [(object_name, name)]
