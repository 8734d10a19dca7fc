"""The audit: every event there is, who did what and when, with a proof that none was changed.

A page looks at a bounded number of events, however many there are; days are found by halving, since numbers grow with
time. Verifying only reads, part by part, and a page without JavaScript goes on by a link.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode

import psycopg
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.core.told import Told, in_language, told
from optsync.ledger import chain
from optsync.ledger.exports import csv_line
from optsync.ledger.queries import sql
from optsync.web.middleware import needs
from optsync.web.shell import page
from optsync.web.unsubscribes import ONE_DAY, day_of
from optsync.web.webhooks import LATEST, number_in
from optsync.web.words import KINDS

PAGE_ROWS = 50
LOOK_MAX = 20_000
"""Events that one page looks at when it has to search; then it offers to go on."""
VERIFIED_AT_ONCE = 50_000
"""Events that one step of a verification recomputes: about half a second."""
LONGEST_TRANSACTION = timedelta(hours=1)
"""An event is dated by the start of its transaction, which may lie so far before events with smaller numbers."""
TEXT_LENGTH_MAX = 100
COLUMNS = [
    "event_id",
    "at",
    "kind",
    "subject",
    "source",
    "actor",
    "org",
    "field",
    "record_id",
    "run_id",
    "reason",
    "evidence",
]
BEFORE_ALL, AFTER_ALL = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the page asks for; words that mean nothing are left out."""

    what: str
    who: str
    about: str
    since: date | None
    until: date | None
    zone: tzinfo = field(default_factory=timezone.get_current_timezone)
    """In which a day begins and ends: that of the page. A streamed answer is written after the page's time."""

    @classmethod
    def from_query(cls, query: dict[str, str]) -> "Asked":
        """The filters."""
        what, who, about = (query.get(name, "").strip()[:TEXT_LENGTH_MAX] for name in ("what", "who", "about"))
        return cls(what, who, about, day_of(query.get("since", "")), day_of(query.get("until", "")))

    @property
    def filters(self) -> dict[str, str]:
        """The filters as the address holds them."""
        given = {"what": self.what, "who": self.who, "about": self.about}
        given |= {
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
        }
        return {name: value for name, value in given.items() if value}

    def values(self, conn: psycopg.Connection) -> dict[str, Any]:
        """What the statements are given: texts, instants, and the numbers between which those instants lie."""
        since = datetime.combine(self.since, time(), self.zone) if self.since else BEFORE_ALL
        until = datetime.combine(self.until + ONE_DAY, time(), self.zone) if self.until else AFTER_ALL
        values = {"what": self.what, "who": self.who, "about": self.about, "since": since, "until": until}
        values["from"] = number_at(conn, since - LONGEST_TRANSACTION) if self.since else 0
        values["before"] = number_at(conn, until + LONGEST_TRANSACTION) if self.until else LATEST
        return values


def number_at(conn: psycopg.Connection, at: datetime) -> int:
    """The number of the first event at or after an instant, about: some thirty looks into the primary key."""
    row = conn.execute(sql("optsync.web", "newest_event")).fetchone()
    low, high = 0, row[0] + 1 if row else 1
    while low < high:
        middle = (low + high) // 2
        found = conn.execute(sql("optsync.web", "event_at_or_after"), [middle]).fetchone()
        if found is None or found[1] >= at:
            high = middle
        else:
            low = found[0] + 1
    return low


@needs("operator")
@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    """The list, with what a verification of the chain has found so far."""
    asked = Asked.from_query(request.GET.dict())
    rows, older, looked_far = rows_of(asked, number_in(request.GET.get("before", "")))
    sealed, oldest_unsealed = chain.unsealed_tail(desk().connection())
    context: dict[str, Any] = {
        "rows": [shown(row) for row in rows],
        "asked": asked,
        "since": asked.since.isoformat() if asked.since else "",
        "until": asked.until.isoformat() if asked.until else "",
        "older": older,
        "is_first_page": "before" not in request.GET,
        "looked_far": looked_far,
        "look_max": LOOK_MAX,
        "query": urlencode(asked.filters),
        "unsealed": sealed,
        "oldest_unsealed": oldest_unsealed,
    }
    return page(request, "audit", "settings", **context)


def rows_of(asked: Asked, before: int) -> tuple[list[dict[str, Any]], str, bool]:
    """The events of a page, the address of the next one, and whether the search ended before it was full."""
    conn = desk().connection()
    values = asked.values(conn)
    values |= {"before": min(before or LATEST, values["before"]), "most": PAGE_ROWS + 1}
    values["look"] = LOOK_MAX if asked.filters else PAGE_ROWS + 1
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql("optsync.web", "events_before"), values).fetchall()
    if len(rows) > PAGE_ROWS:
        rows = rows[:PAGE_ROWS]
        return rows, "?" + urlencode(asked.filters | {"before": rows[-1]["event_id"]}), False
    looked = conn.execute(sql("optsync.web", "looked_to"), values).fetchone()
    if asked.filters and looked is not None and looked[1] == LOOK_MAX:
        return rows, "?" + urlencode(asked.filters | {"before": looked[0]}), True
    return rows, "", False


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """An event for the reader: what it means, and what stood there before and after where something was changed."""
    evidence = row["evidence"] if isinstance(row["evidence"], dict) else {}
    meaning = KINDS.get(row["kind"], "")
    changed = []
    if isinstance(evidence.get("before"), dict) and isinstance(evidence.get("after"), dict):
        before, after = evidence["before"], evidence["after"]
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        changed = [(name, plain(before.get(name)), plain(after.get(name))) for name in names]
    rest = [(name, plain(value)) for name, value in evidence.items() if name not in ("before", "after") or not changed]
    return row | {"meaning": _(meaning) if meaning else "", "changed": changed, "details": rest}


def plain(value: object) -> str:
    """A value of the evidence as a short text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= TEXT_LENGTH_MAX else text[: TEXT_LENGTH_MAX - 1] + "…"


@needs("operator")
@require_safe
def verify(request: HttpRequest) -> HttpResponse:
    """Recomputes a part of the chain and says where it is; the page goes on by itself until the end."""
    conn, after = desk().connection(), number_in(request.GET.get("after", ""))
    part = chain.verify_part(conn, after, VERIFIED_AT_ONCE)
    verified = number_in(request.GET.get("verified", "")) + part.events
    context: dict[str, Any] = {"verified": verified}
    if part.first_break is not None:
        context |= broken(told("The chain is broken at seal %(seal)s.", seal=f"{part.first_break:,}"))
    elif part.last is not None and part.events >= VERIFIED_AT_ONCE:
        context |= {"state": "goes on", "next": "?" + urlencode({"after": part.last, "verified": verified})}
    else:
        state = chain.strays(conn)
        slipped = told("Events that no seal names: %(n)s.", n=f"{state.stray:,}")
        context |= (
            {"state": "holds", "head": state.head_hex, "waiting": state.unsealed} if state.ok else broken(slipped)
        )
    return page(request, "_verified" if request.headers.get("HX-Request") else "verify", "settings", **context)


def broken(sentence: Told) -> dict[str, str]:
    """What is wrong with a chain that does not hold."""
    return {"state": "broken", "sentence": in_language(sentence, _)}


@needs("operator")
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """What the filters ask for, as CSV that no spreadsheet runs, or as JSON Lines; streamed."""
    as_csv = request.GET.get("format") != "jsonl"
    name = f"audit-{desk().seams.now():%Y-%m-%d}.{'csv' if as_csv else 'jsonl'}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    kind = "text/csv; charset=utf-8" if as_csv else "application/jsonl; charset=utf-8"
    asked = Asked.from_query(request.GET.dict())
    blocks = iter(()) if request.method == "HEAD" else exported(asked, as_csv=as_csv)
    return StreamingHttpResponse(blocks, content_type=kind, headers=headers)


def exported(asked: Asked, *, as_csv: bool) -> Iterator[bytes]:
    """The file, block by block, on a session of its own: a reader may be slow or leave in the middle."""
    with desk().database.connect() as conn:
        values = asked.values(conn)
        if as_csv:
            yield csv_line(list(COLUMNS))
        with conn.transaction(), conn.cursor("audit", row_factory=dict_row) as cursor:
            cursor.itersize = 2_000
            cursor.execute(sql("optsync.web", "events_between"), values)
            for row in cursor:
                row["at"] = row["at"].isoformat()
                yield csv_line(csv_cells(row)) if as_csv else json_line(row)


def json_line(row: dict[str, Any]) -> bytes:
    """One event."""
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def csv_cells(row: dict[str, Any]) -> list[Any]:
    """An event as a line of CSV holds it: what has parts of its own as JSON."""
    cells = [row[name] for name in COLUMNS]
    return [json.dumps(cell) if isinstance(cell, dict | list) else cell for cell in cells]
