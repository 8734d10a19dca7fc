"""The whole run against the practice org: what a user would see afterwards, on both sides."""

from datetime import datetime

import pytest

from optsync.connection.settings import Change
from optsync.core.problems import Problem
from optsync.ledger import holds
from tests.flows.nightly.house import House
from tests.flows.nightly.staged import record_id

ANN, BOB, CAT = "ann@example.com", "bob@example.com", "cat@example.com"


def test_r16_one_run_makes_both_sides_the_union_and_proves_it(house: House) -> None:
    lead = house.org.create("Lead", Email=ANN, HasOptedOutOfEmail=True)
    twin = house.org.create("Contact", Email=ANN)
    contact = house.org.create("Contact", Email=BOB)
    house.link(contact, "Contact", BOB)
    house.opt_out(BOB)
    report = house.sync()
    assert report.result == "proved"
    assert house.is_opted_out(ANN)
    assert house.is_ticked(lead)
    assert house.is_ticked(twin)
    assert house.is_ticked(contact)
    assert house.balance().agree
    assert house.org.spy()["false_writes"] == 0


def test_duplicates_of_people_whom_this_very_night_opts_out_are_ticked_the_same_night(house: House) -> None:
    first, second = (house.org.create("Contact", Email=email, HasOptedOutOfEmail=True) for email in (ANN, BOB))
    twins = [house.org.create("Lead", Email=email) for email in (ANN, BOB)]
    report = house.sync()
    assert (report.result, report.counts["swept"] > 0) == ("proved", True)
    assert all(house.is_ticked(record) for record in (first, second, *twins))

    house.org.create("Lead", Email=CAT)
    old = house.org.create("Contact", Email=CAT)
    house.sync(full=True)
    house.org.create("Contact", Email=CAT, HasOptedOutOfEmail=True)
    report = house.sync()
    assert (report.result, "swept" in report.counts) == ("proved", False)
    assert house.is_ticked(old)
    assert house.balance().owed == 0


def test_who_opts_out_while_everything_is_read_is_looked_up_all_the_same(house: House) -> None:
    made: list[str] = []

    def late(phase: str, count: int) -> None:
        if phase == "reading again" and not made:  # everything has been read; this record is younger
            made.append(house.org.create("Contact", Email=ANN))
            house.opt_out(ANN)

    report = house.sync(full=True, progress=late)
    assert (report.result, report.counts["swept"] > 0) == ("proved", True)
    assert house.is_ticked(made[0])


def test_r15_every_pair_is_compared_so_damage_by_hand_is_repaired_next_night(house: House) -> None:
    contact = house.org.create("Contact", Email=ANN)
    house.opt_out(ANN)
    house.sync()
    assert house.is_ticked(contact)
    house.org.edit(contact, HasOptedOutOfEmail=False)
    assert house.sync().result == "proved"
    assert house.is_ticked(contact)


def test_r19_sync_now_a_second_time_changes_nothing_and_writes_nothing(house: House) -> None:
    house.sync()
    house.org.clear_spy()
    report = house.sync()
    assert report.result == "proved"
    spy = house.org.spy()
    assert spy["update_calls"] == spy["records_written"] == 0
    assert report.counts["recorded"] == report.counts["owed"] == 0


def test_r21_a_box_unticked_there_is_ticked_again_and_a_lift_here_comes_back(house: House) -> None:
    contact = house.org.create("Contact", Email=ANN, HasOptedOutOfEmail=True)
    house.sync()
    house.org.edit(contact, HasOptedOutOfEmail=False)
    house.sync()
    assert house.is_ticked(contact)
    assert house.lift(ANN) == "lifted"
    house.sync()
    assert house.is_opted_out(ANN)


@pytest.mark.parametrize("first", ["here", "there"])
def test_r22_lifted_on_both_sides_in_either_order_stays_lifted(house: House, first: str) -> None:
    contact = house.org.create("Contact", Email=ANN, HasOptedOutOfEmail=True)
    house.sync()
    if first == "there":
        house.org.edit(contact, HasOptedOutOfEmail=False)
    assert house.lift(ANN) == "lifted"
    if first == "here":
        house.org.edit(contact, HasOptedOutOfEmail=False)
    house.sync()
    assert not house.is_opted_out(ANN)
    assert not house.is_ticked(contact)


def test_a_flow_that_unsets_the_box_ends_the_run_not_proved_and_parks_what_was_not_kept(house: House) -> None:
    house.sync()
    contact = house.org.create("Contact", Email=ANN)
    house.link(contact, "Contact", ANN)
    house.opt_out(ANN)
    house.org.flow(unsets=True)
    report = house.sync()
    house.org.flow(unsets=False)
    assert report.result == "not proved"
    assert any("NOT_KEPT" in rest["reason"] or rest["verdict"] == "contradicted" for rest in report.rest)
    assert house.balance().parked == 1
    assert house.balance().closes()


def test_a_record_that_nothing_shows_is_parked_not_forgotten_and_who_is_created_anew_is_found(house: House) -> None:
    """Deleted for good or hidden by sharing look alike (docs/decisions/0010): only the bin proves a deletion."""
    unseen = record_id("Contact", 99_999)
    house.link(unseen, "Contact", ANN)
    house.opt_out(ANN)
    for _ in range(2):
        report = house.sync()
        assert report.result == "partly done"
        (rest,) = report.rest
        assert (rest["verdict"], rest["boxes"], rest["for_example"]) == ("parked", 1, unseen)
        assert rest["reason"].startswith("INVALID_CROSS_REFERENCE_KEY")
    anew = house.org.create("Contact", Email=ANN)
    house.sync()
    assert house.is_ticked(anew)
    assert house.is_opted_out(ANN)


def test_a_record_in_the_bin_is_forgotten_with_an_event_and_found_again_when_undeleted(house: House) -> None:
    contact = house.org.create("Contact", Email=ANN)
    house.opt_out(ANN)
    house.sync()
    house.org.delete(contact)
    assert house.sync().result == "proved"
    assert house.conn.execute("SELECT record_id FROM event WHERE kind = 'record deleted'").fetchall() == [(contact,)]
    assert house.balance().not_linked == 1
    house.org.undelete(contact)
    house.org.edit(contact, HasOptedOutOfEmail=False)
    house.sync()
    assert house.is_ticked(contact)


def test_r01_with_the_switch_off_sync_refuses_and_says_why_and_a_dry_run_works(house: House) -> None:
    house.switch(Change(sync_on=False))
    with pytest.raises(Problem, match="switch Sync to Salesforce is off"):
        house.sync()
    house.org.create("Contact", Email=ANN, HasOptedOutOfEmail=True)
    report = house.sync(dry_run=True)
    assert report.result == "dry run"
    assert report.counts["recorded"] > 0


def test_a_dry_run_counts_no_box_about_which_a_person_has_said_no(house: House) -> None:
    house.link(house.org.create("Contact", Email=BOB), "Contact", BOB)
    house.opt_out(BOB)
    found = house.conn.execute("SELECT address_id, NULL::bigint FROM opt_out").fetchall()
    hold = holds.hold_outbound(house.conn, house.org_id, "run 1", [(address, version) for address, version in found])
    holds.drop(house.conn, house.vault.subject_key, hold, "ann", "a mistake")
    report = house.sync(dry_run=True)
    assert report.counts["would_set"] == 0
    assert report.samples["to Salesforce"] == []


def test_a_dry_run_tells_the_boxes_of_records_that_only_a_run_would_find(house: House) -> None:
    ticked = house.org.create("Contact", Email=ANN, HasOptedOutOfEmail=True)
    twin = house.org.create("Lead", Email=ANN)
    foreseen = house.sync(dry_run=True)
    assert not house.is_opted_out(ANN)
    assert twin in {one["record"] for one in foreseen.samples["to Salesforce"]}
    ticked_before = house.org.spy()["records_written"]
    house.sync()
    house.push()
    assert house.is_ticked(twin)
    assert house.org.spy()["records_written"] - ticked_before == foreseen.counts["would_set"]

    late = house.org.create("Lead", Email=ANN)
    foreseen = house.sync(dry_run=True)
    assert "swept" not in foreseen.counts
    assert [one["record"] for one in foreseen.samples["to Salesforce"]] == [late]
    house.org.edit(ticked, HasOptedOutOfEmail=False)
    house.sync()
    assert house.is_ticked(late)


def test_a_dry_run_writes_nothing_anywhere_and_tells_both_directions(house: House) -> None:
    house.sync()
    ticked = house.org.create("Lead", Email=ANN, HasOptedOutOfEmail=True)
    owed = house.org.create("Contact", Email=BOB)
    house.link(owed, "Contact", BOB)
    house.opt_out(BOB)
    house.opt_out(CAT)
    before, already = house.contents(), house.balance().confirmed
    house.org.clear_spy()
    report = house.sync(dry_run=True)
    assert house.contents() == before
    assert house.org.spy()["update_calls"] == 0
    assert (report.counts["recorded"], report.counts["would_set"], report.counts["no_record"]) == (1, 1, 1)
    assert report.counts["already_set"] == already + 1
    assert report.counts["expected_api_calls"] > 0
    sample = report.samples["from Salesforce"][0]
    assert (sample["address"], sample["record"]) == ("a…n@example.com", ticked)
    assert (sample["why"], sample["by"]) == ("ticked in Salesforce", "admin@practice.example")
    assert datetime.fromisoformat(sample["at"]) <= house.seams.now()
    assert report.samples["to Salesforce"][0]["address"] == "b…b@example.com"


def test_r02_a_field_that_one_object_lacks_fails_the_run_and_names_the_object(house: House) -> None:
    house.org.grant("Contact", "HasOptedOutOfEmail", "absent")
    with pytest.raises(Problem, match="Contact"):
        house.sync()
    row = house.conn.execute("SELECT result, report->'error'->>'what' FROM run").fetchone()
    assert row is not None
    assert row[0] == "failed"
    assert "Contact" in row[1]
