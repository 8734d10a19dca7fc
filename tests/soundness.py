"""A practice org in which the doctor finds nothing: every right, every page layout, every profile, change events."""

import json
from urllib.parse import quote

from tests.practice import PracticeOrg

EMAIL = "HasOptedOutOfEmail"
BARE = {"Lead": "Lead-Lead Layout", "Contact": "Contact-Contact %28Sales%29 Layout"}
"""The layouts of a fresh practice org that lack Email Opt Out."""
MEMBERS = ("LeadChangeEvent", "ContactChangeEvent")
TOOLING = "/services/data/v62.0/tooling"
SOBJECTS = "/services/data/v62.0/sobjects"
QUERY = "/services/data/v62.0/query?q="


def make_sound(org: PracticeOrg) -> None:
    """Mends all that a fresh practice org lacks, but for field-level security."""
    org.permit(modify_all_data=True, view_and_edit_converted_leads=True)
    for object_name in BARE:
        show(org, object_name, EMAIL)
        let_read(org, object_name, EMAIL)
    select(org, *MEMBERS)


def make_bare(org: PracticeOrg) -> None:
    """Takes back what `make_sound` mends."""
    for object_name in BARE:
        show(org, object_name, EMAIL, None)
        hide(org, object_name, EMAIL)
    select(org)
    org.permit(modify_all_data=False, view_and_edit_converted_leads=False)


def show(org: PracticeOrg, object_name: str, field: str, behavior: str | None = "Edit") -> None:
    """Puts the field on the object's bare layout, or takes it off."""
    org.call("POST", "/layouts/item", {"layout": BARE[object_name], "field": field, "behavior": behavior})


def select(org: PracticeOrg, *entities: str) -> None:
    """What Change Data Capture tells of, from now on nothing else."""
    members = f"{TOOLING}/sobjects/PlatformEventChannelMember"
    found = json.loads(as_admin(org, "GET", f"{TOOLING}/query?q=SELECT+Id+FROM+PlatformEventChannelMember"))
    for row in found["records"]:
        as_admin(org, "DELETE", f"{members}/{row['Id']}")
    for entity in entities:
        tree = {"eventChannel": "ChangeEvents", "selectedEntity": entity}
        as_admin(org, "POST", members, {"FullName": f"ChangeEvents_{entity}", "Metadata": tree})


def let_read(org: PracticeOrg, object_name: str, field: str) -> None:
    """The people's profiles see the field, read-only."""
    named = f"{object_name}.{field}"
    known = [row["ParentId"] for row in rows(org, f"SELECT ParentId FROM FieldPermissions WHERE Field = '{named}'")]
    for set_id in set(sets_of_people(org)).difference(known):
        values = {"ParentId": set_id, "SobjectType": object_name, "Field": named}
        as_admin(org, "POST", f"{SOBJECTS}/FieldPermissions", values | {"PermissionsRead": True})


def hide(org: PracticeOrg, object_name: str, field: str) -> None:
    """They do not see it any more."""
    named = f"{object_name}.{field}"
    for row in rows(org, f"SELECT Id, ParentId FROM FieldPermissions WHERE Field = '{named}'"):
        if row["ParentId"] in sets_of_people(org):
            as_admin(org, "DELETE", f"{SOBJECTS}/FieldPermissions/{row['Id']}")


def sets_of_people(org: PracticeOrg) -> list[str]:
    """The permission sets of the profiles that are not our user's."""
    named = "Profile.Name IN ('System Administrator', 'Standard User')"
    return [row["Id"] for row in rows(org, f"SELECT Id FROM PermissionSet WHERE IsOwnedByProfile = true AND {named}")]


def rows(org: PracticeOrg, soql: str) -> list[dict[str, str]]:
    """The answer to a query of somebody who may."""
    found: list[dict[str, str]] = json.loads(as_admin(org, "GET", QUERY + quote(soql)))["records"]
    return found


def as_admin(org: PracticeOrg, method: str, path: str, body: object = None) -> bytes:
    """One request of somebody who may; the body of its answer."""
    connection = org.connect()
    try:
        headers = {"Authorization": f"Bearer {org.credentials['access_token']}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    assert answer.status < 300, said
    return said
