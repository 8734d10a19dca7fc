"""Page layouts through Tooling: trees that can be read, and changed as a whole (salesforce.md 5.9)."""

from typing import Any

from tests.conformance.practice.rest import Rest

BOX = "HasOptedOutOfEmail"


def layout(rest: Rest, full_name: str) -> dict[str, Any]:
    """The layout with that full name, as Tooling shows one record."""
    for row in rest.tooling("SELECT Id FROM Layout").json["records"]:
        shown: dict[str, Any] = rest.call("GET", f"tooling/sobjects/Layout/{row['Id']}").json
        if shown["FullName"] == full_name:
            return shown
    raise AssertionError(f"no layout {full_name}")


def fields_on(tree: dict[str, Any]) -> list[str]:
    """The fields of a tree, from the first section to the last."""
    return [
        item["field"]
        for section in tree["layoutSections"]
        for column in section["layoutColumns"]
        for item in column["layoutItems"]
        if item.get("field")
    ]


def test_layouts_are_listed_with_their_object(rest: Rest) -> None:
    answer = rest.tooling("SELECT Id, Name, EntityDefinition.QualifiedApiName FROM Layout WHERE TableEnumOrId = 'Lead'")
    assert answer.status == 200
    assert [row["Name"] for row in answer.json["records"]] == ["Lead Layout", "Lead (Marketing) Layout"]
    first = answer.json["records"][0]
    assert first["attributes"]["url"] == f"/services/data/v62.0/tooling/sobjects/Layout/{first['Id']}"
    assert first["EntityDefinition"]["QualifiedApiName"] == "Lead"


def test_the_tree_and_the_full_name_come_of_one_layout_at_a_time(rest: Rest) -> None:
    refused = rest.tooling("SELECT Id, Metadata FROM Layout")
    assert (refused.status, refused.code) == (400, "MALFORMED_QUERY")
    assert refused.json[0]["message"] == (
        "When retrieving results with Metadata or FullName fields, the query qualifications must specify no more than "
        "one row for retrieval. Result size: 4"
    )
    one = rest.tooling("SELECT Id, FullName, Metadata FROM Layout WHERE Name = 'Lead (Marketing) Layout'")
    (row,) = one.json["records"]
    assert row["FullName"] == "Lead-Lead %28Marketing%29 Layout"
    assert BOX in fields_on(row["Metadata"])


def test_email_opt_out_is_missing_from_some_layouts_of_a_fresh_org(rest: Rest) -> None:
    lacking = [
        shown["FullName"]
        for row in rest.tooling("SELECT Id FROM Layout").json["records"]
        if BOX not in fields_on((shown := rest.call("GET", f"tooling/sobjects/Layout/{row['Id']}").json)["Metadata"])
    ]
    assert lacking == ["Lead-Lead Layout", "Contact-Contact %28Sales%29 Layout"]


def test_without_view_setup_tooling_does_not_exist(rest: Rest) -> None:
    known = rest.tooling("SELECT Id FROM Layout").json["records"][0]["Id"]
    rest.org.permit(view_setup=False)
    assert rest.tooling("SELECT Id FROM Layout").code == "INVALID_TYPE"
    assert rest.call("GET", f"tooling/sobjects/Layout/{known}").code == "NOT_FOUND"
    assert rest.query("SELECT Id FROM FieldPermissions").code == "INVALID_TYPE"
    assert rest.query("SELECT Name FROM Profile").status == 200
    assert rest.query("SELECT Name FROM PermissionSet").status == 200
    rest.org.permit(manage_permission_sets=False, assign_permission_sets=False)
    assert rest.query("SELECT Name FROM PermissionSet").code == "INVALID_TYPE"
