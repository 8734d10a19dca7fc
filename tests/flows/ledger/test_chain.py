"""The chain over all events: one sealer, every tampering found (I8)."""

import hashlib
import json
import time

import psycopg
import pytest

from optsync.ledger import chain
from tests.flows.ledger.desk import Desk

VERIFY_SECONDS_MAX = 30.0  # 100,000 events take about 2 s on an idle core


def sealed(desk: Desk, events: int = 30, links: int = 3) -> chain.ChainState:
    """Some events in some links."""
    for link in range(links):
        desk.conn.execute(
            "INSERT INTO event (kind, subject, scope, source, actor, reason, evidence)"
            " SELECT 'opted out', sha256(n::text::bytea), 0, 'import', 'kim', 'reason ' || n,"
            " jsonb_build_object('row', n) FROM generate_series(1, %s) n",
            [events // links],
        )
        assert chain.seal(desk.conn) == events // links, link
    state = chain.verify(desk.conn)
    assert state.ok
    return state


def tamper(desk: Desk, statement: str) -> chain.ChainState:
    """Changes the tables as somebody with the owner's rights could, and verifies."""
    for table in ("event", "seal"):
        desk.conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    desk.conn.execute(statement)
    return chain.verify(desk.conn)


def test_every_event_is_sealed_and_the_unsealed_tail_is_shown(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    state = chain.verify(desk.conn)
    assert (state.ok, state.sealed, state.unsealed) == (True, 0, 1)
    count, oldest_at = chain.unsealed_tail(desk.conn)
    assert count == 1
    assert oldest_at is not None

    assert chain.seal(desk.conn) == 1

    state = chain.verify(desk.conn)
    assert (state.ok, state.sealed, state.unsealed) == (True, 1, 0)
    assert len(state.head_hex) == 64
    assert chain.unsealed_tail(desk.conn) == (0, None)
    assert chain.seal(desk.conn) == 0


def test_sealing_and_verifying_read_each_event_once_in_tables_never_analysed(desk: Desk) -> None:
    one_by_one = "DO $$ BEGIN FOR n IN 1..3000 LOOP INSERT INTO event (kind) VALUES ('opted out'); END LOOP; END $$"
    desk.conn.execute(one_by_one)
    for _ in range(13):
        desk.conn.execute("INSERT INTO event (kind) SELECT 'opted out' FROM generate_series(1, 10000)")

    before = events_read(desk)
    assert chain.seal(desk.conn) == 133_000
    assert events_read(desk) - before <= 2 * 133_000

    before = events_read(desk)
    assert chain.verify(desk.conn).ok
    assert events_read(desk) - before <= 4 * 133_000


def events_read(desk: Desk) -> int:
    """Rows of `event` that this session has read so far."""
    desk.conn.execute("SELECT pg_stat_force_next_flush()")
    query = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'event'"
    return desk.count(query)


@pytest.mark.parametrize(
    "column",
    [
        "at = at + interval '1 microsecond'",
        "kind = 'opted ouT'",
        "subject = set_byte(subject, 31, get_byte(subject, 31) # 1)",
        "subject = NULL",
        "scope = 1",
        "source = 'manual'",
        "actor = 'Kim'",
        "org_id = 1",
        "field = 1",
        "record_id = '003'",
        "run_id = 1",
        "reason = reason || ' '",
        "evidence = evidence || '{\"x\": null}'",
        "evidence = NULL",
    ],
)
def test_r35_any_changed_byte_of_an_event_is_found_in_its_link(desk: Desk, column: str) -> None:
    sealed(desk)
    state = tamper(desk, f"UPDATE event SET {column} WHERE event_id = 15")
    assert not state.ok
    assert state.first_break == 2


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM event WHERE event_id = 15",
        "INSERT INTO event (event_id, kind) OVERRIDING SYSTEM VALUE VALUES (999, 'opted out')",
        "DELETE FROM seal WHERE seal_no = 2",
        "DELETE FROM seal WHERE seal_no = 3",
        "DELETE FROM seal WHERE seal_no = 1",
        "UPDATE seal SET sealed_at = sealed_at - interval '1 second' WHERE seal_no = 2",
        "UPDATE seal SET head = sha256('forged') WHERE seal_no = 3",
        "UPDATE seal SET count = 9 WHERE seal_no = 2",
        "UPDATE seal SET seal_no = 4 WHERE seal_no = 3",
        "UPDATE seal SET events = events + int8multirange(int8range(500, 501)) WHERE seal_no = 2",
        "UPDATE event SET reason = CASE event_id WHEN 14 THEN 'reason 5' ELSE 'reason 4' END WHERE event_id < 16",
    ],
)
def test_deleting_inserting_and_reordering_is_found(desk: Desk, change: str) -> None:
    sealed(desk)
    assert not tamper(desk, change).ok


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM event WHERE event_id = 31",
        "DELETE FROM unsealed",
        "DELETE FROM event WHERE event_id = 31; INSERT INTO event (kind) VALUES ('slipped in')",
        "DELETE FROM unsealed; INSERT INTO unsealed VALUES ('[15,16)')",
        "DELETE FROM event WHERE event_id = 31; INSERT INTO unsealed VALUES ('[30,31)') ON CONFLICT DO NOTHING",
    ],
)
def test_an_event_that_waits_for_its_seal_cannot_be_exchanged_unseen(desk: Desk, change: str) -> None:
    sealed(desk)
    desk.opt_out("ann@example.com")
    assert not tamper(desk, change).ok
    chain.seal(desk.conn)
    assert not chain.verify(desk.conn).ok, "sealing afterwards does not hide it"


def test_an_event_sealed_twice_is_found(desk: Desk) -> None:
    sealed(desk)
    desk.conn.execute("INSERT INTO unsealed VALUES ('[15,16)')")
    assert chain.seal(desk.conn) == 1
    assert not chain.verify(desk.conn).ok


CUTS = {
    "the last link": "DELETE FROM event WHERE event_id > 20; DELETE FROM seal WHERE seal_no = 3",
    "everything": "DELETE FROM event; DELETE FROM seal",
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_cut_off_end_is_found_by_a_head_kept_elsewhere(desk: Desk, cut: str, goes_on: bool) -> None:
    kept = sealed(desk).head_hex
    assert chain.verify(desk.conn, kept_head=kept).ok

    tamper(desk, CUTS[cut])
    if goes_on:
        desk.opt_out("ann@example.com")
        chain.seal(desk.conn)

    state = chain.verify(desk.conn, kept_head=kept)
    assert (state.ok, state.keeps_head) == (False, False)


def test_a_head_kept_elsewhere_stays_in_a_chain_that_grows(desk: Desk) -> None:
    kept = sealed(desk).head_hex
    desk.opt_out("ann@example.com")
    chain.seal(desk.conn)
    state = chain.verify(desk.conn, kept_head=kept.upper())
    assert state.ok
    assert state.head_hex != kept


def test_the_clock_may_step_back_between_links(desk: Desk) -> None:
    sealed(desk)
    with desk.database.connect() as later:
        later.execute("SET optsync.clock_offset = 86400")
        later.execute("INSERT INTO event (kind) VALUES ('tomorrow')")
        assert chain.seal(later) == 1
    desk.opt_out("ann@example.com")
    assert chain.seal(desk.conn) == 1
    assert chain.verify(desk.conn).ok


def test_an_event_that_commits_late_with_an_early_number_is_sealed_in_a_later_link(desk: Desk) -> None:
    with desk.database.connect(autocommit=False) as slow:
        slow.execute("INSERT INTO event (kind) VALUES ('slow')")
        desk.conn.execute("INSERT INTO event (kind) VALUES ('fast')")
        assert chain.seal(desk.conn) == 1
        slow.commit()
    assert chain.seal(desk.conn) == 1
    assert chain.verify(desk.conn).ok


def test_a_statement_with_more_events_than_a_link_holds_is_sealed_in_several_links(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "SEAL_EVENTS_MAX", 4)
    desk.conn.execute("INSERT INTO event (kind) SELECT 'first' FROM generate_series(1, 3)")
    desk.conn.execute("INSERT INTO event (kind) SELECT 'second' FROM generate_series(1, 6)")

    assert chain.unsealed_tail(desk.conn)[0] == 9
    assert chain.seal(desk.conn) == 9

    links = desk.conn.execute("SELECT count FROM seal ORDER BY seal_no").fetchall()
    assert links == [(4,), (4,), (1,)]
    state = chain.verify(desk.conn)
    assert (state.ok, state.sealed, state.unsealed) == (True, 9, 0)


def test_two_sealers_never_work_at_the_same_time(desk: Desk) -> None:
    desk.opt_out("ann@example.com")
    with desk.database.connect(autocommit=False) as other:
        assert other.execute("SELECT seal_events(10)").fetchone() == (1,)
        assert chain.seal(desk.conn) == 0
        other.commit()
    assert chain.verify(desk.conn).sealed == 1


def test_the_exported_lines_are_enough_to_recompute_the_chain(desk: Desk) -> None:
    state = sealed(desk)
    before, lines = b"", []
    for line in b"".join(chain.export_lines(desk.conn)).decode().splitlines():
        found = json.loads(line)
        if isinstance(found, list):
            lines.append(line)
            continue
        own = [str(found["seal"]), found["sealed_at"], found["events"], str(found["count"])]
        before = hashlib.sha256(before + "\n".join(own + lines).encode()).digest()
        assert before.hex() == found["head"]
        lines = []
    assert before.hex() == state.head_hex


def test_a_hundred_thousand_events_are_verified_in_seconds(desk: Desk) -> None:
    sealed(desk, events=100_000, links=2)
    started = time.monotonic()
    assert chain.verify(desk.conn).ok
    seconds = time.monotonic() - started
    print(f"verify: {100_000 / seconds:,.0f} events/s")
    assert seconds < VERIFY_SECONDS_MAX


def test_an_ordinary_statement_cannot_touch_an_event(desk: Desk) -> None:
    sealed(desk)
    with pytest.raises(psycopg.errors.RestrictViolation):
        desk.conn.execute("UPDATE event SET kind = 'x'")
