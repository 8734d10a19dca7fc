"""The list of unsubscribes: who, from where, since when, and whether the box in Salesforce is ticked.

Newest first, page by page; the address of the page holds all of it. A page reads a bounded number of rows, however many
unsubscribes there are and whatever is asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, get_args
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.connection.connect import connections
from optsync.core.addresses import normalize
from optsync.ledger.exports import export_opt_outs
from optsync.ledger.queries import sql
from optsync.ledger.record import Source, opt_out
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, page
from optsync.web.words import SOURCES

PAGE_ROWS = 50
LOOK_MAX = 3_000
"""Rows that one page looks at when it has to search for people in a state; then it offers to go on."""
STATES = ("owed", "confirmed", "parked", "held", "not linked", "lifted")
BEFORE_ALL, AFTER_ALL, LAST_ID = "-infinity", "infinity", 2**63 - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the page asks for. Words that mean nothing are left out, as if they had not been typed."""

    state: str
    source: str
    since: date | None
    before: tuple[datetime, int] | None

    @classmethod
    def from_query(cls, query: dict[str, str]) -> "Asked":
        """The filters and the place in the list."""
        state, source = query.get("state", ""), query.get("source", "")
        return cls(
            state if state in STATES else "",
            source if source in SOURCES else "",
            day_of(query.get("since", "")),
            place_of(query.get("before", "")),
        )

    @property
    def filters(self) -> dict[str, str]:
        """The filters as the address holds them."""
        given = {"state": self.state, "source": self.source, "since": self.since.isoformat() if self.since else ""}
        return {name: value for name, value in given.items() if value}

    @property
    def newest(self) -> str:
        """The address of the first page."""
        return "?" + urlencode(self.filters)

    def older_than(self, row: dict[str, Any]) -> str:
        """The address of the page that goes on after a row."""
        return "?" + urlencode(self.filters | {"before": f"{row['since'].isoformat()}~{row['address_id']}"})


def day_of(text: str) -> date | None:
    """A day as a date field sends it; None for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def place_of(text: str) -> tuple[datetime, int] | None:
    """After which row a page goes on: instant and number of the address; None for the first page or a damaged place."""
    moment, _tilde, number = text.partition("~")
    try:
        at, address_id = datetime.fromisoformat(moment), int(number)
    except ValueError:
        return None
    return (at, address_id) if at.tzinfo is not None and 0 <= address_id <= LAST_ID else None


@needs("viewer", to_change="operator")
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribes(request: HttpRequest) -> HttpResponse:
    """GET shows the list; POST records the one address that was typed."""
    if request.method == "POST":
        return add(request)
    return listed(request)


def listed(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    """The list, with the form to add one."""
    asked = Asked.from_query(request.GET.dict())
    rows, older = rows_of(asked)
    context |= {
        "rows": [
            row | pill_of(row["state"]) | {"source": _(SOURCES.get(row["source"], row["source"]))} for row in rows
        ],
        "older": older,
        "asked": asked,
        "is_first_page": asked.before is None,
        "looked_far": bool(older and len(rows) < PAGE_ROWS),
        "look_max": LOOK_MAX,
        "since": asked.since.isoformat() if asked.since else "",
        "states": [(state, pill_of(state)["shown"]) for state in STATES],
        "sources": [(source, _(word)) for source, word in SOURCES.items()],
    }
    return page(request, "unsubscribes", "unsubscribes", status=status, **context)


def rows_of(asked: Asked) -> tuple[list[dict[str, Any]], str]:
    """The rows of a page, and the address of the next one; empty when the list ends here."""
    among = people_in_state(asked.state) if asked.state else None
    most = LOOK_MAX if asked.state else PAGE_ROWS + 1
    before_at, before_id = asked.before or (AFTER_ALL, LAST_ID)
    values = {
        "sources": [asked.source] if asked.source else list(get_args(Source)),
        "from_at": datetime.combine(asked.since, time(), UTC) if asked.since else BEFORE_ALL,
        "before_at": before_at,
        "before_id": before_id,
        "among": among,
        "most": most,
    }
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        looked_at = cursor.execute(sql("optsync.web", "newest_opt_outs"), values).fetchall()
    found = [row for row in looked_at if asked.state in ("", row["state"])]
    if len(found) > PAGE_ROWS:
        return found[:PAGE_ROWS], asked.older_than(found[PAGE_ROWS - 1])
    return found, asked.older_than(looked_at[-1]) if len(looked_at) == most else ""


def people_in_state(state: str) -> list[int] | None:
    """The addresses to look among when they are few; None when the list is walked instead: most people are in it."""
    conn = desk().connection()
    if state == "confirmed" or (state == "not linked" and not connections(conn)):
        return None
    found = conn.execute(sql("optsync.web", "people_in_state"), {"state": state, "most": LOOK_MAX}).fetchall()
    return [address_id for (address_id,) in found] if len(found) < LOOK_MAX else None


def pill_of(state: str) -> dict[str, str]:
    """A state in Salesforce as tone, sign and word."""
    tone, sign, shown = {
        "owed": ("info", "…", _("On its way")),
        "confirmed": ("ok", "✓", _("In Salesforce")),
        "parked": ("warn", "!", _("Waits for a person")),
        "held": ("warn", "!", _("Held")),
        "not linked": ("idle", "–", _("No Lead or Contact")),
        "lifted": ("idle", "–", _("Removed")),
    }.get(state, ("idle", "–", _("Nothing owed")))
    return {"tone": tone, "sign": sign, "shown": shown}


def add(request: HttpRequest) -> HttpResponse:
    """Records an opt-out that a person typed, then shows that person's evidence."""
    address = request.POST.get("address", "").strip()
    if "@" not in address:
        return listed(
            request, REFUSED, typed=address, problem=_("This is not an e-mail address; nothing was recorded.")
        )
    reason = request.POST.get("reason", "").strip() or None
    done = opt_out(desk().connection(), desk().subject_key, address, "manual", actor=actor_of(request), reason=reason)
    return redirect(f"{reverse('web:people')}?{urlencode({'address': normalize(address), 'done': done.outcome})}")


@needs("viewer")
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """Every active opt-out as CSV, the same as `optsync export`: a spreadsheet runs none of its cells."""
    day = f"{desk().seams.now():%Y-%m-%d}"
    headers = {"Content-Disposition": f'attachment; filename="unsubscribes-{day}.csv"', "Cache-Control": "no-store"}
    blocks = iter(()) if request.method == "HEAD" else exported()
    return StreamingHttpResponse(blocks, content_type="text/csv; charset=utf-8", headers=headers)


def exported() -> Iterator[bytes]:
    """The file, block by block, on a session of its own: a reader may be slow or leave in the middle."""
    with desk().database.connect() as conn:
        yield from export_opt_outs(conn)
