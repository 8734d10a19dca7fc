"""What a flow needs to work for one org: a database connection, a Salesforce session, and whose claims these are."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import psycopg

from optsync.core.told import told
from optsync.ledger import targets
from optsync.ledger.marks import Key
from optsync.ledger.queries import sql
from optsync.ledger.targets import OptOutField
from optsync.salesforce.errors import BadCredential
from optsync.salesforce.session import Session
from optsync.seams import Seams

HIDDEN_SECONDS: Final = 15 * 60.0
"""How often a field or object that is hidden from us is tried again: its pause ends by itself once it is granted."""
NOBODY: Final = 0
"""The worker number of a look, which holds no claims."""
ORG_WIDE_CODES: Final = ("API_CURRENTLY_DISABLED", "API_DISABLED_FOR_ORG", "UNSUPPORTED_API_VERSION", "GONE")
"""Missing permissions and a retired version: they concern no single object."""


@dataclass
class Line:
    """One worker's line to one org. `worker_no` holds the advisory lock (7001, worker_no) on a session of its own.

    `salesforce_id` is the org that the session must lead to. `failures` counts rounds in a row that ended in trouble
    with the org as a whole; `unsettled` names boxes that were ticked while the database was away.
    """

    conn: psycopg.Connection
    session: Session
    org_id: int
    salesforce_id: str
    worker_no: int
    subject_key: bytes = field(repr=False)
    seams: Seams = field(repr=False)
    claiming: AbstractContextManager[object] = field(default_factory=nullcontext, repr=False)
    """Held while claiming: two threads that claim at once would each get a part of what fits into one update call."""
    failures: int = 0
    unsettled: list[Key] = field(default_factory=list, repr=False)
    run_id: int | None = None
    """The sync run on whose behalf boxes are written; its events name it."""

    @cached_property
    def fields(self) -> dict[int, OptOutField]:
        """The org's opt-out fields by number, as they were at the first look."""
        return {known.field: known for known in targets.fields(self.conn, self.org_id)}

    def look_for_fields(self, numbers: Iterable[int]) -> None:
        """Reads the fields again when one of these numbers is new: a line outlives a change of the settings."""
        if not self.fields.keys() >= set(numbers):
            del self.fields

    def check_connected(self) -> None:
        """Raises BadCredential once somebody has disconnected the org: what was claimed before is not sent any more."""
        row = self.conn.execute(sql("optsync.sync", "is_connected"), {"org": self.org_id}, prepare=True).fetchone()
        if row is None or not row[0]:
            raise BadCredential(told("this Salesforce org was disconnected"), next_step=told("connect it again"))
