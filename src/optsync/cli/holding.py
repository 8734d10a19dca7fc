"""Mass changes that wait: see them, apply them, drop them."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from optsync.cli.house import House, opened
from optsync.cli.output import OK, WARN, Output, interactive, with_output, with_yes
from optsync.cli.people import TYPED, operator
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from optsync.ledger.holds import HoldOver

WAITS = 5
DECIDED_MAX = 20


@click.group()
def hold() -> None:
    """Mass changes that wait for your decision. Their people are blocked meanwhile."""


@hold.command("list")
@click.option("--decided", is_flag=True, help="The last 20 that were decided instead: by whom, when and why.")
@with_output
def list_holds(out: Output, decided: bool) -> int:
    """Show what waits. Exit code 0: nothing; 5: something."""
    from optsync.ledger.holds import over, undecided

    with opened(out) as house:
        holds, done = undecided(house.conn), over(house.conn, DECIDED_MAX) if decided else []
    if decided:
        out.show(
            {"holds": [asdict(one) for one in done]},
            *(map(decided_line, done) if done else ["Nothing was decided yet."]),
        )
        return 0
    lines = []
    for h in holds:
        since = f"since {h.made_at:%Y-%m-%d %H:%M} UTC"
        lines.append(f"{WARN} hold {h.hold_id}   {h.addresses:,} people   {h.direction}   {h.origin}   {since}")
        lines += [f"    for example {', '.join(h.sample[:3])}"] if h.sample else []
    out.show({"holds": [asdict(h) for h in holds]}, *(lines or [f"{OK} Nothing waits for a decision."]))
    if holds:
        out.say("Decide: optsync hold apply N, or optsync hold drop N --note WHY")
    return WAITS if holds else 0


def decided_line(one: "HoldOver") -> str:
    """One that needs no decision any more, for the eye."""
    people = "" if one.addresses is None else f"   {one.addresses:,} people"
    if one.decided_at is None:
        return f"hold {one.hold_id}   nobody is left in it   {one.origin}"
    when = f"{one.decided_at:%Y-%m-%d %H:%M} UTC"
    why = f"   {one.note}" if one.note else ""
    return f"hold {one.hold_id}{people}   {one.origin}   {one.decision} by {one.decided_by}, {when}{why}"


@hold.command()
@click.argument("number", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_output
def apply(out: Output, number: int, yes: bool) -> None:
    """These people did opt out: record them, tick their boxes."""
    from optsync.ledger.holds import apply as apply_hold

    with opened(out) as house:
        confirmed(house, number, "apply", yes)
        people = apply_hold(house.conn, house.subject_key, number, operator())
    out.show({"applied": number, "people": people}, f"{OK} Applied: {people:,} people.")


@hold.command()
@click.argument("number", type=int)
@click.option("--note", type=TYPED, required=True, help="Why it was a mistake; kept for ever.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_output
def drop(out: Output, number: int, note: str, yes: bool) -> int:
    """It was a mistake: unblock them, and do not take these ticks for opt-outs."""
    from optsync.ledger.holds import drop as drop_hold

    with opened(out) as house:
        confirmed(house, number, "drop", yes)
        left = drop_hold(house.conn, house.subject_key, number, operator(), note)
    sent = f"{WARN} {left:,} people are being sent at this moment; run the same command again in half a minute."
    out.show({"dropped": number, "left": left}, sent if left else f"{OK} Dropped.")
    return WAITS if left else 0


def confirmed(house: House, number: int, deed: str, yes: bool) -> None:
    """Asks on a terminal; elsewhere --yes is needed. Raises Problem: 1 for an unknown hold, 5 without a yes."""
    from optsync.ledger.holds import undecided

    if all(waiting.hold_id != number for waiting in undecided(house.conn)):
        raise Problem(
            f"no hold {number} waits for a decision",
            "it was decided before, or the number is wrong; nothing was changed",
            "see what waits: optsync hold list",
        )
    if yes or (interactive() and click.confirm(f"{deed.capitalize()} hold {number}?", err=True)):
        return
    raise Problem(
        f"hold {number} waits for a yes",
        "nothing was changed; its people stay blocked",
        f"repeat the command with --yes: {with_yes()}",
        WAITS,
    )
