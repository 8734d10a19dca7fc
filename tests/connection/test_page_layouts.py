"""A field goes onto a page layout below Email, comes off again, and nothing else moves."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optsync.connection.page_layouts import Place, Spot, fingerprint, place_of, put_on, spot_for, take_off
from tests.connection.trees import as_xml, fields_on, layout, with_field

BOX = "HasOptedOutOfEmail"


def test_the_field_comes_below_email() -> None:
    one = layout(["Name"], ["Email", "Phone"])
    assert spot_for(one) == (Spot(0, 1, 1), Place("Information", "Edit", "Email"))
    xml = as_xml(one)
    put_on(xml, Spot(0, 1, 1), BOX)
    assert fields_on(xml) == [["Name"], ["Email", BOX, "Phone"]]


@pytest.mark.parametrize("columns", [(["Name"], ["Phone"]), (["Name"], None), (["Name"], []), (None,)])
def test_without_email_it_is_the_last_one_of_the_first_section(columns: tuple[list[str] | None, ...]) -> None:
    found = spot_for(layout(*columns))
    assert found is not None
    xml = as_xml(layout(*columns))
    put_on(xml, found[0], BOX)
    assert fields_on(xml)[-1][-1] == BOX
    assert found[1].section == "Information"


@pytest.mark.parametrize("hopeless", [{}, {"layoutSections": None}, layout(), layout(["a"], style="CustomLinks")])
def test_a_layout_without_a_section_for_fields_has_no_room(hopeless: dict[str, Any]) -> None:
    assert spot_for(hopeless) is None
    assert place_of(hopeless, "Nothing__c") is None


def test_a_layout_of_another_shape_is_not_guessed_at() -> None:
    for spot in (Spot(1, 0, 0), Spot(0, 7, 0), Spot(0, 0, 9)):
        with pytest.raises(LookupError):
            put_on(as_xml(layout(["Name"])), spot, BOX)


FIELDS = st.lists(st.sampled_from(["Name", "Email", "Phone", "Title", "City"]), unique=True, max_size=5)


@given(st.lists(FIELDS | st.none(), min_size=1, max_size=3))
def test_putting_it_on_and_taking_it_off_leaves_the_layout_as_it_was(columns: list[list[str] | None]) -> None:
    before = layout(*columns)
    found = spot_for(before)
    assert found is not None
    xml = as_xml(before)
    untouched = ET.tostring(xml)
    put_on(xml, found[0], BOX)
    assert place_of(with_field(before, BOX), BOX) == found[1], "both forms agree where it stands"
    assert sum(BOX in column for column in fields_on(xml)) == 1
    take_off(xml, BOX)
    assert ET.tostring(xml) == untouched


def test_a_fingerprint_does_not_heed_the_order_of_names_but_that_of_fields() -> None:
    one = layout(["Name", "Email"])
    turned = json.loads(json.dumps(one, sort_keys=True))
    assert fingerprint(one) == fingerprint(turned)
    assert fingerprint(one) != fingerprint(layout(["Email", "Name"]))
