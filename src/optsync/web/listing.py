"""The list of people, in the order of their addresses. A page reads a bounded number of rows, as all lists do."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.ledger.queries import sql
from optsync.web.shell import page
from optsync.web.templatetags.web import figure
from optsync.web.words import SOURCES

PAGE_ROWS = 50
LOOK_MAX = 3_000
"""Rows that one page looks at when it has to search for linked people, or for those who are not."""
TYPED_CHARS_MAX = 320
BEHIND_ALL = "\U0010ffff"
"""Stands behind whatever an address may go on with."""
RECORDS_MAX = 99


def people(request: HttpRequest) -> HttpResponse:
    """The people whose address begins with `q`, linked or not, behind the one named by `after`."""
    beginning, linked = beginning_in(request.GET.get("q", "")), request.GET.get("linked", "")
    linked = linked if linked in ("yes", "no") else ""
    filters = {name: value for name, value in (("q", beginning), ("linked", linked)) if value}
    after = beginning_in(request.GET.get("after", ""))
    place = filters | ({"after": after} if after else {})
    rows, following, looked_far = rows_of(beginning, linked, after)
    context: dict[str, Any] = {
        "list": True,
        "done": said_of_erasure(request.GET.get("erased", "")) or said_of_change(request.GET.get("changed", "")),
        "back": urlencode(place),
        "tick_all": request.GET.get("tick") == "all",
        "ticking": "?" + urlencode(place | {"tick": "all"}),
        "q": beginning,
        "linked": linked,
        "rows": [row | word_of(row) for row in rows],
        "is_filtered": bool(filters),
        "first_page": "?" + urlencode(filters) if after else "",
        "next_page": "?" + urlencode(filters | {"after": following}) if following else "",
        "looked_far": looked_far,
        "look_max": LOOK_MAX,
    }
    return page(request, "people", "people", **context)


def said_of_erasure(erased: str) -> str:
    """What came of the form that led here."""
    return {
        "yes": _("Erased. Only a keyed hash of the address is kept."),
        "no": _("Nothing was erased: the address is not known here, or it was erased before."),
    }.get(erased, "")


def said_of_change(changed: str) -> str:
    """What came of the form that led back to the list; empty when nothing did."""
    if changed == "none":
        return _("Tick the rows first.")
    if not (changed.isascii() and changed.isdecimal() and len(changed) < 4):
        return ""
    return _("Compliance data changed for people: %(n)s.") % {"n": figure(int(changed))}


def beginning_in(text: str) -> str:
    """How an address begins, as addresses are kept: in small letters."""
    return text.replace("\0", "").strip().lower()[:TYPED_CHARS_MAX]


def span_of(beginning: str) -> dict[str, str]:
    """The stretch of the index in which addresses begin like that."""
    return {"first": beginning, "last": beginning + BEHIND_ALL}


def rows_of(beginning: str, linked: str, after: str) -> tuple[list[dict[str, Any]], str, bool]:
    """The rows of a page; the address after which the next one begins, empty on the last; whether it looked far."""
    most = LOOK_MAX if linked else PAGE_ROWS + 1
    values = span_of(beginning) | {"after": after, "linked": linked, "most": most, "rows": PAGE_ROWS + 1}
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        looked_at = cursor.execute(sql("optsync.web", "people_from"), values).fetchall()
    found = [row for row in looked_at if not linked or (linked == "yes") == (row["records"] > 0)]
    if len(found) > PAGE_ROWS:
        return found[:PAGE_ROWS], found[PAGE_ROWS - 1]["normal"], False
    looked_far = bool(looked_at) and looked_at[-1]["nth"] == most
    return found, looked_at[-1]["normal"] if looked_far else "", looked_far


def word_of(row: dict[str, Any]) -> dict[str, Any]:
    """What the list says about a person."""
    records = row["records"] if row["records"] <= RECORDS_MAX else None
    if row["source"] is None:
        return {"tone": "ok", "sign": "✓", "shown": _("Mail allowed"), "source": "", "few": records}
    source = _(SOURCES.get(row["source"], row["source"]))
    return {"tone": "bad", "sign": "✕", "shown": _("Blocked"), "source": source, "few": records}
