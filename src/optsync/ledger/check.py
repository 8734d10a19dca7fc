"""May I mail these people? Answered from what is committed; on doubt the answer is no (rules 9)."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from optsync.core.addresses import is_address, names_several, normalize_all, subject_of
from optsync.ledger.domains import parents_of
from optsync.ledger.queries import sql

IN_DOUBT = "the database did not answer, so nobody is mailed"
UNKNOWN_RECORD = "this Salesforce record is not known here; ask by its address"
NO_ADDRESS = "this Salesforce record has no e-mail here"
NOT_ONE = "this is not one e-mail address; ask for one at a time"
"""A list in one text, or a spelling that may be somebody's whom we know under another: nobody can judge by it."""
ERASED = "erased; only a keyed hash of the address is kept"


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
    an undecided hold, and blocked domains with their subdomains. Non-commercial mail passes all but blocked domains
    (requirements 39-41). What is not one plain address is blocked, too.
    """
    try:
        reasons = ask(conn, subject_key, addresses, sender_scope=sender_scope, non_commercial=non_commercial)
    except psycopg.Error:
        return in_doubt(addresses)
    return [Verdict(address, not why, why) for address, why in zip(addresses, reasons, strict=True)]


def ask(
    conn: psycopg.Connection,
    subject_key: bytes,
    addresses: Sequence[str],
    *,
    sender_scope: int = 0,
    non_commercial: bool = False,
) -> list[str]:
    """What blocks each address, in order; empty = nothing. Raises psycopg.Error when it cannot be asked: block then."""
    normals = normalize_all(addresses)
    reasons = _reasons(conn, normals, subject_key, sender_scope, non_commercial)
    return [
        NOT_ONE if not why and names_several(address) else why for address, why in zip(addresses, reasons, strict=True)
    ]


def ask_by_record(
    conn: psycopg.Connection, record_ids: Sequence[str], *, sender_scope: int = 0, non_commercial: bool = False
) -> list[str]:
    """What blocks the person behind each 18-character record id, in order; empty = nothing. Raises psycopg.Error.

    Without an address to judge by (an unknown record, one without e-mail, an erased person) the answer is a block. An
    id that two orgs share (a sandbox copies them) is blocked when either is.
    """
    found = conn.execute(sql("optsync.ledger", "addresses_of_records"), [list(record_ids)], prepare=True).fetchall()
    asked = [normal for _, _, normal, _ in found if normal is not None]
    reasons = iter(_reasons(conn, asked, None, sender_scope, non_commercial))
    answers = [""] * len(record_ids)
    for nth, is_known, normal, is_erased in found:
        missing = ERASED if is_erased else NO_ADDRESS if is_known else UNKNOWN_RECORD
        why = missing if normal is None else next(reasons)
        answers[nth - 1] = answers[nth - 1] or why
    return answers


def _reasons(
    conn: psycopg.Connection, normals: list[str], subject_key: bytes | None, sender_scope: int, non_commercial: bool
) -> list[str]:
    """What blocks each normal form, in order; empty = nothing. Without a key erased people are not looked for."""
    domains = {normal.rpartition("@")[2] for normal in normals}
    values = {
        "normals": normals,
        "subjects": [],
        "parents": sorted({parent for one in domains for parent in parents_of(one)}),
        "scope": sender_scope,
        "non_commercial": non_commercial,
    }
    rows = conn.execute(sql("optsync.ledger", "may_mail"), values, prepare=True).fetchall()
    if subject_key is not None and any(nth == 0 for nth, _ in rows):
        values["subjects"] = [subject_of(normal, subject_key) for normal in normals]
        rows = conn.execute(sql("optsync.ledger", "may_mail"), values, prepare=True).fetchall()
    reasons = [""] * len(normals)
    for nth, why in rows:
        if nth:
            reasons[nth - 1] = why
    return [why or ("" if is_address(normal) else NOT_ONE) for normal, why in zip(normals, reasons, strict=True)]


def in_doubt(addresses: Sequence[str]) -> list[Verdict]:
    """The answer when nobody can be asked: everybody is blocked (rules 9)."""
    return [Verdict(address, allowed=False, why=IN_DOUBT) for address in addresses]
