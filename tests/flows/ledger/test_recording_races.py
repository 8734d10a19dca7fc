"""What happens at the same moment in two sessions: deterministic, each order of each race (marks.md 1, 6)."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from optsync.config.database import Connection
from optsync.ledger import lifts, people, record
from optsync.ledger.people import Link
from tests.flows.ledger.desk import KEY, PATIENCE_SECONDS, Desk, contact


def test_a_link_in_flight_when_the_door_opens_still_gets_its_mark(desk: Desk) -> None:
    with desk.database.connect(autocommit=False) as linking:
        people.link(linking, KEY, desk.org_id, [Link(contact(1), "Contact", "ann@example.com")], "g")
        with desk.meanwhile(lambda door: record.opt_out(door, KEY, "ann@example.com", "one-click")):
            linking.commit()
    assert desk.state_of(contact(1)) == "owed"
    desk.balance()


def test_a_door_in_flight_when_a_record_is_linked_still_gets_its_mark(desk: Desk) -> None:
    with desk.database.connect(autocommit=False) as door:
        record.opt_out(door, KEY, "ann@example.com", "one-click")
        link = [Link(contact(1), "Contact", "ann@example.com")]
        with desk.meanwhile(lambda linking: people.link(linking, KEY, desk.org_id, link, "g")):
            door.commit()
    assert desk.state_of(contact(1)) == "owed"
    desk.balance()


def test_a_door_in_flight_meets_a_link_to_a_known_address(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    with desk.database.connect(autocommit=False) as door:
        record.opt_out(door, KEY, "ann@example.com", "one-click")
        link = [Link(contact(2), "Contact", "ann@example.com")]
        with desk.meanwhile(lambda linking: people.link(linking, KEY, desk.org_id, link, "e")):
            door.commit()
    assert desk.balance().owed == 2


def test_a_lift_in_flight_leaves_no_mark_for_a_record_linked_meanwhile(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    with desk.database.connect(autocommit=False) as lifting:
        lifts.lift(lifting, KEY, "ann@example.com", mode="now", actor="kim", reason="asked")
        link = [Link(contact(1), "Contact", "ann@example.com")]
        with desk.meanwhile(lambda linking: people.link(linking, KEY, desk.org_id, link, "e")):
            lifting.commit()
    assert desk.states() == {}
    desk.balance()


def test_a_link_in_flight_is_lifted_too(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    with desk.database.connect(autocommit=False) as linking:
        people.link(linking, KEY, desk.org_id, [Link(contact(1), "Contact", "ann@example.com")], "e")

        def lift(lifting: Connection) -> None:
            lifts.lift(lifting, KEY, "ann@example.com", mode="now", actor="kim", reason="asked")

        with desk.meanwhile(lift):
            linking.commit()
    assert desk.states() == {}
    desk.balance()


def test_a_record_that_moves_while_its_old_address_is_lifted_keeps_the_opt_out_of_the_new_one(desk: Desk) -> None:
    desk.link("ann@old.example", contact(1))
    desk.opt_out("ann@old.example")
    with desk.database.connect(autocommit=False) as moving:
        people.link(moving, KEY, desk.org_id, [Link(contact(1), "Contact", "ann@new.example")], "n")

        def lift(lifting: Connection) -> None:
            lifts.lift(lifting, KEY, "ann@old.example", mode="now", actor="kim", reason="asked")

        with desk.meanwhile(lift):
            moving.commit()
    assert desk.is_blocked("ann@new.example")
    assert not desk.is_blocked("ann@old.example")
    assert desk.balance().owed == 1


def test_two_doors_at_once_record_one_opt_out_and_one_event(desk: Desk) -> None:
    with desk.database.connect(autocommit=False) as first:
        record.opt_out(first, KEY, "ann@example.com", "one-click")
        with desk.meanwhile(lambda second: record.opt_out(second, KEY, "ann@example.com", "manual")):
            first.commit()
    assert desk.kinds("ann@example.com") == ["opted out"]
    assert desk.find("ann@example.com").why == "unsubscribed (one-click)"


def test_a_new_opt_out_waits_for_a_lift_in_flight_and_wins(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    desk.opt_out("ann@example.com")
    with desk.database.connect(autocommit=False) as lifting:
        lifts.lift(lifting, KEY, "ann@example.com", mode="now", actor="kim", reason="asked")
        with desk.meanwhile(lambda door: record.opt_out(door, KEY, "ann@example.com", "one-click")):
            lifting.commit()
    assert desk.is_blocked("ann@example.com")
    assert desk.balance().owed == 1


def test_a_door_finds_a_person_who_is_being_erased_by_the_hash(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    with desk.database.connect(autocommit=False) as erasing:
        people.erase(erasing, KEY, "ann@example.com", actor="kim", reason="article 17")
        with desk.meanwhile(lambda door: record.opt_out(door, KEY, "ann@example.com", "one-click")):
            erasing.commit()
    assert desk.count("SELECT count(*) FROM address") == 1
    assert desk.count("SELECT count(*) FROM opt_out") == 1


def test_links_and_lifts_wait_while_a_nightly_run_applies_but_doors_do_not(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    with desk.database.connect(autocommit=False) as nightly:
        nightly.execute("SELECT pg_advisory_xact_lock(7004, 0)")
        assert desk.opt_out("bob@example.com").outcome == "new"
        with desk.meanwhile(
            lambda lifting: lifts.lift(lifting, KEY, "ann@example.com", mode="now", actor="kim", reason="asked")
        ):
            assert desk.is_blocked("ann@example.com")
            nightly.commit()
    assert not desk.is_blocked("ann@example.com")


def test_an_erasure_waits_for_a_nightly_apply_which_might_store_the_address_in_clear_again(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    with desk.database.connect(autocommit=False) as nightly:
        nightly.execute("SELECT pg_advisory_xact_lock(7004, 0)")
        with desk.meanwhile(lambda erasing: people.erase(erasing, KEY, "ann@example.com", actor="kim", reason="asked")):
            nightly.commit()
    assert desk.count("SELECT count(*) FROM address WHERE normal IS NOT NULL") == 0


def test_an_erasure_waits_for_whoever_is_storing_an_address_at_that_moment(desk: Desk) -> None:
    """A door that looked for erased rows before the erasure would make a second row, in clear, without the opt-out."""
    desk.opt_out("ann@example.com")
    with desk.database.connect(autocommit=False) as door:
        record.opt_out(door, KEY, "bob@example.com", "one-click")
        with desk.meanwhile(lambda erasing: people.erase(erasing, KEY, "ann@example.com", actor="kim", reason="asked")):
            door.commit()
    assert desk.count("SELECT count(*) FROM address WHERE normal IS NOT NULL") == 1
    assert desk.opt_out("ann@example.com").outcome == "already"


HEAD_ON_PEOPLE = 150


def test_doors_and_links_head_on_lose_no_mark(desk: Desk) -> None:
    """Each person is opted out in one session and linked in another, as nearly at the same moment as can be."""
    start = threading.Barrier(2)
    addresses = [f"p{number}@example.com" for number in range(HEAD_ON_PEOPLE)]

    def at_once(act: Callable[[Connection, int, str], Any]) -> None:
        with desk.database.connect() as session:
            for number, address in enumerate(addresses):
                start.wait(PATIENCE_SECONDS)
                act(session, number, address)

    def link(session: Connection, number: int, address: str) -> None:
        people.link(session, KEY, desk.org_id, [Link(contact(number), "Contact", address)], "e")

    with ThreadPoolExecutor(2) as pool:
        doors = pool.submit(at_once, lambda session, _, address: record.opt_out(session, KEY, address, "one-click"))
        links = pool.submit(at_once, link)
        doors.result()
        links.result()
    assert desk.balance().owed == HEAD_ON_PEOPLE


def test_a_door_that_ends_a_deadlock_records_all_the_same(desk: Desk) -> None:
    """Another program's transaction holds Bob and wants Ann, while the door holds Ann and wants Bob."""
    ann, bob = (desk.opt_out(f"{name}@example.com").address_id for name in ("ann", "bob"))
    locks = "SELECT FROM address WHERE address_id = %s FOR UPDATE"
    attempts = []

    def door(session: Connection) -> None:
        def act() -> record.Recorded:
            attempts.append(True)
            with session.transaction():
                session.execute("SET LOCAL deadlock_timeout = '500ms'")
                session.execute(locks, [ann])
                session.execute(locks, [bob])
                return record.opt_out(session, KEY, "cem@example.com", "one-click")

        record.again_after_deadlock(act)

    with desk.database.connect(autocommit=False) as other:
        other.execute("SET deadlock_timeout = '1h'")
        other.execute(locks, [bob])
        with desk.meanwhile(door):
            other.execute(locks, [ann])
            other.commit()
    assert len(attempts) > 1  # it may be the victim again before the other one has woken up
    assert desk.is_blocked("cem@example.com")
