"""Unsubscribe links, and the mails that come back."""

import sys
from typing import TYPE_CHECKING

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, SKIP, WARN, Output, with_output
from optsync.cli.people import TYPED, address_of
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from optsync.public.mail import Received

BLOCK_BYTES = 64 * 1024
NAMES_NOBODY, TRY_AGAIN = 65, 75
"""EX_DATAERR and EX_TEMPFAIL of sysexits.h: what a mail server makes of them is its own business."""


@click.command()
@click.argument("address", type=TYPED)
@click.option("--message", type=TYPED, default="", help="The id of the message the link is for; kept as evidence.")
@click.option("--sender", type=TYPED, default="", help="Who writes: the page offers to stop only this sender, too.")
@click.option("--campaign", type=TYPED, default="", help="What the message belongs to; kept as evidence.")
@click.option("--team", type=TYPED, default="", help="With --fill: whose words, unless the user has some.")
@click.option("--user", type=TYPED, default="", help="With --fill: whose words.")
@click.option("--fill", type=click.Choice(["text", "html"]), help="Fill in a message from standard input.")
@with_output
def link(
    out: Output, address: str, message: str, sender: str, campaign: str, team: str, user: str, fill: str | None
) -> None:
    """Print the unsubscribe link of ADDRESS and the mail headers that go with it.

    The link is opaque, works for ever, and changes nothing when it is opened: only its button does. With --fill the
    message on standard input is printed with its {{team_unsubscribe}} filled in.

    OPTSYNC_PUBLIC_URL must be set; only a link with https gets the header for one click.
    """
    from optsync.public import brand, messages
    from optsync.public.links import demand_address, make_link
    from optsync.public.tokens import UnsubscribeLink

    asked = UnsubscribeLink(address_of(address), message, sender, campaign)
    with opened(out) as house:
        warnings, mailbox = demand_address(house.conn, house.environment.public_url), brand.load(house.conn).mailbox
        made = make_link(house.link_keys, house.seams.token_bytes, house.public_url, mailbox, asked)
        words = messages.text_for(house.conn, team, user)
    answer, shown = {"url": made.url, "headers": made.headers, "warnings": warnings}, made.url
    if fill:
        body = sys.stdin.read()
        shown = messages.filled(body, words.words, made.url, appends=words.appends, html=fill == "html")
        answer["body"] = shown
    out.show(answer, shown)
    if not out.as_json:
        for name, value in made.headers.items():
            out.say(f"{name}: {value}")
        for line in warnings:
            out.say(f"{WARN} {line}")


@click.command("receive-mail")
@with_output
def receive_mail(out: Output) -> int:
    """Take one unsubscribe mail from standard input, as a mail server's pipe brings it (RFC 5322).

    Exit code 0: recorded, or a machine's answer that is passed over; 65: it names nobody; 75: not recorded, keep it and
    try again.
    """
    from optsync.public.mail import HEAD_BYTES_MAX, unsubscribe_by_mail

    raw = sys.stdin.buffer.read(HEAD_BYTES_MAX)
    while sys.stdin.buffer.read(BLOCK_BYTES):  # a mail server that is still writing would take the message for refused
        pass
    try:
        with opened(out) as house:
            done = unsubscribe_by_mail(house.conn, house.subject_key, house.link_keys, raw)
    except Exception as error:  # noqa: BLE001 - whatever it is, the mail must not be lost
        raise not_recorded(error) from None
    return told(out, done)


def told(out: Output, done: "Received") -> int:
    """Says what came of a message, and the exit code for the mail server. Raises Problem when it names nobody."""
    if done.outcome == "nobody":
        raise Problem(
            "this message names nobody who could be unsubscribed",
            "nothing was changed",
            "forward the unsubscribe mail as it came, or use the link",
            NAMES_NOBODY,
        )
    if done.recorded is None:
        out.show({"outcome": "automatic"}, f"{SKIP} A machine's own answer: passed over.")
        return 0
    out.show({"outcome": done.recorded.outcome}, f"{OK} Unsubscribed; blocked from now on.")
    return 0


def not_recorded(error: Exception) -> Problem:
    """Whatever went wrong here, the mail server keeps the message."""
    from optsync.cli.foreign import problem_of

    problem = problem_of(error)
    return Problem(problem.what, f"the unsubscribe is not recorded; {problem.means}", problem.next, TRY_AGAIN)
