"""The list of unsubscribes: who, from where, since when, and whether the box in Salesforce is ticked.

Newest first, page by page; the address of the page holds all of it. A page reads a bounded number of rows, however many
unsubscribes there are and whatever is asked for.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, get_args
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.connection.connect import connections
from optsync.core.addresses import hmac_pads, names_several, normalize
from optsync.core.record_ids import kind_of, to_18
from optsync.ledger import marks
from optsync.ledger.exports import Lines, audited, csv_line
from optsync.ledger.queries import sql
from optsync.ledger.record import Source, opt_out
from optsync.web import propagation
from optsync.web.causes import said_of_retry
from optsync.web.exports import download, streamed
from optsync.web.listing import TYPED_CHARS_MAX, beginning_in, span_of
from optsync.web.middleware import actor_of, needs
from optsync.web.propagation import BARS
from optsync.web.search import is_record_id
from optsync.web.shell import REFUSED, page
from optsync.web.templatetags.web import day
from optsync.web.words import SOURCES

PAGE_ROWS = 50
LOOK_MAX = 2_000
"""So many people in a state, or with a beginning, are few: the page looks among them."""
WALK_MAX = 1_000
"""Rows that one page looks at when they are not few, or have to be asked who did it; then it offers to go on."""
STATES = ("owed", "confirmed", "parked", "held", "not linked", "lifted")
COUNT_MAX = 10_000
"""How far a page counts before it shows what the planner knows."""
EXTRA_BYTES = 32
"""Of a line of the export, besides the address."""
EXPORT_COLUMNS = ("address", "since", "source")
ME = "me"
"""Stands in an address for its reader."""
FIRST_DAY, LAST_DAY, ONE_DAY = date(1000, 1, 1), date(9000, 1, 1), timedelta(days=1)
"""Earlier and later days than these are the same; the calendar ends soon after."""
BEFORE_ALL, AFTER_ALL, LAST_ID = "-infinity", "infinity", 2**63 - 1
BEGINNING = (AFTER_ALL, LAST_ID)
"""The place in the list before which everybody is."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the page asks for. Words that mean nothing are left out, as if they had not been typed."""

    q: str = ""
    state: str = ""
    source: str = ""
    opt_out_field: tuple[int, int] | None = None
    """An opt-out field: the org's number and its own."""
    since: date | None = None
    until: date | None = None
    took: str = ""
    """A bar of the Overview's histogram."""
    by: str = ""
    """Who did it, or ME."""
    actor: str = ""
    """The same by name."""
    before: tuple[datetime, int] | None = None
    zone: tzinfo = field(default_factory=timezone.get_current_timezone)
    """In which a day begins and ends: that of the page. A streamed answer is written after the page's time."""

    @classmethod
    def from_query(cls, query: dict[str, str], me: str) -> "Asked":
        """The filters and the place in the list; `me` is the reader's name in the audit."""
        state, source = query.get("state", ""), query.get("source", "")
        by = query.get("by", "").replace("\0", "").strip()[:TYPED_CHARS_MAX]
        return cls(
            sought_in(query.get("q", "")),
            state if state in STATES else "",
            source if source in SOURCES else "",
            field_of(query.get("field", "")),
            day_of(query.get("since", "")),
            day_of(query.get("until", "")),
            query.get("took", "") if query.get("took", "") in [bar.key for bar in BARS] else "",
            by,
            me if by == ME else by,
            place_of(query.get("before", "")),
        )

    @property
    def filters(self) -> dict[str, str]:
        """The filters as the address holds them."""
        days = {"since": self.since, "until": self.until}
        number = "-".join(map(str, self.opt_out_field or ()))
        given = {"q": self.q, "state": self.state, "source": self.source, "field": number, "took": self.took}
        given |= {name: day.isoformat() if day else "" for name, day in days.items()} | {"by": self.by}
        return {name: value for name, value in given.items() if value}

    @property
    def is_searched(self) -> bool:
        """Whether rows have to be looked at one by one."""
        return bool(self.state or self.q or self.took or self.actor or self.opt_out_field)

    @property
    def values(self) -> dict[str, Any]:
        """The filters as the statements know them."""
        return {
            "sources": [self.source] if self.source else list(get_args(Source)),
            "from_at": datetime.combine(self.since, time(), self.zone) if self.since else BEFORE_ALL,
            "to_at": datetime.combine(self.until + ONE_DAY, time(), self.zone) if self.until else AFTER_ALL,
            "state": self.state,
            "actor": self.actor,
            **self.box,
            **pads(),
            **span_of("" if is_person_id(self.q) else self.q),
        }

    def takes(self, row: dict[str, Any]) -> bool:
        """Whether a row that was looked at is wanted."""
        begins = is_person_id(self.q) or not self.q or (row["normal"] or "").startswith(self.q)
        has_box = self.opt_out_field is None or row["in_field"]
        return begins and has_box and self.state in ("", row["state"]) and self.actor in ("", row["actor"])

    @property
    def box(self) -> dict[str, int]:
        """The opt-out field as the statements know it; 0 = any."""
        org_id, number = self.opt_out_field or (0, 0)
        return {"field_org": org_id, "field": number}

    def without(self, name: str) -> str:
        """The address of the first page without one of the filters."""
        return "?" + urlencode({key: value for key, value in self.filters.items() if key != name})

    @property
    def newest(self) -> str:
        """The address of the first page."""
        return "?" + urlencode(self.filters)

    @property
    def here(self) -> str:
        """The address of this page, ready for one more parameter."""
        place = {"before": f"{self.before[0].isoformat()}~{self.before[1]}"} if self.before else {}
        found = urlencode(self.filters | place)
        return f"?{found}&" if found else "?"

    def older_than(self, row: dict[str, Any]) -> str:
        """The address of the page that goes on after a row."""
        return "?" + urlencode(self.filters | {"before": f"{row['since'].isoformat()}~{row['address_id']}"})


def pads() -> dict[str, bytes]:
    """With what the statements compute whom an event is about."""
    inner, outer = hmac_pads(desk().subject_key)
    return {"inner": inner, "outer": outer}


def asked_of(request: HttpRequest, query: dict[str, str]) -> Asked:
    """What an address asks for, read by whoever is signed in."""
    return Asked.from_query(query, actor_of(request))


def sought_in(text: str) -> str:
    """What is searched for: the id of a record as it is, or how an address begins."""
    return text.strip() if is_person_id(text) else beginning_in(text)


def is_person_id(text: str) -> bool:
    """Whether it is the id of a Lead, Contact or Account; other words of 15 letters are how an address begins."""
    return is_record_id(text) and kind_of(to_18(text)) is not None


def field_of(text: str) -> tuple[int, int] | None:
    """An opt-out field as an address names it, 1-2; None for anything else."""
    found = re.fullmatch(r"([1-9][0-9]{0,3})-([1-9][0-9]{0,3})", text)
    return (int(found[1]), int(found[2])) if found else None


def day_of(text: str) -> date | None:
    """A day as a date field sends it; None for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return max(FIRST_DAY, min(day, LAST_DAY))


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
    asked = asked_of(request, request.GET.dict())
    rows, older = rows_of(asked)
    fields = fields_in_use()
    size = size_of(asked, rows, older)
    context |= {
        "size": size,
        "export": f"{reverse('web:export')}{asked.newest if asked.filters else ''}",
        "back": urlencode(asked.filters),
        "tick_all": request.GET.get("tick") == "all",
        "ticking": f"{asked.here}tick=all",
        "done": said_of_bulk(request.GET.get("due", "")),
        "rows": shown(rows),
        "chips": chips_of(asked, fields),
        "fields": fields.items() if len(fields) > 1 else (),
        "mine": "?" + urlencode(asked.filters | {"by": ME}),
        "older": older,
        "asked": asked,
        "is_first_page": asked.before is None,
        "looked_far": bool(older and len(rows) < PAGE_ROWS),
        "look_max": WALK_MAX,
        "states": [(state, pill_of(state)["shown"]) for state in STATES],
        "sources": [(source, _(word)) for source, word in SOURCES.items()],
        "bars": [(bar.key, bar.name) for bar in BARS],
    }
    return page(request, "unsubscribes", "unsubscribes", status=status, **context)


def shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as the page shows them: the state with how long it took, the source, and who or what did it."""
    values = {"addresses": [row["address_id"] for row in rows], **pads()}
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        doers = {one["address_id"]: one for one in cursor.execute(sql("optsync.web", "doers"), values)}
    pills = {state: pill_of(state) for state in {row["state"] for row in rows}}
    return [row | pills[row["state"]] | doing_of(row, doers.get(row["address_id"], {})) for row in rows]


def doing_of(row: dict[str, Any], doer: dict[str, Any]) -> dict[str, Any]:
    """Who or what unsubscribed somebody; `by` is empty where no name is kept of it."""
    evidence = doer.get("evidence") or {}
    name, run_id = doer.get("actor") or "", doer.get("run_id")
    told = [evidence.get(key) for key in ("provider", "campaign", "sender", "record")]
    return {
        "source": _(SOURCES.get(row["source"], row["source"])),
        "by": name or (_("Sync run %(n)s") % {"n": run_id} if run_id else next((one for one in told if one), "")),
        "by_url": "?" + urlencode({"by": name}) if name else "",
        "run_id": None if name else run_id,
        "took": doer.get("took") if row["state"] == "confirmed" else None,
    }


def fields_in_use() -> dict[str, str]:
    """The opt-out fields that people have boxes in, as an address names them; of several orgs with the org's name."""
    rows = desk().connection().execute(sql("optsync.web", "fields_in_use")).fetchall()
    several = len({org_id for org_id, *_rest in rows}) > 1
    return {f"{org_id}-{number}": f"{name}: {label}" if several else label for org_id, number, label, name in rows}


def chips_of(asked: Asked, fields: dict[str, str]) -> list[dict[str, str]]:
    """The filters in force, each with its value in words and the address of the page without it."""
    words = {
        "q": (_("Address or record"), asked.q),
        "state": (_("In Salesforce"), pill_of(asked.state)["shown"]),
        "source": (_("Source"), _(SOURCES.get(asked.source, ""))),
        "field": (_("Opt-out field"), fields.get(asked.filters.get("field", ""), "–")),
        "since": (_("Since"), day_shown(asked.since)),
        "until": (_("Until"), day_shown(asked.until)),
        "took": (_("Reached Salesforce within"), {bar.key: bar.name for bar in BARS}.get(asked.took, "")),
        "by": (_("By"), _("me") if asked.by == ME else asked.by),
    }
    return [{"name": words[name][0], "value": words[name][1], "without": asked.without(name)} for name in asked.filters]


def day_shown(chosen: date | None) -> str:
    """A day as the reader's language writes it."""
    return "" if chosen is None else day(datetime.combine(chosen, time(), UTC))


def rows_of(asked: Asked) -> tuple[list[dict[str, Any]], str]:
    """The rows of a page, and the address of the next one; empty when the list ends here."""
    among, rest = people_among(asked)
    most = PAGE_ROWS + 1 if not rest.is_searched else WALK_MAX if among is None or rest.actor else LOOK_MAX
    looked_at = look_at(rest, among, most, PAGE_ROWS + 1, asked.before)
    found = [row for row in looked_at if rest.takes(row)]
    if len(found) > PAGE_ROWS:
        return found[:PAGE_ROWS], asked.older_than(found[PAGE_ROWS - 1])
    return found, asked.older_than(looked_at[-1]) if looked_at and looked_at[-1]["nth"] == most else ""


def look_at(
    asked: Asked, among: list[int] | None, most: int, rows: int, before: tuple[datetime, int] | None
) -> list[dict[str, Any]]:
    """At most so many wanted rows of the `most` newest before a place, and the last of these, wanted or not."""
    before_at, before_id = before or (newest_by(asked.actor) if asked.actor and among is None else BEGINNING)
    values = asked.values | {"before_at": before_at, "before_id": before_id, "among": among, "most": most, "rows": rows}
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql("optsync.web", "newest_opt_outs"), values).fetchall()


def newest_by(actor: str) -> tuple[datetime | str, int]:
    """The place in the list behind which nobody is whom somebody unsubscribed: it may be hundreds of pages back."""
    row = desk().connection().execute(sql("optsync.web", "newest_by"), [actor]).fetchone()
    return (row[0], LAST_ID) if row else BEGINNING


def people_among(asked: Asked) -> tuple[list[int] | None, Asked]:
    """The addresses to look among when they are few, and what of them is still asked; None: the list is walked instead.

    The cheapest looks come first, and none is made to choose among fewer than a page shows: the list looks closer. Only
    whom somebody unsubscribed need not be asked again; it is the dearest question about a row.
    """
    looks: list[tuple[object, Callable[[], list[int] | None]]] = [
        (asked.q, lambda: people_found(asked.q)),
        (asked.took, lambda: people_of_bar(asked.took)),
        (asked.state, lambda: people_in_state(asked.state)),
        (asked.opt_out_field, lambda: few("people_in_field", asked.box)),
    ]
    among: set[int] | None = None
    for is_asked, look in looks:
        if is_asked and (among is None or len(among) > PAGE_ROWS):
            among = both(among, look())
    if asked.actor and (among is None or len(among) > PAGE_ROWS):
        theirs = few("people_by", {"actor": asked.actor, **pads()})
        if theirs is not None:
            among, asked = both(among, theirs), replace(asked, actor="")
    return None if among is None else sorted(among), asked


def both(some: set[int] | None, others: list[int] | None) -> set[int] | None:
    """Who is among both; None = everybody."""
    if some is None or others is None:
        return some if others is None else set(others)
    return some.intersection(others)


def few(statement: str, values: dict[str, Any]) -> list[int] | None:
    """The addresses that a statement finds; None when it has looked at LOOK_MAX rows: there may be more of them."""
    row = desk().connection().execute(sql("optsync.web", statement), values | {"most": LOOK_MAX}).fetchone()
    assert row is not None  # an aggregate answers with one row
    found, looked_at = row
    return found if looked_at < LOOK_MAX else None


def people_of_bar(key: str) -> list[int]:
    """The addresses of a bar of the Overview's histogram, of every org."""
    conn = desk().connection()
    return [address_id for org in connections(conn) for address_id in propagation.people(conn, org.org_id, key)]


def people_found(text: str) -> list[int] | None:
    """The addresses that begin like this or have this record; None when they are many."""
    if is_person_id(text):
        return few("people_of_record", {"record": to_18(text)})
    return few("people_beginning", span_of(text))


def people_in_state(state: str) -> list[int] | None:
    """The addresses that may be in a state; None when they are many: most people are in it."""
    if state == "confirmed" or (state == "not linked" and not connections(desk().connection())):
        return None
    return few("people_in_state", {"state": state})


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
    if "@" not in address or names_several(address):
        return listed(
            request, REFUSED, typed=address, problem=_("This is not an e-mail address; nothing was recorded.")
        )
    reason = request.POST.get("reason", "").strip() or None
    done = opt_out(desk().connection(), desk().subject_key, address, "manual", actor=actor_of(request), reason=reason)
    return redirect(f"{reverse('web:people')}?{urlencode({'address': normalize(address), 'done': done.outcome})}")


@needs("viewer", to_change="operator")
@require_POST
def bulk(request: HttpRequest) -> HttpResponseBase:
    """What is done with the ticked rows of a page: `retry` or `export`."""
    picked = [int(text) for text in request.POST.getlist("pick")[:PAGE_ROWS] if text.isdecimal() and len(text) < 19]
    query = asked_of(request, QueryDict(request.POST.get("back", "")).dict())
    back = f"{reverse('web:unsubscribes')}?{urlencode(query.filters)}"
    if not picked:
        return redirect(f"{back}&due=none")
    if request.POST.get("step") == "export":
        return download(picked_out(picked, actor_of(request)), "unsubscribes")
    return redirect(f"{back}&{urlencode({'due': marks.retry_people(desk().connection(), picked)})}")


def said_of_bulk(due: str) -> str:
    """What came of it; empty when nothing led here."""
    return _("Tick the rows first.") if due == "none" else said_of_retry(due)


@needs("operator")
@require_http_methods(["GET", "HEAD", "POST"])
def export(request: HttpRequest) -> HttpResponseBase:
    """POST: the active opt-outs that the filters leave, as CSV; all of them as `optsync export`. GET leads back."""
    asked = asked_of(request, request.GET.dict())
    if request.method != "POST":
        return redirect(f"{reverse('web:unsubscribes')}{asked.newest}")
    actor = actor_of(request)
    return download(filtered(asked, actor) if asked.filters else streamed("opt-outs", actor, None), "unsubscribes")


def filtered(asked: Asked, actor: str) -> Iterator[bytes]:
    """What the filters leave. The audit does not say which address was searched for: it is kept for ever."""
    filters = asked.filters | ({"q": "…"} if asked.q else {})
    with desk().database.connect() as conn:
        yield from audited(conn, lines_left_by(asked), "opt-outs", actor=actor, filters=filters)


def picked_out(picked: list[int], actor: str) -> Iterator[bytes]:
    """The same of people who were ticked."""
    with desk().database.connect() as conn:
        yield from audited(conn, lines_of(picked), "opt-outs", actor=actor, filters={"ticked": str(len(picked))})


def lines_left_by(asked: Asked) -> Lines:
    """The list walked to its end, in stretches."""
    yield csv_line(EXPORT_COLUMNS)
    among, rest = people_among(asked)
    place = None
    while True:
        rows = look_at(rest, among, LOOK_MAX, LOOK_MAX, place)
        yield from (line_of(row) for row in rows if rest.takes(row) and is_exported(row))
        if not rows or rows[-1]["nth"] < LOOK_MAX:
            return
        place = (rows[-1]["since"], rows[-1]["address_id"])


def lines_of(picked: list[int]) -> Lines:
    """Those of a page that were ticked."""
    yield csv_line(EXPORT_COLUMNS)
    rows = look_at(Asked(), picked, PAGE_ROWS, PAGE_ROWS, None)
    yield from (line_of(row) for row in rows if is_exported(row))


def is_exported(row: dict[str, Any]) -> bool:
    """A lifted one would be opted out again by whoever imports the file; an erased one has no name."""
    return row["state"] != "lifted" and row["normal"] is not None


def line_of(row: dict[str, Any]) -> bytes:
    """One opt-out as a line of CSV."""
    return csv_line([row["normal"], f"{row['since'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", row["source"]])


@dataclass(frozen=True, slots=True)
class Size:
    """How large an export will be; `is_exact` False = about."""

    rows: int
    bytes: int
    is_exact: bool


def size_of(asked: Asked, rows: list[dict[str, Any]], older: str) -> Size | None:
    """What an export of these filters holds; None when only the export itself could tell."""
    if asked.state == "lifted" or (asked.is_searched and (older or asked.before)):
        return None
    per_row = EXTRA_BYTES + sum(len(row["normal"] or "") for row in rows) // max(len(rows), 1)
    if asked.is_searched:
        count = sum(map(is_exported, rows))
        return Size(count, count * per_row, is_exact=True)
    conn, values = desk().connection(), asked.values | {"most": COUNT_MAX + 1}
    (count,) = conn.execute(sql("optsync.web", "opt_outs_counted"), values).fetchone() or (0,)
    if count <= COUNT_MAX:
        return Size(count, count * per_row, is_exact=True)
    (plan,) = conn.execute(sql("optsync.web", "opt_outs_estimated"), values).fetchone() or ([],)
    count = max(COUNT_MAX, int(plan[0]["Plan"]["Plan Rows"]))
    return Size(count, count * per_row, is_exact=False)
