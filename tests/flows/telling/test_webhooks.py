"""Outgoing webhooks: every event arrives at least once, signed by Standard Webhooks, whatever the receiver does.

Requirement 37: the sender hears of an unsubscribe and can cancel what it has scheduled.
"""

import base64
import hashlib
import hmac
import json
import threading
import time

import pytest
import standardwebhooks

from optsync.alerts import watching
from optsync.config.database import Database
from optsync.core.problems import Problem
from optsync.ledger import chain, lifts, people, record
from optsync.ledger.queries import sql
from optsync.seams import real
from optsync.webhooks import delivering, endpoints
from optsync.webhooks.delivering import Deliverer
from optsync.webhooks.egress import Egress
from optsync.webhooks.retries import fate_of
from optsync.webhooks.signing import signature
from tests.flows.push.world import World
from tests.flows.telling.conftest import Teller
from tests.flows.telling.receivers import Receiver, receiver

ANN = "ann@example.com"


def bodies(here: Receiver) -> list[dict[str, object]]:
    """What came in, decoded."""
    return [json.loads(got.body) for got in here.got]


def test_an_unsubscribe_and_its_box_in_salesforce_are_told(world: World, teller: Teller, here: Receiver) -> None:
    contact = world.org.create("Contact", Email=ANN)
    done = world.opt_out(ANN, "one-click")
    world.push()
    teller.deliver()
    confirmed, created = sorted(bodies(here), key=lambda body: str(body["type"]))  # two are sent at once
    assert created["type"] == "unsubscribe.created"
    about = {"org", "person", "address", "source", "scope"}
    assert created["data"] == {"person": done.address_id, "address": ANN, "source": "one-click", "scope": "account"}
    assert confirmed["type"] == "unsubscribe.confirmed"
    data = confirmed["data"]
    assert isinstance(data, dict)
    assert (data["address"], data["record"], data["field"]) == (ANN, contact, "HasOptedOutOfEmail")
    assert data["org"] == world.connected.salesforce_id
    assert set(data) >= about - {"source"}


def test_the_signature_is_the_one_of_standard_webhooks(world: World, teller: Teller, here: Receiver) -> None:
    world.opt_out(ANN)
    teller.deliver()
    got = here.got[0]
    key = base64.b64decode(teller.secret.removeprefix("whsec_"))
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == expected
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 60
    assert got.headers["content-type"] == "application/json"


def test_a_known_vector_of_the_specification() -> None:
    """The example of the standard's own documentation."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_changed_over_both_sign(world: World, teller: Teller, here: Receiver) -> None:
    endpoints.rotate(world.conn, world.vault, real().token_bytes, teller.endpoint_id, actor="test")
    world.opt_out(ANN)
    teller.deliver()
    assert len(here.got[0].headers["webhook-signature"].split()) == 2
    world.conn.execute("UPDATE webhook_old_secret SET until = clock() - interval '1 second'")
    world.opt_out("bob@example.com")
    teller.deliver()
    assert len(here.got[1].headers["webhook-signature"].split()) == 1


def test_after_two_rotations_the_secret_that_a_receiver_still_has_is_good(
    world: World, teller: Teller, here: Receiver
) -> None:
    """Checked by a library of the standard's own makers. A second rotation once shut the first secret out."""
    secrets = [teller.secret]
    for _ in range(2):
        secrets.append(endpoints.rotate(world.conn, world.vault, real().token_bytes, teller.endpoint_id, actor="test"))
    world.opt_out(ANN)
    teller.deliver()
    got = here.got[0]
    for secret in secrets:
        event = standardwebhooks.Webhook(secret).verify(got.body, dict(got.headers))
        assert event["data"]["address"] == ANN
    stranger = standardwebhooks.Webhook("whsec_" + base64.b64encode(b"x" * 32).decode())
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        stranger.verify(got.body, dict(got.headers))
    world.conn.execute("UPDATE webhook_old_secret SET until = clock() - interval '1 second' WHERE old_no = 1")
    world.opt_out("bob@example.com")
    teller.deliver()
    got = here.got[1]
    assert len(got.headers["webhook-signature"].split()) == 2
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secrets[0]).verify(got.body, dict(got.headers))
    standardwebhooks.Webhook(secrets[1]).verify(got.body, dict(got.headers))


def test_a_sixth_rotation_within_a_day_is_refused_and_changes_nothing(world: World, teller: Teller) -> None:
    def rotate() -> str:
        return endpoints.rotate(world.conn, world.vault, real().token_bytes, teller.endpoint_id, actor="test")

    for _ in range(endpoints.OLD_SECRETS_MAX):
        rotate()
    before = world.conn.execute("SELECT secret FROM webhook_endpoint").fetchone()
    with pytest.raises(Problem) as refused:
        rotate()
    assert "5 new secrets" in refused.value.what
    assert world.conn.execute("SELECT secret FROM webhook_endpoint").fetchone() == before
    world.conn.execute("UPDATE webhook_old_secret SET until = clock() - interval '1 second'")
    rotate()
    assert world.conn.execute("SELECT count(*) FROM webhook_old_secret").fetchone() == (1,)


def test_r43_a_receiver_that_repeats_whom_it_was_told_of_leaves_no_address_here(
    world: World, teller: Teller, here: Receiver
) -> None:
    here.ways = ["echo"]
    world.opt_out(ANN)
    teller.deliver()
    [attempt] = teller.deliveries()[0].tried
    assert ANN.encode() in here.got[0].body
    assert '"[address]"' in attempt.said
    assert ANN not in attempt.said


def test_eight_attempts_in_28_hours_and_each_is_kept(world: World, teller: Teller, here: Receiver) -> None:
    here.ways = [500]
    world.opt_out(ANN)
    teller.deliver()
    for hours in (0.01, 0.1, 0.6, 2.3, 5.6, 11.1):
        assert teller.deliveries()[0].state == "pending"
        teller.later(hours)
        teller.deliver()
    assert (len(here.got), teller.deliveries()[0].state) == (7, "pending")
    teller.later(11.1)
    teller.deliver()
    delivery = teller.deliveries()[0]
    assert (len(here.got), delivery.state, delivery.due_at) == (8, "failed", None)
    assert [one.status for one in delivery.tried] == [500] * 8
    assert delivery.tried[0].said == "we do [31m not \ufffd like this"
    assert len({got.headers["webhook-id"] for got in here.got}) == 1
    teller.later(1000)
    teller.deliver()
    assert len(here.got) == 8


def test_the_schedule_is_the_one_that_is_promised() -> None:
    delays = [fate_of(attempts, 500, 0.0).again_seconds for attempts in range(1, 9)]
    assert delays == [5, 300, 1800, 7200, 18000, 36000, 36000, None]
    assert fate_of(1, None, 1.0).again_seconds == 5.5
    assert [fate_of(3, status, 0.5).what for status in (200, 299, 302, 410, 500, None)] == [
        "delivered",
        "delivered",
        "again",
        "gone",
        "again",
        "again",
    ]


def test_410_disables_and_enabling_brings_what_was_missed(world: World, teller: Teller, here: Receiver) -> None:
    here.ways = [410, 204]
    world.opt_out(ANN)
    teller.deliver()
    assert endpoints.found(world.conn, teller.endpoint_id).disabled_why == "gone"
    world.opt_out("bob@example.com")
    teller.deliver()
    assert len(here.got) == 1
    endpoints.enable(world.conn, teller.endpoint_id, actor="test")
    teller.deliver()
    assert [body["data"]["address"] for body in bodies(here)[1:]] == ["bob@example.com"]  # type: ignore[index]
    endpoints.resend(world.conn, teller.endpoint_id, teller.deliveries()[-1].delivery_id, actor="test")
    teller.deliver()
    assert bodies(here)[2]["data"]["address"] == ANN  # type: ignore[index]


def test_five_days_of_failures_disable(world: World, teller: Teller, here: Receiver) -> None:
    here.ways = [500]
    world.opt_out(ANN)
    teller.deliver()
    delivering.tidy(world.conn)
    assert endpoints.found(world.conn, teller.endpoint_id).state == "failing"
    for day in range(4):
        delivering.tidy(world.conn)
        assert endpoints.found(world.conn, teller.endpoint_id).state == "failing", day
        a_day_later(world)
        teller.later(24)
        teller.deliver()
    a_day_later(world)
    world.conn.execute("UPDATE webhook_endpoint SET failing_since = failing_since - interval '1 second'")
    delivering.tidy(world.conn)
    assert endpoints.found(world.conn, teller.endpoint_id).disabled_why == "failing"


def a_day_later(world: World) -> None:
    """Lets a day pass, for endpoints that fail."""
    a_day = "failing_since = failing_since - interval '1 day', failed_on = failed_on - 1"
    world.conn.execute(f"UPDATE webhook_endpoint SET {a_day}")


def test_days_without_attempts_are_no_days_of_failure(world: World, teller: Teller, here: Receiver) -> None:
    """A worker was away for a week after one failure: what waits is tried, not given up."""
    here.ways = [500, 204]
    world.opt_out(ANN)
    teller.deliver()
    for _ in range(7):
        a_day_later(world)
    delivering.tidy(world.conn)
    assert endpoints.found(world.conn, teller.endpoint_id).state == "failing"
    teller.later(24)
    teller.deliver()
    assert endpoints.found(world.conn, teller.endpoint_id).state == "active"
    assert len(here.got) == 2


def test_a_secret_that_cannot_be_read_stops_its_endpoint_only(world: World, teller: Teller, here: Receiver) -> None:
    with receiver() as other:
        egress, types = Egress(real(), to_loopback=True), ["unsubscribe.created"]
        add = endpoints.add
        number, _ = add(world.conn, world.vault, egress, real().token_bytes, other.url, types, actor="test")
        world.conn.execute("UPDATE webhook_endpoint SET secret = 'damaged' WHERE endpoint_id = %s", [number])
        world.opt_out(ANN)
        teller.deliver()
        assert len(here.got) == 1
        assert endpoints.found(world.conn, number).disabled_why == "secret"
        watching.look(world.conn)
        (told,) = [one for one in watching.history(world.conn) if one.rule == "webhook"]
        assert "without a readable secret" in told.sentence
        endpoints.rotate(world.conn, world.vault, real().token_bytes, number, actor="test")
        endpoints.enable(world.conn, number, actor="test")
        teller.deliver()
        assert len(other.got) == 1


def test_one_success_ends_the_count_of_days(world: World, teller: Teller, here: Receiver) -> None:
    here.ways = [500, 204]
    world.opt_out(ANN)
    teller.deliver()
    teller.later(1)
    teller.deliver()
    assert endpoints.found(world.conn, teller.endpoint_id).state == "active"


def test_a_transaction_that_commits_late_is_not_passed_over(world: World, teller: Teller, here: Receiver) -> None:
    """Its event has a smaller number than one that was delivered before it was committed."""
    with world.database.connect() as slow, slow.transaction():
        record.opt_out(slow, world.key, "slow@example.com", "manual")
        world.opt_out("fast@example.com")
        teller.deliver()
        assert len(here.got) == 1
    teller.deliver()
    assert [body["data"]["address"] for body in bodies(here)] == ["fast@example.com", "slow@example.com"]  # type: ignore[index]


def test_many_workers_at_once_deliver_each_event_once(world: World, teller: Teller, here: Receiver) -> None:
    for number in range(60):
        world.opt_out(f"person{number}@example.com")
    chain.seal(world.conn)

    def work(database: Database) -> None:
        deliverer = Deliverer(world.vault, real(), Egress(real(), to_loopback=True))
        with database.connect() as conn:
            for _ in range(200):
                if not deliverer.step(conn) and not deliverer.wait():
                    break
        deliverer.close()

    threads = [threading.Thread(target=work, args=(world.database,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    teller.deliver()
    ids = [got.headers["webhook-id"] for got in here.got]
    assert len(ids) == len(set(ids)) == 60


def test_a_worker_that_dies_in_the_middle_loses_nothing(world: World, teller: Teller, here: Receiver) -> None:
    world.opt_out(ANN)
    chain.seal(world.conn)
    delivering.hand_out(world.conn, world.vault)
    values = {"endpoints": [teller.endpoint_id], "masses": [False], "rooms": [2], "lease": delivering.LEASE_SECONDS}
    world.conn.execute(sql("optsync.webhooks", "claim"), values)
    teller.deliver()
    assert here.got == []
    teller.later(delivering.LEASE_SECONDS / 3600)
    teller.deliver()
    assert len(here.got) == 1


def test_an_import_names_each_person(world: World, teller: Teller, here: Receiver) -> None:
    with world.conn.transaction():  # one instant for all, as an import has it
        for number in range(50):
            world.opt_out(f"bulk{number}@example.com", "import")
    teller.deliver()
    found = {body["data"]["address"] for body in bodies(here)}  # type: ignore[index]
    assert found == {f"bulk{number}@example.com" for number in range(50)}


def test_an_erased_person_is_not_named_any_more(world: World, teller: Teller, here: Receiver) -> None:
    here.ways = [500, 204]
    world.opt_out(ANN)
    teller.deliver()
    people.erase(world.conn, world.key, ANN, actor="test", reason="asked for")
    teller.later(1)
    teller.deliver()
    told = [body for body in bodies(here) if body["type"] == "unsubscribe.created"]
    assert "address" in told[0]["data"]  # type: ignore[operator]
    assert "address" not in told[1]["data"]  # type: ignore[operator]


def test_a_lift_is_told_with_its_person(world: World, teller: Teller, here: Receiver) -> None:
    world.opt_out(ANN)
    assert lifts.lift(world.conn, world.key, ANN, mode="now", actor="test", reason="asked for") == "lifted"
    teller.deliver()
    assert sorted(str(body["type"]) for body in bodies(here)) == ["unsubscribe.created", "unsubscribe.lifted"]
    assert {body["data"]["address"] for body in bodies(here)} == {ANN}  # type: ignore[index]


def test_only_what_was_chosen_is_told_and_only_from_then_on(world: World, here: Receiver) -> None:
    world.opt_out("before@example.com")
    chain.seal(world.conn)
    egress = Egress(real(), to_loopback=True)
    add = endpoints.add
    number, _ = add(world.conn, world.vault, egress, real().token_bytes, here.url, ["sync.held"], actor="test")
    deliverer = Deliverer(world.vault, real(), egress)
    world.opt_out(ANN)
    chain.seal(world.conn)
    while deliverer.step(world.conn) or deliverer.wait():
        pass
    assert here.got == []
    endpoints.send_test(world.conn, number, actor="test")
    while deliverer.step(world.conn) or deliverer.wait():
        pass
    assert [body["type"] for body in bodies(here)] == ["webhook.test"]
    deliverer.close()


def test_a_slow_receiver_leaves_room_for_the_others(world: World, teller: Teller, here: Receiver) -> None:
    here.ways = ["slow"]
    with receiver() as other:
        egress = Egress(real(), to_loopback=True)
        endpoints.add(
            world.conn, world.vault, egress, real().token_bytes, other.url, ["unsubscribe.created"], actor="test"
        )
        for number in range(20):
            world.opt_out(f"person{number}@example.com")
        chain.seal(world.conn)
        began = time.monotonic()
        while len(other.got) < 20:
            teller.deliverer.step(world.conn)
            teller.deliverer.wait()
            assert time.monotonic() - began < 20
        assert len(here.got) < 15


def test_what_is_wrong_is_refused_and_nothing_is_stored(world: World, here: Receiver) -> None:
    closed, open_ = Egress(real()), Egress(real(), to_loopback=True)
    for egress, url, types in (
        (closed, here.url, ["sync.held"]),
        (open_, here.url, []),
        (open_, here.url, ["unsubscribe.created", "everything"]),
    ):
        with pytest.raises(Problem) as refused:
            endpoints.add(world.conn, world.vault, egress, real().token_bytes, url, types, actor="test")
        assert refused.value.exit_code == 2
    assert endpoints.listing(world.conn) == []


def test_the_secret_is_in_the_database_only_encrypted_and_rotates_with_the_keys(world: World, teller: Teller) -> None:
    row = world.conn.execute("SELECT secret FROM webhook_endpoint").fetchone()
    assert row is not None
    assert teller.secret.encode() not in row[0]
    rotated = world.vault.rotate(real())
    assert endpoints.encrypt_again(world.conn, rotated) == 1
    again = world.conn.execute("SELECT secret FROM webhook_endpoint").fetchone()
    assert again is not None
    assert again[0] != row[0]
    assert rotated.decrypt(again[0]).decode() == teller.secret
    endpoints.rotate(world.conn, rotated, real().token_bytes, teller.endpoint_id, actor="test")
    newest = rotated.rotate(real())
    assert endpoints.encrypt_again(world.conn, newest) == 1
    old = world.conn.execute("SELECT secret FROM webhook_old_secret").fetchone()
    assert old is not None
    assert old[0] != again[0]
    assert newest.decrypt(old[0]).decode() == teller.secret
