"""Tooling: fields, layouts, packages and change events, one by one (salesforce.md 5.9)."""

from typing import Any

import pytest

from tests.conformance.practice.rest import Answer, Rest
from tests.conformance.practice.test_layouts import BOX, fields_on, layout
from tests.conformance.practice.test_permission_sets import new, user_id

NAME = "Sales_Opt_Out__c"


def checkbox(full_name: str = f"Lead.{NAME}", **metadata: Any) -> dict[str, Any]:
    """What creates a checkbox."""
    tree = {"type": "Checkbox", "label": "Sales Opt Out", "defaultValue": "false"} | metadata
    return {"FullName": full_name, "Metadata": {name: value for name, value in tree.items() if value != "-"}}


def create_field(rest: Rest, body: Any) -> Answer:
    return rest.call("POST", "tooling/sobjects/CustomField", body)


def test_a_new_checkbox_exists_for_nobody_until_it_is_granted(rest: Rest) -> None:
    made = create_field(rest, checkbox())
    assert (made.status, made.json["success"], made.json["errors"]) == (201, True, [])
    lead = rest.org.create("Lead", Email="new@example.com")
    assert rest.query(f"SELECT {NAME} FROM Lead LIMIT 1").code == "INVALID_FIELD"
    assert rest.query(f"SELECT Id FROM FieldPermissions WHERE Field = 'Lead.{NAME}'").json["totalSize"] == 0
    granted = new(rest, "PermissionSet", Name="Opt_Out", Label="Opt out")
    row = {"ParentId": granted, "SobjectType": "Lead", "Field": f"Lead.{NAME}"}
    new(rest, "FieldPermissions", **row, PermissionsRead=True, PermissionsEdit=True)
    new(rest, "PermissionSetAssignment", AssigneeId=user_id(rest), PermissionSetId=granted)
    assert rest.rows(f"SELECT Id FROM Lead WHERE {NAME} = true") == []
    assert rest.call("PATCH", f"sobjects/Lead/{lead}", {NAME: True}).status == 204
    assert rest.rows(f"SELECT {NAME} FROM Lead WHERE Id = '{lead}'") == [{NAME: True}]
    job = rest.bulk_query(f"SELECT Id FROM Lead WHERE {NAME} = true")
    assert lead in rest.call("GET", f"jobs/query/{job}/results").body.decode()


def test_a_field_is_listed_and_can_be_deleted_with_all_that_hangs_on_it(rest: Rest) -> None:
    field_id = create_field(rest, checkbox()).json["id"]
    rest.org.lay_out("Lead-Lead Layout", NAME, "Edit")
    rest.org.grant("Lead", NAME, "edit")
    text = "SELECT Id, FullName FROM CustomField WHERE DeveloperName = 'Sales_Opt_Out' AND TableEnumOrId = 'Lead'"
    (row,) = rest.tooling(text).json["records"]
    assert (row["Id"], row["FullName"]) == (field_id, f"Lead.{NAME}")
    assert rest.call("DELETE", f"tooling/sobjects/CustomField/{field_id}").status == 204
    assert rest.tooling(text).json["totalSize"] == 0
    assert rest.query(f"SELECT {NAME} FROM Lead").code == "INVALID_FIELD"
    assert NAME not in fields_on(layout(rest, "Lead-Lead Layout")["Metadata"])


BAD_FIELDS: list[tuple[Any, str]] = [
    (checkbox(required=False), "FIELD_INTEGRITY_EXCEPTION"),
    (checkbox(label="-"), "FIELD_INTEGRITY_EXCEPTION"),
    (checkbox(label="x" * 41), "STRING_TOO_LONG"),
    (checkbox(defaultValue="-"), "FIELD_INTEGRITY_EXCEPTION"),
    (checkbox(type="-"), "REQUIRED_FIELD_MISSING"),
    (checkbox(type="Text"), "FIELD_INTEGRITY_EXCEPTION"),
    (checkbox("Opportunity.X__c"), "FIELD_INTEGRITY_EXCEPTION"),
    (checkbox("Lead.X"), "FIELD_INTEGRITY_EXCEPTION"),
    (checkbox("Lead.a__b__c"), "FIELD_INTEGRITY_EXCEPTION"),
    (checkbox("Lead." + "x" * 41 + "__c"), "STRING_TOO_LONG"),
    (checkbox("Lead"), "FIELD_INTEGRITY_EXCEPTION"),
    ({"FullName": f"Lead.{NAME}"}, "REQUIRED_FIELD_MISSING"),
    ({"FullName": ["Lead"], "Metadata": []}, "FIELD_INTEGRITY_EXCEPTION"),
    ([], "JSON_PARSER_ERROR"),
]


@pytest.mark.parametrize(("body", "code"), BAD_FIELDS)
def test_a_field_that_cannot_be_is_not_created(rest: Rest, body: Any, code: str) -> None:
    answer = create_field(rest, body)
    assert (answer.status, answer.code) == (400, code)


def test_required_is_refused_in_salesforces_words_and_a_name_is_taken_once(rest: Rest) -> None:
    words = create_field(rest, checkbox(required=True)).json[0]["message"]
    assert words == "Can not specify 'required' for a CustomField of type Checkbox"
    assert create_field(rest, checkbox()).status == 201
    assert create_field(rest, checkbox("Lead.sales_opt_out__c")).code == "DUPLICATE_DEVELOPER_NAME"


def with_box(tree: dict[str, Any], name: str = BOX) -> dict[str, Any]:
    """The same tree with the field at the end of the first section's last column."""
    tree["layoutSections"][0]["layoutColumns"][-1]["layoutItems"].append({"behavior": "Edit", "field": name})
    return tree


def test_tooling_does_not_take_a_layout_back_as_it_showed_it(rest: Rest) -> None:
    before = layout(rest, "Lead-Lead Layout")
    path, tree = f"tooling/sobjects/Layout/{before['Id']}", with_box(before["Metadata"])
    for part, value in (("platformActionList", "Record"), ("summaryLayout", "DEFAULT")):
        refused = rest.call("PATCH", path, {"Metadata": tree})
        assert (refused.status, refused.code) == (400, "JSON_PARSER_ERROR")
        assert f"complexvalue from VALUE_STRING value {value} or request" in refused.json[0]["message"]
        del tree[part]
    assert rest.call("PATCH", path, {"Metadata": tree}).status == 204
    after = rest.call("GET", path).json["Metadata"]
    assert BOX in fields_on(after)
    assert "summaryLayout" not in after  # who leaves it out to get through takes it off the layout


def test_where_tooling_takes_it_back_a_layout_keeps_the_rest(rest: Rest) -> None:
    rest.org.behaviour(tooling_takes_layouts_back=True)
    name = rest.org.add_layout("Lead", "Feed", feed=True)
    before = layout(rest, name)
    path = f"tooling/sobjects/Layout/{before['Id']}"
    assert rest.call("PATCH", path, {"Metadata": before["Metadata"]}).status == 204
    assert rest.call("GET", path).json["Metadata"] == before["Metadata"]
    assert rest.call("PATCH", path, {"Metadata": with_box(before["Metadata"])}).status == 204
    assert BOX in fields_on(rest.call("GET", path).json["Metadata"])


@pytest.mark.parametrize(
    ("name", "code"),
    [("Nothing__c", "FIELD_INTEGRITY_EXCEPTION"), ("Email", "FIELD_INTEGRITY_EXCEPTION")],
)
def test_a_layout_takes_neither_unknown_nor_doubled_fields(rest: Rest, name: str, code: str) -> None:
    rest.org.behaviour(tooling_takes_layouts_back=True)
    before = layout(rest, "Lead-Lead Layout")
    path = f"tooling/sobjects/Layout/{before['Id']}"
    answer = rest.call("PATCH", path, {"Metadata": with_box(before["Metadata"], name)})
    assert (answer.status, answer.code) == (400, code)
    assert fields_on(rest.call("GET", path).json["Metadata"]).count(name) == int(name == "Email")


DEEP: dict[str, Any] = {}
for _ in range(400):
    DEEP = {"a": DEEP}
TREES: list[Any] = [
    None,
    [],
    "x",
    7,
    {"layoutSections": {"a": 1}},
    {"layoutSections": [1, None]},
    DEEP,
    {"<a>": 1, "": [[]]},
]


@pytest.mark.parametrize("tree", TREES)
def test_a_tree_of_any_shape_is_answered(rest: Rest, tree: Any) -> None:
    rest.org.behaviour(tooling_takes_layouts_back=True)
    path = f"tooling/sobjects/Layout/{layout(rest, 'Lead-Lead Layout')['Id']}"
    assert rest.call("PATCH", path, {"Metadata": tree}).status in (204, 400)
    assert rest.tooling("SELECT Name FROM Layout").status == 200
    rest.org.edition("Professional Edition", api_add_on=True)


def test_a_feed_based_layout_is_refused_too(rest: Rest) -> None:
    before = layout(rest, rest.org.add_layout("Lead", "Feed", feed=True))
    tree = {name: value for name, value in before["Metadata"].items() if name == "feedLayout"}
    refused = rest.call("PATCH", f"tooling/sobjects/Layout/{before['Id']}", {"Metadata": tree})
    assert "VALUE_STRING value Following or request" in refused.json[0]["message"]


def test_in_professional_edition_a_field_on_the_layout_is_a_field_that_can_be_written(rest: Rest) -> None:
    rest.org.behaviour(tooling_takes_layouts_back=True)
    rest.org.edition("Professional Edition", api_add_on=True)
    lead = rest.org.create("Lead")
    assert rest.call("PATCH", f"sobjects/Lead/{lead}", {BOX: True}).code == "INVALID_FIELD"
    before = layout(rest, "Lead-Lead Layout")
    rest.call("PATCH", f"tooling/sobjects/Layout/{before['Id']}", {"Metadata": with_box(before["Metadata"])})
    assert rest.call("PATCH", f"sobjects/Lead/{lead}", {BOX: True}).status == 204


def test_the_package_is_told_with_its_namespace_and_version(rest: Rest) -> None:
    text = "SELECT SubscriberPackage.NamespacePrefix, SubscriberPackageVersionId FROM InstalledSubscriberPackage"
    (row,) = rest.tooling(text).json["records"]
    assert row["SubscriberPackage"]["NamespacePrefix"] == "mkto_si"
    version = row["SubscriberPackageVersionId"]
    by_id = f"SELECT MajorVersion, IsBeta FROM SubscriberPackageVersion WHERE Id = '{version}'"
    assert rest.tooling(by_id).json["records"][0]["MajorVersion"] == 2
    assert rest.tooling("SELECT Id FROM SubscriberPackageVersion").code == "MALFORMED_QUERY"
    rest.org.behaviour(package_version_visible=False)
    assert rest.tooling(by_id).json["totalSize"] == 0
    rest.org.package(installed=False)
    assert rest.tooling(text).json["totalSize"] == 0


def test_a_field_of_a_package_cannot_be_deleted(rest: Rest) -> None:
    row = rest.tooling("SELECT Id, ManageableState FROM CustomField WHERE TableEnumOrId = 'Lead'").json["records"][0]
    assert row["ManageableState"] == "installed"
    refused = rest.call("DELETE", f"tooling/sobjects/CustomField/{row['Id']}")
    assert refused.code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"


def test_change_events_are_chosen_once_and_can_be_left(rest: Rest) -> None:
    text = "SELECT Id, SelectedEntity, EventChannel FROM PlatformEventChannelMember"
    assert rest.tooling(text).json["totalSize"] == 0
    body = {
        "FullName": "ChangeEvents_LeadChangeEvent",
        "Metadata": {"eventChannel": "ChangeEvents", "selectedEntity": "LeadChangeEvent"},
    }
    made = rest.call("POST", "tooling/sobjects/PlatformEventChannelMember", body)
    assert made.status == 201
    assert rest.call("POST", "tooling/sobjects/PlatformEventChannelMember", body).code == "DUPLICATE_VALUE"
    assert rest.tooling(text).json["records"][0]["SelectedEntity"] == "LeadChangeEvent"
    body["Metadata"] = {"selectedEntity": "LeadChangeEvent"}
    assert rest.call("POST", "tooling/sobjects/PlatformEventChannelMember", body).status == 400
    assert rest.call("DELETE", f"tooling/sobjects/PlatformEventChannelMember/{made.json['id']}").status == 204
    assert rest.tooling(text).json["totalSize"] == 0


def test_who_may_not_customize_the_org_changes_nothing(rest: Rest) -> None:
    rest.org.permit(customize_application=False)
    known = layout(rest, "Lead-Lead Layout")
    answers = [
        create_field(rest, checkbox()),
        rest.call("PATCH", f"tooling/sobjects/Layout/{known['Id']}", {"Metadata": with_box(known["Metadata"])}),
    ]
    assert {(one.status, one.code) for one in answers} == {(400, "INSUFFICIENT_ACCESS_OR_READONLY")}
    assert BOX not in fields_on(layout(rest, "Lead-Lead Layout")["Metadata"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT",
        "SELECT Id FROM Lead",
        "SELECT Nope FROM Layout",
        "SELECT Id FROM Layout WHERE Metadata = 'x'",
        "SELECT Id FROM Layout WHERE Metadata IN ('x')",
        "SELECT Id FROM Layout WHERE Id IN (SELECT Id FROM CustomField)",
        "SELECT Owner.Name FROM Layout",
        "SELECT COUNT() FROM Layout",
        "SELECT COUNT(Id), TableEnumOrId FROM Layout GROUP BY TableEnumOrId",
        "SELECT Id FROM Layout ORDER BY Metadata",
    ],
)
def test_whatever_tooling_is_asked_it_answers_in_order(rest: Rest, text: str) -> None:
    assert rest.tooling(text).status in (200, 400)
    assert rest.call("GET", "tooling/sobjects/Nothing/x").code == "NOT_FOUND"
    assert rest.call("GET", "tooling/sobjects/Layout/%00%ff").code == "NOT_FOUND"
    assert rest.call("GET", "tooling/sobjects/Layout/00h").code == "NOT_FOUND"
