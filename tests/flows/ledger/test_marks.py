"""Claims: no transaction across HTTP, void when the worker is gone, settled by their owner only (rules 10)."""

from optsync.ledger import marks, record
from tests.flows.ledger.desk import KEY, Desk, contact, lead


def owe(desk: Desk, *record_ids: str, address: str = "ann@example.com") -> None:
    desk.link(address, *record_ids)
    desk.opt_out(address)


def test_a_claim_tells_whose_records_they_are_sorted_by_object(desk: Desk) -> None:
    owe(desk, lead(1), contact(1), lead(2))
    with desk.worker() as worker:
        claimed = worker.claim()
    assert [mark.kind for mark in claimed] == ["Contact", "Lead", "Lead"]
    assert {mark.normal for mark in claimed} == {"ann@example.com"}


def test_two_live_workers_never_claim_the_same_mark(desk: Desk) -> None:
    owe(desk, *[contact(n) for n in range(6)])
    with desk.worker() as one, desk.worker() as two:
        assert len(one.claim(4)) == 4
        assert len(two.claim(4)) == 2
        assert one.claim() == two.claim() == []


def test_the_claims_of_a_worker_whose_session_ended_are_void_at_once(desk: Desk) -> None:
    owe(desk, contact(1))
    with desk.worker() as first:
        assert len(first.claim()) == 1
    with desk.worker() as second:
        [mark] = second.claim()
    assert mark.attempts == 2


def test_a_confirmed_mark_is_never_claimed_again(desk: Desk) -> None:
    owe(desk, contact(1))
    assert desk.confirm_all() == 1
    with desk.worker() as worker:
        assert worker.claim() == []
    assert desk.kinds("ann@example.com") == ["opted out", "confirmed"]


def test_a_settle_of_a_claim_that_was_taken_over_changes_nothing_and_is_told_as_a_late_write(desk: Desk) -> None:
    owe(desk, contact(1))
    with desk.worker() as frozen:
        keys = [mark.key for mark in frozen.claim()]
        frozen.conn.execute("SELECT pg_advisory_unlock_all()")  # what the fence does to it
        with desk.worker() as successor:
            assert len(successor.claim()) == 1
            assert marks.still_mine(frozen.conn, frozen.number, desk.org_id, keys) == []
            assert marks.confirm(frozen.conn, KEY, frozen.number, desk.org_id, keys) == 0
            assert desk.state_of(contact(1)) == "owed"
            assert marks.still_mine(successor.conn, successor.number, desk.org_id, keys) == keys
    assert desk.kinds("ann@example.com") == ["opted out", "late write"]


def test_a_retryable_failure_stays_owed_with_its_reason_and_waits(desk: Desk) -> None:
    owe(desk, contact(1))
    with desk.worker() as worker:
        [mark] = worker.claim()
        marks.retry_later(worker.conn, worker.number, desk.org_id, [(*mark.key, "UNABLE_TO_LOCK_ROW: busy", 60.0)])
        assert worker.claim() == []
        assert marks.retry_now(desk.conn, desk.org_id) == 1
        assert len(worker.claim()) == 1
    assert desk.states()[1, contact(1)] == ("owed", "UNABLE_TO_LOCK_ROW: busy")


def test_a_parked_mark_waits_a_day_tells_its_reason_once_and_can_be_retried_by_reason(desk: Desk) -> None:
    owe(desk, contact(1))
    reason = "FIELD_CUSTOM_VALIDATION_EXCEPTION: phone is required"
    with desk.worker() as worker:
        for _ in range(2):
            [mark] = worker.claim()
            marks.park(worker.conn, KEY, worker.number, desk.org_id, [(*mark.key, reason)])
            assert worker.claim() == []
            assert marks.retry_now(desk.conn, desk.org_id, reason="OTHER_CODE") == 0
            assert marks.retry_now(desk.conn, desk.org_id, reason="FIELD_CUSTOM") == 1
    assert desk.states()[1, contact(1)] == ("parked", reason)
    assert desk.kinds("ann@example.com") == ["opted out", "parked"]
    assert desk.balance().parked == 1


def test_a_transient_failure_of_a_daily_retry_keeps_why_the_mark_is_parked(desk: Desk) -> None:
    owe(desk, contact(1))
    with desk.worker() as worker:
        [mark] = worker.claim()
        marks.park(worker.conn, KEY, worker.number, desk.org_id, [(*mark.key, "NO_ACCESS: x")])
        marks.retry_now(desk.conn, desk.org_id)
        [mark] = worker.claim()
        marks.retry_later(worker.conn, worker.number, desk.org_id, [(*mark.key, "SERVER_ERROR", 5.0)])
    assert desk.states()[1, contact(1)] == ("parked", "NO_ACCESS: x")


def test_released_claims_are_due_as_before_and_cost_no_attempt(desk: Desk) -> None:
    owe(desk, contact(1))
    with desk.worker() as worker:
        keys = [mark.key for mark in worker.claim()]
        marks.release(worker.conn, worker.number, desk.org_id, keys)
        assert [mark.attempts for mark in worker.claim()] == [1]


def test_a_pause_of_one_object_stops_only_that_object_until_it_is_cleared(desk: Desk) -> None:
    owe(desk, contact(1), lead(1))
    marks.pause(desk.conn, desk.org_id, 1, "003", 60, "INVALID_FIELD", "no such column")
    with desk.worker() as worker:
        assert [mark.record_id for mark in worker.claim()] == [lead(1)]
        [pause] = marks.pauses(desk.conn)
        assert (pause.code, pause.prefix) == ("INVALID_FIELD", "003")
        marks.clear_pauses(desk.conn, desk.org_id)
        assert [mark.record_id for mark in worker.claim()] == [contact(1)]


def test_what_a_person_refused_is_not_sent_by_a_retry_of_everything(desk: Desk) -> None:
    desk.link("info@example.com", *[contact(n) for n in range(21)])
    desk.conn.execute("UPDATE address SET fan_out = 'r'")
    desk.opt_out("info@example.com")
    assert set(desk.states().values()) == {("parked", "fan-out refused")}
    assert marks.retry_now(desk.conn, desk.org_id) == 0
    with desk.worker() as worker:
        assert worker.claim() == []


def test_what_was_recorded_before_the_clock_stepped_back_is_due_at_once_all_the_same(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    with desk.database.connect() as ahead:
        ahead.execute("SET optsync.clock_offset = 3600")
        record.opt_out(ahead, KEY, "ann@example.com", "one-click")
        record.opt_out(ahead, KEY, "bob@example.com", "one-click")
    with desk.worker() as worker:
        assert worker.claim() == []
        assert marks.catch_up_with_clock(desk.conn) == 3, "one box, and two people to look up"
        assert [mark.record_id for mark in worker.claim()] == [contact(1)]
    assert marks.catch_up_with_clock(desk.conn) == 0


def test_what_was_tried_keeps_its_delay_whatever_the_clock_does(desk: Desk) -> None:
    desk.link("ann@example.com", contact(1))
    desk.opt_out("ann@example.com")
    with desk.worker() as worker:
        worker.claim()
        marks.retry_later(worker.conn, worker.number, desk.org_id, [(1, contact(1), "UNABLE_TO_LOCK_ROW: x", 3600.0)])
        assert marks.catch_up_with_clock(desk.conn) == 0
        assert worker.claim() == []
