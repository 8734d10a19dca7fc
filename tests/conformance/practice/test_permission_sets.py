"""Who may do what: profiles, permission sets, their rows and assignments are the access itself (salesforce.md 5.8)."""

from typing import Any

import pytest

from tests.conformance.practice.rest import Answer, Rest

BOX = "HasOptedOutOfEmail"


def new(rest: Rest, object_name: str, **values: Any) -> str:
    """A row that is created; its id."""
    answer = rest.call("POST", f"sobjects/{object_name}", values)
    assert answer.status == 201, answer.body
    assert answer.headers["location"].endswith(f"/sobjects/{object_name}/{answer.json['id']}")
    return str(answer.json["id"])


def granting(rest: Rest, **levels: Any) -> str:
    """An unassigned permission set with a row for Email Opt Out on Lead."""
    one = new(rest, "PermissionSet", Name="Opt_Out", Label="Opt out")
    new(rest, "FieldPermissions", ParentId=one, SobjectType="Lead", Field=f"Lead.{BOX}", **levels)
    return one


def user_id(rest: Rest) -> str:
    """The integration user."""
    return str(rest.query("SELECT Id FROM User WHERE Profile.Name = 'Integration'").json["records"][0]["Id"])


def box_on_lead(rest: Rest) -> bool | None:
    """Whether describe shows the box as updateable; None where it does not show it."""
    fields = rest.call("GET", "sobjects/Lead/describe").json["fields"]
    return next((known["updateable"] for known in fields if known["name"] == BOX), None)


def test_our_user_its_profile_and_its_licence_can_be_asked_for(rest: Rest) -> None:
    (row,) = rest.query(
        "SELECT IsActive, Profile.Name, Profile.UserLicense.Name, Profile.PermissionsViewSetup FROM User "
        "WHERE Username = 'integration@practice.example'"
    ).json["records"]
    assert row["IsActive"] is True
    assert row["Profile"]["Name"] == "Integration"
    assert row["Profile"]["UserLicense"]["Name"] == "Salesforce"
    assert row["Profile"]["PermissionsViewSetup"] is True


def test_field_permissions_say_what_each_profile_gives(rest: Rest) -> None:
    text = f"SELECT Parent.Profile.Name, PermissionsEdit FROM FieldPermissions WHERE Field = 'Lead.{BOX}'"
    rest.org.grant("Lead", BOX, "read")
    (row,) = rest.query(text).json["records"]
    assert (row["Parent"]["Profile"]["Name"], row["PermissionsEdit"]) == ("Integration", False)
    rest.org.grant("Lead", BOX, "absent")
    assert rest.query(text).json["totalSize"] == 0


def test_a_permission_set_grants_when_it_is_assigned_and_takes_away_when_it_is_not(rest: Rest) -> None:
    rest.org.grant("Lead", BOX, "absent")
    one = rest.org.create("Lead", Email="a@example.com")
    granted = granting(rest, PermissionsRead=True, PermissionsEdit=True)
    assert box_on_lead(rest) is None
    assert rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True}).code == "INVALID_FIELD"
    assigned = new(rest, "PermissionSetAssignment", AssigneeId=user_id(rest), PermissionSetId=granted)
    assert box_on_lead(rest) is True
    assert rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True}).status == 204
    assert rest.call("DELETE", f"sobjects/PermissionSetAssignment/{assigned}").status == 204
    assert box_on_lead(rest) is None
    assert rest.org.record(one)[BOX] is True


def test_what_profile_and_sets_allow_adds_up(rest: Rest) -> None:
    rest.org.grant("Lead", BOX, "edit")
    granted = granting(rest, PermissionsRead=True)
    new(rest, "PermissionSetAssignment", AssigneeId=user_id(rest), PermissionSetId=granted)
    assert box_on_lead(rest) is True
    rest.org.grant("Lead", BOX, "absent")
    assert box_on_lead(rest) is False


def test_the_assigned_rows_are_found_the_way_clients_ask(rest: Rest) -> None:
    rest.org.grant("Lead", BOX, "absent")
    granted = granting(rest, PermissionsRead=True)
    who = user_id(rest)
    text = (
        f"SELECT Id FROM FieldPermissions WHERE Field = 'Lead.{BOX}' AND ParentId IN "
        f"(SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = '{who}')"
    )
    assert rest.query(text).json["totalSize"] == 0
    new(rest, "PermissionSetAssignment", AssigneeId=who, PermissionSetId=granted)
    assert rest.query(text).json["totalSize"] == 1


def test_a_row_is_changed_and_one_without_read_is_gone(rest: Rest) -> None:
    granting(rest, PermissionsRead=True)
    text = "SELECT Id, PermissionsEdit FROM FieldPermissions WHERE Parent.Name = 'Opt_Out'"
    (row,) = rest.query(text).json["records"]
    assert rest.call("PATCH", f"sobjects/FieldPermissions/{row['Id']}", {"PermissionsEdit": True}).status == 204
    assert rest.query(text).json["records"][0]["PermissionsEdit"] is True
    gone = {"PermissionsRead": False, "PermissionsEdit": False}
    assert rest.call("PATCH", f"sobjects/FieldPermissions/{row['Id']}", gone).status == 204
    assert rest.query(text).json["totalSize"] == 0
    assert rest.call("PATCH", f"sobjects/FieldPermissions/{row['Id']}", gone).code == "NOT_FOUND"


def refused(rest: Rest, object_name: str, values: dict[str, Any]) -> Answer:
    """A row that is not created."""
    return rest.call("POST", f"sobjects/{object_name}", values)


FIELD_ROWS: list[tuple[dict[str, Any], str]] = [
    ({"PermissionsEdit": True}, "FIELD_INTEGRITY_EXCEPTION"),
    ({"PermissionsRead": False}, "FIELD_INTEGRITY_EXCEPTION"),
    ({"PermissionsRead": True, "Field": "Lead.Nothing__c"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ({"PermissionsRead": True, "Field": BOX}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ({"PermissionsRead": True, "Field": "Contact.HasOptedOutOfEmail"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ({"PermissionsRead": True, "Field": "Lead.LastName"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ({"PermissionsRead": True, "SobjectType": "Opportunity"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ({"PermissionsRead": True, "ParentId": "0PSPr0000099999"}, "INVALID_CROSS_REFERENCE_KEY"),
    ({"PermissionsRead": True, "ParentId": None}, "REQUIRED_FIELD_MISSING"),
    ({"PermissionsRead": "yes"}, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
    ({"PermissionsRead": True, "Nonsense": 1}, "INVALID_FIELD"),
]


@pytest.mark.parametrize(("values", "code"), FIELD_ROWS)
def test_a_field_row_that_makes_no_sense_is_refused(rest: Rest, values: dict[str, Any], code: str) -> None:
    one = new(rest, "PermissionSet", Name="Opt_Out", Label="Opt out")
    row = {"ParentId": one, "SobjectType": "Lead", "Field": f"Lead.{BOX}"} | values
    answer = refused(rest, "FieldPermissions", row)
    assert (answer.status, answer.code) == (400, code)
    assert rest.query("SELECT Id FROM FieldPermissions WHERE Parent.Name = 'Opt_Out'").json["totalSize"] == 0


def test_nothing_can_be_granted_twice(rest: Rest) -> None:
    granted, who = granting(rest, PermissionsRead=True), user_id(rest)
    row = {"ParentId": granted, "SobjectType": "Lead", "Field": f"Lead.{BOX}", "PermissionsRead": True}
    assert refused(rest, "FieldPermissions", row).code == "DUPLICATE_VALUE"
    new(rest, "PermissionSetAssignment", AssigneeId=who, PermissionSetId=granted)
    again = refused(rest, "PermissionSetAssignment", {"AssigneeId": who, "PermissionSetId": granted})
    assert (again.status, again.code) == (400, "DUPLICATE_VALUE")
    assert again.json[0]["message"].startswith("Duplicate PermissionSetAssignment. Assignee: ")
    twin = refused(rest, "PermissionSet", {"Name": "opt_out", "Label": "x"})
    assert twin.code == "DUPLICATE_DEVELOPER_NAME"
    assert rest.call("DELETE", f"sobjects/PermissionSet/{granted}").code == "DELETE_FAILED"


@pytest.mark.parametrize("name", ["Two Words", "_x", "x_", "a__b", "1x", "", "x" * 81, None, 7])
def test_a_permission_set_needs_a_proper_name(rest: Rest, name: Any) -> None:
    assert refused(rest, "PermissionSet", {"Name": name, "Label": "x"}).status == 400


def test_modify_all_on_an_object_passes_sharing_and_needs_the_lesser_rights(rest: Rest) -> None:
    one = rest.org.create("Lead", Email="hidden@example.com")
    rest.org.share(one, "absent")
    granted = new(rest, "PermissionSet", Name="All_Leads", Label="All Leads")
    rights = {f"Permissions{right}": True for right in ("Read", "Edit", "Delete", "ViewAllRecords")}
    base = {"ParentId": granted, "SobjectType": "Lead"}
    alone = refused(rest, "ObjectPermissions", base | {"PermissionsModifyAllRecords": True})
    assert alone.code == "FIELD_INTEGRITY_EXCEPTION"
    assert "depends on permission(s): Read Lead" in alone.json[0]["message"]
    row = new(rest, "ObjectPermissions", **base, **rights, PermissionsModifyAllRecords=True)
    new(rest, "PermissionSetAssignment", AssigneeId=user_id(rest), PermissionSetId=granted)
    assert rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True}).status == 204
    assert rest.call("PATCH", f"sobjects/ObjectPermissions/{row}", {"PermissionsModifyAllRecords": False}).status == 204
    assert rest.call("PATCH", f"sobjects/Lead/{one}", {BOX: True}).code == "INSUFFICIENT_ACCESS_OR_READONLY"


def test_a_permission_of_a_set_counts_as_one_of_the_profile(rest: Rest) -> None:
    contact = rest.org.create("Contact")
    lead = rest.org.create("Lead")
    rest.org.convert(lead, contact)
    assert rest.call("PATCH", f"sobjects/Lead/{lead}", {BOX: True}).code == "CANNOT_UPDATE_CONVERTED_LEAD"
    granted = new(
        rest, "PermissionSet", Name="Converted", Label="Converted", PermissionsAllowViewEditConvertedLeads=True
    )
    new(rest, "PermissionSetAssignment", AssigneeId=user_id(rest), PermissionSetId=granted)
    assert rest.call("PATCH", f"sobjects/Lead/{lead}", {BOX: True}).status == 204


def test_who_lacks_the_permission_changes_nothing(rest: Rest) -> None:
    one = granting(rest, PermissionsRead=True)
    rest.org.permit(manage_permission_sets=False)
    answer = refused(rest, "PermissionSet", {"Name": "Other", "Label": "Other"})
    assert (answer.status, answer.code) == (400, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert rest.call("DELETE", f"sobjects/PermissionSet/{one}").code == "INSUFFICIENT_ACCESS_OR_READONLY"
    rest.org.permit(assign_permission_sets=False)
    row = {"AssigneeId": user_id(rest), "PermissionSetId": one}
    assert refused(rest, "PermissionSetAssignment", row).code == "INSUFFICIENT_ACCESS_OR_READONLY"


def test_in_professional_edition_the_page_layout_decides(rest: Rest) -> None:
    rest.org.edition("Professional Edition", api_add_on=True)
    assert box_on_lead(rest) is None
    contact = rest.call("GET", "sobjects/Contact/describe").json["fields"]
    assert any(known["name"] == BOX and known["updateable"] for known in contact)
    rest.org.behaviour(layouts_decide_in_professional=False)
    assert box_on_lead(rest) is True


def test_active_and_inactive_rules_are_listed(rest: Rest) -> None:
    rest.org.rule("duplicate", "Lead", active=False)
    rest.org.rule("duplicate", "Contact")
    rows = rest.rows("SELECT MasterLabel, IsActive, SobjectType FROM DuplicateRule ORDER BY SobjectType")
    assert rows == [
        {"MasterLabel": "Standard Contact Duplicate Rule", "IsActive": True, "SobjectType": "Contact"},
        {"MasterLabel": "Standard Lead Duplicate Rule", "IsActive": False, "SobjectType": "Lead"},
    ]
    rest.org.rule("validation", "Lead", name="No_Opt_Out", message="Not now", when=f"{BOX} = true", active=False)
    rest.org.rule("validation", "Contact", name="Never", message="Never")
    found = rest.tooling(
        "SELECT ValidationName, ErrorMessage FROM ValidationRule "
        "WHERE Active = true AND EntityDefinition.QualifiedApiName = 'Contact'"
    ).json["records"]
    assert [(row["ValidationName"], row["ErrorMessage"]) for row in found] == [("Never", "Never")]
    lead = rest.org.create("Lead")
    assert rest.call("PATCH", f"sobjects/Lead/{lead}", {BOX: True}).status == 204
