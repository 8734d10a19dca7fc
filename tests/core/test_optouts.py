"""The reference world: the lift's truth table row by row, and what holds in every world and order of events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optsync.core.optouts import FAN_OUT_CAP, Box, World
from optsync.core.targets import Choice, FieldRole, Policy

EMAIL, CUSTOM = FieldRole.EMAIL, FieldRole.CUSTOM
ON = Policy(switch_on=True)
SALES = Policy(switch_on=True, choice=Choice.SALES)
READ_BOTH = Policy(switch_on=True, choice=Choice.SALES, read_both=True)
NIGHTS_TO_SETTLE = 4
RECORDS = tuple(f"r{n}" for n in range(6))
ADDRESSES = ("a", "b", "c")


def world_with(records: int = 2, policy: Policy = ON) -> World:
    """Address a with some unticked records of one org, the switch on."""
    world = World()
    world.set_policy(1, policy)
    for number in range(records):
        world.create(f"r{number}", "a")
    return world


def opted_out_world(records: int = 2, policy: Policy = ON) -> World:
    world = world_with(records, policy)
    world.opt_out("a")
    world.push()
    return world


def assert_both_on(world: World) -> None:
    world.push()
    assert "a" in world.blocked
    live = [name for name, record in world.salesforce.items() if record.is_live and record.email == "a"]
    assert {(EMAIL, name) for name in live} <= world.boxes
    assert world.balance().agree


def assert_stays_off(world: World) -> None:
    for _ in range(3):
        world.nightly()
    assert "a" not in world.blocked
    assert world.boxes == set()
    assert world.marks == {}


# -- The thirteen rows of the lift -------------------------------------------------------------------------------------


def test_row_01_both_sides_on_stay_on_and_nothing_is_written() -> None:
    world = opted_out_world()
    written = len(world.writes)
    world.nightly()
    assert_both_on(world)
    assert len(world.writes) == written


def test_row_02_r21_a_box_unticked_in_salesforce_only_is_ticked_again() -> None:
    world = opted_out_world()
    world.untick("r0")
    world.nightly()
    assert_both_on(world)


def test_row_03_r16_r17_a_tick_in_salesforce_is_recorded_and_reaches_the_other_records() -> None:
    world = world_with()
    world.tick("r0")
    world.nightly()
    assert_both_on(world)
    assert world.opt_outs["a", 0].source == "Salesforce Sync"


@pytest.mark.parametrize("here_first", [True, False])
def test_row_04_r22_a_lift_on_both_sides_in_any_order_stays_off(here_first: bool) -> None:
    world = opted_out_world()
    if here_first:
        world.lift("a", "now")
    world.untick("r0")
    world.untick("r1")
    if not here_first:
        world.lift("a", "now")
    assert_stays_off(world)


def test_row_04_r22_a_push_that_was_still_owed_is_cancelled_by_the_lift() -> None:
    world = world_with()
    world.link("r0", "a")
    world.opt_out("a")
    world.lift("a", "now")
    world.push()
    assert_stays_off(world)


def test_row_05_r21_a_lift_here_only_comes_back_with_all_records_when_one_box_is_still_ticked() -> None:
    world = opted_out_world()
    world.lift("a", "now")
    world.untick("r0")
    world.nightly()
    assert_both_on(world)


def test_row_06_an_untick_during_the_run_is_seen_by_the_fresh_look() -> None:
    world = opted_out_world()
    world.lift("a", "now")
    reading = world.read()
    world.untick("r0")
    world.untick("r1")
    world.compare(reading)
    assert_stays_off(world)


def test_row_07_a_lift_during_the_run_waits_for_the_next_night() -> None:
    world = opted_out_world()
    reading = world.read()
    world.lift("a", "now")
    world.compare(reading)
    assert "a" not in world.blocked
    world.nightly()
    assert_both_on(world)


def test_row_08_an_opt_out_after_a_lift_during_the_run_wins() -> None:
    world = opted_out_world()
    reading = world.read()
    world.lift("a", "now")
    world.untick("r0")
    world.untick("r1")
    assert world.opt_out("a") == "again"
    world.compare(reading)
    assert {mark.state for mark in world.marks.values()} == {"owed"}
    assert_both_on(world)


def test_row_09_the_ticked_box_of_a_converted_lead_says_nothing_once_it_is_followed() -> None:
    world = opted_out_world(records=1)
    world.create("contact", "a")
    world.convert("r0", "contact")
    world.nightly()
    assert (EMAIL, "contact") in world.boxes
    world.lift("a", "now")
    world.untick("contact")
    assert_stays_off(world)


def test_row_10_a_parked_mark_ends_with_the_lift() -> None:
    world = world_with(records=1)
    world.refusing.add("r0")
    world.opt_out("a")
    world.push()
    assert world.balance().parked == 1
    world.lift("a", "now")
    world.refusing.clear()
    world.push()
    assert_stays_off(world)


def test_row_11_with_two_read_fields_half_an_untick_brings_all_back() -> None:
    world = opted_out_world(records=1, policy=READ_BOTH)
    world.tick("r0", EMAIL)
    world.lift("a", "now")
    world.untick("r0", CUSTOM)
    world.nightly()
    assert "a" in world.blocked
    assert (CUSTOM, "r0") in world.boxes


def test_row_12_a_one_sender_opt_out_makes_no_marks_and_blocks_nobody_else() -> None:
    world = world_with()
    world.opt_out("a", scope=7)
    world.push()
    assert world.is_opted_out("a", scope=7)
    assert_stays_off(world)


def test_row_13_a_box_left_in_an_earlier_field_comes_back_when_that_field_is_read_again() -> None:
    world = opted_out_world(records=1)
    world.set_policy(1, SALES)
    world.nightly()
    world.lift("a", "now")
    world.untick("r0", CUSTOM)
    world.nightly()
    assert "a" not in world.blocked
    world.set_policy(1, READ_BOTH)
    world.nightly()
    assert "a" in world.blocked


# -- The lift that waits -----------------------------------------------------------------------------------------------


def test_a_waiting_lift_keeps_the_person_blocked_and_writes_nothing() -> None:
    world = opted_out_world()
    assert world.lift("a") == "waits"
    world.untick("r0")
    written = len(world.writes)
    world.nightly()
    assert "a" in world.blocked
    assert len(world.writes) == written
    assert world.balance().held == 1


def test_a_waiting_lift_ends_when_every_box_is_seen_unticked_also_with_the_switch_off() -> None:
    world = opted_out_world(policy=Policy())
    world.lift("a")
    world.untick("r0")
    world.look_at_lift("a")
    assert "a" in world.blocked
    world.untick("r1")
    world.look_at_lift("a")
    assert_stays_off(world)


def test_a_lift_without_any_record_is_done_at_once() -> None:
    world = World()
    world.opt_out("nobody")
    assert world.lift("nobody") == "lifted"
    assert world.blocked == set()


@pytest.mark.parametrize("meanwhile", ["an unsubscribe", "a box ticked again"])
def test_a_waiting_lift_is_ended_by_whatever_opts_out_again(meanwhile: str) -> None:
    world = opted_out_world()
    world.lift("a")
    world.untick("r0")
    world.look_at_lift("a")
    if meanwhile == "an unsubscribe":
        assert world.opt_out("a") == "again"
    else:
        world.tick("r0")
    world.nightly()
    assert not world.opt_outs["a", 0].lift_waits
    assert_both_on(world)


# -- Records and addresses ---------------------------------------------------------------------------------------------


def test_r04_an_address_without_a_record_is_blocked_and_pushed_when_a_record_appears() -> None:
    world = World()
    world.opt_out("a")
    world.push()
    assert world.balance().not_linked == 1
    world.create("late", "a")
    world.push()
    assert (EMAIL, "late") in world.boxes


def test_r12_a_box_that_is_true_already_is_not_written() -> None:
    world = world_with(records=1)
    world.tick("r0")
    world.opt_out("a")
    world.push()
    assert world.writes == []
    assert world.balance().confirmed == 1


def test_the_opt_out_follows_the_person_to_a_new_e_mail_and_the_old_one_keeps_it() -> None:
    world = opted_out_world(records=1)
    world.change_email("r0", "b")
    world.nightly()
    assert world.blocked == {"a", "b"}
    assert world.opt_outs["b", 0].source == "follows record"


def test_a_duplicate_that_was_made_later_is_found_at_night() -> None:
    world = opted_out_world(records=1)
    world.create("twin", "a")
    world.nightly()
    assert (EMAIL, "twin") in world.boxes
    assert_both_on(world)


def test_a_mark_that_is_due_no_longer_leaves_at_night_and_the_balance_closes() -> None:
    world = opted_out_world(records=1)
    world.set_policy(1, SALES, "new")
    world.change_email("r0", "b")
    world.nightly()
    assert world.marks.keys() == {(CUSTOM, "r0")}, "b is due in the sales field only"
    assert world.balance().agree


def test_a_merge_asserts_the_opt_out_on_the_survivor_along_the_whole_chain() -> None:
    world = opted_out_world(records=1)
    world.create("middle", "b")
    world.create("last", "c")
    world.merge("r0", "middle")
    world.merge("middle", "last")
    world.nightly()
    assert (EMAIL, "last") in world.boxes
    assert "c" in world.blocked


def test_a_deleted_record_leaves_the_address_opted_out_and_a_recreated_one_is_set_again() -> None:
    world = opted_out_world(records=1)
    world.delete("r0")
    world.nightly()
    assert world.marks == {}
    world.create("again", "a")
    world.nightly()
    assert_both_on(world)


def test_a_ticked_record_without_e_mail_counts_as_no_address_until_it_gets_one_or_is_unticked() -> None:
    world = world_with(records=0)
    world.create("nameless", None, ticked=[EMAIL])
    world.nightly()
    assert world.balance().no_address == 1
    assert world.balance().closes()
    world.change_email("nameless", "a")
    world.nightly()
    assert "a" in world.blocked
    assert world.balance().no_address == 0


def test_more_than_twenty_records_of_one_address_wait_but_the_ticked_one_is_written_at_once() -> None:
    world = world_with(records=FAN_OUT_CAP + 1)
    world.nightly()
    for name in list(world.salesforce):
        world.link(name, "a")
    world.opt_out("a", named=["r3"])
    world.push()
    assert world.boxes == {(EMAIL, "r3")}
    assert world.balance().held == FAN_OUT_CAP
    world.decide_fan_out("a", "refused")
    world.nightly()
    assert world.balance().parked == FAN_OUT_CAP
    world.decide_fan_out("a", "allowed")
    assert_both_on(world)


# -- Field and switch --------------------------------------------------------------------------------------------------


def test_r08_with_the_switch_off_a_push_sets_email_opt_out_whatever_was_chosen_earlier() -> None:
    world = world_with(records=1, policy=SALES)
    world.set_policy(1, Policy(switch_on=False, choice=Choice.SALES))
    world.opt_out("a")
    world.push()
    assert world.boxes == {(EMAIL, "r0")}


def test_r26_with_the_sales_field_email_opt_out_is_never_touched() -> None:
    world = opted_out_world(policy=SALES)
    world.nightly()
    assert {box for box, _ in world.boxes} == {CUSTOM}


@pytest.mark.parametrize(("carry", "due"), [("all", {EMAIL, CUSTOM}), ("new", {EMAIL})])
def test_a_field_change_carries_every_opt_out_or_only_new_ones(carry: str, due: set[FieldRole]) -> None:
    world = opted_out_world(records=1)
    world.set_policy(1, SALES, "all" if carry == "all" else "new")
    world.push()
    assert world.boxes == {(EMAIL, "r0")}, "carried marks wait for the first comparison"
    world.nightly()
    assert {box for box, _ in world.boxes} == due
    assert world.balance().agree


def test_switching_off_before_the_first_comparison_still_delivers_what_was_carried() -> None:
    world = opted_out_world(records=1)
    world.set_policy(1, SALES)
    world.set_policy(1, Policy())
    world.push()
    assert world.balance().agree


# -- Every world -------------------------------------------------------------------------------------------------------

records = st.sampled_from(RECORDS)
addresses = st.sampled_from(ADDRESSES)
boxes = st.sampled_from(FieldRole)
policies = st.builds(Policy, st.booleans(), st.sampled_from(Choice), st.booleans())
Step = tuple[str, tuple[object, ...]]
Steps = list[Step]
Owners = list[str | None]


def act(name: str, *arguments: st.SearchStrategy[object]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(name), st.tuples(*arguments))


growing = st.one_of(act("opt_out", addresses), act("tick", records, boxes), act("push"), act("nightly"))
ours = st.one_of(
    act("opt_out", addresses),
    act("opt_out", addresses, st.just("manual"), st.integers(1, 2)),
    act("link", records, addresses),
    act("push"),
    act("nightly"),
    act("lift", addresses, st.sampled_from(["now", "when unticked"])),
    act("set_policy", st.just(1), policies, st.sampled_from(["all", "new"])),
)
theirs = st.one_of(
    act("tick", records, boxes),
    act("untick", records, boxes),
    act("change_email", records, st.sampled_from([*ADDRESSES, None])),
    act("delete", records),
    act("convert", records, records),
    act("merge", records, records),
)
emails = st.lists(st.sampled_from([*ADDRESSES, None]), min_size=len(RECORDS), max_size=len(RECORDS))


def start(owners: Owners, policy: Policy = ON) -> World:
    world = World()
    world.set_policy(1, policy)
    for record, owner in zip(RECORDS, owners, strict=True):
        world.create(record, owner)
    return world


def run(world: World, steps: Steps) -> World:
    for name, arguments in steps:
        if is_possible(world, name, arguments):
            getattr(world, name)(*arguments)
    return world


def is_possible(world: World, name: str, arguments: tuple[object, ...]) -> bool:
    """Salesforce merges and converts live records into other live ones, and a dead one is not edited."""
    if name not in {"convert", "merge", "delete", "tick", "untick", "change_email"}:
        return True
    touched = arguments if name in {"convert", "merge"} else arguments[:1]
    return len(set(touched)) == len(touched) and all(world.salesforce[str(record)].is_live for record in touched)


def settle(world: World) -> None:
    """Nights until nothing changes, and no more than the bound."""
    for _ in range(NIGHTS_TO_SETTLE):
        for address in list(world.blocked):
            world.look_at_lift(address)
        world.nightly()
        world.push()


def facts(world: World) -> tuple[set[str], set[Box], dict[Box, str]]:
    return world.blocked, world.boxes, {box: mark.state for box, mark in world.marks.items()}


@given(emails, st.lists(growing, max_size=8), st.data())
def test_r16_the_union_is_commutative(owners: Owners, steps: Steps, data: st.DataObject) -> None:
    other = data.draw(st.permutations(steps))
    one, two = run(start(owners), steps), run(start(owners), other)
    settle(one)
    settle(two)
    assert one.blocked == two.blocked
    assert one.boxes == two.boxes


@given(emails, policies, st.lists(growing, max_size=8), growing, st.integers(0, 8))
def test_r16_the_union_is_monotone(owners: Owners, policy: Policy, steps: Steps, more: Step, place: int) -> None:
    less, greater = run(start(owners, policy), steps), start(owners, policy)
    run(greater, [*steps[:place], more, *steps[place:]])
    settle(less)
    settle(greater)
    assert less.blocked <= greater.blocked, "one opt-out or tick more never lets anybody be mailed"
    assert less.boxes <= greater.boxes


@given(emails, st.lists(st.one_of(growing, theirs), max_size=10))
def test_r15_the_union_is_idempotent(owners: Owners, steps: Steps) -> None:
    world = run(start(owners), steps)
    settle(world)
    before, written = facts(world), len(world.writes)
    settle(world)
    assert facts(world) == before
    assert len(world.writes) == written, "in sync, nothing is written"


@given(emails, st.lists(st.one_of(ours, theirs), max_size=20))
def test_r09_only_true_is_ever_written_and_only_a_lift_unblocks(owners: Owners, steps: Steps) -> None:
    world = start(owners)
    for name, arguments in steps:
        boxes_before, blocked_before = world.boxes, world.blocked
        run(world, [(name, arguments)])
        if name not in {"untick", "delete", "convert", "merge"}:
            assert boxes_before <= world.boxes
        if name != "lift":
            assert blocked_before <= world.blocked


@settings(max_examples=200)
@given(emails, policies, st.lists(st.one_of(ours, theirs), max_size=25))
def test_every_world_settles_in_a_few_nights_with_its_balance_closed(
    owners: Owners, policy: Policy, steps: Steps
) -> None:
    world = run(start(owners, policy), steps)
    settle(world)
    before = facts(world)
    settle(world)
    assert facts(world) == before
    assert world.marks.keys() == world.pairs | world.no_address or not world.policies[1].switch_on
    assert world.balance().closes() or not world.policies[1].switch_on
    assert world.balance().owed == 0
    live = {name: record for name, record in world.salesforce.items() if record.is_live}
    if world.policies[1].switch_on:
        assert {name for name, record in live.items() if record.email in world.blocked} <= world.links.keys()
    waiting = {address for (address, _), known in world.opt_outs.items() if known.lift_waits}
    if world.policies[1].switch_on and not waiting:
        assert world.balance().agree
        assert world.pairs <= world.boxes


@given(emails, st.lists(st.one_of(ours, theirs), max_size=15))
def test_r22_a_two_sided_lift_stays_off_in_every_world(owners: Owners, steps: Steps) -> None:
    world = run(start(owners), steps)
    settle(world)
    for (
        _
    ) in RECORDS:  # a lift may find that a Lead was converted: then the Contact's address is opted out, and lifted next
        for address in world.blocked:
            world.lift(address, "now")
        for box, record in world.boxes:
            world.untick(record, box)
    settle(world)
    assert world.blocked == set()
    assert world.boxes == set()
