"""Salesforce in trouble, batches sent twice: whatever it answers, the box is ticked in the end and nothing is false."""

import threading

import pytest

from optsync.ledger import marks
from optsync.salesforce import http
from optsync.sync import push
from optsync.sync.batch import PushResult
from optsync.sync.line import Line
from tests.flows.push.world import World, become_worker

TROUBLES: dict[str, dict[str, object]] = {
    "401": {"kind": "refuse", "code": "INVALID_SESSION_ID"},
    "limit": {"kind": "refuse", "code": "REQUEST_LIMIT_EXCEEDED"},
    "500": {"kind": "refuse", "code": "UNKNOWN_EXCEPTION"},
    "503": {"kind": "refuse", "code": "SERVER_UNAVAILABLE"},
    "maintenance": {"kind": "refuse", "code": "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"},
    "HTML": {"kind": "html", "status": 200},
    "HTML 502": {"kind": "html", "status": 502},
    "truncated": {"kind": "html", "status": 200, "body": '[{"id":"003'},
    "empty": {"kind": "html", "status": 200, "body": ""},
    "reset": {"kind": "reset"},
    "timeout": {"kind": "hold", "seconds": 5},
}
PATIENCE_SECONDS = 0.5
"""How long a call may take in these tests, instead of 30 and 130 seconds."""
ROUTES = ["oauth.token", "query", "collections.retrieve", "collections.update"]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_salesforce_answers_nothing_is_lost_and_nothing_is_false(
    world: World, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (route, moment) in enumerate((route, moment) for route in ROUTES for moment in ("before", "after")):
        fault = dict(TROUBLES[trouble])
        lead = world.org.create("Lead", Email=f"p{number}@example.com")
        twin = world.org.create("Contact", Email=f"p{number}@example.com")
        world.link((lead, f"old{number}@example.com"))
        world.opt_out(f"old{number}@example.com")
        if route == "oauth.token":
            world.org.expire_sessions()
        for times in (1, 5):
            world.org.fault(
                str(fault.pop("kind", TROUBLES[trouble]["kind"])), route=route, moment=moment, times=times, **fault
            )
            with monkeypatch.context() as patch:
                if trouble == "timeout":
                    patch.setattr(http, "WRITE_DEADLINE_SECONDS", PATIENCE_SECONDS)
                    patch.setattr(http, "READ_DEADLINE_SECONDS", PATIENCE_SECONDS)
                world.push()
            world.check_safe()
            world.org.clear_faults()
        world.push_again()
        world.push_again()
        assert world.is_ticked(lead), (route, moment)
        assert world.is_ticked(twin), (route, moment)
        assert world.balance().owed == 0


def test_a_batch_sent_twice_does_no_harm(world: World) -> None:
    ids = [world.org.create("Lead", Email=f"p{n}@example.com") for n in range(5)]
    world.link(*[(lead, f"p{n}@example.com") for n, lead in enumerate(ids)])
    for number in range(5):
        world.opt_out(f"p{number}@example.com")
    claimed = marks.claim(world.line.conn, world.line.worker_no, world.org_id)
    push.push_claimed(world.line, claimed, PushResult())
    push.push_claimed(world.line, claimed, PushResult())
    assert world.org.spy()["records_written"] == 5
    assert world.events("late write") == []
    world.check_safe()


def test_two_lines_at_once_never_share_a_claim(world: World) -> None:
    people = [(world.org.create("Lead", Email=f"p{n}@example.com"), f"p{n}@example.com") for n in range(60)]
    world.link(*people)
    for _, email in people:
        world.opt_out(email)
    with world.database.connect() as lock, world.database.connect() as conn:
        other = world.new_line(conn, become_worker(lock))
        with other.session:
            threads = [threading.Thread(target=rounds, args=(line,)) for line in (world.line, other)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert world.org.spy()["records_written"] == 60
    assert world.balance().agree


def rounds(line: Line) -> None:
    """Small rounds, so that both have their share."""
    while push.push_due(line, limit=7).claimed:
        pass
