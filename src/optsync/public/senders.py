"""Senders that people may stop one by one (requirement 36): such an opt-out never makes a mark and never syncs."""

from collections.abc import Iterable

import psycopg

from optsync.core.addresses import normalize
from optsync.ledger.people import OptOut
from optsync.ledger.queries import sql
from optsync.ledger.record import WHOLE_ACCOUNT


def scope_to_stop(conn: psycopg.Connection, sender: str) -> int:
    """The scope of one sender's opt-outs, made on first use."""
    values = {"normal": normalize(sender), "label": sender.strip()}
    row = None
    while row is None:  # another process made the same one in this moment: it is there when asked again
        row = conn.execute(sql("optsync.public", "make_sender"), values).fetchone()
    return int(row[0])


def scope_to_check(conn: psycopg.Connection, sender: str) -> int:
    """The same for a question, which makes nothing: the whole account when nobody ever stopped this sender."""
    row = conn.execute(sql("optsync.public", "scope_of_sender"), [normalize(sender)]).fetchone() if sender else None
    return WHOLE_ACCOUNT if row is None else int(row[0])


def stopped(conn: psycopg.Connection, opt_outs: Iterable[OptOut]) -> list[str]:
    """The senders whom a person has stopped, as they stood in their links, by name."""
    scopes = [one.scope for one in opt_outs if one.scope != WHOLE_ACCOUNT and one.is_active]
    if not scopes:
        return []
    return [label for (label,) in conn.execute(sql("optsync.public", "labels_of_senders"), [scopes])]
