"""What waits for a person, by cause in plain words, across runs and pushes: trying it again, and putting it aside."""

import re
from collections import Counter
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

import psycopg
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.connection.connect import Connection
from optsync.core.problems import Problem
from optsync.ledger import holds, marks
from optsync.ledger.queries import sql
from optsync.public import scanners
from optsync.web import causes
from optsync.web.causes import Group, said_of_retry
from optsync.web.middleware import actor_of, needs
from optsync.web.record_links import record_links
from optsync.web.shell import REFUSED, chosen_org, of_org, page, zone_of
from optsync.web.unsubscribes import day_of
from optsync.web.words import refusal_of

NAME_OF_CAUSE = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
PAGE_ROWS = 50
MUTE_DAYS_MAX = 90
LAST_FIELD = 2**15 - 1


@needs("viewer")
@require_safe
def issues(request: HttpRequest) -> HttpResponse:
    """Pauses, mass changes, and refused boxes by cause: open, muted, tried again by themselves, and mended lately."""
    org = chosen_org(request)
    conn = desk().connection()
    context: dict[str, Any] = {
        "pauses": [pause_of(pause) for pause in marks.pauses(conn) if org and pause.org_id == org.org_id],
        "holds": holds.count_undecided(conn),
        "scanners": scanners.waiting(conn),
        "done": said_of(request.GET.dict()),
    }
    return page(request, "issues", "issues", **context, **(refused_in(org) if org else {}))


def refused_in(org: Connection) -> dict[str, Any]:
    """The causes of an org by what becomes of them, and when both sides were last compared."""
    found = causes.waiting(org, causes.WAITS_FOR_A_PERSON)
    groups = [group for group in found if not group["is_decided"]]
    boxes: Counter[str] = Counter()
    for group in groups:
        boxes[group["prefix"]] += group["count"]
    row = desk().connection().execute(sql("optsync.web", "last_compared"), {"org": org.org_id}).fetchone()
    return {
        "groups": [group for group in groups if not group["muted_until"]],
        "muted": [group for group in groups if group["muted_until"]],
        "decided": [group for group in found if group["is_decided"]],
        "ours": causes.waiting(org, causes.WAITS_FOR_US),
        "settled": causes.settled(org),
        "boxes": causes.by_object(boxes),
        "is_bounded": len(found) > causes.CAUSES_MAX or any(group["is_bounded"] for group in groups),
        "compared_at": row[0] if row else None,
    }


@needs("viewer")
@require_safe
def issue(request: HttpRequest, cause: str) -> HttpResponse:
    """One cause with all its boxes, page by page."""
    return shown(request, cause)


def shown(request: HttpRequest, cause: str, status: int = 200, problem: str = "") -> HttpResponse:
    """The page of one cause; after a refusal with what was wrong. Raises Http404 for a cause that was never met."""
    org, group = issue_of(request, cause)
    rows, following = boxes_on_page(org, cause, request.GET.get("after", ""))
    today = desk().seams.now().astimezone(zone_of(request)).date()
    context: dict[str, Any] = {
        "group": group,
        "rows": rows,
        "following": urlencode(of_org(request) | {"after": following}) if following else "",
        "is_first_page": "after" not in request.GET,
        "until": request.POST.get("until", "") or (today + timedelta(days=7)).isoformat(),
        "first_day": (today + timedelta(days=1)).isoformat(),
        "last_day": (today + timedelta(days=MUTE_DAYS_MAX)).isoformat(),
        "problem": problem,
        "done": said_of(request.GET.dict()),
    }
    return page(request, "issue", "issues", status, **context)


def issue_of(request: HttpRequest, cause: str) -> tuple[Connection, Group]:
    """The org of a page and the cause that it is about, waiting or mended lately. Raises Http404 for any other."""
    org = chosen_org(request)
    found = causes.one_waiting(org, cause) if org else None
    if org and not found:
        found = next((group for group in causes.settled(org) if group["cause"] == cause), None)
    if org is None or found is None:
        raise Http404
    return org, found


def boxes_on_page(org: Connection, cause: str, after: str) -> tuple[list[Group], str]:
    """The boxes of a cause behind one of them, and behind which the next page goes on; empty on the last."""
    record, _tilde, number = after.replace("\0", "").partition("~")
    field = int(number) if number.isdecimal() and len(number) < 6 else 0
    place = {"record": record, "field": min(field, LAST_FIELD)}
    rows = causes.rows_of("boxes_of_cause", {"org": org.org_id, "cause": cause, "most": PAGE_ROWS + 1} | place)
    links = record_links()
    shown_rows = [row | {"url": links(org.org_id, row["record_id"])} for row in rows[:PAGE_ROWS]]
    last = shown_rows[-1] if len(rows) > PAGE_ROWS else None
    return shown_rows, f"{last['record_id']}~{last['field']}" if last else ""


@needs("operator")
@require_safe
def boxes(request: HttpRequest, cause: str) -> HttpResponseBase:
    """All boxes of a cause that wait, as CSV."""
    org, _group = issue_of(request, cause)
    values = {"org": org.org_id, "cause": cause, "most": None, "record": "", "field": 0}
    found = None if request.method == "HEAD" else causes.boxes_in("boxes_of_cause", values)
    return causes.csv_of(f"issue-{cause}", found)


@needs("viewer", to_change="operator")
@require_http_methods(["GET", "HEAD", "POST"])
def mute(request: HttpRequest, cause: str) -> HttpResponse:
    """POST puts a cause aside until a day, or ends that without one; GET leads back."""
    back = reverse("web:issue", args=[cause])
    if request.method != "POST":
        return redirect(f"{back}?{urlencode(of_org(request))}" if of_org(request) else back)
    org, group = issue_of(request, cause)
    values = {"org": org.org_id, "cause": cause, "actor": actor_of(request), "code": group["code"]}
    if request.POST.get("step") == "end":
        desk().connection().execute(sql("optsync.web", "unmute_issue"), values)
        return redirect(f"{back}?{urlencode({'muted': 'ended'} | of_org(request))}")
    zone = zone_of(request)
    today, until = desk().seams.now().astimezone(zone).date(), day_of(request.POST.get("until", ""))
    if until is None or not today < until <= today + timedelta(days=MUTE_DAYS_MAX):
        said = _("Choose a day from tomorrow on, within %(n)s days; nothing was changed.") % {"n": MUTE_DAYS_MAX}
        return shown(request, cause, REFUSED, said)
    values["until"] = datetime.combine(until, time(), zone)
    desk().connection().execute(sql("optsync.web", "mute_issue"), values)
    return redirect(f"{back}?{urlencode({'muted': 'yes'} | of_org(request))}")


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
    conn = desk().connection()
    org_id = (org.org_id if org else None) if run_id is None else org_of_run(conn, run_id)
    cause = request.POST.get("cause", "")
    cause = cause if NAME_OF_CAUSE.fullmatch(cause) else "none" if cause else ""
    back = page_of_retry(run_id, cause if request.POST.get("alone") else "")
    if request.method != "POST" or org_id is None:
        return redirect(back)
    due = marks.retry_now(conn, org_id, None, run_id, cause or None)
    return redirect(f"{back}?{urlencode({'due': due} | of_org(request))}")


def page_of_retry(run_id: int | None, cause: str) -> str:
    """The address of the page on which a retry was pressed: of a run, of one cause, or of all issues."""
    if run_id is not None:
        return reverse("web:run", args=[run_id])
    return reverse("web:issue", args=[cause]) if cause else reverse("web:issues")


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


def said_of(query: dict[str, str]) -> str:
    """What came of the button that led here; empty when none did."""
    if "muted" in query:
        return (
            _("Muted. It is still counted as not in Salesforce.") if query["muted"] == "yes" else _("No longer muted.")
        )
    return said_of_retry(query.get("due", "")) or said_of_scanner(query.get("scanner", ""))
