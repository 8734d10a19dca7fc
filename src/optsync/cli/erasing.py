"""Erasing a person."""

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, Output, interactive, with_output, with_yes
from optsync.cli.people import TYPED, address_of, operator
from optsync.core.problems import Problem

WAITS = 5


@click.command()
@click.argument("address", type=TYPED)
@click.option("--reason", type=TYPED, required=True, help="Why; kept for ever, without the address.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_output
def erase(out: Output, address: str, reason: str, yes: bool) -> None:
    """Remove ADDRESS from this installation for good; only a keyed hash of it stays.

    Who unsubscribed stays blocked, and an import or a sync run that brings the address again does not store it.
    Salesforce is not changed, and backups made before still hold the address.
    """
    from optsync.ledger.people import erase as erase_person
    from optsync.webhooks.inbox import take_waiting_of

    asked = address_of(address)
    if not reason.strip():
        raise Problem("an erasure needs a reason", "nothing was erased", "say why: --reason TEXT", 2)
    if not (yes or (interactive() and click.confirm("Erase this address for good?", err=True))):
        again = f"repeat the command with --yes: {with_yes()}"
        raise Problem("an erasure waits for a yes", "nothing was erased", again, WAITS)
    with opened(out) as house:
        take_waiting_of(house.conn, house.subject_key, asked)
        done = erase_person(house.conn, house.subject_key, asked, actor=operator(), reason=reason)
    if not done:
        raise Problem(
            "this address is not stored here",
            "nothing was erased: nobody here has it, or it was erased before",
            "check how it is spelled; see: optsync who ADDRESS",
        )
    out.show({"erased": True}, f"{OK} Erased. Only a keyed hash of the address is kept.")
