"""What we know, as files to keep or hand on. Each is asked for by a button: the audit says who took what."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.ledger.exports import WHATS, What, export
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, chosen_org, page

NAMES: dict[What, str] = {
    "opt-outs": "unsubscribes",
    "people": "people",
    "ids": "salesforce-ids",
    "evidence": "evidence",
}


@needs("operator")
@require_http_methods(["GET", "HEAD", "POST"])
def exports(request: HttpRequest) -> HttpResponseBase:
    """GET says what there is; POST `what` streams one of it."""
    if request.method != "POST":
        return form(request)
    what = next((what for what in WHATS if what == request.POST.get("what")), None)
    org = chosen_org(request)
    if what is None or (what == "ids" and org is None):
        return form(request, REFUSED, problem=_("There is no such file; nothing was exported."))
    org_id = org.org_id if what == "ids" and org else None
    return download(streamed(what, actor_of(request), org_id), NAMES[what], "jsonl" if what == "evidence" else "csv")


def form(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    """The files there are; ids are those of one org."""
    return page(request, "exports", "people", status=status, org=chosen_org(request), **context)


def streamed(what: What, actor: str, org_id: int | None) -> Iterator[bytes]:
    """The file, block by block, on a session of its own: a reader may be slow or leave in the middle."""
    with desk().database.connect() as conn:
        yield from export(conn, desk().subject_key, what, actor=actor, org_id=org_id)


def download(blocks: Iterator[bytes], name: str, ending: str = "csv") -> HttpResponseBase:
    """The answer that a browser saves as a file."""
    file = f"{name}-{desk().seams.now():%Y-%m-%d}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{file}"', "Cache-Control": "no-store"}
    media = "text/csv" if ending == "csv" else "application/jsonl"
    return StreamingHttpResponse(blocks, content_type=f"{media}; charset=utf-8", headers=headers)
