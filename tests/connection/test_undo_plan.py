"""Undo takes back what we added and nobody has changed since; a field that carries a tick stays."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from optsync.connection.fields import EMAIL, OptOutField
from optsync.connection.install_plan import OWN, Found, Step, Wish, plan
from optsync.connection.undo_plan import Remembered, UndoPlan, Use, plan_undo
from optsync.salesforce.permissions import Grant, PermissionSet
from optsync.salesforce.tooling import Layout
from tests.connection.trees import layout as tree
from tests.connection.trees import with_field, without_field

US, SOMEBODY = "005000000000001AAA", "005000000000002AAA"
TREE = tree(["Email"])
FRESH = Found(
    (
        Layout("00h1", "Lead", "Lead Layout", "Lead-Lead Layout", TREE),
        Layout("00h2", "Contact", "Contact Layout", "Contact-Contact Layout", TREE),
    ),
    {},
    None,
    US,
)
ALL = frozenset({"00h1", "00h2"})
UNUSED = Use({"Lead": 0, "Contact": 0}, by_us=False)


def put_in(found: Found, wish: Wish) -> tuple[Found, list[Remembered]]:
    """What an org has after the wish, and what is remembered of it."""
    done = [
        Remembered(step, made_id(step), datetime(2026, 1, 1, tzinfo=UTC), "ann") for step in plan(found, wish).steps
    ]
    steps = [one.step for one in done]
    own = {step.object_name: f"00N{step.object_name}" for step in steps if step.kind == "field"}
    grants = {(s.object_name, s.field): Grant(made_id(s), True, True) for s in steps if s.kind == "grant"}
    layouts = tuple(shown(layout, steps) for layout in found.layouts)
    return Found(layouts, own, PermissionSet("0PS1", grants, {US: "0Pa1"}), US), done


def made_id(step: Step) -> str:
    """The id that Salesforce gives."""
    return {
        "field": f"00N{step.object_name}",
        "set": "0PS1",
        "assignment": "0Pa1",
        "grant": f"01k{step.object_name}{step.field}",
        "layout": "",
    }[step.kind]


def shown(layout: Layout, steps: list[Step]) -> Layout:
    """The layout after the steps."""
    for step in steps:
        if step.target == layout.id:
            return replace(layout, metadata=with_field(layout.metadata, step.field))
    return layout


def kinds(undo: UndoPlan) -> list[str]:
    """The kinds of what goes, in order."""
    return [step.kind for step in undo.steps]


def test_everything_of_a_fresh_installation_goes_the_field_before_its_grants() -> None:
    found, done = put_in(FRESH, Wish(OWN, ALL))
    undo = plan_undo(found, done, UNUSED)
    assert not undo.kept
    assert kinds(undo) == ["layout", "layout", "field", "field", "grant", "grant", "assignment", "set"]
    assert len(undo.gone) == 2, "the grants on the field go with it"


def test_planning_again_finds_nothing_to_do() -> None:
    for field in (EMAIL, OWN):
        found, _ = put_in(FRESH, Wish(field, ALL))
        assert plan(found, Wish(field, ALL)).steps == ()


@pytest.mark.parametrize(
    ("use", "word"),
    [
        (
            Use({"Lead": 0, "Contact": 3}, by_us=False),
            "records of Contact that carry a tick in it, in the recycle bin too: 3;",
        ),
        (Use({"Lead": 0, "Contact": None}, by_us=False), "nobody could look"),
        (Use({"Lead": 0, "Contact": 0}, by_us=True), "optsync itself uses this field"),
    ],
)
def test_a_field_in_use_stays_and_says_why(use: Use, word: str) -> None:
    found, done = put_in(FRESH, Wish(OWN, ALL))
    undo = plan_undo(found, done, use)
    why = [str(kept.why) for kept in undo.kept if kept.step.kind == "field"]
    assert any(word in one for one in why), why
    assert ("grant", "Contact", OWN.contact_name) in {(s.kind, s.object_name, s.field) for s in undo.steps}


def test_a_field_that_somebody_put_on_another_layout_stays() -> None:
    found, done = put_in(FRESH, Wish(OWN, frozenset({"00h2"})))
    lead = found.layouts[0]
    theirs = replace(lead, metadata=with_field(lead.metadata, OWN.lead_name))
    undo = plan_undo(replace(found, layouts=(theirs, found.layouts[1])), done, UNUSED)
    assert [(kept.step.object_name, "Lead Layout" in kept.why) for kept in undo.kept] == [("Lead", True)]


def test_a_field_that_was_moved_on_its_layout_stays_there() -> None:
    found, done = put_in(FRESH, Wish(EMAIL, ALL, grant=False))
    moved = tree(["Email"], label="Elsewhere")
    first = replace(found.layouts[0], metadata=with_field(moved, EMAIL.lead_name))
    undo = plan_undo(replace(found, layouts=(first, found.layouts[1])), done, UNUSED)
    assert [step.target for step in undo.steps] == ["00h2"]
    assert "moved or changed" in undo.kept[0].why


def test_other_changes_of_a_layout_do_not_hold_our_field_there() -> None:
    found, done = put_in(FRESH, Wish(EMAIL, ALL, grant=False))
    edited = with_field(found.layouts[0].metadata, "Phone")
    undo = plan_undo(replace(found, layouts=(replace(found.layouts[0], metadata=edited),)), done, UNUSED)
    assert [step.target for step in undo.steps] == ["00h1"]
    assert undo.gone == ("layout 00h2 Contact HasOptedOutOfEmail",), "its layout was deleted"


def test_what_is_gone_already_is_taken_off_the_list() -> None:
    found, done = put_in(FRESH, Wish(EMAIL, ALL))
    bare = tuple(replace(one, metadata=without_field(one.metadata, EMAIL.lead_name)) for one in found.layouts)
    undo = plan_undo(Found(bare, {}, None, US), done, UNUSED)
    assert (undo.steps, undo.kept) == ((), ())
    assert len(undo.gone) == len(done)


def test_a_set_that_others_use_stays_with_what_they_put_into_it() -> None:
    found, done = put_in(FRESH, Wish(EMAIL, ALL))
    ours = found.permission_set
    assert ours is not None
    shared = replace(ours, assignments={US: "0Pa1", SOMEBODY: "0Pa2"})
    undo = plan_undo(replace(found, permission_set=shared), done, UNUSED)
    assert "set" not in kinds(undo)
    assert "other users" in undo.kept[0].why
    more = replace(ours, grants=ours.grants | {("Lead", "Phone"): Grant("01kX", True, False)})
    undo = plan_undo(replace(found, permission_set=more), done, UNUSED)
    assert not {"set", "assignment"} & set(kinds(undo))
    again = replace(ours, id="0PS2")
    assert "anew" in plan_undo(replace(found, permission_set=again), done, UNUSED).kept[0].why


def test_a_grant_that_was_read_before_is_read_again_and_one_that_was_lowered_stays() -> None:
    read = PermissionSet("0PS1", {("Lead", EMAIL.lead_name): Grant("01kOld", True, False)}, {US: "0Pa1"})
    before = replace(FRESH, permission_set=read)
    steps = plan(before, Wish(EMAIL)).steps
    assert [(step.kind, step.target) for step in steps] == [("grant", "01kOld"), ("grant", "")]
    raised = replace(read, grants={("Lead", EMAIL.lead_name): Grant("01kOld", True, True)})
    done = [Remembered(steps[0], "01kOld", datetime(2026, 1, 1, tzinfo=UTC), None)]
    undo = plan_undo(replace(FRESH, permission_set=raised), done, UNUSED)
    assert [(step.target, step.before) for step in undo.steps] == [("01kOld", "read")]
    assert "changed it since" in plan_undo(before, done, UNUSED).kept[0].why


def test_only_the_layouts_that_were_chosen_and_lack_the_field_are_changed() -> None:
    mixed = OptOutField("A__c", "B__c", "Mixed")
    lead = replace(FRESH.layouts[0], metadata=with_field(TREE, "A__c"))
    found = replace(FRESH, layouts=(lead, FRESH.layouts[1], Layout("00h3", "Lead", "Links", "Lead-Links", {})))
    planned = plan(found, Wish(mixed, frozenset({"00h1", "00h2", "00h3"}), grant=False))
    assert [(step.target, step.field) for step in planned.steps] == [("00h2", "B__c")]
    assert planned.by_hand == ("Links",)
    assert plan(found, Wish(mixed, frozenset(), grant=False)).steps == ()
