"""The proof: Salesforce is read afresh and held against opt-outs, records and marks; job results do not count."""

from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from optsync.ledger.queries import sql
from optsync.sync.apply import Scope
from optsync.sync.staging import Reader

PACKAGE: Final = "optsync.sync"
LABEL: Final = "proof"
"""How the jobs of the proof are called."""
NOT_KEPT: Final = "NOT_KEPT: Salesforce accepted the tick, and the box is not ticked: something there unsets it"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the fresh read said: `verdicts` in boxes and records, `rest` grouped by reason. 'not read' are boxes of a
    field that is hidden from us."""

    verdicts: dict[str, int] = field(default_factory=dict)
    rest: list[dict[str, Any]] = field(default_factory=list)

    def result(self, *, held_now: bool) -> str:
        """The run's result: contradictions first, then what waits, then what is disputed."""
        count = self.verdicts.get
        if any(count(verdict) for verdict in ("contradicted", "no mark", "inbound: contradicted")):
            return "not proved"
        if held_now or count("inbound: held"):
            return "held"
        if any(count(verdict) for verdict in ("owed", "held", "parked", "not read")):
            return "partly done"
        disputed = count("inbound: disputed", 0)
        return f"proved, {disputed} disputed" if disputed else "proved"


def prove(conn: psycopg.Connection, reader: Reader, scope: Scope) -> Proof:
    """Reads S once more into `staged` and compares it with what we claim. `scope.run_no` is the proof's own number, so
    that a box settled after this read began is not held against it. The first read stays in `first_read`.
    """
    conn.execute("DROP TABLE IF EXISTS first_read, expected, unproved, unanswered")
    conn.execute("ALTER TABLE staged RENAME TO first_read")
    reader.sizes |= {
        f"{LABEL} {name.removeprefix('ticked ')}": n for name, n in reader.sizes.items() if name[:6] == "ticked"
    }
    reader.read_ticked("staged", LABEL)
    params = scope.params() | {"reason": NOT_KEPT}
    conn.execute(sql(PACKAGE, "expected_pairs"), params)
    conn.execute("ANALYZE expected")
    conn.execute(sql(PACKAGE, "prove_outbound"), params)
    conn.execute(sql(PACKAGE, "prove_inbound"), params)
    conn.execute(sql(PACKAGE, "park_contradicted"), params)
    verdicts: dict[str, int] = dict(conn.execute(sql(PACKAGE, "count_verdicts")).fetchall())
    rest = [
        {"verdict": verdict, "reason": reason, "boxes": boxes, "for_example": record_id}
        for verdict, reason, boxes, record_id in conn.execute(sql(PACKAGE, "rest_reasons"))
    ]
    return Proof(verdicts, rest)
