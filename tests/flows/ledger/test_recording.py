"""Recording an opt-out: one round trip, one commit, unique per address and scope (rules 3)."""

from pathlib import Path
from typing import get_args

import pytest

from optsync.config.database import Database
from optsync.ledger import people
from optsync.ledger.record import Source
from tests.flows.ledger.desk import KEY, Desk, contact, lead


@pytest.mark.parametrize("source", get_args(Source))
def test_r10_every_source_owes_the_box_of_every_linked_record(desk: Desk, source: Source) -> None:
    desk.link("ann@example.com", contact(1), lead(2))

    recorded = desk.opt_out("ann@example.com", source)

    assert (recorded.outcome, recorded.owed) == ("new", 2)
    assert desk.state_of(contact(1)) == desk.state_of(lead(2)) == "owed"
    assert desk.find("ann@example.com").why == f"unsubscribed ({source})"


def test_r04_a_person_without_a_record_is_blocked_and_pushed_when_a_link_arrives(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    assert desk.is_blocked("ann@example.com")
    assert desk.balance().not_linked == 1

    desk.link("ann@example.com", contact(1))

    assert desk.state_of(contact(1)) == "owed"
    assert desk.balance().not_linked == 0


def test_r04_a_person_without_a_record_is_looked_up_in_the_org_at_once(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    assert desk.count("SELECT count(*) FROM lookup WHERE org_id = %s AND due_at <= clock()", desk.org_id) == 1


def test_r11_when_recording_returns_another_session_sees_opt_out_mark_and_event(desk: Desk, database: Database) -> None:
    desk.link("ann@example.com", contact(1))
    desk.opt_out("ann@example.com")
    with database.connect() as other:
        assert other.execute("SHOW synchronous_commit").fetchone() == ("on",)
        person = people.find(other, KEY, "ann@example.com")
        assert person is not None
        assert person.blocked
        assert [mark.state for mark in person.records[0].marks] == ["owed"]
        assert [entry.kind for entry in people.timeline(other, KEY, "ann@example.com")] == ["opted out"]


def test_recording_is_one_round_trip_and_one_commit(desk: Desk, tmp_path: Path) -> None:
    desk.link("ann@example.com", contact(1), lead(2))
    desk.opt_out("bob@example.com")  # a session's first one prepares the statement
    trace = tmp_path / "wire.txt"
    with trace.open("w") as file:
        desk.conn.pgconn.trace(file.fileno())
        desk.opt_out("ann@example.com")
        desk.conn.pgconn.untrace()

    messages = [line.split("\t") for line in trace.read_text().splitlines()]
    sent = [kind for _, direction, _, kind, *_ in messages if direction == "F"]
    assert sent == ["Bind", "Describe", "Execute", "Sync"]
    tables = ("opt_out", "mark", "lookup", "event", "unsealed")
    written = " UNION ALL ".join(f"SELECT '{name}' AS name, xmin::text FROM {name}" for name in tables)
    same = f"SELECT name FROM ({written}) w WHERE xmin = (SELECT min(xmin::text) FROM mark)"
    rows = desk.conn.execute(same).fetchall()
    assert sorted(name for (name,) in rows) == ["event", "lookup", "mark", "mark", "opt_out", "unsealed"]


def test_recording_again_is_already_and_changes_nothing(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    first = desk.opt_out("ann@example.com", "one-click")
    desk.confirm_all()

    again = desk.opt_out(" ANN@Example.com ", "manual")

    assert (again.outcome, again.version, again.owed) == ("already", first.version, 0)
    assert desk.state_of(contact(1)) == "confirmed"
    assert desk.kinds("ann@example.com") == ["opted out", "confirmed"]


def test_r36_a_one_sender_opt_out_makes_no_mark_and_does_not_hide_a_later_account_wide_one(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))

    assert desk.opt_out("ann@example.com", scope=7, named=[contact(1)]).owed == 0
    assert desk.opt_out("ann@example.com", scope=7, named=[contact(1)]).outcome == "already"
    assert desk.states() == {}
    assert not desk.is_blocked("ann@example.com")

    assert desk.opt_out("ann@example.com").outcome == "new"
    assert desk.state_of(contact(1)) == "owed"


def test_recording_after_a_lift_is_a_new_opt_out_with_a_newer_version(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    first = desk.opt_out("ann@example.com")
    desk.lift("ann@example.com")

    again = desk.opt_out("ann@example.com")

    assert again.outcome == "again"
    assert again.version > first.version
    assert desk.state_of(contact(1)) == "owed"
    assert desk.balance().owed == 1


def test_two_spellings_of_one_mailbox_are_one_person_and_an_odd_address_is_kept(desk: Desk) -> None:
    assert desk.opt_out("Ann <ANN@EXAMPLE.COM>").outcome == "new"
    assert desk.opt_out("ann@example.com").outcome == "already"
    assert desk.opt_out("an.n@example.com").outcome == "new"
    assert desk.opt_out("no address at all").outcome == "new"


def test_the_event_names_the_person_by_a_keyed_hash_only(desk: Desk) -> None:
    desk.opt_out("ann@example.com", actor="kim", reason="by phone", evidence={"ticket": 7})
    assert desk.count("SELECT count(*) FROM event WHERE event::text LIKE %s", "%example.com%") == 0
    [entry] = people.timeline(desk.conn, KEY, "ann@example.com")
    assert (entry.actor, entry.reason, entry.evidence) == ("kim", "by phone", {"ticket": 7})


def test_an_erased_person_stays_blocked_under_a_hash_and_is_never_stored_in_clear_again(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    desk.opt_out("ann@example.com")
    before = desk.balance()

    assert people.erase(desk.conn, KEY, "ann@example.com", actor="kim", reason="article 17")

    assert desk.opt_out("ann@example.com").outcome == "already"
    assert desk.link("ann@example.com", contact(2)) == 1
    assert desk.is_blocked("ann@example.com")
    assert desk.count("SELECT count(*) FROM address WHERE normal IS NOT NULL") == 0
    assert desk.balance().pairs == before.pairs + 1
    assert not people.erase(desk.conn, KEY, "ann@example.com", actor="kim", reason="again")


def test_events_and_seals_cannot_be_changed_or_deleted(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    desk.conn.execute("SELECT seal_events(10)")
    for table in ("event", "seal"):
        for change in (f"UPDATE {table} SET {'kind' if table == 'event' else 'count'} = NULL", f"DELETE FROM {table}"):
            with pytest.raises(Exception, match="append-only"):
                desk.conn.execute(change)
        with pytest.raises(Exception, match="append-only"):
            desk.conn.execute(f"TRUNCATE {table}")
