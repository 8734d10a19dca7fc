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
    from optsync.ledger.domains import block as block_domain
    from optsync.ledger.domains import domain_in

    name = domain_in(domain)
    with opened(out) as house:
        is_new = block_domain(house.conn, name, actor=operator())
    said = "blocked from now on, with its subdomains." if is_new else "was blocked already; nothing changed."
    out.show({"domain": name, "changed": is_new}, f"{OK} {name}: {said}")


@domains.command()
@click.argument("domain", type=TYPED)
@with_output
def allow(out: Output, domain: str) -> None:
    """End the block of DOMAIN. Who unsubscribed there stays unsubscribed."""
    from optsync.ledger.domains import allow as allow_domain
    from optsync.ledger.domains import domain_in

    name = domain_in(domain)
    with opened(out) as house:
        was_blocked = allow_domain(house.conn, name, actor=operator())
    said = "no longer blocked; who unsubscribed stays unsubscribed." if was_blocked else "was not blocked itself."
    out.show({"domain": name, "changed": was_blocked}, f"{OK} {name}: {said}")
