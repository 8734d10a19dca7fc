"""Sync runs: the list, one run while it goes on and afterwards, and asking for one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.connection import settings
from optsync.connection.connect import Connection, connections
from optsync.core.problems import Problem
from optsync.core.told import from_plain
from optsync.ledger.queries import sql
from optsync.sync import asking
from optsync.sync.runs import has_compared
from optsync.web import causes
from optsync.web.causes import said_of_retry
from optsync.web.middleware import actor_of, may, needs
from optsync.web.previews import preview_of
from optsync.web.shell import REFUSED, chosen_org, of_org, page
from optsync.web.troubles import as_sentence, in_three_parts
from optsync.web.undoing import files_of, said_of_undo
from optsync.web.words import (
    RUN_KINDS,
    RUN_RESULTS,
    STEPS,
    counts_of_run,
    kind_of_run,
    rest_of_run,
    result_of_run,
)

PAGE_ROWS = 50
NEWEST = 2**31 - 1
LATE_SECONDS = 10.0
"""A worker looks each second: a run that nobody took for so long needs one."""
TONES_OF_RUN = {
    "proved": ("ok", "✓"),
    "dry run": ("ok", "✓"),
    "running": ("info", "…"),
    "asked": ("info", "…"),
    "cancelled": ("idle", "–"),
    "partly done": ("warn", "!"),
    "held": ("warn", "!"),
    "waiting for go": ("warn", "!"),
    "interrupted": ("warn", "!"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the list asks for; words that mean nothing are left out."""

    kind: str = ""
    result: str = ""
    before: int = NEWEST

    @classmethod
    def from_query(cls, query: dict[str, str]) -> "Asked":
        """The filters and the place in the list."""
        kind, result, before = (query.get(name, "") for name in ("kind", "result", "before"))
        return cls(
            kind if kind in RUN_KINDS else "",
            result if result in RUN_RESULTS else "",
            int(before) if before.isdecimal() and len(before) < 10 else NEWEST,
        )

    @property
    def filters(self) -> dict[str, str]:
        """The filters as the address holds them."""
        return {name: value for name, value in (("kind", self.kind), ("result", self.result)) if value}


@needs("viewer")
@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    """Sync runs page by page, of a kind or with a result; what goes on at the moment; buttons that ask for more."""
    return listed(request)


def listed(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    """The list; after a refusal with what was wrong."""
    org, asked = chosen_org(request), Asked.from_query(request.GET.dict())
    found = recent_runs(org.org_id, PAGE_ROWS + 1, asked) if org else []
    kept = of_org(request) | asked.filters
    context |= {
        "runs": found[:PAGE_ROWS],
        "asked": asked,
        "older": urlencode(kept | {"before": found[PAGE_ROWS - 1]["run_id"]}) if len(found) > PAGE_ROWS else "",
        "newest": urlencode(kept),
        "is_first_page": asked.before == NEWEST,
        "org_asked": request.GET.get("org", ""),
        "kinds": [(kind, _(word)) for kind, word in RUN_KINDS.items()],
        "results": [(result, _(word)) for result, word in RUN_RESULTS.items()],
    }
    return page(request, "runs", "runs", status, **starters(request, org), **context)


def error_of(stored: dict[str, Any] | None) -> dict[str, str] | None:
    """Why a run failed, in the reader's language; None when it did not."""
    return {name: as_sentence(from_plain(text)) for name, text in stored.items()} if stored else None


def starters(request: HttpRequest, org: Connection | None) -> dict[str, Any]:
    """What this reader may ask for now in that org, and the run that goes on meanwhile."""
    if org is None or not may(request, "operator"):
        return {"going": going_of(org.org_id) if org else None}
    conn = desk().connection()
    chosen = settings.load(conn, org.org_id)
    needs_go = chosen.sync_on and not (chosen.first_run_approved_at or has_compared(conn, org.org_id))
    going = going_of(org.org_id)
    return {
        "going": going,
        "asks": org.salesforce_id,
        "can_preview": going is None,
        "can_sync": going is None and chosen.sync_on and not needs_go,
        "needs_go": needs_go,
        "can_go": needs_go and going is None and may(request, "admin"),
    }


def going_of(org_id: int) -> dict[str, Any] | None:
    """The run that is not over, as `_now.html` shows it; None when there is none."""
    run_id = asking.unfinished(desk().connection(), org_id)
    now = None if run_id is None else asking.now(desk().connection(), run_id)
    return None if now is None or now.state == "finished" else shown_now(now)


def shown_now(now: asking.Now) -> dict[str, Any]:
    """How far a run is, in the reader's language."""
    step = f"{now.step} {now.what}" if now.step == "reading" and now.what else now.step
    waits = now.state == "interrupted"
    return {
        "now": now,
        "step": _("Waits until Salesforce answers again") if waits else _(STEPS[step]),
        "kind": kind_of_run(now.kind, _),
        "waits": waits,
        "late": now.state == "asked" and now.seconds > LATE_SECONDS,
        "left": None if now.left_seconds is None else max(1, round(now.left_seconds)),
    }


@needs("viewer")
@require_safe
def progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """The fragment that is asked for each second. Once the run is over the browser is told to load the page anew."""
    now = asking.now(desk().connection(), run_id)
    if now is None:
        raise Http404
    if now.state == "finished":
        return HttpResponse(headers={"HX-Refresh": "true", "Cache-Control": "no-store"})
    context = {"going": shown_now(now), "can_cancel": may(request, "operator")}
    response = render(request, "web/_now.html", context)
    response["Cache-Control"] = "no-store"
    return response


@needs("viewer", to_change="operator")
@require_http_methods(["GET", "HEAD", "POST"])
def start(request: HttpRequest) -> HttpResponse:
    """POST asks the worker for a run: `sync`, `preview`, or `go`, an admin's word for the first one. GET leads back."""
    org, wanted = chosen_org(request), request.POST.get("run", "")
    if request.method != "POST" or org is None or wanted not in ("sync", "preview", "go"):
        return redirect("web:runs")
    if wanted == "go" and not may(request, "admin"):
        return render(request, "web/not_for_this_role.html", {"needed": "admin"}, status=403)
    conn, by = desk().connection(), actor_of(request)
    try:
        run_id = asking.ask(conn, org.org_id, by, dry_run=wanted == "preview", go=wanted == "go")
    except Problem as problem:
        return listed(request, REFUSED, problem=in_three_parts(problem))
    return redirect("web:run", run_id)


@needs("viewer", to_change="operator")
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    """POST stops a run at its next step; pressed late it changes nothing, and the page shows how the run ended."""
    if request.method == "POST":
        asking.cancel(desk().connection(), run_id, actor_of(request))
    return redirect("web:run", run_id)


@needs("viewer")
@require_safe
def run(request: HttpRequest, run_id: int) -> HttpResponse:
    """One sync run: how far it is, or what it did, row by row."""
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql("optsync.web", "one_run"), {"run": run_id}).fetchone()
    if row is None:
        raise Http404
    org = next((one for one in connections(desk().connection()) if one.org_id == row["org_id"]), None)
    groups = causes.of_run(run_id, org)
    context = starters(request, org) | outcome_of(row) | {"run": row, "org": org, "groups": groups}
    context["still"] = any(group["can_retry"] for group in groups)
    context["done"] = said_of_retry(request.GET.get("due", "")) or said_of_undo(request.GET.get("undone", ""))
    context["unticks"] = files_of(run_id)
    brought_in = row["state"] == "finished" and not context["preview"] and (row["counts"] or {}).get("recorded", 0)
    context["can_undo"] = bool(brought_in) and not context["unticks"] and may(request, "admin")
    return page(request, "run", "runs", **context)


def outcome_of(row: dict[str, Any]) -> dict[str, Any]:
    """How far a run is, or how it ended and what it counted, in the reader's language."""
    now = None if row["state"] == "finished" else asking.now(desk().connection(), row["run_id"])
    tone, sign = TONES_OF_RUN.get(row["result"].partition(",")[0], ("bad", "✕"))
    phases = phases_of(row["phases"] or {})
    is_cut_short = row["result"] in ("failed", "cancelled")
    return {
        "tone": tone,
        "sign": sign,
        "kind": said_of_kind(row),
        "result": result_of_run(row["result"], _),
        "error": error_of(row["error"]),
        "rest": [one | {"what": rest_of_run(one["verdict"], _)} for one in row["rest"] or []],
        "going": None if now is None or now.state == "finished" else shown_now(now),
        "resumes_at": datetime.fromisoformat(row["retry_at"]) if row["retry_at"] and now else None,
        "tiles": tiles_of(row),
        "phases": phases,
        "stopped_in": phases[-1]["name"] if phases and is_cut_short else "",
        "is_cut_short": is_cut_short,
        "rows": counts_of_run(row["counts"] or {}, _),
        "preview": preview_of(row),
    }


@needs("operator")
@require_safe
def rejected(request: HttpRequest, run_id: int, cause: str) -> HttpResponseBase:
    """What a run could not tick because of one cause, as CSV."""
    if all(group["cause"] != cause for group in causes.of_run(run_id, None)):
        raise Http404
    values = {"run": run_id, "cause": cause}
    found = None if request.method == "HEAD" else causes.boxes_in("boxes_of_run", values)
    return causes.csv_of(f"run-{run_id}-{cause}", found)


def recent_runs(org_id: int, limit: int, asked: Asked = Asked()) -> list[dict[str, Any]]:
    """The newest runs of an org, or those that are asked for, words in the reader's language."""
    values = {"org": org_id, "limit": limit, "kind": asked.kind, "result": asked.result, "before": asked.before}
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql("optsync.web", "recent_runs"), values).fetchall()
    return [shown_run(row) for row in rows]


def shown_run(row: dict[str, Any]) -> dict[str, Any]:
    """A line of the list."""
    tone, sign = TONES_OF_RUN.get(row["result"].partition(",")[0], ("bad", "✕"))
    words = {
        "kind": kind_of_run(row["kind"], _),
        "who": who_of(row),
        "result": result_of_run(row["result"], _),
        "tone": tone,
        "sign": sign,
    }
    return row | words | tiles_of(row)


def said_of_kind(row: dict[str, Any]) -> str:
    """Nightly, First, Dry run, or By hand with who it was."""
    kind, who = kind_of_run(row["kind"], _), who_of(row)
    return f"{kind} ({who})" if who else kind


def who_of(row: dict[str, Any]) -> str:
    """Who wanted a run; empty where the clock did."""
    return row["by_whom"] or "" if row["kind"] in ("by hand", "dry run") else ""


def tiles_of(row: dict[str, Any]) -> dict[str, int | None]:
    """The counts that every run has, each None until all of it is counted: a part is no total. A dry run counts what it
    would do."""
    counts = row["counts"] or {}
    counts = counts | counts.get("applied", {})
    written = counts.get("confirmed", 0) + counts.get("already_true", 0)
    is_compared, is_written = "recorded" in counts, "confirmed" in counts or row["state"] == "finished"
    return {
        "to_salesforce": counts.get("would_set", written) if is_compared and is_written else None,
        "from_salesforce": counts.get("recorded"),
        "held_in": counts.get("held_in_people"),
        "equal": max(0, counts.get("compared", 0) - counts.get("differing", 0)) if is_compared else None,
        "refused": counts.get("parked", 0) if is_compared and is_written else None,
    }


def phases_of(phases: dict[str, Any]) -> list[dict[str, Any]]:
    """What each step took, with its share of the longest in per cent; steps that took nothing are left out."""
    took: dict[str, float] = {}
    for name, timing in phases.items():
        step = asking.step_of(name)
        took[step] = took.get(step, 0.0) + timing["seconds"]
    longest = max(took.values(), default=0.0)
    return [
        {"name": _(STEPS[step]), "seconds": took[step], "width": round(100 * took[step] / longest)}
        for step in STEPS
        if took.get(step)
    ]
