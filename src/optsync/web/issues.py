"""What Salesforce refused, grouped by cause in plain words, across runs and pushes; and trying it again."""

from typing import Any
from urllib.parse import urlencode

import psycopg
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.core.problems import Problem
from optsync.ledger import holds, marks
from optsync.ledger.queries import sql
from optsync.public import scanners
from optsync.web.legal_clock import age_of
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import chosen_org, of_org, page
from optsync.web.templatetags.web import figure
from optsync.web.words import refusal_of

BOXES_MAX = 10_000
"""How many boxes one page looks at; a retry takes all of them."""
REFUSED_BY_US = ("fan-out refused", "hold dropped")
"""A person said no to these: they are not tried again."""


@needs("viewer")
@require_safe
def issues(request: HttpRequest) -> HttpResponse:
    """What waits for a person: pauses, held changes, refused boxes by cause."""
    org = chosen_org(request)
    conn = desk().connection()
    context: dict[str, Any] = {
        "groups": rejected("rejected_now", org=org.org_id, most=BOXES_MAX) if org else [],
        "pauses": [pause_of(pause) for pause in marks.pauses(conn) if org and pause.org_id == org.org_id],
        "holds": holds.count_undecided(conn),
        "scanners": scanners.waiting(conn),
        "done": said_of_retry(request.GET.get("due", "")) or said_of_scanner(request.GET.get("scanner", "")),
    }
    context["bounded"] = BOXES_MAX if sum(group["count"] for group in context["groups"]) >= BOXES_MAX else None
    return page(request, "issues", "issues", **context)


def rejected_in_run(run_id: int) -> list[dict[str, Any]]:
    """What one run could not tick, by cause."""
    return rejected("rejected_in_run", run=run_id)


def rejected(statement: str, **values: int) -> list[dict[str, Any]]:
    """Groups of refused boxes: title, what to do, Salesforce's own words, how many, some records."""
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql("optsync.web", statement), values).fetchall()
    return [row | group_of(row) for row in rows]


def group_of(row: dict[str, Any]) -> dict[str, Any]:
    """One cause in the reader's language; `reason` is what the reasons of its boxes start with."""
    said = row["said"] or []
    why = refusal_of(row["code"], said[0] if said else "", _)
    reason = f"{row['code']}:" if row["has_colon"] else row["code"]
    can_retry = row["still"] > 0 and row["code"] not in REFUSED_BY_US
    age = age_of(row["oldest"]) if row.get("oldest") else ""
    return {"why": why, "said": said, "reason": reason, "can_retry": can_retry, "age": age}


def pause_of(pause: marks.Pause) -> dict[str, Any]:
    """A pause of pushes in the reader's language."""
    why = refusal_of(pause.code, pause.message, _)
    return {"why": why, "code": pause.code, "said": pause.message, "since": pause.since_at}


@needs("viewer", to_change="operator")
@require_http_methods(["GET", "HEAD", "POST"])
def retry(request: HttpRequest) -> HttpResponse:
    """POST does what `optsync retry` does, for one cause or all, of one run or all; GET leads back."""
    org = chosen_org(request)
    run = request.POST.get("run", "")
    run_id = int(run) if run.isdecimal() and len(run) < 10 else None
    back = reverse("web:issues") if run_id is None else reverse("web:run", args=[run_id])
    conn = desk().connection()
    org_id = (org.org_id if org else None) if run_id is None else org_of_run(conn, run_id)
    if request.method != "POST" or org_id is None:
        return redirect(back)
    marks.clear_pauses(conn, org_id)
    due = marks.retry_now(conn, org_id, request.POST.get("reason") or None, run_id)
    return redirect(f"{back}?{urlencode({'due': due} | of_org(request))}")


def org_of_run(conn: psycopg.Connection, run_id: int) -> int | None:
    """The number of the org that a run is about, whichever org the reader has chosen; None when there is no run."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql("optsync.web", "one_run"), {"run": run_id}).fetchone()
    return None if row is None else int(row["org_id"])


@needs("viewer", to_change="admin")
@require_http_methods(["GET", "HEAD", "POST"])
def scanner(request: HttpRequest, hold_id: int) -> HttpResponse:
    """POST `keep` takes unsubscribes that look like a scanner's off the list, `undo` removes them; GET leads back."""
    desk_ = desk()
    conn = desk_.connection()
    listed = any(one.hold_id == hold_id for one in scanners.waiting(conn))
    deed = request.POST.get("decide", "") if request.method == "POST" and listed else ""
    try:
        if deed == "keep":
            holds.apply(conn, desk_.subject_key, hold_id, actor_of(request))
        elif deed == "undo" and holds.drop(
            conn, desk_.subject_key, hold_id, actor_of(request), "looked like a scanner"
        ):
            deed = "busy"
    except Problem:  # somebody else decided in this moment
        deed = ""
    return redirect(f"{reverse('web:issues')}?{urlencode({'scanner': deed})}" if deed else reverse("web:issues"))


def said_of_scanner(deed: str) -> str:
    """What came of a review; empty when there was none."""
    return {
        "keep": _("Kept. These people stay unsubscribed."),
        "undo": _("Undone. Whoever has not repeated it may be mailed again."),
        "busy": _("Some are being sent to Salesforce at this moment. Nothing was undone; try in half a minute."),
    }.get(deed, "")


def said_of_retry(due: str) -> str:
    """What came of a retry; empty when there was none."""
    if not due.isdecimal():
        return ""
    if not int(due[:9]):
        return _("Nothing waits to be tried again.")
    return _("Boxes that are due now: %(n)s. The worker sends them within seconds.") % {"n": figure(int(due[:9]))}
