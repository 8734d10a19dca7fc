"""Undo of a sync run as a page: what it takes back, the number typed, a reason given, and the files for Salesforce."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from optsync.config.desk import desk
from optsync.core.problems import Problem
from optsync.core.record_ids import PREFIXES
from optsync.ledger import undo as ledger_undo
from optsync.ledger.undo import Undone
from optsync.sync import undo as run_undo
from optsync.web.holds import BUSY, typed_number
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, page
from optsync.web.templatetags.web import figure
from optsync.web.troubles import in_three_parts


@needs("viewer", to_change="admin")
@require_http_methods(["GET", "HEAD", "POST"])
def undo(request: HttpRequest, run_id: int) -> HttpResponse:
    """GET says what the undo of a run would do and asks for the number of people and a reason; POST does it."""
    desk_ = desk()
    try:
        found = run_undo.look(desk_.connection(), desk_.subject_key, run_id)
    except Problem as problem:
        status = REFUSED if request.method == "POST" else 200
        return page(request, "undo", "runs", status, run_id=run_id, problem=in_three_parts(problem))
    if request.method != "POST":
        return confirmation(request, run_id, found)
    reason = request.POST.get("reason", "").strip()
    if typed_number(request, "people") != str(found.lifted):
        said = _("The number of people does not match; nothing was changed.")
        return confirmation(request, run_id, found, REFUSED, said)
    if not reason:
        said = _("An undo needs a reason that says what went wrong; nothing was changed.")
        return confirmation(request, run_id, found, REFUSED, said)
    done = run_undo.undo_run(desk_.connection(), desk_.subject_key, run_id, actor_of(request), reason)
    if done.busy:
        said = _("Unblocked: %(lifted)s. Being sent at this moment: %(busy)s. Undo again in half a minute.")
        said %= {"lifted": figure(done.lifted), "busy": figure(done.busy)}
        return confirmation(request, run_id, Undone(done.busy, 0, done.stay), BUSY, said)
    return redirect(f"{reverse('web:run', args=[run_id])}?undone={done.lifted}")


def confirmation(request: HttpRequest, run_id: int, found: Undone, status: int = 200, said: str = "") -> HttpResponse:
    """What the undo does, with the form that makes it; after a refusal with what was typed."""
    context: dict[str, Any] = {"run_id": run_id, "found": found, "said": said}
    context |= {"typed": request.POST.get("people", ""), "reason": request.POST.get("reason", "")}
    return page(request, "undo", "runs", status, **context)


def said_of_undo(lifted: str) -> str:
    """What an undo did, in the reader's language; empty when none led here."""
    if not lifted.isdecimal():
        return ""
    return _("Undone. People unblocked: %(n)s. Their boxes are still ticked in Salesforce and count no more.") % {
        "n": figure(int(lifted[:9]))
    }


def files_of(run_id: int) -> list[dict[str, Any]]:
    """The files that untick what an undone run had brought in, one for each object, with their boxes."""
    found = ledger_undo.boxes_to_untick(desk().connection(), run_id)
    return [{"kind": kind, "count": len(boxes)} for kind, boxes in found.items()]


@needs("viewer")
@require_safe
def untick_file(_request: HttpRequest, run_id: int, kind: str) -> HttpResponse:
    """The file for Data Loader. A person uploads it: optsync never unticks a box itself."""
    known = next((one for one in PREFIXES.values() if one == kind), None)
    try:
        ticks = run_undo.ticks_of(desk().connection(), run_id)
    except Problem:
        raise Http404 from None
    lines = list(ledger_undo.untick_file(desk().connection(), ticks, known)) if known else []
    if not lines:
        raise Http404
    headers = {"Content-Disposition": f'attachment; filename="untick-run-{run_id}-{kind}.csv"'}
    return HttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers | {"Cache-Control": "no-store"})
