"""Deployments by REST: what a zip changes, what it is refused for, and what no zip can do (salesforce.md 5.9)."""

import io
import json
import time
import zipfile
from typing import Any

import pytest

from tests.conformance.practice.rest import Answer, Rest
from tests.conformance.practice.test_layouts import BOX, fields_on, layout
from tests.conformance.practice.test_permission_sets import box_on_lead, new, user_id

NS = 'xmlns="http://soap.sforce.com/2006/04/metadata"'
NAME = "Sales_Opt_Out__c"
SAFE = {"rollbackOnError": True, "singlePackage": True}


def manifest(**members: list[str]) -> str:
    """A package.xml: type to full names."""
    types = "".join(
        f"<types>{''.join(f'<members>{one}</members>' for one in names)}<name>{kind}</name></types>"
        for kind, names in members.items()
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><Package {NS}>{types}<version>62.0</version></Package>'


def lead_layout(*names: str) -> str:
    """The file of a layout with these fields, each item on three lines."""
    items = "".join(
        f"\n            <layoutItems>\n                <behavior>Edit</behavior>\n                <field>{name}</field>"
        "\n            </layoutItems>"
        for name in names
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Layout {NS}>\n    <layoutSections>\n        <layoutColumns>{items}\n'
        "        </layoutColumns>\n        <style>OneColumn</style>\n    </layoutSections>\n</Layout>\n"
    )


def field_file(more: str = "", name: str = NAME) -> str:
    """An object's file with one checkbox."""
    return (
        f"<CustomObject {NS}><fields><fullName>{name}</fullName><defaultValue>false</defaultValue>"
        f"<label>Sales Opt Out</label><type>Checkbox</type>{more}</fields></CustomObject>"
    )


def set_file(*fields: str, more: str = "") -> str:
    """A permission set's file that lets these fields be edited."""
    rows = "".join(
        f"<fieldPermissions><editable>true</editable><field>{one}</field><readable>true</readable></fieldPermissions>"
        for one in fields
    )
    rest = f"<hasActivationRequired>false</hasActivationRequired><label>Opt out</label>{more}"
    return f"<PermissionSet {NS}>{rows}{rest}</PermissionSet>"


def zipped(files: dict[str, str | bytes]) -> bytes:
    """An archive of these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def form(options: bytes, content: bytes, *, names: tuple[str, str] = ("json", "file")) -> bytes:
    """The request in two parts."""
    return b"".join(
        [
            b'--XX\r\nContent-Disposition: form-data; name="%s"\r\n' % names[0].encode(),
            b"Content-Type: application/json\r\n\r\n" + options + b"\r\n",
            b'--XX\r\nContent-Disposition: form-data; name="%s"; filename="deploy.zip"\r\n' % names[1].encode(),
            b"Content-Type: application/zip\r\n\r\n" + content + b"\r\n--XX--\r\n",
        ]
    )


def send(rest: Rest, content: bytes, **options: Any) -> Answer:
    """A deployment request."""
    body = form(json.dumps({"deployOptions": SAFE | options}).encode(), content)
    return rest.call("POST", "metadata/deployRequest", body, Content_Type="multipart/form-data; boundary=XX")


def deploy(rest: Rest, files: dict[str, str | bytes] | bytes, **options: Any) -> dict[str, Any]:
    """The deployResult of a finished deployment, with its details."""
    made = send(rest, files if isinstance(files, bytes) else zipped(files), **options)
    assert made.status == 201, made.body
    for _ in range(500):
        answer = rest.call("GET", f"metadata/deployRequest/{made.json['id']}?includeDetails=true")
        result: dict[str, Any] = answer.json["deployResult"]
        if result["done"]:
            return result
        time.sleep(0.01)
    raise AssertionError("the deployment did not end")


def problems(result: dict[str, Any]) -> list[str]:
    return [one["problem"] for one in result["details"]["componentFailures"]]


def everything() -> dict[str, str | bytes]:
    """A checkbox, a layout that shows it, a permission set that grants it."""
    return {
        "package.xml": manifest(
            CustomField=[f"Lead.{NAME}"], Layout=["Lead-Lead %28Marketing%29 Layout"], PermissionSet=["Opt_Out"]
        ),
        "objects/Lead.object": field_file(),
        "layouts/Lead-Lead %28Marketing%29 Layout.layout": lead_layout("LastName", "Email", BOX, NAME),
        "permissionsets/Opt_Out.permissionset": set_file(f"Lead.{BOX}", f"Lead.{NAME}"),
    }


def test_one_zip_brings_field_layout_and_permission_set(rest: Rest) -> None:
    result = deploy(rest, everything())
    assert (result["status"], result["success"], result["numberComponentsDeployed"]) == ("Succeeded", True, 3)
    made = {one["fullName"]: one["created"] for one in result["details"]["componentSuccesses"]}
    assert made == {f"Lead.{NAME}": True, "Lead-Lead %28Marketing%29 Layout": False, "Opt_Out": True}
    assert NAME in fields_on(layout(rest, "Lead-Lead %28Marketing%29 Layout")["Metadata"])
    assert rest.query(f"SELECT {NAME} FROM Lead LIMIT 1").code == "INVALID_FIELD"
    granted = rest.query("SELECT Id FROM PermissionSet WHERE Name = 'Opt_Out'").json["records"][0]["Id"]
    new(rest, "PermissionSetAssignment", AssigneeId=user_id(rest), PermissionSetId=granted)
    assert rest.query(f"SELECT {NAME} FROM Lead LIMIT 1").status == 200


def test_a_check_changes_nothing_and_says_what_would_be(rest: Rest) -> None:
    result = deploy(rest, everything(), checkOnly=True)
    assert (result["status"], result["checkOnly"]) == ("Succeeded", True)
    assert rest.tooling("SELECT Id FROM CustomField WHERE DeveloperName = 'Sales_Opt_Out'").json["totalSize"] == 0
    assert rest.query("SELECT Id FROM PermissionSet WHERE Name = 'Opt_Out'").json["totalSize"] == 0
    assert NAME not in fields_on(layout(rest, "Lead-Lead %28Marketing%29 Layout")["Metadata"])


def test_an_unknown_field_on_a_layout_fails_at_its_place_and_rolls_everything_back(rest: Rest) -> None:
    files = everything() | {"layouts/Lead-Lead %28Marketing%29 Layout.layout": lead_layout("Email", "Nope__c")}
    result = deploy(rest, files)
    assert (result["status"], result["numberComponentsDeployed"]) == ("Failed", 0)
    (failure,) = result["details"]["componentFailures"]
    assert failure["problem"] == "In field: field - no CustomField named Lead.Nope__c found"
    assert failure["fileName"] == "layouts/Lead-Lead %28Marketing%29 Layout.layout"
    assert (failure["lineNumber"], failure["columnNumber"], failure["problemType"]) == (9, 26, "Error")
    assert rest.query("SELECT Id FROM PermissionSet WHERE Name = 'Opt_Out'").json["totalSize"] == 0


def test_a_sandbox_may_keep_what_went_well(rest: Rest) -> None:
    rest.org.edition("Enterprise Edition", sandbox=True)
    assert rest.rows("SELECT IsSandbox FROM Organization") == [{"IsSandbox": True}]
    files = everything() | {"layouts/Lead-Lead %28Marketing%29 Layout.layout": lead_layout("Nope__c")}
    result = deploy(rest, files, rollbackOnError=False)
    assert (result["status"], result["success"]) == ("SucceededPartial", False)
    assert rest.query("SELECT Id FROM PermissionSet WHERE Name = 'Opt_Out'").json["totalSize"] == 1


def test_production_must_roll_back_on_error(rest: Rest) -> None:
    answer = send(rest, zipped(everything()), rollbackOnError=False)
    assert (answer.status, answer.code) == (400, "INVALID_OPERATION")


BAD_FILES: list[tuple[dict[str, str | bytes], str]] = [
    (
        {"objects/Lead.object": field_file("<required>false</required>")},
        "Can not specify 'required' for a CustomField of type Checkbox",
    ),
    ({"objects/Lead.object": field_file().replace("<type>", "<kind>").replace("</type>", "</kind>")}, "[type]"),
    ({"objects/Opportunity.object": field_file()}, "no object Opportunity"),
    ({"permissionsets/Opt_Out.permissionset": set_file("Lead.LastName")}, "You cannot deploy to a required field"),
    ({"permissionsets/Opt_Out.permissionset": set_file("Lead.Nope__c")}, "no CustomField named Lead.Nope__c"),
    (
        {"permissionsets/Opt_Out.permissionset": f"<PermissionSet {NS}/>"},
        "Required field is missing: label",
    ),
    (
        {
            "permissionsets/Opt_Out.permissionset": set_file(
                more="<userPermissions><enabled>true</enabled><name>Fly</name></userPermissions>"
            )
        },
        "Unknown user permission: Fly",
    ),
    (
        {
            "permissionsets/Opt_Out.permissionset": set_file(
                more="<objectPermissions><allowEdit>true</allowEdit><object>Lead</object></objectPermissions>"
            )
        },
        "depends on permission(s): Read Lead",
    ),
    ({"layouts/Lead-Lead %28Marketing%29 Layout.layout": lead_layout(BOX, BOX)}, "Duplicate field"),
    ({"layouts/Lead-Lead %28Marketing%29 Layout.layout": "<Layout"}, "Error parsing file"),
    ({"layouts/Lead-Lead %28Marketing%29 Layout.layout": "<Layout/>"}, "not of the namespace"),
    ({"layouts/Lead-Other.layout": lead_layout(BOX)}, "Not in package.xml"),
    ({"classes/X.cls": "x"}, "deploys objects, layouts, permissionsets only"),
    ({"layouts/x.txt": "x"}, "end in .layout"),
]


@pytest.mark.parametrize(("files", "words"), BAD_FILES)
def test_a_component_that_makes_no_sense_fails_with_its_reason(
    rest: Rest, files: dict[str, str | bytes], words: str
) -> None:
    result = deploy(rest, everything() | files)
    assert result["status"] == "Failed"
    assert any(words in problem for problem in problems(result)), problems(result)
    assert rest.query("SELECT Id FROM PermissionSet WHERE Name = 'Opt_Out'").json["totalSize"] == 0


def test_what_package_xml_names_must_be_there(rest: Rest) -> None:
    files = everything()
    del files["objects/Lead.object"], files["layouts/Lead-Lead %28Marketing%29 Layout.layout"]
    files["permissionsets/Opt_Out.permissionset"] = set_file(f"Lead.{BOX}")
    assert problems(deploy(rest, files))[0] == (
        f"An object 'Lead.{NAME}' of type CustomField was named in package.xml, but was not found in zipped directory"
    )
    assert deploy(rest, files, allowMissingFiles=True)["status"] == "Succeeded"


def test_without_single_package_the_files_belong_into_a_folder(rest: Rest) -> None:
    assert problems(deploy(rest, everything(), singlePackage=False)) == ["No package.xml found"]
    moved = {f"unpackaged/{name}": text for name, text in everything().items()}
    assert deploy(rest, moved, singlePackage=False)["status"] == "Succeeded"


def test_a_deployed_permission_set_loses_what_its_file_does_not_name(rest: Rest) -> None:
    rest.org.grant("Lead", BOX, "absent")
    deploy(rest, everything())
    granted = rest.query("SELECT Id FROM PermissionSet WHERE Name = 'Opt_Out'").json["records"][0]["Id"]
    new(rest, "PermissionSetAssignment", AssigneeId=user_id(rest), PermissionSetId=granted)
    smaller: dict[str, str | bytes] = {
        "package.xml": manifest(PermissionSet=["*"]),
        "permissionsets/Opt_Out.permissionset": set_file(f"Lead.{NAME}"),
    }
    rest.org.behaviour(permission_set_deploy_replaces=False)
    deploy(rest, smaller)
    assert box_on_lead(rest) is True
    rest.org.behaviour(permission_set_deploy_replaces=True)
    deploy(rest, smaller)
    assert box_on_lead(rest) is None


def test_a_deployment_takes_its_time_and_can_be_cancelled_meanwhile(rest: Rest) -> None:
    rest.org.behaviour(deploy_seconds=60)
    made = send(rest, zipped(everything()))
    path = f"metadata/deployRequest/{made.json['id']}"
    shown = rest.call("GET", path).json["deployResult"]
    assert (shown["status"], shown["done"], shown["completedDate"]) == ("Pending", False, None)
    assert "details" not in shown
    assert rest.call("PATCH", path, {"deployResult": {"status": "Canceling"}}).status == 202
    assert rest.call("GET", path).json["deployResult"]["status"] == "Canceled"
    assert rest.call("GET", "metadata/deployRequest/0AfPr0000099999").code == "NOT_FOUND"


def test_who_may_not_modify_metadata_is_told_what_it_needs(rest: Rest) -> None:
    rest.org.permit(modify_metadata=False)
    answer = send(rest, zipped(everything()))
    assert (answer.status, answer.code) == (403, "INSUFFICIENT_ACCESS")
    assert answer.json[0]["message"] == (
        "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions"
    )
    rest.org.permit(modify_all_data=True)
    assert send(rest, zipped(everything())).status == 201


def bomb() -> bytes:
    """40 MB of nothing in 40 kB."""
    return zipped({"package.xml": manifest(), "layouts/Lead-x.layout": b"\0" * 40_000_000})


def lying() -> bytes:
    """An archive whose directory claims that a large file is small."""
    content = bytearray(bomb())
    for position in range(len(content) - 4):
        if content[position : position + 4] == (40_000_000).to_bytes(4, "little"):
            content[position : position + 4] = (10).to_bytes(4, "little")
    return bytes(content)


def encrypted() -> bytes:
    """An archive that says its files need a password."""
    content = bytearray(zipped(everything()))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(signature)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(signature, start + 4)
    return bytes(content)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"no zip", zipped(everything())[:-30], bomb(), lying(), encrypted()]
)
def test_an_archive_that_cannot_or_must_not_be_unpacked_fails_as_a_whole(rest: Rest, content: bytes) -> None:
    began = time.monotonic()
    result = deploy(rest, content)
    assert (result["status"], result["errorStatusCode"]) == ("Failed", "INVALID_ZIP_FILE")
    assert time.monotonic() - began < 5
    assert rest.query("SELECT Id FROM Lead LIMIT 1").status == 200


LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("prolog", [LAUGHS, OUTSIDE, "<!DOCTYPE x>"])
@pytest.mark.parametrize("file", ["package.xml", "objects/Lead.object"])
def test_no_document_type_is_ever_read(rest: Rest, file: str, prolog: str) -> None:
    files = everything()
    root = str(files[file]).partition("?>")[2] or str(files[file])
    files[file] = prolog + root.replace("Sales Opt Out", "&i;").replace("62.0", "&i;")
    result = deploy(rest, files)
    assert result["status"] == "Failed"
    assert any("DOCTYPE is not allowed" in problem for problem in problems(result))


def test_a_file_of_endless_depth_or_length_is_refused(rest: Rest) -> None:
    deep = f"<Layout {NS}>" + "<a>" * 5_000 + "</a>" * 5_000 + "</Layout>"
    long = f"<Layout {NS}>" + "<a/>" * 200_000 + "</Layout>"
    for text in (deep, long, "\xff\xfe", f'<?xml version="1.0" encoding="nonsense"?><Layout {NS}/>'):
        files = everything() | {"layouts/Lead-Lead %28Marketing%29 Layout.layout": text.encode("latin-1")}
        assert any("Error parsing file" in problem for problem in problems(deploy(rest, files)))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=XX"),
        (form(b"{}", b"x"), "multipart/form-data"),
        (form(b"{}", b"x"), "application/json"),
        (form(b"{}", b"x"), "multipart/form-data; boundary=YY"),
        (form(b"{}", b"x")[:-20], "multipart/form-data; boundary=XX"),
        (form(b"{}", b"x", names=("entity", "file")), "multipart/form-data; boundary=XX"),
        (form(b"[]", b"x"), "multipart/form-data; boundary=XX"),
        (form(b"\xff", b"x"), "multipart/form-data; boundary=XX"),
        (form(b'{"deployOptions": 7}', b"x"), "multipart/form-data; boundary=XX"),
        (b"--XX\r\n\r\n" * 50 + b"--XX--", "multipart/form-data; boundary=XX"),
    ],
)
def test_a_request_that_is_not_in_two_proper_parts_is_refused(rest: Rest, body: bytes, content_type: str) -> None:
    answer = rest.call("POST", "metadata/deployRequest", body, Content_Type=content_type)
    assert answer.status == 400
    assert answer.code in ("INVALID_MULTIPART_REQUEST", "JSON_PARSER_ERROR")
