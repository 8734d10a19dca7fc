"""The story: each step does one thing, checks that it happened, and says so in one sentence with its figure."""

import csv
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optsync.cli.demo.org import EMAIL_OPT_OUT
from optsync.cli.demo.stage import CONTACTS, LEADS, OPTED_OUT_PERCENT, Stage, wait_for_web
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from optsync.ledger.people import TimelineEntry

SAMPLES = Path(__file__).parents[4] / "samples"
"""The files of a checkout; an installed package has none and does with the list it makes."""
OTHER_ORGS = "salesforce-"
"""Sample reports with ids of another Salesforce org: they would link people to records that are not there."""
LIST_PEOPLE = 400
CRASH_PEOPLE = 300
SLOW_MILLISECONDS = 500.0
ACTOR = "demo"


@dataclass
class Told:
    """The figures that the story collects on its way."""

    push_ms: float = 0.0
    nightly_seconds: float = 0.0
    last_result: str = ""
    crowd: list[str] = field(default_factory=list)


Step = Callable[[Stage, Told], str]


def connect(stage: Stage, told: Told) -> str:
    """Signs in to the practice org."""
    from optsync.connection.connect import connect as connect_org
    from optsync.salesforce.credentials import Credential

    house = stage.house
    org = connect_org(house.conn, house.vault, Credential.from_file(stage.credentials), house.seams, actor=ACTOR)
    stage.org_id = org.org_id
    opted_out = (LEADS + CONTACTS) * OPTED_OUT_PERCENT // 100
    return (
        f"Connected to {org.name}: {LEADS:,} Leads, {CONTACTS:,} Contacts, about {opted_out:,} of them opted out there."
    )


def import_lists(stage: Stage, told: Told) -> str:
    """Imports a list in Mailchimp's layout with people of the org, and the sample files of other tools."""
    from optsync.ledger.imports import import_file

    told.crowd = people_of_the_org(stage, LIST_PEOPLE + CRASH_PEOPLE)
    own = stage.folder / "unsubscribed_mailchimp.csv"
    with own.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Email Address", "First Name", "Last Name", "UNSUB_TIME", "UNSUB_REASON"])
        rows.writerows(
            [address, "", "", "2026-03-02 09:12:00", "No longer interested"] for address in told.crowd[:LIST_PEOPLE]
        )
    files = [own, *sample_files()]
    house, people, bad = stage.house, 0, 0
    for path in files:
        report = import_file(house.conn, house.subject_key, path, org_id=stage.org_id, confirmed=True, actor=ACTOR)
        people, bad = people + report.new, bad + report.bad
    return f"Imported {len(files)} files of other mail tools: {people:,} people blocked, {bad} bad rows given back."


def first_sync(stage: Stage, told: Told) -> str:
    """Turns the switch on and does the first comparison, with a go."""
    change_settings(stage, sync_on=True, field="email")
    before = blocked_people(stage)
    sync(stage, told)
    return f"First nightly sync, run now: {blocked_people(stage) - before:,} people ticked there are blocked here."


def unsubscribe_by_link(stage: Stage, told: Told) -> str:
    """A recipient opens the link of a mail, and presses its button."""
    from optsync.public.tokens import make_token

    wait_for_web(stage)
    email = "ann.demo@example.com"
    records = [stage.org.create("Lead", email, "Demo"), stage.org.create("Contact", email, "Demo")]
    token = make_token(stage.house.link_keys, stage.seams.token_bytes, email, "demo-message")
    stage.get(f"/u/{token}")
    demand(not history(stage, email) and not is_blocked(stage, email), "opening the link wrote something")
    started = stage.seams.monotonic()
    stage.post(f"/u/{token}")
    stage.wait_until(lambda: all(stage.org.box(one, EMAIL_OPT_OUT) for one in records), "the tick")
    told.push_ms = round(1000 * (stage.seams.monotonic() - started), 1)
    return f"A recipient presses Unsubscribe: Email Opt Out is ticked on Lead and Contact {told.push_ms:.0f} ms later."


def push_with_switch_off(stage: Stage, told: Told) -> str:
    """Without the nightly sync a new opt-out is still pushed."""
    change_settings(stage, sync_on=False)
    contact = stage.org.create("Contact", "ben.demo@example.com", "Demo")
    record(stage, "ben.demo@example.com")
    stage.wait_until(lambda: stage.org.box(contact, EMAIL_OPT_OUT), "the tick with the switch off")
    return "Nightly sync switched off: a new unsubscribe still reaches Email Opt Out."


def push_to_sales_field(stage: Stage, told: Told) -> str:
    """With the sales field chosen, Email Opt Out is left to marketing."""
    stage.org.install_package()
    change_settings(stage, sync_on=True, field="sales")
    contact = stage.org.create("Contact", "cara.demo@example.com", "Demo")
    record(stage, "cara.demo@example.com")
    stage.wait_until(lambda: stage.org.box(contact, stage.org.sales_field), "the tick of the sales field")
    demand(not stage.org.box(contact, EMAIL_OPT_OUT), "Email Opt Out was touched")
    return "Switched on with the sales field: only Marketo Sales Opt Out is ticked, Email Opt Out stays untouched."


def tick_in_salesforce(stage: Stage, told: Told) -> str:
    """A sales rep ticks the box; the nightly run brings it here. One lift on one side only comes back with it."""
    contact = stage.org.create("Contact", "dora.demo@example.com", "Demo")
    stage.org.tick(contact, stage.org.sales_field)
    demand(not is_blocked(stage, "dora.demo@example.com"), "the person is blocked too early")
    sync(stage, told)
    demand(is_blocked(stage, "dora.demo@example.com"), "the tick did not arrive")
    return f"A tick made in Salesforce arrives here with the nightly sync ({told.nightly_seconds:.1f} s)."


def lift_on_one_side(stage: Stage, told: Told) -> str:
    """A lift that Salesforce knows nothing of comes back."""
    lift(stage, "dora.demo@example.com")
    demand(not is_blocked(stage, "dora.demo@example.com"), "the lift did not take")
    sync(stage, told)
    demand(is_blocked(stage, "dora.demo@example.com"), "the one-sided lift did not come back")
    return "Unsubscribe removed here only: the next nightly sync brings it back."


def lift_on_both_sides(stage: Stage, told: Told) -> str:
    """A lift on both sides stays."""
    (contact,) = [one["Id"] for one in stage.org.call("GET", "/records?email=dora.demo@example.com")]
    lift(stage, "dora.demo@example.com")
    stage.org.tick(contact, stage.org.sales_field, value=False)
    sync(stage, told)
    demand(not is_blocked(stage, "dora.demo@example.com"), "the two-sided lift did not stay")
    return "Removed here and unticked there: it stays removed."


def kill_a_worker(stage: Stage, told: Told) -> str:
    """The worker is killed in the middle of its work; the next one finds everything."""
    stage.org.slow_down(SLOW_MILLISECONDS)
    for address in told.crowd[LIST_PEOPLE:]:
        record(stage, address, "bulk")
    process = stage.worker.process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    stage.supervisor.tend(stage.worker)  # notices the end: this one was meant
    left = waiting_boxes(stage)
    stage.org.slow_down(0)
    stage.wait_until(lambda: stage.supervisor.tend(stage.worker) and waiting_boxes(stage) == 0, "the catching up")
    return f"{CRASH_PEOPLE} more unsubscribe; the worker is killed with {left:,} boxes on their way: nothing is lost."


def agree(stage: Stage, told: Told) -> str:
    """The last nightly sync proves that both sides agree."""
    sync(stage, told)
    return f"Both sides compared by reading Salesforce once more: {told.last_result} in {told.nightly_seconds:.1f} s."


STORY: list[Step] = [
    connect,
    import_lists,
    first_sync,
    unsubscribe_by_link,
    push_with_switch_off,
    push_to_sales_field,
    tick_in_salesforce,
    lift_on_one_side,
    lift_on_both_sides,
    kill_a_worker,
    agree,
]


# --- what several steps do --------------------------------------------------------------------------------------------


def record(stage: Stage, address: str, source: Any = "manual") -> None:
    """An opt-out from another door."""
    from optsync.ledger.record import opt_out

    opt_out(stage.house.conn, stage.house.subject_key, address, source, actor=ACTOR)


def lift(stage: Stage, address: str) -> None:
    """Removes an unsubscribe here, now; waits for a push that is on its way."""
    from optsync.ledger.lifts import lift as lift_here

    house = stage.house

    def lifted() -> bool:
        answer = lift_here(house.conn, house.subject_key, address, mode="now", actor=ACTOR, reason="asked by phone")
        return answer != "busy"

    stage.wait_until(lifted, "the lift")


def sync(stage: Stage, told: Told) -> None:
    """A nightly sync, run now."""
    from optsync.sync.nightly import sync_now

    house = stage.house
    report = sync_now(house.database, house.vault, house.seams, stage.org_id, approve=True, by=ACTOR)
    told.nightly_seconds, told.last_result = report.seconds, report.result


def change_settings(stage: Stage, *, sync_on: bool, field: str | None = None) -> None:
    """What an admin does on the Integrations page. Waits for a push that is on its way."""
    from optsync.connection.sessions import open_session
    from optsync.connection.settings import Change, apply_change

    house = stage.house
    stage.wait_until(lambda: waiting_boxes(stage) == 0, "the end of the pushes")
    with open_session(house.conn, house.vault, stage.org_id, house.seams) as session:
        apply_change(house.conn, session, stage.org_id, Change(sync_on=sync_on, field=field), "new", actor=ACTOR)


def people_of_the_org(stage: Stage, count: int) -> list[str]:
    """Addresses of Contacts that nobody opted out, read through the API like any client would."""
    from optsync.connection.sessions import open_session
    from optsync.salesforce import query

    house = stage.house
    soql = f"SELECT Id, Email FROM Contact WHERE Email != null AND HasOptedOutOfEmail = false LIMIT {2 * count}"
    with open_session(house.conn, house.vault, stage.org_id, house.seams) as session:
        found = [row["Email"] for row in query.rows(session, soql)]
    return list(dict.fromkeys(found))[:count]


def sample_files() -> list[Path]:
    """The lists of other mail tools that lie in a checkout."""
    if not SAMPLES.is_dir():
        return []
    lists = [path for path in SAMPLES.iterdir() if path.suffix in (".csv", ".txt")]
    return sorted(path for path in lists if not path.name.startswith(OTHER_ORGS))


def waiting_boxes(stage: Stage) -> int:
    """Boxes owed and addresses to be looked up now."""
    from optsync.ledger.queries import sql

    row = stage.house.conn.execute(sql("optsync.cli", "waiting"), {"org": stage.org_id}).fetchone()
    assert row is not None
    return int(row[0])


def blocked_people(stage: Stage) -> int:
    """People with an active opt-out."""
    from optsync.ledger.balance import balance

    return balance(stage.house.conn, stage.org_id).recorded


def is_blocked(stage: Stage, address: str) -> bool:
    """The answer of the check before sending."""
    from optsync.ledger.check import may_mail

    (verdict,) = may_mail(stage.house.conn, stage.house.subject_key, [address])
    return not verdict.allowed


def history(stage: Stage, address: str) -> "list[TimelineEntry]":
    """What happened to one person; the worker writes the history of others meanwhile."""
    from optsync.ledger.people import timeline

    return timeline(stage.house.conn, stage.house.subject_key, address)


def demand(is_true: bool, otherwise: str) -> None:
    """Raises Problem when the story did not go as told."""
    if not is_true:
        raise Problem(f"the demo found a fault: {otherwise}", "the story stopped there", "please report it")
