"""Compliance data of one person."""

from typing import TYPE_CHECKING

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, Output, with_output
from optsync.cli.people import TYPED, address_of, operator
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from optsync.ledger.compliance import Compliance


@click.command()
@click.argument("address", type=TYPED)
@click.option(
    "--set", "values", type=TYPED, multiple=True, metavar="NAME=VALUE", help="Change a value; repeat it for several."
)
@with_output
def compliance(out: Output, address: str, values: tuple[str, ...]) -> None:
    """Why the data of ADDRESS may be used, and where they came from; with --set changed first.

    What can be set: authorization_type (consent, legitimate interest, performance of a contract, compliance with legal
    obligation, protection of vital interests, public interest/official authority, other; its authorization_note for
    other), consent_date and consent_purpose (for a consent; the date as 2026-03-31), source_type (crm sync, import,
    manual upload, chrome extension, other; its source_note for other).

    An empty value empties it. A consent opts nobody in: who is blocked stays blocked. For many people import a file
    with these columns: optsync import FILE.
    """
    from optsync.core.compliance import BadCompliance, over_current
    from optsync.ledger import compliance as kept
    from optsync.ledger import people

    given = dict(named(value) for value in values)
    with opened(out) as house:
        person = people.find(house.conn, house.subject_key, address_of(address))
        if person is None or person.is_erased:
            raise Problem(
                "this address is not stored here",
                "nothing was changed: nobody here has it, or it was erased",
                "check how it is spelled; see: optsync who ADDRESS",
            )
        stands = kept.find(house.conn, person.address_id)
        changed = 0
        if given:
            try:
                wanted = kept.understand(house.conn, over_current(stands.cells, given), whole=True)
            except BadCompliance as error:
                raise Problem(str(error), "nothing was changed", "see: optsync compliance --help", 2) from error
            changed = kept.set_for(house.conn, house.subject_key, [person.address_id], wanted, actor=operator())
            stands = kept.find(house.conn, person.address_id)
    said = {name: cell or None for name, cell in stands.cells.items()}
    answer = {"address": person.normal, **said, "set_at": stands.set_at, "set_by": stands.set_by}
    out.show(answer | ({"changed": bool(changed)} if given else {}), *lines_of(stands, given, changed))


def named(text: str) -> tuple[str, str]:
    """NAME=VALUE in two; raises Problem for another name."""
    from optsync.core.compliance import FIELDS

    name, equals, value = text.partition("=")
    if not equals or name not in FIELDS:
        raise Problem(f"not a value to set: {name}", "nothing was changed", f"names are {', '.join(FIELDS)}", 2)
    return name, value


def lines_of(stands: "Compliance", given: dict[str, str], changed: int) -> list[str]:
    """The values for the eye, with who set them and when."""
    lines = ([f"{OK} Recorded."] if changed else ["  Nothing was different."]) if given else []
    lines += [f"  {name:19} {cell}" for name, cell in stands.cells.items() if cell] or ["  Nothing is recorded."]
    if stands.set_at:
        lines.append(f"  {'set':19} {stands.set_at:%Y-%m-%d %H:%M} UTC by {stands.set_by or '–'}")
    return lines
