"""May I mail these people? Answered from what is committed; on doubt the answer is no (rules 9)."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from optsync.core.addresses import domain_of, normalize, subject_of
from optsync.ledger.queries import sql

IN_DOUBT = "the database did not answer, so nobody is mailed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one address may be mailed; `why` says what blocks it, empty when nothing does."""

    address: str
    allowed: bool
    why: str


def may_mail(
    conn: psycopg.Connection,
    subject_key: bytes,
    addresses: Sequence[str],
    *,
    sender_scope: int = 0,
    non_commercial: bool = False,
) -> list[Verdict]:
    """One verdict for each address, in order, in one statement; when it cannot be asked, every one is blocked.

    Blocked are account-wide opt-outs (also while a lift waits), this sender's own (`sender_scope` above 0), people in
    an undecided hold, and blocked domains. Non-commercial mail passes all but blocked domains (requirements 39-41).
    """
    normals = [normalize(address) for address in addresses]
    values = {
        "normals": normals,
        "subjects": [subject_of(normal, subject_key) for normal in normals],
        "domains": [domain_of(normal) for normal in normals],
        "scope": sender_scope,
        "non_commercial": non_commercial,
    }
    try:
        rows = conn.execute(sql("optsync.ledger", "may_mail"), values, prepare=True).fetchall()
    except psycopg.Error:
        return in_doubt(addresses)
    return [
        Verdict(address, allowed=why is None, why=why or "") for address, (why,) in zip(addresses, rows, strict=True)
    ]


def in_doubt(addresses: Sequence[str]) -> list[Verdict]:
    """The answer when nobody can be asked: everybody is blocked (rules 9)."""
    return [Verdict(address, allowed=False, why=IN_DOUBT) for address in addresses]


def block_domain(conn: psycopg.Connection, domain: str) -> None:
    """Nobody at exactly this domain is mailed any more."""
    conn.execute(sql("optsync.ledger", "block_domain"), [domain_of(normalize(f"x@{domain}"))])
