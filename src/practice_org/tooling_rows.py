"""The rows of Tooling's objects: layouts, custom fields, rules, packages, change events (salesforce.md 5.9)."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache

from practice_org.catalog import Catalog
from practice_org.ids import record_id
from practice_org.layouts import as_tooling
from practice_org.org import Org
from practice_org.row_queries import Row, Rows
from practice_org.rules import Validation
from practice_org.schema import PEOPLE, PREFIXES, Field
from practice_org.set_up_schema import TOOLING_FIELDS, TOOLING_PREFIXES

PACKAGE_NAME, PACKAGE_NAMESPACE = "Marketo Sales Insight", "mkto_si"
_LEVELS = {(name, known.name): "edit" for name, fields in TOOLING_FIELDS.items() for known in fields.values()}
_SEEN = Catalog(TOOLING_FIELDS, dict(_LEVELS), dict.fromkeys(TOOLING_FIELDS, "edit"))  # type: ignore[arg-type]  # of Level
_UNSEEN = Catalog()


def catalog_for(org: Org) -> Catalog:
    """What our user sees of Tooling: everything, or nothing without View Setup and Configuration."""
    return _SEEN if org.permissions.has("view_setup") else _UNSEEN


def tooling_rows(org: Org, object_name: str, version: str) -> Rows:
    """The rows of one of Tooling's objects, ready to be queried."""
    base = f"/services/data/v{version}/tooling"
    return Rows(object_name, catalog_for(org), cache(lambda name: _rows_of(org, name)), base)


def _rows_of(org: Org, object_name: str) -> Sequence[Row]:
    return list(_MAKERS[object_name](org))


def _entities(_: Org) -> Iterator[Row]:
    for name in PEOPLE:
        yield {
            "Id": name,
            "DurableId": name,
            "QualifiedApiName": name,
            "DeveloperName": name,
            "Label": name,
            "KeyPrefix": PREFIXES[name],
        }


def _layouts(org: Org) -> Iterator[Row]:
    for layout in org.layouts.ordered:
        yield {
            "Id": layout.id,
            "Name": layout.name,
            "EntityDefinitionId": layout.object_name,
            "TableEnumOrId": layout.object_name,
            "LayoutType": "Standard",
            "NamespacePrefix": None,
            "ManageableState": "unmanaged",
            "FullName": layout.full_name,
            "Metadata": as_tooling(layout.tree),
        }


def _custom_fields(org: Org) -> Iterator[Row]:
    for object_name in PEOPLE:
        for known in org.access.fields[object_name].values():
            if known.custom:
                yield custom_field_row(org, object_name, known)


def custom_field_row(org: Org, object_name: str, known: Field) -> Row:
    """A custom field as Tooling lists it."""
    namespace, name = split_name(known.name)
    return {
        "Id": org.row_ids.of(TOOLING_PREFIXES["CustomField"], object_name, known.name),
        "DeveloperName": name,
        "EntityDefinitionId": object_name,
        "TableEnumOrId": object_name,
        "NamespacePrefix": namespace,
        "ManageableState": "installed" if namespace else "unmanaged",
        "FullName": f"{object_name}.{known.name}",
        "Metadata": {
            "type": "Checkbox",
            "label": known.label,
            "defaultValue": "false",
            "description": None,
            "inlineHelpText": None,
            "required": None,
        },
    }


def split_name(name: str) -> tuple[str | None, str]:
    """Namespace and developer name of ns__Name__c; no namespace: None."""
    namespace, divider, rest = name.removesuffix("__c").rpartition("__")
    return (namespace, rest) if divider else (None, rest)


def _validation_rules(org: Org) -> Iterator[Row]:
    for number, rule in enumerate(org.rules.ordered):
        if isinstance(rule, Validation):
            shown = {"active": rule.active, "errorMessage": rule.message, "errorDisplayField": rule.field or None}
            yield {
                "Id": org.row_ids.of(TOOLING_PREFIXES["ValidationRule"], str(number)),
                "ValidationName": rule.name,
                "Active": rule.active,
                "Description": None,
                "ErrorMessage": rule.message,
                "ErrorDisplayField": rule.field or None,
                "EntityDefinitionId": rule.object,
                "NamespacePrefix": None,
                "FullName": f"{rule.object}.{rule.name}",
                "Metadata": shown | {"errorConditionFormula": rule.when or "true", "description": None},
            }


_PACKAGE, _VERSION = (
    record_id(TOOLING_PREFIXES[name], 1) for name in ("SubscriberPackage", "SubscriberPackageVersion")
)


def _installed(org: Org) -> Iterator[Row]:
    if org.access.package_installed:
        installed = record_id(TOOLING_PREFIXES["InstalledSubscriberPackage"], 1)
        yield {"Id": installed, "SubscriberPackageId": _PACKAGE, "SubscriberPackageVersionId": _VERSION}


def _packages(org: Org) -> Iterator[Row]:
    if org.access.package_installed:
        namespace = split_name(org.access.package_fields["Lead"])[0] or PACKAGE_NAMESPACE
        yield {"Id": _PACKAGE, "Name": PACKAGE_NAME, "NamespacePrefix": namespace, "Description": None}


def _versions(org: Org) -> Iterator[Row]:
    if org.access.package_installed and org.behaviour.package_version_visible:
        yield {
            "Id": _VERSION,
            "SubscriberPackageId": _PACKAGE,
            "Name": "Winter",
            "MajorVersion": 2,
            "MinorVersion": 3,
            "PatchVersion": 0,
            "BuildNumber": 1,
            "IsBeta": False,
        }


def _channel_members(org: Org) -> Iterator[Row]:
    for member_id, member in org.change_events.items():
        yield {
            "Id": member_id,
            "DeveloperName": member.full_name,
            "MasterLabel": member.entity,
            "EventChannel": member.channel,
            "SelectedEntity": member.entity,
            "FullName": member.full_name,
            "Metadata": {
                "eventChannel": member.channel,
                "selectedEntity": member.entity,
                "enrichedFields": [],
                "filterExpression": None,
            },
        }


_MAKERS: dict[str, Callable[[Org], Iterator[Row]]] = {
    "EntityDefinition": _entities,
    "Layout": _layouts,
    "CustomField": _custom_fields,
    "ValidationRule": _validation_rules,
    "InstalledSubscriberPackage": _installed,
    "SubscriberPackage": _packages,
    "SubscriberPackageVersion": _versions,
    "PlatformEventChannelMember": _channel_members,
}
