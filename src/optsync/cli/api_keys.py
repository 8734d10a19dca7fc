"""What programs sign in with."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import click

from optsync.cli.house import opened
from optsync.cli.output import BAD, OK, WARN, Output, with_output
from optsync.cli.people import TYPED, operator
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from optsync.access.keys import Key, Scope

SEE_LIST = "see: optsync api-keys list"
SCOPES = ("check", "read", "write", "admin")


@click.group("api-keys")
def api_keys() -> None:
    """API keys: what programs sign in with at /v1/. Each is shown once, when it is made."""


@api_keys.command()
@click.argument("name", type=TYPED)
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="check: may I mail? read: see everything. write: record unsubscribes. admin: all of it, and operate.",
)
@click.option("--days", type=click.IntRange(1, 36_500), help="Expires after so many days; without it, never.")
@with_output
def make(out: Output, name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make a key for the program called NAME and print it. Nobody can show it again.

    A key with --scope check is enough for a sender. --scope may be repeated.
    """
    from optsync.access import keys

    if not name.strip() or len(name) > keys.NAME_LENGTH_MAX:
        raise Problem(
            f"a name has 1 to {keys.NAME_LENGTH_MAX} characters",
            "no key was made",
            "name the program that will use it",
            2,
        )
    with opened(out) as house:
        key, text = keys.make(
            house.conn,
            house.subject_key,
            house.seams.token_bytes,
            name.strip(),
            cast("tuple[Scope, ...]", scopes),
            days=days,
            actor=operator(),
        )
    out.show(answer_of(key) | {"key": text}, text)
    if not out.as_json:
        out.say(f"{OK} {described(key)}")
        out.say("  Store it now: it is not shown again. Send it as: Authorization: Bearer os_live_...")


@api_keys.command("list")
@with_output
def list_keys(out: Output) -> None:
    """Show every key there ever was, the newest first, without its secret."""
    from optsync.access import keys

    with opened(out) as house:
        found = keys.listing(house.conn)
    signs = {"active": OK, "expired": WARN, "revoked": BAD}
    lines = [f"{signs[key.state]} {described(key)}" for key in found]
    nothing = f"{OK} No keys. For a sender: optsync api-keys make NAME --scope check"
    out.show({"keys": [answer_of(key) for key in found]}, *(lines or [nothing]))


@api_keys.command()
@click.argument("handle")
@with_output
def replace(out: Output, handle: str) -> None:
    """Make a key that may do the same as the one with this HANDLE, which works for 24 more hours."""
    from optsync.access import keys

    with opened(out) as house:
        made = keys.rotate(house.conn, house.subject_key, house.seams.token_bytes, handle, actor=operator())
    if made is None:
        raise Problem("there is no such key, or it opens nothing any more", "nothing was done", SEE_LIST)
    key, text = made
    out.show(answer_of(key) | {"key": text, "replaces": handle}, text)
    if not out.as_json:
        out.say(f"{OK} {described(key)}")
        out.say(f"  Store it now: it is not shown again. {handle} works for {keys.OVERLAP_HOURS} more hours.")


@api_keys.command()
@click.argument("handle")
@with_output
def revoke(out: Output, handle: str) -> None:
    """End the key with this HANDLE (the middle of its text) from now on."""
    from optsync.access import keys

    with opened(out) as house:
        if not keys.revoke(house.conn, handle, actor=operator()):
            raise Problem("there is no such key, or it was revoked", "nothing was done", SEE_LIST)
    out.show({"revoked": handle}, f"{OK} Revoked: {handle} opens nothing any more.")


def answer_of(key: "Key") -> dict[str, Any]:
    """A key for --json."""
    answer = asdict(key) | {"state": key.state}
    return {name: value for name, value in answer.items() if name not in ("key_id", "is_expired")}


def described(key: "Key") -> str:
    """A key for the eye."""
    ends = f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "never expires"
    used = f"last used {key.last_used_at:%Y-%m-%d %H}h UTC" if key.last_used_at else "never used"
    return f"{key.handle}  {key.name}  {', '.join(key.scopes)}  {key.state}, {ends}, {used}"
