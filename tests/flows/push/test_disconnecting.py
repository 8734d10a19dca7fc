"""Disconnecting an org loses nothing: people stay blocked, nothing is sent there, and connecting it again goes on."""

from pathlib import Path

import pytest

from optsync.config.vault import Vault
from optsync.connection.connect import connect, connections, disconnected, encrypt_again
from optsync.connection.keeping import StoredCredential
from optsync.core.problems import Problem
from optsync.ledger import check, lifts
from optsync.ledger.queries import sql
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import BadCredential
from optsync.sync import asking, lifting, runs
from optsync.sync.disconnecting import Ended, disconnect
from optsync.sync.nightly import start_due, sync_now
from optsync.web import standing
from optsync.web.tally import count
from tests.conformance.practice.rest import Rest
from tests.flows.push.test_refresh_tokens import connect_by_consent
from tests.flows.push.world import World
from tests.servers import environment


def connect_again(world: World) -> None:
    """As an admin does, with the same credentials; the worker has a new line then."""
    connect(world.conn, world.vault, Credential.from_file(world.org.credentials_file), world.seams, actor="admin")
    world.line = world.new_line(world.conn, world.line.worker_no)


def leave(world: World) -> Ended:
    """Disconnects the org."""
    return disconnect(world.conn, world.vault, world.seams, world.org_id, "admin")


def due_orgs(world: World) -> list[int]:
    """The orgs that a worker would serve now."""
    return [org_id for org_id, _ in world.conn.execute(sql("optsync.sync", "due_orgs")).fetchall()]


def is_blocked(world: World, address: str) -> bool:
    """Whether a sender is told no."""
    return bool(check.ask(world.conn, world.key, [address])[0])


def test_what_is_recorded_while_an_org_is_disconnected_is_pushed_once_it_is_connected_again(world: World) -> None:
    before = world.org.create("Contact", Email="ann@example.com")
    during = world.org.create("Lead", Email="bob@example.com")
    world.opt_out("ann@example.com")
    world.push()
    assert world.is_ticked(before)
    assert leave(world) == "ended"
    assert leave(world) == "was not connected", "it is disconnected once"
    assert connections(world.conn) == []
    assert [org.salesforce_id for org in disconnected(world.conn)] == [world.connected.salesforce_id]
    world.opt_out("bob@example.com")
    assert is_blocked(world, "bob@example.com")
    assert due_orgs(world) == [], "no worker serves it"
    assert world.is_ticked(before), "a ticked box stays ticked"
    connect_again(world)
    assert due_orgs(world) == [world.org_id]
    world.push()
    assert world.is_ticked(during)
    world.check_safe()
    assert len(world.events("disconnected")) == 1
    assert len(world.events("connected")) == 2


def test_the_credential_is_destroyed_and_no_renewal_under_way_brings_it_back(world: World) -> None:
    stored = StoredCredential(world.conn, world.vault, world.org_id)
    with stored.hold() as held:
        leave(world)
        held.keep(held.credential)
    assert world.conn.execute("SELECT credential FROM connection").fetchall() == [(None,)]
    with pytest.raises(Problem, match="not connected"), world.session():
        pass
    with pytest.raises(BadCredential, match="disconnected"), stored.hold():
        pass
    assert encrypt_again(world.conn, world.vault) == 0


def test_a_push_under_way_sends_no_further_call(world: World) -> None:
    record_id = world.org.create("Contact", Email="ann@example.com")
    world.opt_out("ann@example.com")
    leave(world)
    world.push()  # a worker that had its session before
    assert not world.is_ticked(record_id)
    connect_again(world)
    world.push()
    assert world.is_ticked(record_id)


def test_a_run_is_over_and_no_slot_is_due_until_the_org_is_connected_again(world: World) -> None:
    world.choose(sync_on=True)
    sync_now(world.database, world.vault, world.seams, world.org_id, approve=True, by="test")
    run_id = asking.ask(world.conn, world.org_id, "admin")
    leave(world)
    assert asking.unfinished(world.conn, world.org_id) is None
    world.conn.execute("UPDATE settings SET sync_on_since = clock() - interval '3 days'")
    assert runs.due(world.conn, world.seams) == []
    assert start_due(world.database, world.vault, world.seams) == []
    assert (runs.report(world.conn, run_id) or {})["result"] == "cancelled"
    connect_again(world)
    assert [due.org_id for due in runs.due(world.conn, world.seams)] == [world.org_id]
    assert runs.is_doubtful(world.conn, world.org_id), "everything is read afresh"


def test_a_removal_does_not_wait_for_a_disconnected_org(world: World) -> None:
    record_id = world.org.create("Contact", Email="ann@example.com")
    recorded = world.opt_out("ann@example.com")
    world.push()
    answer = lifting.remove(
        world.conn, world.vault, world.seams, "ann@example.com", mode="when-unticked", actor="admin", reason="asked"
    )
    assert answer == "waits"
    leave(world)
    (box,) = lifting.boxes_of(world.conn, world.vault, world.seams, recorded.address_id, "ann@example.com")
    assert "disconnected" in box.why
    assert lifting.look(world.conn, world.vault, world.seams).completed == 1
    assert lifts.waiting(world.conn) == []
    assert not is_blocked(world, "ann@example.com")
    connect_again(world)
    world.choose(sync_on=True)
    sync_now(world.database, world.vault, world.seams, world.org_id, approve=True, by="test")
    assert is_blocked(world, "ann@example.com"), "the box is still ticked: one side alone comes back"
    assert world.is_ticked(record_id)


def test_with_the_only_org_disconnected_the_verdict_is_not_connected(world: World) -> None:
    world.opt_out("ann@example.com")
    leave(world)
    found = standing.look(world.conn, None, count(world.conn, None))
    assert (found.verdict, found.balance.recorded) == ("not connected", 1)


def test_what_a_consent_gave_is_ended_at_salesforce_too(world: World) -> None:
    given = connect_by_consent(world)
    assert leave(world) == "ended"
    assert Rest(world.org).call("GET", f"/services/oauth2/revoke?token={given}").status == 400, "it is ended already"


def test_an_org_is_disconnected_also_while_salesforce_is_away_which_is_said(world: World) -> None:
    connect_by_consent(world)
    world.org.fault("html", route="oauth.revoke", status=502, times=None)
    assert leave(world) == "not revoked"
    assert connections(world.conn) == []


def test_an_org_whose_credential_nobody_can_read_any_more_is_disconnected_all_the_same(
    world: World, tmp_path: Path
) -> None:
    connect_by_consent(world)
    other = Vault.load_or_create(environment(tmp_path / "other"), world.seams)
    assert disconnect(world.conn, other, world.seams, world.org_id, "admin") == "ended"
