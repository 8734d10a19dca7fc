"""The parts of an org's Setup that have to do with its opt-out fields: page layouts, custom fields, rules, packages.

Sources: Tooling API Reference, "Layout" and "CustomField" (FullName and Metadata come with one row at a time),
"InstalledSubscriberPackage", "ValidationRule", "PlatformEventChannelMember"; Object Reference, "DuplicateRule". All of
it needs *View Setup and Configuration*, a change *Customize Application*.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from optsync.core.record_ids import PREFIXES, Kind
from optsync.salesforce import query
from optsync.salesforce.errors import OddAnswer
from optsync.salesforce.session import Session

LAYOUTS_MAX: Final = 200
"""An org has one for each way in which a team works; more of them are read by nobody in one sitting."""
LAYOUTS_AT_ONCE: Final = 5


@dataclass(frozen=True, slots=True)
class LayoutName:
    """One page layout of an object, without what is on it."""

    id: str
    object_name: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Layout:
    """One page layout; `metadata` is Salesforce's own description of it, `full_name` such as Lead-Lead Layout."""

    id: str
    object_name: Kind
    name: str
    full_name: str
    metadata: dict[str, Any]


def layout_names(session: Session, objects: Sequence[Kind]) -> list[LayoutName]:
    """The page layouts of these objects, in the order of the objects and then by name."""
    soql = f"SELECT Id, Name, TableEnumOrId FROM Layout WHERE TableEnumOrId IN ({_listed(objects)})"
    found = query.rows(session, soql, tooling=True)
    names = [LayoutName(query.id_from(row), _kind(row), _text(row, "Name")) for row in found]
    if len(names) > LAYOUTS_MAX:
        raise OddAnswer(f"{len(names):,} page layouts")
    return sorted(names, key=lambda layout: (objects.index(layout.object_name), layout.name))


def layouts(session: Session, names: Iterable[LayoutName]) -> list[Layout]:
    """These layouts with what is on them, in the order given: one call each."""
    with ThreadPoolExecutor(LAYOUTS_AT_ONCE) as pool:
        return list(pool.map(lambda one: layout(session, one), names))


def layout(session: Session, name: LayoutName | Layout) -> Layout:
    """One layout as it is now."""
    answer = session.request("GET", f"tooling/sobjects/Layout/{name.id}").json_object()
    metadata = answer.get("Metadata")
    if not isinstance(metadata, dict):
        raise OddAnswer("a page layout without its description")
    return Layout(name.id, name.object_name, name.name, _text(answer, "FullName"), metadata)


def own_fields(session: Session, objects: Iterable[str], developer_name: str) -> dict[str, str]:
    """The custom field of that name (without __c) that belongs to no package: its id, by object."""
    soql = (
        "SELECT Id, TableEnumOrId FROM CustomField "
        f"WHERE DeveloperName = {query.quote(developer_name)} AND NamespacePrefix = null "
        f"AND TableEnumOrId IN ({_listed(objects)})"
    )
    return {_text(row, "TableEnumOrId"): query.id_from(row) for row in query.rows(session, soql, tooling=True)}


def make_checkbox(session: Session, object_name: str, api_name: str, label: str, description: str) -> str:
    """A new checkbox; returns its id. Nobody may see it before it is granted, not even an admin.

    `required` is not sent: Salesforce refuses it for a checkbox (FIELD_INTEGRITY_EXCEPTION).
    """
    metadata = {"type": "Checkbox", "label": label, "defaultValue": "false", "description": description}
    body = {"FullName": f"{object_name}.{api_name}", "Metadata": metadata}
    return query.id_from(session.request("POST", "tooling/sobjects/CustomField", json=body).json_object(), "id")


def delete_field(session: Session, field_id: str) -> None:
    """Takes a custom field away, with what its records say in it."""
    session.request("DELETE", f"tooling/sobjects/CustomField/{field_id}")


def package_versions(session: Session) -> dict[str, str]:
    """The installed packages by their namespace; the id of the version of each. One without a namespace is left out."""
    soql = "SELECT SubscriberPackage.NamespacePrefix, SubscriberPackageVersionId FROM InstalledSubscriberPackage"
    found: dict[str, str] = {}
    for row in query.rows(session, soql, tooling=True):
        package = row.get("SubscriberPackage")
        namespace = package.get("NamespacePrefix") if isinstance(package, dict) else None
        if isinstance(namespace, str):
            found[namespace] = str(row.get("SubscriberPackageVersionId") or "")
    return found


def active_validation_rules(session: Session, objects: Iterable[str]) -> dict[str, list[str]]:
    """The names of the validation rules that are on, by object."""
    soql = (
        "SELECT ValidationName, EntityDefinition.QualifiedApiName FROM ValidationRule "
        f"WHERE Active = true AND EntityDefinition.QualifiedApiName IN ({_listed(objects)})"
    )
    found: dict[str, list[str]] = {}
    for row in query.rows(session, soql, tooling=True):
        of = row.get("EntityDefinition")
        name = _text(of, "QualifiedApiName") if isinstance(of, dict) else ""
        found.setdefault(name, []).append(_text(row, "ValidationName"))
    return found


def active_duplicate_rules(session: Session, objects: Iterable[str]) -> dict[str, list[str]]:
    """The labels of the duplicate rules that are on, by object."""
    soql = (
        "SELECT MasterLabel, SobjectType FROM DuplicateRule "
        f"WHERE IsActive = true AND SobjectType IN ({_listed(objects)})"
    )
    found: dict[str, list[str]] = {}
    for row in query.rows(session, soql):
        found.setdefault(_text(row, "SobjectType"), []).append(_text(row, "MasterLabel"))
    return found


def selected_for_change_events(session: Session) -> set[str]:
    """What Setup > Change Data Capture has selected, such as LeadChangeEvent."""
    soql = "SELECT SelectedEntity FROM PlatformEventChannelMember WHERE EventChannel = 'ChangeEvents'"
    return {_text(row, "SelectedEntity") for row in query.rows(session, soql, tooling=True)}


def _kind(row: dict[str, Any]) -> Kind:
    for kind in PREFIXES.values():
        if row.get("TableEnumOrId") == kind:
            return kind
    raise OddAnswer("a page layout of an object that was not asked for")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(query.quote(name) for name in names)


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise OddAnswer(f"a row of Setup without {name}")
    return value
