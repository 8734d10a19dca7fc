"""Describe and field-level security: salesforce.md 0.1, 2.2 and 5.5."""

from typing import Any

import pytest

from tests.conformance.practice.rest import Rest

BOX = "HasOptedOutOfEmail"
PACKAGE_BOX = "mkto_si__Marketo_Sales_Opt_Out__c"


def field(rest: Rest, object_name: str, name: str) -> dict[str, Any] | None:
    fields = rest.call("GET", f"sobjects/{object_name}/describe").json["fields"]
    return next((known for known in fields if known["name"] == name), None)


@pytest.mark.parametrize(("object_name", "prefix"), [("Lead", "00Q"), ("Contact", "003")])
def test_the_opt_out_field_has_the_recorded_shape(rest: Rest, object_name: str, prefix: str) -> None:
    described = rest.call("GET", f"sobjects/{object_name}/describe").json
    known = field(rest, object_name, BOX)
    assert (described["name"], described["keyPrefix"], described["updateable"]) == (object_name, prefix, True)
    assert known is not None
    assert len(known) == 57
    expected = {
        "type": "boolean",
        "soapType": "xsd:boolean",
        "label": "Email Opt Out",
        "nillable": False,
        "defaultValue": False,
        "defaultedOnCreate": True,
        "createable": True,
        "updateable": True,
        "permissionable": True,
        "filterable": True,
        "groupable": True,
        "sortable": True,
        "aggregatable": False,
        "length": 0,
        "byteLength": 0,
    }
    assert {name: known[name] for name in expected} == expected


def test_a_fresh_org_hides_email_opt_out_as_if_it_did_not_exist(rest: Rest) -> None:
    rest.org.reset(grant_opt_out=False)
    lead = rest.org.create("Lead", Email="ada@example.com")
    assert field(rest, "Lead", BOX) is None
    assert field(rest, "Contact", BOX) is None
    assert rest.query(f"SELECT {BOX} FROM Lead").code == "INVALID_FIELD"
    assert rest.query(f"SELECT Id FROM Lead WHERE {BOX} = true").code == "INVALID_FIELD"
    refused = rest.update({"type": "Lead", "id": lead, BOX: True}).json[0]
    assert refused == {
        "success": False,
        "errors": [
            {"statusCode": "INVALID_FIELD", "message": f"No such column '{BOX}' on sobject of type Lead", "fields": []}
        ],
    }


def test_read_access_shows_the_field_and_refuses_the_write(rest: Rest) -> None:
    rest.org.grant("Contact", BOX, "read")
    contact = rest.org.create("Contact", Email="ada@example.com")
    known = field(rest, "Contact", BOX)
    assert known is not None
    assert known["updateable"] is False
    answer = rest.call("PATCH", f"sobjects/Contact/{contact}", {BOX: True})
    assert answer.status == 400
    assert answer.code == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert answer.json[0]["fields"] == [BOX]
    assert rest.org.record(contact)[BOX] is False


def test_the_packages_box_exists_once_it_is_installed(rest: Rest) -> None:
    rest.org.reset(package=False)
    assert field(rest, "Lead", PACKAGE_BOX) is None
    rest.org.package(installed=True)
    known = field(rest, "Lead", PACKAGE_BOX)
    assert known is not None
    assert (known["label"], known["type"], known["custom"]) == ("Marketo Sales Opt Out", "boolean", True)
    rest.org.package(installed=False)
    assert field(rest, "Lead", PACKAGE_BOX) is None


def test_the_packages_box_may_be_named_differently_per_object(rest: Rest) -> None:
    rest.org.reset(lead_field="Sales_Lead__c", contact_field="Sales_Contact__c")
    assert field(rest, "Lead", "Sales_Lead__c") is not None
    assert field(rest, "Contact", "Sales_Contact__c") is not None
    assert field(rest, "Contact", "Sales_Lead__c") is None


def test_conversion_fields_cannot_be_written(rest: Rest) -> None:
    known = field(rest, "Lead", "IsConverted")
    assert known is not None
    assert (known["createable"], known["updateable"], known["permissionable"]) == (True, False, False)
    reference = field(rest, "Lead", "ConvertedContactId")
    assert reference is not None
    assert (reference["type"], reference["nillable"], reference["updateable"]) == ("reference", True, False)


def test_an_unknown_object_is_not_found(rest: Rest) -> None:
    answer = rest.call("GET", "sobjects/Opportunity/describe")
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


def test_the_global_describe_lists_the_objects(rest: Rest) -> None:
    names = {known["name"] for known in rest.call("GET", "sobjects").json["sobjects"]}
    assert {"Lead", "Contact", "Account", "Organization", "User"} < names
    assert {"Profile", "PermissionSet", "FieldPermissions"} < names
    assert "Layout" not in names


def test_a_describe_names_picklists_children_and_the_master_record_type(rest: Rest) -> None:
    status = field(rest, "Lead", "Status")
    assert status is not None
    assert status["picklistValues"][0]["value"] == "Open - Not Contacted"
    described = rest.call("GET", "sobjects/Contact/describe").json
    assert ("Lead", "ConvertedContactId") in {
        (child["childSObject"], child["field"]) for child in described["childRelationships"]
    }
    assert [kind["recordTypeId"] for kind in described["recordTypeInfos"]] == ["012000000000000AAA"]
    assert described["urls"]["rowTemplate"] == "/services/data/v62.0/sobjects/Contact/{ID}"


def test_an_object_by_itself_is_summed_up(rest: Rest) -> None:
    shown = rest.call("GET", "sobjects/user").json
    assert (shown["objectDescribe"]["name"], shown["objectDescribe"]["keyPrefix"]) == ("User", "005")
    assert shown["recentItems"] == []
