"""Page layouts for tests, in both forms: as Tooling describes them, and as the Metadata API's XML."""

from copy import deepcopy
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from optsync.connection.page_layouts import Description, spot_for


def layout(*columns: list[str] | None, label: str = "Information", style: str = "TwoColumnsTopToBottom") -> Description:
    """A layout of one section with these columns of fields; None = a column that comes as null."""
    shown = [
        {"layoutItems": None if names is None else [{"behavior": "Edit", "field": name} for name in names]}
        for names in columns
    ]
    return {"layoutSections": [{"label": label, "style": style, "layoutColumns": shown}], "relatedLists": ["kept"]}


def as_xml(description: Description) -> Element:
    """The same layout as XML."""
    root = Element("records")
    for section in description["layoutSections"]:
        shown = SubElement(root, "layoutSections")
        for column in section["layoutColumns"]:
            into = SubElement(shown, "layoutColumns")
            for item in column["layoutItems"] or []:
                one = SubElement(into, "layoutItems")
                for name, value in item.items():
                    SubElement(one, name).text = value
            SubElement(into, "reserved").text = "0"
    SubElement(root, "relatedLists").text = "kept"
    return root


def fields_on(root: Element) -> list[list[str | None]]:
    """The fields of every column of a layout in XML."""
    return [
        [item.findtext("field") for item in column.findall("layoutItems")]
        for column in root.iterfind("layoutSections/layoutColumns")
    ]


def with_field(description: Description, field: str) -> Description:
    """The description once the field stands where it should."""
    changed: dict[str, Any] = deepcopy(description)
    found = spot_for(changed)
    assert found is not None
    spot, _ = found
    column = changed["layoutSections"][spot.section]["layoutColumns"][spot.column]
    column["layoutItems"] = list(column["layoutItems"] or [])
    column["layoutItems"].insert(spot.item, {"behavior": "Edit", "field": field})
    return changed


def without_field(description: Description, field: str) -> Description:
    """The description once the field is off."""
    changed = deepcopy(description)
    for section in changed["layoutSections"]:
        for column in section["layoutColumns"]:
            column["layoutItems"] = [item for item in column["layoutItems"] or [] if item["field"] != field]
    return changed
