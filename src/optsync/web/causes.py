"""What Salesforce refused, by cause (ledger/sql/schema.sql): which boxes, in whose words, since when, what to do.

The pages of issues and of sync runs show the same groups. A page reads a bounded number of boxes, however many wait.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.connection.checks import setup_link
from optsync.connection.connect import Connection
from optsync.core.record_ids import PREFIXES
from optsync.core.rejections import Rejection
from optsync.ledger.exports import csv_line
from optsync.ledger.queries import sql
from optsync.web.legal_clock import age_of
from optsync.web.templatetags.web import figure
from optsync.web.words import refusal_of

CAUSES_MAX = 50
BOXES_MAX = 10_000
LOOK_MAX = 250
"""How many causes a page shows, how many boxes of each it counts, and how many it looks at; a retry takes all."""
SAMPLES = 20
SETTLED_MAX = 20
SETTLED_LOOK_MAX = 200
"""Causes of the past that a page looks at to find those that were mended lately."""
LONG_WAIT = timedelta(hours=1)
DECIDED = ("fan-out refused", "hold dropped")
"""A person said no to these: they are not tried again."""
WAITS_FOR_A_PERSON: Final = "p"
WAITS_FOR_US: Final = "o"
CSV_COLUMNS = ("address", "object", "record", "field", "code", "salesforce_says", "opted_out_since")

Group = dict[str, Any]
State = Literal["p", "o"]


def waiting(org: Connection, state: State, since: str = "", causes: int = CAUSES_MAX) -> list[Group]:
    """The causes of an org's boxes in a state, the largest first, in the reader's language."""
    return [group_of(row, org) for row in rows_waiting(org.org_id, state, since, causes)]


def rows_waiting(org_id: int, state: State, since: str = "", causes: int = CAUSES_MAX) -> list[Group]:
    """The same as the database says it: from one cause on, and one more than `causes` where there are as many."""
    values = {"org": org_id, "state": state, "from": since, "causes": causes}
    return rows_of("causes", values | {"most": BOXES_MAX, "look": LOOK_MAX, "samples": SAMPLES})


def one_waiting(org: Connection, cause: str) -> Group | None:
    """One cause for which a box waits for a person; None when none does."""
    return next((group for group in waiting(org, WAITS_FOR_A_PERSON, cause, 0) if group["cause"] == cause), None)


def settled(org: Connection) -> list[Group]:
    """The causes of the last 30 days that no box waits for any more."""
    rows = rows_of("causes_settled", {"org": org.org_id, "causes": SETTLED_LOOK_MAX, "most": SETTLED_MAX})
    return [row | {"why": refusal_of(row["code"], row["said"], _), "object": object_of(row)} for row in rows]


def of_run(run_id: int, org: Connection | None) -> list[Group]:
    """What one run could not tick, by cause; `still` counts what waits until now."""
    values = {"run": run_id, "causes": CAUSES_MAX, "most": BOXES_MAX, "samples": SAMPLES}
    return [group_of(row, org) for row in rows_of("rejected_in_run", values)]


def rows_of(statement: str, values: Mapping[str, Any]) -> list[Group]:
    """The rows of a statement, by name."""
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql("optsync.web", statement), values).fetchall()


def group_of(row: Group, org: Connection | None) -> Group:
    """One cause in the reader's language, with the page of Setup where it is mended."""
    said = row["said"] or []
    why = refusal_of(row["code"], said[0] if said else "", _)
    words = {
        "why": why,
        "said": said,
        "setup": setup_of(why, object_of(row), org),
        "is_bounded": row["count"] >= BOXES_MAX,
    }
    return (
        row
        | words
        | {
            "boxes": by_object({row["prefix"]: row["still"] or row["count"]}),
            "more": max(0, row["count"] - len(row["samples"])),
            "is_decided": row["code"] in DECIDED,
            "can_retry": row["still"] > 0 and row["code"] not in DECIDED,
            "age": said_of_age(row.get("oldest")),
        }
    )


def said_of_age(oldest: datetime | None) -> str:
    """How long the oldest opt-out waits; empty while that is not long."""
    return age_of(oldest) if oldest is not None and desk().seams.now() - oldest >= LONG_WAIT else ""


def object_of(row: Group) -> str:
    """The object of a group's records, as Salesforce calls it."""
    prefix = str(row["prefix"])
    return PREFIXES.get(prefix, prefix)


def setup_of(why: Rejection, name: str, org: Connection | None) -> str:
    """The address of the page of Setup where a cause is mended; "" where none is known."""
    if org is None or not org.instance_url or not why.setup:
        return ""
    return setup_link(org.instance_url, org.is_practice, why.setup.format(name))


def by_object(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Boxes by object, as `_objects.html` says them: "2 Contacts, 1 Lead"; `counts` is by the prefix of the ids."""
    return [(PREFIXES[prefix], counts[prefix]) for prefix in ("003", "00Q", "001") if counts.get(prefix)]


def csv_of(name: str, rows: Iterator[Group] | None) -> StreamingHttpResponse:
    """The boxes of a group as a file that a browser saves; None for who asks for the head only."""

    def lines() -> Iterator[bytes]:
        yield csv_line(CSV_COLUMNS)
        for row in rows or ():
            yield csv_line(cells_of(row))

    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8", headers=headers)


def cells_of(row: Group) -> list[str]:
    """One box as a line of the file."""
    code, _colon, said = row["reason"].partition(":")
    since = f"{row['since'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if row["since"] else ""
    kind = PREFIXES.get(row["record_id"][:3], "")
    return [row["normal"] or "", kind, row["record_id"], row["label"] or "", code, said.strip(), since]


def boxes_in(statement: str, values: Mapping[str, Any]) -> Iterator[Group]:
    """The boxes of a group, one by one, on a session of its own: a reader may be slow or leave in the middle."""
    with (
        desk().database.connect() as conn,
        conn.transaction(),
        conn.cursor("boxes", row_factory=dict_row) as cursor,
    ):
        cursor.itersize = 2_000
        yield from cursor.execute(sql("optsync.web", statement), values)


def said_of_retry(due: str) -> str:
    """What came of a retry; empty when there was none."""
    if not due.isdecimal():
        return ""
    if not int(due[:9]):
        return _("Nothing waits to be tried again.")
    return _("Boxes that are due now: %(n)s. The worker sends them within seconds.") % {"n": figure(int(due[:9]))}
