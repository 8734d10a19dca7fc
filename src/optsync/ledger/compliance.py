"""Why people's data may be used, and where they came from: set by a person or a file, audited, gone with an erasure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import psycopg
from psycopg.types.json import Jsonb

from optsync.core.addresses import hmac_pads, without_addresses
from optsync.core.compliance import FIELDS, Change, read_change
from optsync.ledger.queries import sql
from optsync.ledger.record import again_after_deadlock

PACKAGE = "optsync.ledger"


@dataclass(frozen=True, slots=True)
class Compliance:
    """What stands there for one person; None = not recorded. `core.compliance` says what goes together."""

    authorization_type: str | None = None
    authorization_note: str | None = None
    consent_date: date | None = None
    consent_purpose: str | None = None
    source_type: str | None = None
    source_note: str | None = None
    set_at: datetime | None = None
    set_by: str | None = None

    @property
    def cells(self) -> dict[str, str]:
        """The six values as texts, "" where there is none."""
        return {name: str(getattr(self, name) or "") for name in FIELDS}


def find(conn: psycopg.Connection, address_id: int) -> Compliance:
    """The compliance data of one person; all of it None where nobody has recorded any."""
    row = conn.execute(sql(PACKAGE, "compliance_of"), [address_id]).fetchone()
    return Compliance(*row) if row else Compliance()


def understand(conn: psycopg.Connection, given: Mapping[str, str], *, whole: bool = False) -> Change:
    """What given texts change, see `core.compliance.read_change`. Raises BadCompliance."""
    return storable(read_change(given, latest_day(conn), whole=whole))


def storable(change: Change) -> Change:
    """The same without addresses: its texts go into events, too, which are kept for ever."""
    return {name: text and without_addresses(text) for name, text in change.items()}


def latest_day(conn: psycopg.Connection) -> date:
    """The last day on which a consent can have been given."""
    row = conn.execute(sql(PACKAGE, "latest_consent_day")).fetchone()
    assert row is not None  # a clock
    day: date = row[0]
    return day


def set_for(conn: psycopg.Connection, subject_key: bytes, people: Sequence[int], change: Change, *, actor: str) -> int:
    """Sets it for people, given by our own numbers; for how many something is different now. Erased ones are left."""
    inner, outer = hmac_pads(subject_key)
    values = {"people": list(people), "change": Jsonb(change), "actor": actor, "inner": inner, "outer": outer}
    statement = sql(PACKAGE, "set_compliance")
    row = again_after_deadlock(lambda: conn.execute(statement, values).fetchone())
    return int(row[0]) if row else 0
