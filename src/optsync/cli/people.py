"""Commands about one person or a few: who, unsubscribe, lift, link, check."""

import getpass
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import click

from optsync.cli.house import House, opened
from optsync.cli.output import BAD, OK, WARN, Output, with_output
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optsync.ledger.check import Verdict
    from optsync.ledger.lifts import Answer, Mode
    from optsync.ledger.people import Record, TimelineEntry
    from optsync.ledger.record import Source

MANUAL_SOURCES = ("manual", "clicked link", "one-click", "bulk", "bounce", "complaint", "api")
BLOCKED_AMONG_THEM = 3
WAITS = 5
MOST_ADDRESSES = 10_000


@click.command()
@click.argument("address")
@with_output
def who(out: Output, address: str) -> None:
    """Is ADDRESS blocked, why, in which records, and what happened: the whole evidence on one screen."""
    from optsync.ledger import people, targets
    from optsync.ledger.check import may_mail

    with opened(out) as house:
        person = people.find(house.conn, house.subject_key, address_of(address))
        history = people.timeline(house.conn, house.subject_key, address)
        (verdict,) = may_mail(house.conn, house.subject_key, [address])
        orgs = {record.org_id for record in person.records} if person else set()
        labels = {(org, f.field): f.label for org in orgs for f in targets.fields(house.conn, org)}
    records = [record_answer(record, labels) for record in person.records] if person else []
    answer = {
        "address": verdict.address,
        "known": person is not None,
        "blocked": not verdict.allowed,
        "why": verdict.why,
        "opt_outs": [asdict(opt_out) for opt_out in person.opt_outs] if person else [],
        "records": records,
        "timeline": [asdict(entry) for entry in history],
    }
    out.show(answer, *lines_about(verdict.address, answer, history))


def record_answer(record: "Record", labels: "Mapping[tuple[int, int], str]") -> dict[str, Any]:
    """A record and its boxes as `who` tells them."""
    from optsync.web.words import state_of_box

    boxes = [
        {"field": labels.get((record.org_id, mark.field), "?"), "state": mark.state, "shown": state_of_box(mark)}
        for mark in record.marks
    ]
    return {
        "record_id": record.record_id,
        "kind": record.kind,
        "linked_by": record.provenance,
        "successor": record.successor,
        "boxes": boxes,
    }


def lines_about(address: str, answer: dict[str, Any], history: "Sequence[TimelineEntry]") -> list[str]:
    """`who` for the eye: the answer first, then the records, then what happened, newest first."""
    from optsync.web.words import detail_of, source_of, why_blocked

    sign, state = (BAD, "Blocked") if answer["blocked"] else (OK, "Mail allowed")
    lines = [f"{sign} {state}   {address}", f"  {why_blocked(answer['why'], answer['known'])}"]
    for record in answer["records"]:
        boxes = ", ".join(f"{box['field']}: {box['shown']}" for box in record["boxes"]) or "nothing owed"
        became = f" -> {record['successor']}" if record["successor"] else ""
        lines.append(f"  {record['kind']:8} {record['record_id']}{became}   {boxes}")
    if history:
        lines.append("")
    return lines + [f"  {e.at:%Y-%m-%d %H:%M:%S} UTC  {detail_of(e)}  ·  {source_of(e)}" for e in reversed(history)]


@click.command()
@click.argument("address")
@click.option(
    "--source", type=click.Choice(MANUAL_SOURCES), default="manual", show_default=True, help="Where it came from."
)
@click.option("--reason", help="Why, in the person's own words; kept as evidence.")
@with_output
def unsubscribe(out: Output, address: str, source: str, reason: str | None) -> None:
    """Record an opt-out of ADDRESS for the whole account.

    The person is blocked at once; the boxes in Salesforce follow by push. Exit code 0 means: committed.
    """
    from optsync.ledger.record import opt_out

    with opened(out) as house:
        came_from = cast("Source", source)
        done = opt_out(house.conn, house.subject_key, address_of(address), came_from, actor=operator(), reason=reason)
    said = {
        "new": f"{OK} Unsubscribed; blocked from now on.",
        "already": f"{OK} Already unsubscribed; nothing changed.",
        "again": f"{OK} Unsubscribed again; the earlier lift is over.",
    }
    boxes = {0: "No box is owed yet: the address is looked up in Salesforce.", 1: "1 box in Salesforce is owed."}
    out.show(
        {"outcome": done.outcome, "version": done.version, "owed": done.owed},
        said[done.outcome],
        *(
            []
            if done.outcome == "already"
            else [f"  {boxes.get(done.owed, f'{done.owed} boxes in Salesforce are owed.')}"]
        ),
    )


@click.command()
@click.argument("address")
@click.option(
    "--when-unticked", "mode", flag_value="when-unticked", help="Wait until every box in Salesforce is unticked."
)
@click.option("--now", "mode", flag_value="now", help="At once. A box still ticked brings the opt-out back at night.")
@click.option("--reason", required=True, help="Why the person may be mailed again; kept for ever.")
@with_output
def lift(out: Output, address: str, mode: str | None, reason: str) -> int:
    """Remove the unsubscribe of ADDRESS.

    A lift counts only if it happens on both sides. With --when-unticked (the default) the person stays blocked until
    every box in Salesforce is seen unticked, then the lift completes by itself.
    """
    from optsync.ledger.lifts import lift as lift_here

    with opened(out) as house:
        answer = lift_here(
            house.conn,
            house.subject_key,
            address_of(address),
            mode=cast("Mode", mode or "when-unticked"),
            actor=operator(),
            reason=reason,
        )
        if answer == "waits":
            answer = looked_at(house, address)
    if answer == "not opted out":
        raise Problem("this address is not unsubscribed here", "nothing was changed", f"see: optsync who {address}")
    if answer == "busy":
        raise Problem(
            "a push for this person is on its way at this moment",
            "nothing was changed, so that the push and the lift cannot cross",
            "run the same command again in half a minute",
        )
    lines = {
        "lifted": f"{OK} Lifted here. Mail is allowed again; a box still ticked in Salesforce brings it back.",
        "waits": f"{WARN} The lift waits until every box in Salesforce is unticked; until then the person is blocked.",
    }
    out.show({"outcome": answer}, lines[answer])
    return WAITS if answer == "waits" else 0


def looked_at(house: House, address: str) -> "Answer":
    """The first look at the boxes: with none ticked anywhere, or no record at all, the lift is done at once."""
    from optsync.sync.lifting import look

    return "lifted" if look(house.conn, house.vault, house.seams, only=address).completed else "waits"


@click.command()
@click.argument("address")
@click.option("--message", default="", help="The id of the message the link is for; kept as evidence.")
@with_output
def link(out: Output, address: str, message: str) -> None:
    """Print the unsubscribe link of ADDRESS and the two mail headers that go with it.

    The link is opaque, works for ever, and changes nothing when it is opened: only its button does.
    """
    from optsync.public.tokens import make_token

    with opened(out) as house:
        token = make_token(house.link_keys, house.seams.token_bytes, address_of(address), message)
        url = f"{house.public_url}/u/{token}"
    headers = {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    out.show({"url": url, "headers": headers}, url)
    if not out.as_json:
        for name, value in headers.items():
            out.say(f"{name}: {value}")


@click.command()
@click.argument("addresses", nargs=-1, required=True)
@click.option("--non-commercial", is_flag=True, help="For mail that people must get: only blocked domains count.")
@with_output
def check(out: Output, addresses: tuple[str, ...], non_commercial: bool) -> int:
    """May these ADDRESSES be mailed? `-` reads them from standard input, one a line.

    Exit code 0: all of them; 3: at least one is blocked; 1: the database is away, and then everybody is blocked.
    """
    from optsync.ledger.check import in_doubt, may_mail

    asked = addresses_of(addresses)
    try:
        with opened(out) as house:
            verdicts = may_mail(house.conn, house.subject_key, asked, non_commercial=non_commercial)
    except Exception:
        show_verdicts(out, in_doubt(asked))  # whoever reads only the answer must not mail either
        raise
    return BLOCKED_AMONG_THEM if show_verdicts(out, verdicts) else 0


def show_verdicts(out: Output, verdicts: "Sequence[Verdict]") -> int:
    """Prints one line or object for each address asked about; returns how many are blocked."""
    blocked = sum(not verdict.allowed for verdict in verdicts)
    answers = [{"address": v.address, "allowed": v.allowed, "why": v.why} for v in verdicts]
    lines = [f"{OK} {v.address}" if v.allowed else f"{BAD} {v.address}: {v.why}" for v in verdicts]
    out.show({"allowed": len(verdicts) - blocked, "blocked": blocked, "addresses": answers}, *lines)
    return blocked


def addresses_of(arguments: tuple[str, ...]) -> list[str]:
    """The addresses asked about, `-` standing for standard input; raises Problem when there are too many."""
    asked: list[str] = []
    for argument in arguments:
        asked += [line.strip() for line in sys.stdin if line.strip()] if argument == "-" else [argument]
    if len(asked) > MOST_ADDRESSES:
        raise Problem(
            f"{len(asked)} addresses at once",
            f"nothing was checked: one call answers at most {MOST_ADDRESSES}",
            "split the list, or use: optsync export",
            2,
        )
    return asked


def address_of(text: str) -> str:
    """The address a person typed, however odd; raises Problem for a text without an @, which is a slip of the hand."""
    if "@" not in text:
        raise Problem("that is not an e-mail address", "nothing was done", "type it as name@example.com", 2)
    return text


def operator() -> str:
    """Who is at the keyboard, for the audit."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "command line"
