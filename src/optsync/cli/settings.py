"""The switch, the opt-out field, the time. A change is shown first and saved after a yes."""

import re
from datetime import time
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from optsync.cli.house import House, opened
from optsync.cli.output import OK, Output, interactive, with_output, with_yes
from optsync.cli.people import operator
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from optsync.connection.settings import Change, Plan, Settings

NEEDS_YES = 5
CLOCK_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
YES = click.option("--yes", is_flag=True, help="Save without asking.")
ORG = click.option("--org", help="The org's id, when several are connected.")


@click.group(invoke_without_command=True)
@ORG
@with_output
@click.pass_context
def settings(context: click.Context, out: Output, org: str | None) -> None:
    """Show the settings, or change one with a sub-command."""
    if context.invoked_subcommand is not None:
        return
    from optsync.connection.settings import load

    with opened(out) as house:
        current = load(house.conn, house.org_id(org))
    out.show(as_answer(current), *as_lines(current))


@settings.command()
@click.argument("switch", type=click.Choice(["on", "off"]))
@YES
@ORG
@with_output
def sync(out: Output, switch: str, yes: bool, org: str | None) -> int:
    """Switch the nightly sync on or off.

    Off or on, a new opt-out is pushed at once; off, it goes to Email Opt Out whatever field was chosen.
    """
    from optsync.connection.settings import Change

    return change(out, org, Change(sync_on=switch == "on"), "all", yes)


@settings.command()
@click.argument("name", metavar="email|sales|both|API_NAME")
@click.option("--read-both", is_flag=True, help="Read both fields at night, write the chosen one.")
@click.option("--carry", type=click.Choice(["all", "new"]), default="all", show_default=True,
              help="all: what was recorded before becomes due there too; new: it stays where it was.")  # fmt: skip
@YES
@ORG
@with_output
def field(out: Output, name: str, read_both: bool, carry: str, yes: bool, org: str | None) -> int:
    """Choose the opt-out field: Email Opt Out, the sales field, both, or a checkbox by its API name."""
    from optsync.connection.settings import Change

    wanted = Change(field=name, read_both=read_both)
    return change(out, org, wanted, cast("Literal['all', 'new']", carry), yes)


@settings.command()
@click.argument("at", metavar="HH:MM")
@click.option("--zone", help="A time zone by its IANA name, such as America/Los_Angeles; without it the zone stays.")
@YES
@ORG
@with_output
def schedule(out: Output, at: str, zone: str | None, yes: bool, org: str | None) -> int:
    """When the nightly sync starts."""
    from optsync.connection.settings import Change, load
    from optsync.core.calendar import Schedule

    if not (clock := CLOCK_TIME.fullmatch(at)):
        raise Problem(
            f"{at} is no time of day", "nothing was changed", "write it as HH:MM, from 00:00 to 23:59, such as 20:00", 2
        )
    if zone is None:
        with opened() as house:
            zone = load(house.conn, house.org_id(org)).schedule.zone
    try:
        wanted = Schedule(time(int(clock[1]), int(clock[2])), zone)
    except ValueError as error:
        raise Problem(str(error), "nothing was changed", "for example: optsync settings schedule 20:00", 2) from None
    return change(out, org, Change(schedule=wanted), "all", yes)


def change(out: Output, org: str | None, wanted: "Change", carry: Literal["all", "new"], yes: bool) -> int:
    """Shows what the change does, asks on a terminal, saves; without a terminal and --yes it saves nothing."""
    from optsync.connection.settings import apply_change, plan_change, ticked_there

    with opened(out) as house:
        org_id = house.org_id(org)
        session = session_for(house, org_id, wanted)
        try:
            plan = plan_change(house.conn, session, org_id, wanted, carry)
            if session is not None and not yes:
                plan.lines.extend(
                    f"Ticked in Salesforce now, which the next sync takes over: {label} on {count:,} records."
                    for label, count in ticked_there(session, plan).items()
                )
            if not agreed(out, plan, yes):
                return NEEDS_YES
            plan = apply_change(house.conn, session, org_id, wanted, carry, actor=operator())
        finally:
            if session is not None:
                session.close()
    out.show({"saved": True, "plan": plan.lines, "boxes": plan.boxes, "ticked": plan.ticked, **as_answer(plan.after)},
             *(plan.lines if yes else ()), f"{OK} Saved.")  # fmt: skip
    return 0


def session_for(house: House, org_id: int, wanted: "Change") -> Any:
    """A session when the change needs a look at Salesforce: switching off and another hour do not."""
    from optsync.connection.sessions import open_session

    if not wanted.needs_look:
        return None
    return open_session(house.conn, house.vault, org_id, house.seams)


def agreed(out: Output, plan: "Plan", yes: bool) -> bool:
    """--yes, or a yes on a terminal; elsewhere the plan is shown and the flag named."""
    if yes:
        return True
    out.show({"saved": False, "plan": plan.lines, "boxes": plan.boxes, "ticked": plan.ticked}, *plan.lines)
    if interactive() and not out.as_json:
        return click.confirm("Save?", err=True)
    raise Problem("the change waits for a yes", "nothing was saved", f"repeat it with --yes: {with_yes()}", NEEDS_YES)


def as_answer(current: "Settings") -> dict[str, Any]:
    """The settings for --json."""
    return {
        "sync": "on" if current.sync_on else "off",
        "field": current.choice.value,
        "custom": current.custom.lead_name if current.custom else None,
        "read_both": current.read_both,
        "at": f"{current.schedule.at:%H:%M}",
        "zone": current.schedule.zone,
    }


def as_lines(current: "Settings") -> list[str]:
    """The settings for the eye."""
    answer = as_answer(current)
    custom = f" ({answer['custom']})" if answer["custom"] else ""
    both = ", read both" if current.read_both else ""
    return [
        f"  Nightly sync   {answer['sync']}",
        f"  Opt-out field  {answer['field']}{custom}{both}",
        f"  Every night at {answer['at']} {answer['zone']}",
    ]
