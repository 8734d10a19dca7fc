"""Installing in Setup: seen before it is done, done only if it is still the same, taken back, and nothing else."""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from optsync.connection import fields
from optsync.connection.fields import EMAIL, OptOutField
from optsync.connection.install_plan import OWN, SET_NAME, Found, Wish, plan
from optsync.connection.installing import Halfway, Installed, Moved, install, look, look_for_undo, remembered, undo
from optsync.connection.page_layouts import place_of, take_off
from optsync.connection.undo_plan import UndoPlan
from optsync.core.problems import Problem
from optsync.salesforce import metadata, permissions, tooling
from optsync.salesforce.session import Session
from tests.flows.push.world import World

BOX = "HasOptedOutOfEmail"


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    """A session of the integration user, which may customize here."""
    with world.session() as opened:
        yield opened


def wish_for(found: Found, field: OptOutField = EMAIL) -> Wish:
    """The field on every layout, and granted."""
    return Wish(field, frozenset(layout.id for layout in found.layouts))


def put_in(world: World, session: Session, field: OptOutField = EMAIL) -> Installed:
    """Looks, agrees and installs, as ann."""
    found = look(session)
    wish = wish_for(found, field)
    return install(world.conn, session, world.org_id, wish, plan(found, wish).digest, actor="ann")


def take_back(world: World, session: Session) -> UndoPlan:
    """Looks, agrees and takes back, as bob."""
    planned = look_for_undo(world.conn, session, world.org_id)
    return undo(world.conn, session, world.org_id, planned.digest, actor="bob")


def parts(world: World) -> set[str]:
    """The kinds of what is remembered."""
    return {one.step.kind for one in remembered(world.conn, world.org_id)}


def layout_named(session: Session, name: str) -> tooling.Layout:
    """One layout as it is now."""
    return next(one for one in look(session).layouts if one.name == name)


def somebody_edits(session: Session, name: str) -> None:
    """Another admin ticks a box of the layout, in Setup."""
    xml = metadata.read_layout(session, layout_named(session, name).full_name)
    box = xml.find("emailDefault")
    assert box is not None
    box.text = "true"
    metadata.update_layout(session, xml)


def told_last(world: World) -> tuple[str, str, list[str]]:
    """Kind, actor and steps of the newest event about an installation."""
    row = world.conn.execute(
        "SELECT kind, actor, evidence FROM event WHERE kind LIKE 'install%' ORDER BY event_id DESC LIMIT 1"
    ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]["steps"]


def test_r30_email_opt_out_comes_onto_every_layout_and_our_user_may_tick_it(world: World, session: Session) -> None:
    world.org.grant("Lead", BOX, "absent")
    result = put_in(world, session)
    assert (result.left, result.findings) == ((), ())
    assert all(place_of(one.metadata, BOX) is not None for one in look(session).layouts)
    assert fields.look_at(session).findings(EMAIL) == []
    place = place_of(layout_named(session, "Lead Layout").metadata, BOX)
    assert place is not None
    assert place.below == "Email"
    kind, actor, steps = told_last(world)
    assert (kind, actor, len(steps)) == ("installed", "ann", len(result.done))


def test_r32_our_own_checkbox_is_made_granted_and_can_be_chosen(world: World, session: Session) -> None:
    result = put_in(world, session, OWN)
    assert (result.left, result.findings) == ((), ())
    lead = world.org.create("Lead", Email="ann@example.com")
    world.choose(sync_on=True, field=OWN.lead_name)
    world.opt_out("ann@example.com")
    world.push()
    assert world.org.record(lead)[OWN.lead_name] is True
    assert world.org.record(lead)[BOX] is False


def test_a_layout_keeps_all_that_else_stands_on_it(world: World, session: Session) -> None:
    before = ET.tostring(metadata.read_layout(session, "Lead-Lead Layout"))
    put_in(world, session)
    after = metadata.read_layout(session, "Lead-Lead Layout")
    assert after.findtext("platformActionList/actionListContext") == "Record"
    assert ET.tostring(after) != before
    take_off(after, BOX)
    assert ET.tostring(after) == before


def test_what_is_there_is_not_done_twice(world: World, session: Session) -> None:
    put_in(world, session)
    seen = max(one["number"] for one in world.org.requests())
    assert put_in(world, session).done == ()
    assert {one["method"] for one in world.org.requests(after=seen)} == {"GET"}


def test_undo_restores_the_org_to_the_letter(world: World, session: Session) -> None:
    world.org.grant("Lead", BOX, "absent")
    before = look(session)
    put_in(world, session, OWN)
    undone = take_back(world, session)
    assert undone.kept == ()
    assert look(session) == before
    assert remembered(world.conn, world.org_id) == []
    assert told_last(world)[:2] == ("installation undone", "bob")
    assert take_back(world, session).steps == (), "a second time there is nothing left"


def test_a_layout_that_was_changed_since_the_look_is_not_overwritten(world: World, session: Session) -> None:
    found = look(session)
    wish = wish_for(found)
    digest = plan(found, wish).digest
    somebody_edits(session, "Lead Layout")
    theirs = layout_named(session, "Lead Layout").metadata
    with pytest.raises(Moved):
        install(world.conn, session, world.org_id, wish, digest)
    assert parts(world) == set()
    assert layout_named(session, "Lead Layout").metadata == theirs
    assert put_in(world, session).left == ()
    assert layout_named(session, "Lead Layout").metadata["emailDefault"] is True, "what they did is kept"


class Meddler:
    """Somebody else who does something right before a certain call of ours goes out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, deed: Callable[[], object]) -> None:
        real, self.struck = getattr(module, name), 0

        def meddled(*args: Any, **values: Any) -> Any:
            self.struck += 1
            if self.struck == 1:
                deed()
            return real(*args, **values)

        monkeypatch.setattr(module, name, meddled)


def test_a_layout_that_is_changed_while_we_install_stops_us_right_there(
    world: World, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    Meddler(monkeypatch, permissions, "make_permission_set", lambda: somebody_edits(session, "Contact (Sales) Layout"))
    with pytest.raises(Halfway) as caught:
        put_in(world, session)
    assert "Contact (Sales) Layout" in caught.value.what
    changed = layout_named(session, "Contact (Sales) Layout").metadata
    assert (place_of(changed, BOX), changed["emailDefault"]) == (None, True)
    assert {"set", "grant", "assignment"} <= parts(world), "what was done before is remembered"
    assert put_in(world, session).left == (), "and looking again goes on from there"
    assert look_for_undo(world.conn, session, world.org_id).kept == ()


@pytest.mark.parametrize(
    ("permission", "right", "done"),
    [
        ("customize_application", "Customize Application", 0),
        ("manage_permission_sets", "Manage Profiles and Permission Sets", 2),
        ("assign_permission_sets", "Assign Permission Sets", 7),
    ],
)
def test_a_refused_right_is_named_and_once_it_is_given_the_rest_can_be_done_and_undone(
    world: World, session: Session, permission: str, right: str, done: int
) -> None:
    before = look(session)
    world.org.permit(**{permission: False})
    with pytest.raises(Halfway) as caught:
        put_in(world, session, OWN)
    assert right in caught.value.next
    assert "by hand" in caught.value.next
    assert len(remembered(world.conn, world.org_id)) == done
    world.org.permit(**{permission: True})
    assert put_in(world, session, OWN).left == ()
    take_back(world, session)
    assert look(session) == before


def test_a_checkbox_that_nobody_may_see_yet_stays_for_nobody_can_look_who_carries_it(
    world: World, session: Session
) -> None:
    world.org.permit(manage_permission_sets=False)
    with pytest.raises(Halfway):
        put_in(world, session, OWN)
    kept = take_back(world, session).kept
    assert {one.step.kind for one in kept} == {"field"}
    assert all("nobody could look" in one.why for one in kept)


def test_who_may_not_look_is_told_which_right_is_missing(world: World, session: Session) -> None:
    world.org.permit(view_setup=False)
    with pytest.raises(Problem) as caught:
        look(session)
    assert "View Setup and Configuration" in caught.value.next


@pytest.mark.parametrize("kind", ["reset", "html"])
def test_an_answer_that_never_came_is_remembered_and_sorted_out_at_undo(
    world: World, session: Session, kind: str
) -> None:
    before = look(session)
    found = look(session)
    wish = wish_for(found)
    digest = plan(found, wish).digest
    world.org.fault(kind, route="metadata.soap", holding="updateMetadata", moment="after")
    with pytest.raises(Halfway):
        install(world.conn, session, world.org_id, wish, digest)
    assert "layout" in parts(world), "it may have been done"
    take_back(world, session)
    assert look(session) == before


def test_a_field_that_carries_a_tick_is_not_taken_away(world: World, session: Session) -> None:
    put_in(world, session, OWN)
    lead = world.org.create("Lead", Email="ann@example.com")
    world.org.edit(lead, **{OWN.lead_name: True})
    world.org.delete(lead)
    undone = take_back(world, session)
    why = [str(one.why) for one in undone.kept if one.step.kind == "field"]
    assert why == ["records of Lead that carry a tick in it, in the recycle bin too: 1; the ticks would be lost"]
    assert "Lead" in look(session).own_fields
    assert "Contact" not in look(session).own_fields


def test_a_tick_in_the_very_last_moment_saves_the_field(
    world: World, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in(world, session, OWN)
    lead = world.org.create("Lead", Email="ann@example.com")

    def somebody_ticks() -> None:
        world.org.edit(lead, **{OWN.lead_name: True})

    Meddler(monkeypatch, metadata, "update_layout", somebody_ticks)
    with pytest.raises(Halfway):
        take_back(world, session)
    assert world.org.record(lead)[OWN.lead_name] is True
    assert "field" in parts(world)


def test_a_field_that_optsync_uses_is_not_taken_away(world: World, session: Session) -> None:
    put_in(world, session, OWN)
    world.choose(sync_on=True, field=OWN.lead_name)
    kept = take_back(world, session).kept
    assert {one.step.kind for one in kept} == {"field"}
    assert all("optsync itself uses" in one.why for one in kept)


def test_undo_keeps_what_somebody_else_did_to_the_same_layout(world: World, session: Session) -> None:
    put_in(world, session)
    somebody_edits(session, "Lead Layout")
    take_back(world, session)
    after = layout_named(session, "Lead Layout").metadata
    assert (place_of(after, BOX), after["emailDefault"]) == (None, True)


def test_two_admins_at_once_one_is_told_to_wait(
    world: World, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = look(session)
    wish = wish_for(found)
    digest = plan(found, wish).digest
    said: list[BaseException] = []

    def second_admin() -> None:
        try:
            with world.database.connect() as conn, world.session() as other:
                install(conn, other, world.org_id, wish, digest, actor="bob")
        except Problem as problem:
            said.append(problem)

    def meanwhile() -> None:
        thread = threading.Thread(target=second_admin)
        thread.start()
        thread.join()

    Meddler(monkeypatch, permissions, "make_permission_set", meanwhile)
    assert install(world.conn, session, world.org_id, wish, digest, actor="ann").left == ()
    assert "somebody else is installing" in str(said[0])
    with pytest.raises(Moved):
        install(world.conn, session, world.org_id, wish, digest, actor="bob")
    assert {one.begun_by for one in remembered(world.conn, world.org_id)} == {"ann"}


def test_a_set_of_that_name_that_was_there_keeps_what_it_holds(world: World, session: Session) -> None:
    set_id = permissions.make_permission_set(session, SET_NAME, SET_NAME, "made by hand")
    grant_id = permissions.grant(session, set_id, "Lead", BOX)
    permissions.set_grant(session, grant_id, edit=False)
    permissions.grant(session, set_id, "Lead", "Phone")
    result = put_in(world, session)
    assert "set" not in {step.kind for step in result.done}
    known = permissions.permission_set(session, SET_NAME)
    assert known is not None
    assert known.grants["Lead", "Phone"].edit
    assert known.grants["Lead", BOX].edit, "Read was raised to Edit"
    take_back(world, session)
    known = permissions.permission_set(session, SET_NAME)
    assert known is not None
    assert known.grants["Lead", "Phone"].edit
    assert not known.grants["Lead", BOX].edit, "and is Read again"


def test_one_layout_of_many_can_be_chosen(world: World, session: Session) -> None:
    found = look(session)
    target = layout_named(session, "Lead Layout")
    wish = Wish(EMAIL, frozenset({target.id}), grant=False)
    done = install(world.conn, session, world.org_id, wish, plan(found, wish).digest).done
    assert [step.name for step in done] == ["Lead Layout"]
    assert place_of(layout_named(session, "Contact (Sales) Layout").metadata, BOX) is None


def test_a_layout_with_a_feed_and_odd_signs_in_its_name_keeps_its_feed(world: World, session: Session) -> None:
    world.org.call("POST", "/layouts", {"object": "Lead", "name": "Q&A <Feed> (1/2)", "feed": True})
    before = layout_named(session, "Q&A <Feed> (1/2)")
    assert put_in(world, session).left == ()
    after = layout_named(session, "Q&A <Feed> (1/2)")
    assert place_of(after.metadata, BOX) is not None
    assert after.metadata["feedLayout"] == before.metadata["feedLayout"] != {}
    assert take_back(world, session).kept == ()
    assert layout_named(session, "Q&A <Feed> (1/2)") == before


def test_who_may_not_use_the_metadata_api_is_told_so(world: World, session: Session) -> None:
    world.org.permit(modify_metadata=False)
    with pytest.raises(Halfway) as caught:
        put_in(world, session)
    assert "Modify Metadata" in caught.value.next


def test_a_session_that_ended_meanwhile_is_renewed(world: World, session: Session) -> None:
    found = look(session)
    wish = Wish(EMAIL, frozenset(layout.id for layout in found.layouts), grant=False)
    digest = plan(found, wish).digest
    world.org.fault("refuse", route="metadata.soap", code="INVALID_SESSION_ID", status=401)
    assert install(world.conn, session, world.org_id, wish, digest).left == ()


def test_the_plan_reads_as_what_it_does(session: Session) -> None:
    found = look(session)
    assert [str(step.told) for step in plan(found, wish_for(found)).steps] == [
        "a new permission set optsync",
        "permission set optsync: Read and Edit on HasOptedOutOfEmail of Lead",
        "permission set optsync: Read and Edit on HasOptedOutOfEmail of Contact",
        "permission set optsync is given to the integration user",
        "Lead: page layout Lead Layout shows HasOptedOutOfEmail below Email",
        "Contact: page layout Contact (Sales) Layout shows HasOptedOutOfEmail below Email",
    ]


def test_with_person_accounts_undo_takes_their_grants_back_too(world: World, session: Session) -> None:
    world.org.reset(person_accounts=5)
    before = look(session)
    put_in(world, session, OWN)
    assert take_back(world, session).kept == ()
    assert look(session) == before
    assert remembered(world.conn, world.org_id) == []


def test_with_person_accounts_the_field_is_granted_on_account_too(world: World, session: Session) -> None:
    world.org.reset(person_accounts=5)
    result = put_in(world, session, OWN)
    assert (result.left, result.findings) == ((), ())
    granted = {(step.object_name, step.field) for step in result.done if step.kind == "grant"}
    assert {("Account", "PersonHasOptedOutOfEmail"), ("Account", "Sales_Opt_Out__pc")} <= granted
    world.choose(sync_on=True, field=OWN.lead_name)
    account = world.org.create("Account", LastName="Berg", PersonEmail="ann@example.com")
    world.opt_out("ann@example.com")
    world.push()
    assert world.org.record(account)["Sales_Opt_Out__pc"] is True
    world.choose(sync_on=True, field="email")
    kept = take_back(world, session).kept
    assert {(one.step.kind, one.step.object_name) for one in kept} >= {("field", "Contact")}, "a person carries it"
