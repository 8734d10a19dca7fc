"""Installing in Salesforce: the field on page layouts, our own checkbox, the permission set; and taking it back."""

from typing import TYPE_CHECKING

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, WARN, Output, interactive, with_output, with_yes
from optsync.cli.people import operator
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from optsync.cli.house import House
    from optsync.connection.fields import OptOutField
    from optsync.connection.install_plan import Found, Step
    from optsync.salesforce.session import Session

NEEDS_YES, WARNED = 5, 3


@click.command()
@click.option("--field", "name", default="email", show_default=True, metavar="email|own|API_NAME",
              help="own: a new checkbox Sales_Opt_Out__c on Lead and Contact.")  # fmt: skip
@click.option("--layouts", multiple=True, default=["all"], metavar="all|none|NAME",
              help="Page layouts that are to show it; one name each time.  [default: all]")  # fmt: skip
@click.option("--no-grant", is_flag=True, help="Leave permissions alone: no permission set for the integration user.")
@click.option("--undo", is_flag=True, help="Take back what was installed from here and nobody has changed since.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--org", help="The org's id, when several are connected.")
@with_output
def install(
    out: Output,
    name: str,
    layouts: tuple[str, ...],
    no_grant: bool,
    undo: bool,
    dry_run: bool,
    yes: bool,
    org: str | None,
) -> int:
    """Put the opt-out field where people see it and the integration user may tick it.

    What would change in Salesforce is shown first. Needs Customize Application and Manage Profiles and Permission Sets;
    without them do it by hand: docs/how-to/install-the-field.md. Exit code 3: done, but something is still missing.
    """
    from optsync.connection.sessions import open_session

    with opened(out) as house:
        org_id = house.org_id(org)
        with open_session(house.conn, house.vault, org_id, house.seams) as session:
            if undo:
                return take_back(out, house, session, org_id, dry_run, yes)
            return put_in(out, house, session, org_id, (name, layouts, not no_grant), dry_run, yes)


def put_in(
    out: Output,
    house: "House",
    session: "Session",
    org_id: int,
    asked: tuple[str, tuple[str, ...], bool],
    dry_run: bool,
    yes: bool,
) -> int:
    """Plans, asks, installs, and says what a fresh look still misses."""
    from optsync.connection import installing
    from optsync.connection.install_plan import Wish, plan

    name, layouts, grant = asked
    found, field = installing.look(session), field_named(session, name)
    wish = Wish(field, ids_of(found, layouts), grant)
    planned = plan(found, wish)
    lines = [f"  + {step.told}" for step in planned.steps] or [f"{OK} Nothing to do: it is all there."]
    lines += [f"{WARN} {layout}: no section for fields; do it by hand" for layout in planned.by_hand]
    if not agreed(out, planned.steps, lines, dry_run, yes):
        return 0
    result = installing.install(house.conn, session, org_id, wish, planned.digest, actor=operator())
    missing = [*(str(step.told) for step in result.left), *(str(finding) for finding in result.findings)]
    said = [f"{OK} Done and read back.", "  Take it back with: optsync install --undo"]
    answer = {"done": True, "steps": [str(step.told) for step in result.done], "missing": missing}
    out.show(answer, *([f"{WARN} Still missing: {one}" for one in missing] or said))
    return WARNED if missing else 0


def take_back(out: Output, house: "House", session: "Session", org_id: int, dry_run: bool, yes: bool) -> int:
    """Plans, asks and takes back; names what stays and why."""
    from optsync.connection import installing

    planned = installing.look_for_undo(house.conn, session, org_id)
    kept = [f"{one.step.told}: {one.why}" for one in planned.kept]
    lines = [f"  − {step.told}" for step in planned.steps] or [f"{OK} Nothing to take back."]
    lines += [f"{WARN} Stays: {one}" for one in kept]
    if not agreed(out, planned.steps, lines, dry_run, yes, kept):
        return 0
    done = installing.undo(house.conn, session, org_id, planned.digest, actor=operator())
    answer = {"done": True, "steps": [str(step.told) for step in done.steps], "kept": kept}
    out.show(answer, f"{OK} Taken back.")
    return WARNED if kept else 0


def agreed(
    out: Output, steps: tuple["Step", ...], lines: list[str], dry_run: bool, yes: bool, kept: list[str] | None = None
) -> bool:
    """Shows the plan; True for --yes or a yes on a terminal. Raises Problem where nobody can be asked."""
    answer = {"done": False, "steps": [str(step.told) for step in steps]} | ({} if kept is None else {"kept": kept})
    if dry_run or not steps:
        out.show(answer, *lines)
        return False
    if yes:
        for line in lines:
            out.say(line)
        return True
    out.show(answer, *lines)
    if interactive() and not out.as_json:
        return click.confirm("Change this in Salesforce?", err=True)
    raise Problem("the change waits for a yes", "nothing was done", f"repeat it with --yes: {with_yes()}", NEEDS_YES)


def field_named(session: "Session", name: str) -> "OptOutField":
    """The field that is meant, also one that our user cannot see yet. Raises Problem for what is no checkbox."""
    from optsync.connection import fields
    from optsync.connection.install_plan import OWN

    if name.lower() == "email":
        return fields.EMAIL
    if name.lower() in ("own", OWN.lead_name.lower()):
        return OWN
    described = fields.look_at(session)
    field = described.field_named(name)
    wrong = [str(one) for one in described.findings(field) if one.defect in ("not a checkbox", "standard")]
    if wrong:
        raise Problem("; ".join(wrong), "nothing was done", "name email, own, or a checkbox of Lead and Contact", 2)
    return field


def ids_of(found: "Found", names: tuple[str, ...]) -> frozenset[str]:
    """The ids of the page layouts of these names. Raises Problem for a name that no layout has."""
    if "none" in names:
        return frozenset()
    if "all" in names:
        return frozenset(layout.id for layout in found.layouts)
    known = {layout.name for layout in found.layouts}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Problem(
            f"there is no page layout {', '.join(unknown)}",
            "nothing was done",
            f"Lead and Contact have: {', '.join(sorted(known))}",
            2,
        )
    return frozenset(layout.id for layout in found.layouts if layout.name in names)
