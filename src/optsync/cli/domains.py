"""Blocked domains: see them, block one, allow it again."""

from dataclasses import asdict

import click

from optsync.cli.house import opened
from optsync.cli.output import OK, Output, with_output
from optsync.cli.people import TYPED, operator


@click.group()
def domains() -> None:
    """Domains at which nobody is mailed, not even non-commercially. Subdomains are blocked with them."""


@domains.command("list")
@with_output
def list_domains(out: Output) -> None:
    """Show the blocked domains."""
    from optsync.ledger.domains import listing

    with opened(out) as house:
        blocked = listing(house.conn)
    lines = [f"  {one.domain:40} since {one.since_at:%Y-%m-%d %H:%M} UTC" for one in blocked]
    told = [asdict(one) | {"since_at": one.since_at.isoformat()} for one in blocked]
    out.show({"domains": told}, *(lines or [f"{OK} No domain is blocked."]))


@domains.command()
@click.argument("domain", type=TYPED)
@with_output
def block(out: Output, domain: str) -> None:
    """Mail nobody at DOMAIN, nor at its subdomains, from now on."""
    done, same = "blocked from now on, with its subdomains.", "was blocked already; nothing changed."
    change(out, domain, done, same, is_block=True)


@domains.command()
@click.argument("domain", type=TYPED)
@with_output
def allow(out: Output, domain: str) -> None:
    """End the block of DOMAIN. Who unsubscribed there stays unsubscribed."""
    done, same = "no longer blocked; who unsubscribed stays unsubscribed.", "was not blocked itself."
    change(out, domain, done, same, is_block=False)


def change(out: Output, typed: str, done: str, same: str, *, is_block: bool) -> None:
    """Blocks or allows a domain and says what became of it. Raises Problem for what is none."""
    from optsync.ledger import domains as blocked

    name = blocked.domain_in(typed)
    with opened(out) as house:
        has_changed = (blocked.block if is_block else blocked.allow)(house.conn, name, actor=operator())
    out.show({"domain": name, "changed": has_changed}, f"{OK} {name}: {done if has_changed else same}")
