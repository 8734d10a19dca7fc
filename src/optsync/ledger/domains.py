"""Blocked domains: nobody there or at a subdomain is mailed, not even non-commercially (rules 9, requirement 41)."""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from optsync.core.addresses import domain_of, is_address, normalize, without_addresses
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql

PACKAGE = "optsync.ledger"
SHOWN_CHARS = 80


@dataclass(frozen=True, slots=True)
class BlockedDomain:
    """A domain at which nobody is mailed."""

    domain: str
    since_at: datetime


def domain_in(text: str) -> str:
    """The domain that a person typed, as it stands in normal forms; `*.` and `@` in front are passed over.

    Raises Problem for what is none, and for one without a dot: `com` would block half the world.
    """
    typed = text.strip().removeprefix("*.").removeprefix("@")
    domain = domain_of(normalize(f"x@{typed}"))
    if "@" in typed or "." not in domain or not is_address(f"x@{domain}"):
        raise Problem(
            told("%(text)s is not a domain", text=without_addresses(text)[:SHOWN_CHARS] or '""'),
            told("nothing was changed"),
            told("type it as example.com; its subdomains are blocked, too"),
            2,
        )
    return domain


def parents_of(domain: str) -> list[str]:
    """A domain and those above it: a.b.example.com, b.example.com, example.com, com."""
    labels = domain.split(".")
    return [".".join(labels[place:]) for place in range(len(labels))]


def block(conn: psycopg.Connection, text: str, *, actor: str) -> bool:
    """Blocks a domain with its subdomains from now on; False when it was blocked. Raises Problem."""
    values = {"domain": domain_in(text), "actor": actor}
    return conn.execute(sql(PACKAGE, "block_domain"), values).fetchone() is not None


def allow(conn: psycopg.Connection, text: str, *, actor: str) -> bool:
    """Ends that; False when it was not blocked itself. Raises Problem."""
    values = {"domain": domain_in(text), "actor": actor}
    return conn.execute(sql(PACKAGE, "allow_domain"), values).fetchone() is not None


def listing(conn: psycopg.Connection, after: str = "", limit: int | None = None) -> list[BlockedDomain]:
    """All of them by name, or a page of those behind a name."""
    rows = conn.execute(sql(PACKAGE, "blocked_domains"), {"after": after, "limit": limit})
    return [BlockedDomain(*row) for row in rows]
