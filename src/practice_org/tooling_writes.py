"""What Tooling changes of the set-up, piece by piece (salesforce.md 5.9)."""

from collections.abc import Mapping

from practice_org import custom_fields
from practice_org.errors import RefusalError, not_found
from practice_org.layouts import checked_tree, from_tooling, refused_by_tooling
from practice_org.maintenance import in_maintenance
from practice_org.org import ChangeEvents, Org
from practice_org.row_queries import Row
from practice_org.set_up_schema import TOOLING_PREFIXES
from practice_org.set_up_writes import no_rights

CHANNEL = "ChangeEvents"
ENTITIES = ("LeadChangeEvent", "ContactChangeEvent", "AccountChangeEvent")


def check_rights(org: Org) -> None:
    """Raises RefusalError when our user may not customize the org, or nobody may now."""
    if org.read_only:
        raise in_maintenance()
    if not org.permissions.has("customize_application"):
        raise no_rights(org)


def create(org: Org, object_name: str, values: Mapping[str, object]) -> str:
    """A custom field, or an object whose changes are told from now on; its id. Raises RefusalError."""
    check_rights(org)
    full_name, tree = values.get("FullName"), values.get("Metadata")
    if object_name == "CustomField":
        return custom_fields.add(org, custom_fields.checked(full_name, tree, custom_fields.existing(org)))
    if object_name == "PlatformEventChannelMember":
        return _add_change_events(org, str(full_name or ""), tree)
    raise _not_here(object_name)


def update(org: Org, object_name: str, row: Row, values: Mapping[str, object]) -> None:
    """A layout's tree, as a whole. Raises RefusalError; then the layout is as it was."""
    check_rights(org)
    layout = org.layouts.with_id(str(row["Id"])) if object_name == "Layout" else None
    if layout is None:
        raise _not_here(object_name)
    tree = checked_tree(values.get("Metadata"), org.access.fields[layout.object_name], layout.object_name)
    refused = None if org.behaviour.tooling_takes_layouts_back else refused_by_tooling(tree)
    if refused is not None:
        text = (
            f"Cannot deserialize instance of complexvalue from VALUE_STRING value {refused} or request may be missing "
            "a required field at [line:1, column:2]"
        )
        raise RefusalError("JSON_PARSER_ERROR", text)
    layout.tree = from_tooling(tree)
    org.settle()


def delete(org: Org, object_name: str, row: Row) -> None:
    """A custom field of the org's own, or an object whose changes are no longer told. Raises RefusalError."""
    check_rights(org)
    if object_name == "CustomField" and row["NamespacePrefix"] is None:
        entity, _, name = str(row["FullName"]).partition(".")
        custom_fields.remove(org, entity, name)
    elif object_name == "PlatformEventChannelMember":
        del org.change_events[str(row["Id"])]
    else:
        raise _not_here(object_name)


def _add_change_events(org: Org, full_name: str, tree: object) -> str:
    if org.edition.by_layout:
        raise not_found()  # Change Data Capture is not in these editions
    given = tree if isinstance(tree, Mapping) else {}
    channel, entity = given.get("eventChannel"), given.get("selectedEntity")
    if channel != CHANNEL or entity not in ENTITIES or not full_name:
        text = f"a member needs FullName, eventChannel {CHANNEL} and selectedEntity one of {', '.join(ENTITIES)}"
        raise RefusalError("FIELD_INTEGRITY_EXCEPTION", text, fields=[])
    if any(member.entity == entity for member in org.change_events.values()):
        raise RefusalError("DUPLICATE_VALUE", f"{entity} is already selected on {CHANNEL}", fields=[])
    member_id = org.row_ids.new(TOOLING_PREFIXES["PlatformEventChannelMember"])
    org.change_events[member_id] = ChangeEvents(CHANNEL, str(entity), full_name)
    return member_id


def _not_here(object_name: str) -> RefusalError:
    text = f"entity type cannot be changed in this way: {object_name}"
    return RefusalError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", text, fields=[])
