"""Which fields a new opt-out is due in. Every opt-out remembers its epoch, so a change rewrites none (rules 2, 7)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from optsync.core.problems import Problem
from optsync.core.targets import account_name
from optsync.core.told import told
from optsync.ledger.queries import sql

EMAIL_OPT_OUT = 1
"""Field 1 of every org is Email Opt Out, the standard checkbox."""

Carry = Literal["all", "new"]


@dataclass(frozen=True, slots=True)
class OptOutField:
    """An opt-out field of an org; its API name may differ per object."""

    field: int
    lead_name: str
    contact_name: str
    label: str

    def name_on(self, kind: str) -> str:
        """The API name on Lead, Contact or Account; on a Person Account it is the Contact's, in Account spelling."""
        if kind == "Account":
            return account_name(self.contact_name)
        return self.lead_name if kind == "Lead" else self.contact_name


@dataclass(frozen=True, slots=True)
class Retargeted:
    """What a field change did: `carried` marks now wait for the first comparison in their field."""

    fields: frozenset[int]
    carried: int


def register_org(conn: psycopg.Connection, salesforce_id: str) -> int:
    """The number of an org by its 18-character id. A new one owes every earlier opt-out in Email Opt Out.

    Nothing is known of its records yet, so every opted-out address is looked up there by exact e-mail.
    """
    with conn.transaction():
        # pg_advisory 7005: an opt-out in flight is either in the look-ups below or sees the new org
        conn.execute("SELECT pg_advisory_xact_lock(7005, 0)")
        row = conn.execute(sql("optsync.ledger", "register_org"), {"salesforce_id": salesforce_id}).fetchone()
        assert row is not None  # inserted or found
        org_id, is_new = row
        if is_new:
            name = "HasOptedOutOfEmail"
            ensure_field(conn, org_id, name, name, "Email Opt Out")
            conn.execute(sql("optsync.ledger", "due_everywhere"), {"org": org_id, "field": EMAIL_OPT_OUT})
            conn.execute(sql("optsync.ledger", "look_up_everybody"), {"org": org_id})
            conn.execute(sql("optsync.ledger", "notify"))
    return int(org_id)


def fields(conn: psycopg.Connection, org_id: int) -> list[OptOutField]:
    """The opt-out fields we know of an org, Email Opt Out first."""
    return [OptOutField(*row) for row in conn.execute(sql("optsync.ledger", "fields"), [org_id])]


def ensure_field(conn: psycopg.Connection, org_id: int, lead_name: str, contact_name: str, label: str) -> int:
    """The number of an opt-out field in an org; a new number when its names are new."""
    values = {"org": org_id, "lead": lead_name, "contact": contact_name, "label": label}
    return _int(conn.execute(sql("optsync.ledger", "ensure_field"), values))


def target(conn: psycopg.Connection, org_id: int) -> frozenset[int]:
    """The fields in which a new opt-out is due in an org now."""
    return frozenset(field for (field,) in conn.execute(sql("optsync.ledger", "target"), [org_id]))


def due_fields(conn: psycopg.Connection, org_id: int) -> frozenset[int]:
    """Every field in which some active opt-out is due in an org, and those of the target: what a run has to read."""
    return frozenset(field for (field,) in conn.execute(sql("optsync.ledger", "due_fields"), {"org": org_id}))


def retarget(
    conn: psycopg.Connection, org_id: int, fields: Collection[int], carry: Carry, *, actor: str | None = None
) -> Retargeted:
    """New opt-outs are due in these fields from now on; other orgs keep theirs.

    'all' makes every earlier opt-out due here too, in marks that wait for the first comparison ('carried'); 'new'
    leaves earlier ones where they were. Raises Problem while a live worker is sending.
    """
    wanted = frozenset(fields)
    values: dict[str, Any] = {"org": org_id, "fields": sorted(wanted)}
    with conn.transaction():
        # no nightly apply, no opt-out in flight: each is either in the carried marks or in the new epoch
        conn.execute("SELECT pg_advisory_xact_lock_shared(7004, 0), pg_advisory_xact_lock(7005, 0)")
        conn.execute(sql("optsync.ledger", "quick_joins"))
        _refuse_while_sending(conn, org_id)
        if wanted != target(conn, org_id):
            conn.execute(sql("optsync.ledger", "new_epoch"), values)
        if carry == "all":
            conn.execute(sql("optsync.ledger", "carry_all"), values)
            conn.execute(sql("optsync.ledger", "carry_marks"))
        evidence = Jsonb({"fields": sorted(wanted), "carry": carry})
        conn.execute(sql("optsync.ledger", "tell_target"), {"org": org_id, "actor": actor, "evidence": evidence})
        return Retargeted(wanted, _int(conn.execute(sql("optsync.ledger", "carried"), [org_id])))


def release_carried(conn: psycopg.Connection, org_id: int) -> int:
    """Owes the marks that wait for a first comparison, when the switch is turned off and none will come.

    What was owed is still delivered, and a push reads before it writes. Returns how many.
    """
    count = conn.execute(sql("optsync.ledger", "release_carried"), [org_id]).rowcount
    conn.execute(sql("optsync.ledger", "notify"))
    return count


def _refuse_while_sending(conn: psycopg.Connection, org_id: int) -> None:
    sending = _int(conn.execute(sql("optsync.ledger", "live_claims"), [org_id]))
    if sending:
        raise Problem(
            told("%(count)s boxes are being written to Salesforce at this moment", count=sending),
            told("the field can only be changed between two writes; nothing was changed"),
            told("try again in half a minute"),
        )


def _int(cursor: psycopg.Cursor) -> int:
    row = cursor.fetchone()
    assert row is not None  # an aggregate answers with one row
    return int(row[0])
