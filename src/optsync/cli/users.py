"""The people of the web pages: list, add, another role, remove, and a way back in.

The operator of the machine may do what the pages refuse: demote or remove the last admin.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import click

from optsync.cli.house import House, opened
from optsync.cli.output import OK, SKIP, WARN, Output, with_output
from optsync.cli.people import TYPED, operator

if TYPE_CHECKING:
    from optsync.access.users import Role, User

ROLES = ("viewer", "operator", "admin")
ROLE = click.Choice(ROLES)


@click.group("users")
def users() -> None:
    """Who may sign in to the web pages, and as what.

    viewer: sees every page. operator: also adds unsubscribes, imports, syncs, retries. admin: also removes
    unsubscribes, decides mass changes, changes settings, keys and users.
    """


@users.command("list")
@with_output
def list_users(out: Output) -> None:
    """Show every user, by name."""
    from optsync.access import users as store

    with opened(out) as house:
        found = store.listing(house.conn)
    nothing = f"{OK} No users. Add one: optsync users add ADDRESS --name NAME --role admin"
    out.show({"users": [asdict(one) for one in found]}, *([described(one) for one in found] or [nothing]))


@users.command()
@click.argument("address", type=TYPED)
@click.option("--name", type=TYPED, required=True, help="As the audit will tell it; no address in it.")
@click.option("--role", type=ROLE, default="viewer", show_default=True, help="What they may do.")
@with_output
def add(out: Output, address: str, name: str, role: str) -> None:
    """Add a user with this ADDRESS and print the one-time link that lets them in within three days."""
    from optsync.access import users as store
    from optsync.access.users import INVITATION_SECONDS

    with opened(out) as house:
        made = store.add(house.conn, name, address, cast("Role", role), actor=operator())
        url = link_for(house, made, INVITATION_SECONDS)
    out.show({"user": asdict(made), "url": url, "seconds": INVITATION_SECONDS}, url)
    if not out.as_json:
        out.say(f"{OK} {made.name} is a user now ({made.role}). Hand the link over by a way that reaches only them.")


@users.command()
@click.argument("address", type=TYPED)
@click.argument("new_role", metavar="ROLE", type=ROLE)
@with_output
def role(out: Output, address: str, new_role: str) -> None:
    """Give the user with this ADDRESS another ROLE: viewer, operator or admin. Every session of theirs ends."""
    from optsync.access import users as store

    with opened(out) as house:
        found = store.find_by_address(house.conn, address)
        changed = store.change_role(
            house.conn, found.user_id, cast("Role", new_role), actor=operator(), spare_last_admin=False
        )
    out.show({"user": asdict(changed)}, described(changed))


@users.command()
@click.argument("address", type=TYPED)
@with_output
def remove(out: Output, address: str) -> None:
    """Remove the user with this ADDRESS: every session ends, every way to sign in is forgotten."""
    from optsync.access import users as store

    with opened(out) as house:
        found = store.find_by_address(house.conn, address)
        gone = store.remove(house.conn, found.user_id, actor=operator(), spare_last_admin=False)
    out.show({"removed": asdict(gone)}, f"{OK} Removed: {gone.name}. What the audit says of them stays.")


@users.command("sign-in-link")
@click.argument("address", type=TYPED)
@with_output
def sign_in_link(out: Output, address: str) -> None:
    """Print a one-time link for the user with this ADDRESS who lost their way in, good for 15 minutes.

    It asks for no password, passkey or code; a link from before stops working.
    """
    from optsync.access import users as store
    from optsync.web.sign_in import LINK_SECONDS

    with opened(out) as house:
        found = store.find_by_address(house.conn, address)
        store.tell(house.conn, found.user_id, "sign-in link made", "by the operator of the machine", actor=operator())
        url = link_for(house, found, LINK_SECONDS)
    out.show({"url": url, "seconds": LINK_SECONDS}, url)


def link_for(house: House, user: "User", seconds: int) -> str:
    """The address of a new one-time link of this user's."""
    from optsync.web.sign_in import make_link

    return f"{house.public_url}/sign-in/{make_link(house.conn, house.seams.token_bytes, seconds, user.user_id)}"


def described(user: "User") -> str:
    """A user for the eye."""
    sign = OK if user.signed_in_at else SKIP if user.invitation_open else WARN
    been = f"signed in {user.signed_in_at:%Y-%m-%d %H:%M} UTC" if user.signed_in_at else "has not been here yet"
    return f"{sign} {user.email}  {user.name}  {user.role}  {been}"
