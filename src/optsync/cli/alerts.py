"""What the product says by itself: problems, channels, tests."""

from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import click

from optsync.cli.house import opened
from optsync.cli.output import BAD, OK, WARN, Output, with_output
from optsync.cli.people import operator
from optsync.cli.webhooks import NUMBER, none_such

if TYPE_CHECKING:
    from optsync.alerts.channels import Channel, Kind

KINDS = ("email", "webhook", "heartbeat")


@click.group()
def alerts() -> None:
    """Alerts: one message per problem, one when it is fixed, silence while all is well."""


@alerts.command("list")
@with_output
def list_alerts(out: Output) -> None:
    """Show the channels, the problems that are open, and those that were fixed."""
    from optsync.alerts import channels, watching

    with opened(out) as house:
        known, told = channels.listing(house.conn), watching.history(house.conn)
    lines = [described(one) for one in known] or [f"{WARN} No channel. Add one: optsync alerts add email ADDRESS"]
    for one in told:
        fixed = f", fixed {one.fixed_at:%Y-%m-%d %H:%M} UTC" if one.fixed_at else ""
        lines.append(f"{OK if fixed else BAD} since {one.opened_at:%Y-%m-%d %H:%M} UTC{fixed}: {one.sentence}")
    shown = [asdict(one) | {"title": one.title, "sentence": str(one.sentence)} for one in told]
    rows = [{name: value for name, value in asdict(one).items() if name != "target"} for one in known]
    out.show({"channels": rows, "alerts": shown}, *lines)


@alerts.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("target")
@with_output
def add(out: Output, kind: str, target: str) -> None:
    """Add a channel: an e-mail address, a chat webhook that takes {"text": ...}, or a heartbeat address.

    A heartbeat address is fetched after each sync run that proved agreement; whoever watches it misses one that does
    not come.
    """
    from optsync.alerts import channels
    from optsync.webhooks.egress import egress_of

    with opened(out) as house:
        egress = egress_of(house.seams, house.environment)
        number = channels.add(house.conn, house.vault, egress, cast("Kind", kind), target, actor=operator())
        if kind == "email" and house.environment.smtp is None:
            out.say(f"{WARN} No mail server is set yet: OPTSYNC_SMTP_HOST. Mails wait until one is.")
    out.show({"channel": number}, f"{OK} Channel {number} is added. Next: optsync alerts test")


@alerts.command()
@click.argument("number", type=NUMBER)
@with_output
def remove(out: Output, number: int) -> None:
    """End channel NUMBER."""
    from optsync.alerts import channels

    with opened(out) as house:
        if not channels.remove(house.conn, number, actor=operator()):
            raise none_such(f"there is no channel {number}", "optsync alerts list")
    out.show({"removed": number}, f"{OK} Channel {number} is removed.")


@alerts.command()
@with_output
def test(out: Output) -> None:
    """Queue a test message for every channel; a worker sends it within seconds."""
    from optsync.alerts import watching

    with opened(out) as house:
        count = watching.send_tests(house.conn, house.seams.new_id())
    sign = OK if count else WARN
    out.show({"queued": count}, f"{sign} Test messages: {count:,}. What became of them: optsync alerts list")


def described(one: "Channel") -> str:
    """A channel for the eye."""
    if one.due_at is not None and one.said:
        return f"{BAD} {one.channel_id}  {one.kind} {one.name}: {one.said}; tried again"
    last = f"last message {one.sent_at:%Y-%m-%d %H:%M} UTC" if one.sent_at else "nothing sent yet"
    return f"{OK} {one.channel_id}  {one.kind} {one.name}, {last}"
