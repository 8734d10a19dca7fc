"""Sync runs: the list, and one run with what it counted and what Salesforce refused."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.ledger.queries import sql
from optsync.web.issues import rejected_in_run, said_of_retry
from optsync.web.middleware import needs
from optsync.web.shell import first_connection, page
from optsync.web.words import counts_of_run, kind_of_run, rest_of_run, result_of_run

RUNS_ON_LIST = 100
TONES_OF_RUN = {
    "proved": ("ok", "✓"),
    "dry run": ("ok", "✓"),
    "running": ("info", "…"),
    "partly done": ("warn", "!"),
    "held": ("warn", "!"),
    "waiting for go": ("warn", "!"),
    "interrupted": ("warn", "!"),
}


@needs("viewer")
@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    """The newest sync runs."""
    org = first_connection()
    return page(request, "runs", "runs", runs=recent_runs(org.org_id, RUNS_ON_LIST) if org else [])


@needs("viewer")
@require_safe
def run(request: HttpRequest, run_id: int) -> HttpResponse:
    """One sync run: what it counted, row by row."""
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql("optsync.web", "one_run"), {"run": run_id}).fetchone()
    if row is None:
        raise Http404
    tone, sign = TONES_OF_RUN.get(row["result"].partition(",")[0], ("bad", "✕"))
    rest = [one | {"what": rest_of_run(one["verdict"], _)} for one in row["rest"] or []]
    context = {"run": row, "tone": tone, "sign": sign, "rest": rest, "error": row["error"], "took": row["seconds"]}
    context |= {"kind": kind_of_run(row["kind"], _), "result": result_of_run(row["result"], _)}
    groups = rejected_in_run(run_id)
    context |= {"groups": groups, "still": any(group["still"] for group in groups)}
    context["done"] = said_of_retry(request.GET.get("due", ""))
    return page(request, "run", "runs", rows=counts_of_run(row["counts"] or {}, _), **context)


def recent_runs(org_id: int, limit: int) -> list[dict[str, Any]]:
    """The newest runs of an org, words in the reader's language."""
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql("optsync.web", "recent_runs"), {"org": org_id, "limit": limit}).fetchall()
    return [
        row
        | {
            "kind": kind_of_run(row["kind"], _),
            "result": result_of_run(row["result"], _),
            "to_salesforce": row["counts"].get("confirmed", 0) + row["counts"].get("already_true", 0),
            "from_salesforce": row["counts"].get("recorded", 0),
        }
        for row in rows
    ]
