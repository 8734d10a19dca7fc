"""Alerts: one message per problem, one when it is fixed, none that is lost, and none that comes and goes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from optsync.alerts import channels, watching
from optsync.alerts.channels import Kind
from optsync.alerts.rules import Alert, late_stage, steps
from optsync.alerts.sending import Sender
from optsync.config.database import Connection
from optsync.config.environment import Smtp
from optsync.core.calendar import business_days_after
from optsync.core.problems import Problem
from optsync.ledger import holds, marks
from optsync.seams import real
from optsync.sync.disconnecting import disconnect
from optsync.webhooks.egress import Egress
from tests.flows.push.world import World
from tests.flows.telling.receivers import MailServer, Receiver

ANN = "ann@example.com"
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def egress() -> Egress:
    """To this machine, too."""
    return Egress(real(), to_loopback=True)


def sender(world: World, mails: MailServer | None = None) -> Sender:
    """As a worker has it; without a mail server none is set."""
    smtp = Smtp("127.0.0.1", mails.port, "none", None, None, "optsync@example.com") if mails else None
    return Sender(world.vault, real(), egress(), smtp)


def add(world: World, kind: Kind, target: str) -> int:
    """A channel."""
    return channels.add(world.conn, world.vault, egress(), kind, target, actor="test")


def send_all(world: World, mails: MailServer | None = None) -> None:
    """Sends what is due in a month, which is later than any look of these tests."""
    one = sender(world, mails)
    with hours_later(world, 30 * 24) as conn:
        while one.step(conn):
            pass


@contextmanager
def hours_later(world: World, hours: float) -> Iterator[Connection]:
    """A session of some hours later."""
    with world.database.connect() as conn:
        conn.execute("SELECT set_config('optsync.clock_offset', %s, false)", [str(hours * 3600)])
        yield conn


def look(world: World, hours: float = 0.0) -> None:
    """What a worker sees some hours later."""
    with hours_later(world, hours) as conn:
        assert watching.look(conn, "https://optsync.example.com")


def subjects(mails: MailServer) -> list[str]:
    """The subjects of what came, in order."""
    return [line[9:] for _, text in mails.got for line in text.splitlines() if line.startswith("Subject: ")]


def refuse_sign_in(world: World) -> None:
    """Salesforce has refused our sign-in for the coming days."""
    marks.pause(world.conn, world.org_id, 0, "", 10 * 86_400, "invalid_grant", "user hasn't approved this consumer")


def test_one_message_per_problem_and_one_when_it_is_fixed(world: World, mails: MailServer) -> None:
    add(world, "email", "team@example.com")
    refuse_sign_in(world)
    look(world)
    send_all(world, mails)
    assert mails.got == []  # it may be over in a minute
    for hours in (0.05, 0.1, 5, 30):
        look(world, hours)
        send_all(world, mails)
    assert subjects(mails) == ["[optsync] Salesforce refuses our sign-in"]
    to, text = mails.got[0]
    assert to == "team@example.com"
    assert "invalid_grant" in text
    assert "nobody of them is mailed" in text
    assert "https://optsync.example.com" in text
    marks.clear_pauses(world.conn, world.org_id)
    look(world, 30.2)
    look(world, 30.4)
    send_all(world, mails)
    assert subjects(mails)[1:] == ["[optsync] Fixed: Salesforce refuses our sign-in"]


def test_what_is_over_before_its_time_is_never_told(world: World, mails: MailServer) -> None:
    add(world, "email", "team@example.com")
    refuse_sign_in(world)
    look(world)
    marks.clear_pauses(world.conn, world.org_id)
    look(world, 0.2)
    refuse_sign_in(world)
    look(world, 0.21)
    send_all(world, mails)
    assert mails.got == []
    assert watching.history(world.conn) == []


def test_two_workers_at_once_send_one_message(world: World, mails: MailServer) -> None:
    add(world, "email", "team@example.com")
    refuse_sign_in(world)
    look(world)
    start = threading.Barrier(4)

    def work() -> None:
        with hours_later(world, 1) as conn:
            start.wait()
            for _ in range(5):
                watching.look(conn)
                sender(world, mails).step(conn)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert subjects(mails) == ["[optsync] Salesforce refuses our sign-in"]


def test_a_channel_that_was_away_is_told_later(world: World, mails: MailServer) -> None:
    add(world, "email", "team@example.com")
    refuse_sign_in(world)
    look(world)
    look(world, 1)
    send_all(world)
    assert "OPTSYNC_SMTP_HOST" in (channels.listing(world.conn)[0].said or "")
    mails.refusal = "450 not now"
    world.conn.execute("UPDATE alert_message SET due_at = clock()")
    send_all(world, mails)
    assert (mails.got, channels.listing(world.conn)[0].said) == ([], "the mail server refused the recipient")
    mails.refusal = ""
    world.conn.execute("UPDATE alert_message SET due_at = clock()")
    send_all(world, mails)
    assert len(mails.got) == 1
    assert channels.listing(world.conn)[0].sent_at is not None


def test_a_channel_added_later_hears_of_what_is_still_open(world: World, mails: MailServer) -> None:
    refuse_sign_in(world)
    look(world)
    look(world, 1)
    add(world, "email", "late@example.com")
    look(world, 1.1)
    send_all(world, mails)
    assert [to for to, _ in mails.got] == ["late@example.com"]


def test_a_chat_gets_text_and_a_heartbeat_every_proved_run(world: World, here: Receiver) -> None:
    add(world, "webhook", here.url)
    add(world, "heartbeat", here.url + "/alive")
    refuse_sign_in(world)
    look(world)
    look(world, 1)
    world.conn.execute(
        "INSERT INTO run (org_id, kind, state, result, by_whom, finished_at)"
        " SELECT %s, 'nightly', 'finished', result, 'test', clock() FROM unnest(%s::text[]) AS r(result)",
        [world.org_id, ["proved", "failed"]],
    )
    look(world)
    look(world)
    send_all(world)
    assert sorted((got.method, got.path) for got in here.got) == [("GET", "/hook/alive"), ("POST", "/hook")]
    chat = next(got for got in here.got if got.method == "POST")
    assert json.loads(chat.body)["text"].startswith("[optsync] Salesforce refuses our sign-in\n")


def test_an_hour_of_a_refused_box_is_told_and_programs_hear_of_it_at_once(world: World, mails: MailServer) -> None:
    add(world, "email", "team@example.com")
    world.link(("003000000000001AAA", ANN))
    world.opt_out(ANN)
    world.conn.execute("UPDATE mark SET state = 'p', reason = 'FIELD_CUSTOM_VALIDATION_EXCEPTION: Phone'")
    look(world)
    look(world, 0.5)
    assert [row[2] for row in world.events("issue opened")] == ["FIELD_CUSTOM_VALIDATION_EXCEPTION"]
    assert watching.history(world.conn) == []
    look(world, 1.1)
    send_all(world, mails)
    assert subjects(mails) == ["[optsync] Boxes wait for a person"]
    world.conn.execute("UPDATE mark SET state = 'c', reason = NULL")
    look(world, 1.2)
    assert len(world.events("issue resolved")) == 1


def test_a_held_change_is_told_at_once_and_daily_from_48_hours(world: World, mails: MailServer) -> None:
    add(world, "email", "team@example.com")
    done = world.opt_out(ANN, "import")
    hold = holds.hold_outbound(world.conn, world.org_id, "import old.csv", [(done.address_id, done.version)])
    told = []
    for hours in (0, 1, 47, 49, 60, 73, 90, 97):
        look(world, hours)
        send_all(world, mails)
        told.append(sum("A mass change waits" in subject for subject in subjects(mails)))
    assert told == [1, 1, 1, 2, 2, 3, 3, 4]
    holds.apply(world.conn, world.key, hold, "test")
    look(world, 98)
    send_all(world, mails)
    assert "[optsync] Fixed: A mass change waits for your decision" in subjects(mails)


def test_the_legal_clock_speaks_after_24_hours_after_48_and_before_ten_business_days(
    world: World, mails: MailServer
) -> None:
    add(world, "email", "team@example.com")
    world.link(("003000000000001AAA", ANN))
    world.opt_out(ANN)
    texts = []
    for days in (0.9, 1.01, 1.05, 2.01, 2.05, 13, 13.1, 15, 15.1):
        look(world, days * 24)
        send_all(world, mails)
        texts.append(sum("An opt-out is late" in subject for subject in subjects(mails)))
    assert texts[0] == 0
    assert texts[2] == 1
    assert texts[4] == 2
    assert texts[-1] >= 3
    assert any("10 business days" in text for _, text in mails.got)
    world.conn.execute("UPDATE mark SET state = 'c'")
    world.conn.execute("DELETE FROM lookup")
    look(world, 15.2 * 24)
    look(world, 15.3 * 24)
    send_all(world, mails)
    assert subjects(mails).count("[optsync] Fixed: An opt-out is late in Salesforce") == 1


def test_not_proved_for_26_hours_while_the_sync_is_on(world: World, mails: MailServer) -> None:
    add(world, "email", "team@example.com")
    look(world, 27)
    world.choose(sync_on=True)
    look(world, 25)
    send_all(world, mails)
    assert mails.got == []
    look(world, 27)
    send_all(world, mails)
    assert subjects(mails) == ["[optsync] Not proved"]


def test_all_is_well_is_said_on_mondays_by_mail_only_when_proved(world: World, mails: MailServer) -> None:
    add(world, "email", "team@example.com")
    world.choose(sync_on=True)
    row = world.conn.execute("SELECT clock()").fetchone()
    assert row is not None
    now: datetime = row[0]
    monday = (now + timedelta(days=7 - now.weekday())).replace(hour=9)
    hours = (monday - now) / timedelta(hours=1)
    with hours_later(world, hours - 2) as conn:
        conn.execute(
            "INSERT INTO run (org_id, kind, state, result, by_whom, finished_at)"
            " VALUES (%s, 'nightly', 'finished', 'proved', 't', clock())",
            [world.org_id],
        )
    for later in (hours - 1.9, hours, hours + 1, hours + 2):
        look(world, later)
    send_all(world, mails)
    assert [subject for subject in subjects(mails) if "All proved" in subject] == [
        f"[optsync] All proved, week {monday:%G-W%V}"
    ]


def test_business_days_are_monday_to_friday() -> None:
    thursday = datetime(2026, 11, 26, 15, 30, tzinfo=UTC)
    assert business_days_after(thursday, 0) == thursday
    assert business_days_after(thursday, 1) == datetime(2026, 11, 27, 15, 30, tzinfo=UTC)
    assert business_days_after(thursday, 2) == datetime(2026, 11, 30, 15, 30, tzinfo=UTC)
    assert business_days_after(thursday, 10) == datetime(2026, 12, 10, 15, 30, tzinfo=UTC)
    assert business_days_after(datetime(2026, 11, 28, 1, tzinfo=UTC), 1) == datetime(2026, 11, 30, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="zone"):
        business_days_after(datetime(2026, 11, 26), 1)  # noqa: DTZ001 - the point of this line


@pytest.mark.parametrize(
    ("days", "stage"), [(0.99, None), (1, 0), (1.99, 0), (2, 1), (11.9, 1), (12, 2), (13.9, 2), (14, 3), (400, 3)]
)
def test_how_late_is_late(days: float, stage: int | None) -> None:
    assert late_stage(NOW, NOW + timedelta(days=days)) == stage


def test_a_problem_that_comes_and_goes_is_one_problem() -> None:
    seen = NOW - timedelta(minutes=3)
    alert = Alert(1, "sign-in", "sign-in 1", 0, {}, NOW - timedelta(hours=1), NOW - timedelta(minutes=50), seen, 0)
    assert steps(NOW, [alert]) == []
    assert steps(NOW + timedelta(minutes=3), [alert]) == [("fix", alert)]


@pytest.mark.parametrize("target", ["", "team", "a@b@c", "a@example.com, b@example.com", "a@example.com\nBcc: x@y.z"])
def test_no_address_is_refused(world: World, target: str) -> None:
    with pytest.raises(Problem):
        add(world, "email", target)
    assert channels.listing(world.conn) == []


def test_what_was_wrong_in_an_org_that_is_disconnected_is_over_and_not_called_fixed(
    world: World, mails: MailServer
) -> None:
    add(world, "email", "team@example.com")
    refuse_sign_in(world)
    look(world)
    look(world, 0.05)
    disconnect(world.conn, world.vault, world.seams, world.org_id, "test")
    look(world, 1)
    send_all(world, mails)
    assert subjects(mails) == [
        "[optsync] Salesforce refuses our sign-in",
        "[optsync] Over: Salesforce refuses our sign-in",
    ]
    assert "is disconnected" in mails.got[-1][1]
    assert [kind for (kind,) in world.conn.execute("SELECT kind FROM event WHERE kind LIKE 'connection %'")] == [
        "connection lost"
    ]
