"""Commands about one person or a few: who, unsubscribe, lift, link, check."""

import getpass
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import click

from optsync.cli.house import House, opened
from optsync.cli.output import BAD, OK, WARN, Output, with_output
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optsync.ledger.check import Verdict
    from optsync.ledger.lifts import Mode
    from optsync.ledger.record import Source
    from optsync.sync.lifting import Box
    from optsync.web.history import Told

MANUAL_SOURCES = ("manual", "clicked link", "one-click", "bulk", "bounce", "complaint", "api")
BLOCKED_AMONG_THEM = 3
WAITS = 5
MOST_ADDRESSES = 10_000


class Typed(click.ParamType[str]):
    """Words from the command line. Bytes that are no UTF-8 are read as Latin-1, so that no letter of a name is lost."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            from optsync.ledger import files  # noqa: F401 - knows how to read such bytes

            return os.fsencode(value).decode("utf-8", "optsync-latin-1")
        return value


TYPED = Typed()


@click.command()
@click.argument("address", type=TYPED)
@with_output
def who(out: Output, address: str) -> None:
    """Is ADDRESS blocked, why, in which records, and what happened: the whole evidence on one screen."""
    from optsync.core.addresses import normalize
    from optsync.ledger import compliance, people, targets
    from optsync.ledger.check import may_mail
    from optsync.public import senders
    from optsync.web.history import record_as_json, tell

    address = normalize(address_of(address))
    with opened(out) as house:
        person = people.find(house.conn, house.subject_key, address)
        history = people.timeline(house.conn, house.subject_key, address)
        (verdict,) = may_mail(house.conn, house.subject_key, [address])
        stopped = senders.stopped(house.conn, person.opt_outs) if person else []
        stands = compliance.find(house.conn, person.address_id).cells if person else {}
        orgs = {entry.org_id for entry in history if entry.org_id is not None}
        orgs |= {record.org_id for record in person.records} if person else set()
        labels = {(org, f.field): f.label for org in orgs for f in targets.fields(house.conn, org)}
    records = [record_as_json(record, labels) for record in person.records] if person else []
    answer = {
        "address": verdict.address,
        "known": person is not None,
        "blocked": not verdict.allowed,
        "why": verdict.why,
        "senders_stopped": stopped,
        "opt_outs": [asdict(opt_out) for opt_out in person.opt_outs] if person else [],
        "records": records,
        "compliance": {name: cell for name, cell in stands.items() if cell},
        "timeline": [asdict(entry) for entry in history],
    }
    out.show(answer, *lines_about(verdict.address, answer, tell(history, labels)))


def lines_about(address: str, answer: dict[str, Any], history: "Sequence[Told]") -> list[str]:
    """`who` for the eye: the answer first, then the records, then what happened, newest first."""
    from optsync.web.words import compliance_line, why_blocked

    sign, state = (BAD, "Blocked") if answer["blocked"] else (OK, "Mail allowed")
    lines = [f"{sign} {state}   {address}", f"  {why_blocked(answer['why'], answer['known'])}"]
    if answer["senders_stopped"]:
        lines.append(f"  Wants no e-mails from: {', '.join(answer['senders_stopped'])}")
    if answer["compliance"]:
        lines.append(f"  Compliance: {compliance_line(answer['compliance'])}")
    for record in answer["records"]:
        boxes = ", ".join(f"{box['field']}: {box['shown']}" for box in record["boxes"]) or "nothing owed"
        became = f" -> {record['successor']}" if record["successor"] else ""
        lines.append(f"  {record['kind']:8} {record['record_id']}{became}   {boxes}")
        lines += [f"      {box['means']}. {box['next']}" for box in record["boxes"] if "means" in box]
    if history:
        lines.append("")
    return lines + [line for told in reversed(history) for line in lines_about_event(told)]


def lines_about_event(told: "Told") -> list[str]:
    """What happened, how long it took, who did it; then what was kept as proof."""
    took = "" if told.took_seconds is None else f" ({told.took_seconds:.1f} s)"
    run = f"  ·  sync run {told.entry.run_id}" if told.entry.run_id else ""
    first = f"  {told.entry.at:%Y-%m-%d %H:%M:%S} UTC  {told.details}{took}  ·  {told.source}{run}"
    facts = "  ·  ".join(f"{name}: {value}" for name, value in told.facts)
    return [first, f"      {facts}"] if facts else [first]


@click.command()
@click.argument("addresses", nargs=-1, required=True, type=TYPED)
@click.option(
    "--source", type=click.Choice(MANUAL_SOURCES), default="manual", show_default=True, help="Where it came from."
)
@click.option("--reason", type=TYPED, help="Why, in the person's own words; kept as evidence.")
@with_output
def unsubscribe(out: Output, addresses: tuple[str, ...], source: str, reason: str | None) -> None:
    """Record an opt-out of these ADDRESSES for the whole account; `-` reads them from standard input, one a line.

    Each person is blocked at once; the boxes in Salesforce follow by push. Exit code 0 means: all are committed.
    """
    from optsync.core.addresses import is_address, normalize
    from optsync.ledger.record import opt_out

    asked = [address_of(address) for address in addresses_of(addresses)]
    answers: list[dict[str, Any]] = []
    with opened(out) as house:
        came_from = cast("Source", source)
        for address in asked:
            normal = normalize(address)
            if not is_address(normal):
                out.say(f"{WARN} {normal} is no usual address: kept as typed, it blocks nothing else.")
            done = opt_out(house.conn, house.subject_key, address, came_from, actor=operator(), reason=reason)
            answers.append({"address": normal, "outcome": done.outcome, "version": done.version, "owed": done.owed})
            if not out.as_json:
                out.show({}, *lines_of_opt_out(answers[-1]))
    if out.as_json:
        one = {key: value for key, value in answers[0].items() if key != "address"} if len(answers) == 1 else {}
        out.json(one | {"addresses": answers})


def lines_of_opt_out(answer: dict[str, Any]) -> list[str]:
    """One recorded opt-out for the eye."""
    said = {
        "new": "Unsubscribed; blocked from now on.",
        "already": "Already unsubscribed; nothing changed.",
        "again": "Unsubscribed again; the earlier lift is over.",
    }
    boxes = {0: "No box is owed yet: the address is looked up in Salesforce.", 1: "1 box in Salesforce is owed."}
    owed = boxes.get(answer["owed"], f"{answer['owed']} boxes in Salesforce are owed.")
    first = f"{OK} {answer['address']}: {said[answer['outcome']]}"
    return [first] if answer["outcome"] == "already" else [first, f"  {owed}"]


@click.command()
@click.argument("address", type=TYPED)
@click.option("--when-unticked", is_flag=True, help="Wait until every box in Salesforce is unticked (the default).")
@click.option("--now", is_flag=True, help="At once. A box still ticked brings the opt-out back at night.")
@click.option("--reason", type=TYPED, required=True, help="Why the person may be mailed again; kept for ever.")
@with_output
def lift(out: Output, address: str, when_unticked: bool, now: bool, reason: str) -> int:
    """Remove the unsubscribe of ADDRESS.

    A lift counts only if it happens on both sides. With --when-unticked (the default) the person stays blocked until
    every box in Salesforce is seen unticked, then the lift completes by itself. The boxes are read and shown. Exit code
    0: lifted; 5: it waits.
    """
    from optsync.sync.lifting import remove

    if now and when_unticked:
        raise Problem("--now and --when-unticked exclude each other", "nothing was done", "choose one of them", 2)
    if not reason.strip():
        raise Problem("a lift needs a reason", "nothing was done", "say why this person may be mailed again", 2)
    mode: Mode = "now" if now else "when-unticked"
    with opened(out) as house:
        asked, by = address_of(address), operator()
        answer = remove(house.conn, house.vault, house.seams, asked, mode=mode, actor=by, reason=reason)
        boxes = boxes_now(house, address) if answer in ("lifted", "waits") else []
        nightly = any_nightly(house, boxes)
    if answer == "not opted out":
        raise Problem("this address is not unsubscribed here", "nothing was changed", f"see: optsync who {address}")
    if answer == "busy":
        raise Problem(
            "a push for this person is on its way at this moment",
            "nothing was changed, so that the push and the lift cannot cross",
            "run the same command again in half a minute",
        )
    lines = {
        "lifted": f"{OK} Lifted here. Mail is allowed again.",
        "waits": f"{WARN} The lift waits until every box in Salesforce is unticked; until then the person is blocked.",
    }
    out.show(
        {"outcome": answer, "boxes": [asdict(box) for box in boxes]},
        lines[answer],
        *lines_about_boxes(boxes, lifted=answer == "lifted", nightly=nightly),
    )
    return WAITS if answer == "waits" else 0


def boxes_now(house: House, address: str) -> "list[Box]":
    """Every box of the person in every org, read just now."""
    from optsync.ledger import people
    from optsync.sync.lifting import boxes_of

    person = people.find(house.conn, house.subject_key, address)
    return boxes_of(house.conn, house.vault, house.seams, person.address_id, person.normal or None) if person else []


def any_nightly(house: House, boxes: "Sequence[Box]") -> bool:
    """Whether the nightly sync of an org in which a box is ticked is switched on."""
    from optsync.connection.settings import load

    return any(load(house.conn, org_id).sync_on for org_id in {box.org_id for box in boxes if box.ticked})


def line_about_box(box: "Box") -> str:
    """A box that stands against a lift; without a record it is the whole org that could not be read."""
    if box.ticked:
        return f"  {box.kind:8} {box.record_id}   {box.label}: still ticked in Salesforce"
    return f"  {box.record_id or 'The org'} could not be read: {' '.join(box.why.split())}"


def lines_about_boxes(boxes: "Sequence[Box]", *, lifted: bool, nightly: bool) -> list[str]:
    """The boxes that stand against a lift, and what comes of them."""
    lines = [line_about_box(box) for box in boxes if box.ticked is not False]
    if lifted and any(box.ticked for box in boxes):
        comes = "the next nightly sync opts the person out again: untick them before it."
        stays = "the nightly sync is off, so they bring nothing back until it is switched on."
        lines.append(f"{WARN} Boxes are still ticked; {comes if nightly else stays}")
    return lines


@click.command()
@click.argument("addresses", nargs=-1, required=True, type=TYPED)
@click.option("--non-commercial", is_flag=True, help="For mail that people must get: only blocked domains count.")
@click.option("--sender", type=TYPED, default="", help="Who would write; people may have stopped only this sender.")
@with_output
def check(out: Output, addresses: tuple[str, ...], non_commercial: bool, sender: str) -> int:
    """May these ADDRESSES be mailed? `-` reads them from standard input, one a line.

    Exit code 0: all of them; 3: at least one is blocked; 1: the database is away, and then everybody is blocked.
    """
    from optsync.ledger.check import in_doubt, may_mail
    from optsync.public.senders import scope_to_check

    asked = addresses_of(addresses)
    try:
        with opened(out) as house:
            scope = scope_to_check(house.conn, sender)
            verdicts = may_mail(house.conn, house.subject_key, asked, sender_scope=scope, non_commercial=non_commercial)
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
            f"nothing was done: one call takes at most {MOST_ADDRESSES}",
            "split the list, or use: optsync import FILE, optsync export",
            2,
        )
    if not asked:
        raise Problem("no address was given", "nothing was done", "type one, or one a line on standard input", 2)
    return asked


def address_of(text: str) -> str:
    """The address a person typed, however odd; raises Problem for a text without an @, which is a slip of the hand."""
    from optsync.core.addresses import names_several

    if "@" not in text:
        raise Problem("that is not an e-mail address", "nothing was done", "type it as name@example.com", 2)
    if names_several(text):
        raise Problem(
            "these are several addresses in one", "nothing was done", "give each by itself, without commas", 2
        )
    return text


def operator() -> str:
    """Who is at the keyboard, for the audit."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "command line"
