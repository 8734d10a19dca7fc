"""Looks like a link scanner: many people within seconds from one network; honoured, listed once, undone exactly."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from optsync.config.database import Connection, Database
from optsync.ledger import holds
from optsync.ledger.check import may_mail
from optsync.ledger.lifts import lift
from optsync.ledger.record import opt_out
from optsync.public import scanners
from optsync.public.scanners import PEOPLE, SECONDS

KEY, NETWORK = b"k" * 32, "198.51.100.0/24"


def press(conn: Connection, address: str, network: str = NETWORK) -> int | None:
    """What the door does for a link's POST."""
    return scanners.note(conn, network, opt_out(conn, KEY, address, "clicked link"))


def blocked(conn: Connection, people: list[str]) -> list[str]:
    """Those who must not be mailed."""
    return [one.address for one in may_mail(conn, KEY, people) if not one.allowed]


def test_the_last_one_of_enough_people_lists_them_all_and_the_next_joins(conn: Connection) -> None:
    numbers = [press(conn, f"p{n}@example.com") for n in range(PEOPLE + 1)]
    assert numbers[: PEOPLE - 1] == [None] * (PEOPLE - 1)
    assert len(set(numbers[PEOPLE - 1 :])) == 1
    (listed,) = scanners.waiting(conn)
    assert (listed.hold_id, listed.people) == (numbers[-1], PEOPLE + 1)


def test_the_same_person_many_times_is_one_person(conn: Connection) -> None:
    assert {press(conn, "ann@example.com") for _ in range(PEOPLE * 2)} == {None}


def test_slow_presses_are_no_burst(conn: Connection) -> None:
    for n in range(PEOPLE * 2):
        assert press(conn, f"slow{n}@example.com") is None
        conn.execute("UPDATE visit SET at = at - make_interval(secs => %s)", [SECONDS / 5])


def test_notes_older_than_a_minute_are_forgotten(conn: Connection) -> None:
    press(conn, "old@example.com")
    conn.execute("UPDATE visit SET at = at - interval '2 minutes'")
    press(conn, "new@example.com", "203.0.113.0/24")
    assert conn.execute("SELECT network FROM visit").fetchall() == [("203.0.113.0/24",)]


def test_nothing_is_kept_back_and_the_overview_does_not_say_so(conn: Connection) -> None:
    people = [f"p{n}@example.com" for n in range(PEOPLE)]
    for address in people:
        press(conn, address)
    assert blocked(conn, people) == people
    assert conn.execute("SELECT count(*) FROM mark WHERE state = 'h'").fetchone() == (0,)
    (direction,) = {hold.direction for hold in holds.undecided(conn)}
    assert direction == "scanner"
    assert holds.undecided(conn, scanners=False) == []


@pytest.mark.parametrize("repeat", ["by hand", "from another network", "a minute later"])
def test_who_means_it_is_not_undone(conn: Connection, repeat: str) -> None:
    people = [f"p{n}@example.com" for n in range(PEOPLE)]
    for address in people:
        number = press(conn, address)
    press(conn, people[0])  # the scanner's second try
    if repeat == "by hand":
        opt_out(conn, KEY, people[1], "manual")
    elif repeat == "from another network":
        press(conn, people[1], "203.0.113.0/24")
    else:
        conn.execute("UPDATE visit SET at = at - interval '2 minutes'")
        press(conn, people[1])
    assert number is not None
    assert holds.drop(conn, KEY, number, "admin", None) == 0
    assert blocked(conn, people) == [people[1]]


def test_an_undo_leaves_alone_what_was_removed_and_recorded_anew_meanwhile(conn: Connection) -> None:
    people = [f"p{n}@example.com" for n in range(PEOPLE)]
    for address in people:
        number = press(conn, address)
    assert number is not None
    assert lift(conn, KEY, people[2], mode="now", actor="admin", reason="asked") == "lifted"
    opt_out(conn, KEY, people[2], "manual")
    assert holds.drop(conn, KEY, number, "admin", None) == 0
    assert blocked(conn, people) == [people[2]]


def test_many_at_the_same_moment_make_one_list_and_no_deadlock(database: Database, conn: Connection) -> None:
    people = [f"p{n}@example.com" for n in range(40)]

    def scan(start: int) -> None:
        with database.connect() as own:
            for place in range(len(people)):
                press(own, people[(start * 7 + place) % len(people)])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(scan, range(6)))
    (listed,) = scanners.waiting(conn)
    assert listed.people == len(people)
    assert holds.drop(conn, KEY, listed.hold_id, "admin", None) == 0
    assert blocked(conn, people) == []
