"""The doctor names each defect, and passes once it is put right."""

from optsync.connection import doctor
from optsync.connection.doctor import Check
from optsync.ledger import marks
from tests.flows.push.world import EMAIL, SALES, World


def examine(world: World) -> dict[str, Check]:
    """All checks by their id."""
    with world.session() as session:
        return {check.id: check for check in doctor.run(world.conn, world.vault, session, world.database)}


def test_a_sound_installation_passes_everything(world: World) -> None:
    found = examine(world)
    assert {check.state for check in found.values()} == {"pass"}, found
    assert len(found) >= 12


def test_a_hidden_and_a_read_only_field_are_named_with_their_object(world: World) -> None:
    world.choose(sync_on=True, field="sales")
    world.org.grant("Lead", EMAIL, "absent")
    world.org.grant("Contact", SALES, "read")
    failed = {name: check for name, check in examine(world).items() if check.state == "fail"}
    assert "field.Contact.2" in failed
    assert "Contact" in failed["field.Contact.2"].why
    assert "read-only" in failed["field.Contact.2"].why
    assert all(check.fix for check in failed.values())


def test_too_little_budget_and_a_pause_are_warnings(world: World) -> None:
    world.org.limits(daily=1_000, used=900)
    marks.pause(world.conn, world.org_id, 1, "00Q", 60, "INVALID_FIELD", "No such column")
    found = examine(world)
    assert (found["api-budget"].state, found["pauses"].state) == ("warn", "warn")
    assert "INVALID_FIELD" in found["pauses"].why


def test_without_a_worker_it_says_so(world: World) -> None:
    world.lock.execute("SELECT pg_advisory_unlock_all()")
    assert examine(world)["worker"].state == "warn"


def test_a_refused_sign_in_fails_and_skips_what_hangs_on_it(world: World) -> None:
    world.org.expire_sessions()
    world.org.behaviour(app_approved=False)
    found = {check.id: check for check in doctor.run(world.conn, world.vault, world.line.session, world.database)}
    assert (found["sign-in"].state, found["org"].state, found["durability"].state) == ("fail", "skip", "pass")
