"""Which records are written: duplicates, changed e-mails, converted, merged and deleted records (rules 4)."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from optsync.config.database import Database
from optsync.connection.connect import connect
from optsync.core.problems import Problem
from optsync.core.record_ids import to_18
from optsync.ledger import marks
from optsync.ledger.targets import OptOutField
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import OddAnswer
from optsync.sync import batch, records
from optsync.sync.worker import Worker
from tests.flows.push.world import EMAIL, SALES, World, in_thread, open_world, wait_until
from tests.practice import PracticeOrg

BOX = OptOutField(1, EMAIL, EMAIL, "Email Opt Out")


@pytest.mark.parametrize("box", [None, "true", 0, "absent"])
def test_a_box_that_is_neither_true_nor_false_was_not_read(box: object) -> None:
    values = {"Id": "00Q000000000001EAA", "Email": "ann@example.com"} | ({} if box == "absent" else {EMAIL: box})
    row = records.row_of("Lead", values, [BOX])
    assert (row.ticked, row.unticked, row.has_read([1])) == (frozenset(), frozenset(), False)


@pytest.mark.parametrize(
    "odd", [{"Id": None}, {"Id": "nonsense"}, {"Id": 5}, {"Email": 5}, {"Email": ["a"]}, {"ConvertedContactId": "x"}]
)
def test_a_record_of_odd_shape_is_an_odd_answer(odd: dict[str, object]) -> None:
    with pytest.raises(OddAnswer):
        records.row_of("Lead", {"Id": "00Q000000000001EAA", "Email": "ann@example.com", EMAIL: False} | odd, [BOX])


def test_every_record_of_an_address_is_ticked_duplicates_of_both_objects_too(world: World) -> None:
    ids = [world.org.create(name, Email="Ann@Example.com") for name in ("Lead", "Contact") for _ in range(3)]
    world.opt_out("ann@example.com")
    world.push()
    assert all(world.is_ticked(record_id) for record_id in ids)
    assert world.balance().pairs == 6


def test_a_duplicate_that_nobody_linked_is_found_at_push_although_another_record_is_known(world: World) -> None:
    known, unknown = (world.org.create("Lead", Email="ann@example.com") for _ in range(2))
    world.link((known, "ann@example.com"))
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(known)
    assert world.is_ticked(unknown)


def test_only_records_with_exactly_that_address_are_written(world: World) -> None:
    other = world.org.create("Lead", Email="ann@example.com.evil.test")
    quoted = world.org.create("Lead", Email="o'hara@example.com")
    world.opt_out("ann@example.com")
    world.opt_out("o'hara@example.com")
    world.push()
    assert not world.is_ticked(other)
    assert world.is_ticked(quoted)


def test_the_opt_out_follows_the_person_to_a_changed_email_before_anything_is_written(world: World) -> None:
    lead = world.org.create("Lead", Email="old@example.com")
    world.link((lead, "old@example.com"))
    world.org.edit(lead, Email="new@example.com")
    twin = world.org.create("Contact", Email="new@example.com")
    world.opt_out("old@example.com")
    world.push()
    assert world.is_ticked(lead)
    assert world.is_ticked(twin), "the new address is opted out, so all of its records are"
    assert [source for source, *_ in world.events("opted out")] == ["manual", "follows record"]


@pytest.mark.parametrize("copies", [True, False])
def test_a_converted_lead_is_not_written_its_contact_is(world: World, copies: bool) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.link((lead, "ann@example.com"))
    contact = world.org.convert(lead, copy_opt_out=copies)
    world.org.edit(contact, Email="ann@work.example")
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(contact)
    assert not world.org.record(lead)[EMAIL]
    assert world.org.spy()["records_written"] == 1
    assert [record_id for _, record_id, _ in world.events("converted")] == [lead]


def test_a_converted_lead_is_followed_even_where_the_org_would_accept_the_dead_write(world: World) -> None:
    world.org.permit(view_and_edit_converted_leads=True)
    lead = world.org.create("Lead", Email="ann@example.com")
    contact = world.org.convert(lead)
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(contact)
    assert not world.org.record(lead)[EMAIL]


def test_a_merged_record_hands_over_along_the_whole_chain(world: World) -> None:
    first, second, third = (world.org.create("Contact", Email=f"c{n}@example.com") for n in range(3))
    world.link((first, "c0@example.com"))
    world.opt_out("c0@example.com")
    world.org.merge(first, second)
    world.org.merge(second, third)
    world.push()
    assert world.is_ticked(third)
    assert {record_id for record_id, _ in world.marks()} == {third}


def test_a_lead_merged_and_then_converted_ends_at_the_contact(world: World) -> None:
    first, second = (world.org.create("Lead", Email=f"c{n}@example.com") for n in range(2))
    world.link((first, "c0@example.com"))
    world.org.merge(first, second)
    contact = world.org.convert(second)
    world.opt_out("c0@example.com")
    world.push()
    assert world.is_ticked(contact)


def test_a_deleted_record_is_forgotten_the_address_stays_and_a_new_record_is_ticked(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.link((lead, "ann@example.com"))
    world.org.delete(lead)
    world.opt_out("ann@example.com")
    world.push()
    assert world.marks() == {}
    assert world.balance().not_linked == 1
    again = world.org.create("Lead", Email="ann@example.com")
    world.conn.execute("UPDATE lookup SET due_at = clock()")
    world.push()
    assert world.is_ticked(again)


def test_a_record_that_salesforce_hides_is_parked_rather_than_forgotten(world: World) -> None:
    world.link((to_18("00QZZ00000abcde"), "ann@example.com"))
    world.opt_out("ann@example.com")
    world.push()
    ((state, reason),) = world.marks().values()
    assert state == "p"
    assert reason is not None
    assert reason.startswith("INVALID_CROSS_REFERENCE_KEY")


def test_a_lead_converted_between_read_and_write_is_followed_in_the_same_round(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.link((lead, "ann@example.com"))
    world.opt_out("ann@example.com")
    read = batch.Batch.confirm_true

    def convert_then_confirm(self: batch.Batch, rows: batch.Rows) -> None:
        if not world.org.record(lead)["IsConverted"]:
            world.org.convert(lead)
        read(self, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch.Batch, "confirm_true", convert_then_confirm)
        world.push()
    world.push_again()
    contact = world.org.record(lead)["ConvertedContactId"]
    assert world.is_ticked(contact)
    assert lead not in {record_id for record_id, _ in world.marks()}


def test_a_crowded_address_waits_for_a_decision_except_for_the_named_record(world: World) -> None:
    ids = [world.org.create("Lead", Email="info@example.com") for _ in range(25)]
    world.link(*[(record_id, "info@example.com") for record_id in ids])
    world.opt_out("info@example.com", named=[ids[3]])
    world.push()
    assert [record_id for record_id in ids if world.is_ticked(record_id)] == [ids[3]]
    assert world.balance().held == 24


def test_two_connected_orgs_each_get_their_ticks(world: World) -> None:
    with PracticeOrg.start(leads=0, contacts=0, seed=99, grant_opt_out=True, org_number=2) as second:
        here, there = (
            world.org.create("Lead", Email="ann@example.com"),
            second.create("Contact", Email="ann@example.com"),
        )
        early = second.create("Lead", Email="early@example.com")
        world.opt_out("early@example.com")
        connected = connect(world.conn, world.vault, Credential.from_file(second.credentials_file), world.seams)
        assert connected.org_id != world.org_id
        world.opt_out("ann@example.com")
        worker = Worker(world.database, world.vault, world.seams)
        with in_thread(worker.run, worker.stop):
            wait_until(lambda: world.is_ticked(here), "the first org has it")
            wait_until(lambda: second.record(there)[EMAIL], "the second org has it")
            wait_until(lambda: second.record(early)[EMAIL], "what was recorded before the connect is pushed too")
        assert second.spy()["false_writes"] == 0


def test_a_sign_in_that_suddenly_leads_to_another_org_writes_nothing(world: World) -> None:
    lead = world.org.create("Lead", Email="ann@example.com")
    world.link((lead, "ann@example.com"))
    world.line.salesforce_id = "00D000000000062EAA"
    world.opt_out("ann@example.com")
    world.push()
    assert not world.is_ticked(lead)
    assert [pause.code for pause in marks.pauses(world.conn)] == ["CONNECT"]


def test_connecting_a_sign_in_that_led_to_another_org_is_refused(world: World) -> None:
    world.conn.execute("UPDATE org SET salesforce_id = '00D000000000062EAA'")
    with pytest.raises(Problem, match="leads to another org now"):
        connect(world.conn, world.vault, Credential.from_file(world.org.credentials_file), world.seams)


def test_the_credential_is_stored_encrypted(world: World) -> None:
    (stored,) = world.conn.execute("SELECT credential FROM connection").fetchone() or (b"",)
    assert b"PRIVATE KEY" not in stored
    assert b"PRIVATE KEY" in world.vault.decrypt(stored)


def test_every_change_of_the_settings_is_an_event_with_before_and_after(world: World) -> None:
    world.choose(sync_on=True, field="sales")
    (evidence, actor) = world.conn.execute(
        "SELECT evidence, actor FROM event WHERE kind = 'settings changed'"
    ).fetchone() or ({}, "")
    assert actor == "admin"
    assert (evidence["before"]["sync"], evidence["after"]["sync"]) == ("off", "on")
    assert (evidence["before"]["field"], evidence["after"]["custom"]) == ("email", SALES)


def test_a_hidden_field_is_a_finding_of_connect_and_no_failure(
    database: Database, org: PracticeOrg, tmp_path: Path
) -> None:
    org.grant("Contact", EMAIL, "absent")
    with ExitStack() as stack:
        world = stack.enter_context(open_world(database, org, tmp_path))
        assert [finding.object_name for finding in world.connected.findings] == ["Contact"]
