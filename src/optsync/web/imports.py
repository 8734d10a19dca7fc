"""Importing a file in the browser: choose it, see what it would do, import it. A worker reads it; pages only look.

Each file has a page of its own, so that it can be left and come back to. Nothing is recorded before the last click.
"""

from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from optsync.config.desk import desk
from optsync.connection.connect import connections
from optsync.core.compliance import FIELDS
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger import uploads
from optsync.ledger.layouts import Columns
from optsync.ledger.uploads import Head, Upload
from optsync.web.middleware import actor_of, may, needs
from optsync.web.shell import REFUSED, page
from optsync.web.troubles import in_three_parts
from optsync.web.uploading import is_too_large
from optsync.web.words import COMPLIANCE_FIELDS, LAYOUTS, UPLOAD_STATES, UPLOAD_STEPS, reason_of_reject

FILES_ON_LIST = 20
CELL_CHARS_MAX = 120
NUMBER_DIGITS_MAX = 3
GONE = 410


@needs("viewer", to_change="operator")
@require_http_methods(["GET", "HEAD", "POST"])
def imports(request: HttpRequest) -> HttpResponse:
    """GET shows the form and the latest files; POST keeps the file that was chosen and leads to its page."""
    if request.method != "POST":
        return form(request)
    given = request.FILES.get("file")
    try:
        if not isinstance(given, TemporaryUploadedFile):
            raise uploads.too_large() if is_too_large(request.META) else no_file()
        conn, vault, path = desk().connection(), desk().vault, Path(given.temporary_file_path())
        org_id = number_in(request.POST.get("org", ""))
        number = uploads.keep(conn, vault, path, given.name or "", actor=actor_of(request), org_id=org_id)
    except Problem as problem:
        return form(request, REFUSED, problem=in_three_parts(problem))
    return redirect("web:import", number)


def no_file() -> Problem:
    """The button was pressed and nothing was chosen."""
    return Problem(told("no file was chosen"), told("nothing was imported"), told("choose a file first"))


def form(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    """Where a file is chosen."""
    conn = desk().connection()
    orgs = connections(conn)
    files = [row | {"state": _(UPLOAD_STATES[row["state"]])} for row in uploads.newest(conn, FILES_ON_LIST)]
    limits = {"megabytes": uploads.BYTES_MAX >> 20, "rows_max": uploads.ROWS_MAX}
    orgs = orgs if len(orgs) > 1 else []
    return page(request, "imports", "unsubscribes", status=status, files=files, orgs=orgs, **limits, **context)


@needs("viewer", to_change="operator")
@require_http_methods(["GET", "HEAD", "POST"])
def import_(request: HttpRequest, upload_id: int) -> HttpResponse:
    """GET shows a file and what it would do, does or did. POST `columns`, `import` or `discard`."""
    upload = uploads.find(desk().connection(), upload_id) if upload_id < 2**31 else None
    if upload is None:
        raise Http404
    if request.method != "POST":
        return one(request, upload)
    if request.POST.get("step") == "discard":
        uploads.discard(desk().connection(), upload_id)
        return redirect("web:imports")
    if not decided(request, upload):
        gone = _("This file is no longer there, or it was imported meanwhile. Nothing was changed.")
        return one(request, uploads.find(desk().connection(), upload_id) or upload, GONE, gone=gone)
    return redirect("web:import", upload_id)


def decided(request: HttpRequest, upload: Upload) -> bool:
    """Does what the form says; False when the file is not in a state for it."""
    conn = desk().connection()
    if request.POST.get("step") == "columns":
        return uploads.read_by(conn, upload.upload_id, columns_of(request.POST.dict()))
    confirmed = request.POST.get("confirmed") == "yes" and may(request, "admin")
    return uploads.go(conn, upload.upload_id, actor=actor_of(request), confirmed=confirmed)


def columns_of(given: dict[str, str]) -> Columns:
    """The columns that a person chose; what was left open is None, and no address means the first column."""
    return Columns(
        "people" if given.get("purpose") == "people" else "opt-outs",
        address=number_in(given.get("address", "")) or 0,
        record_id=number_in(given.get("record_id", "")),
        at=number_in(given.get("at", "")),
        reason=number_in(given.get("reason", "")),
        has_header=given.get("has_header") == "yes",
        compliance={name: column for name in FIELDS if (column := number_in(given.get(name, ""))) is not None},
    )


def number_in(text: str) -> int | None:
    """A small number from a form; None for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX else None


def one(request: HttpRequest, upload: Upload, status: int = 200, **context: Any) -> HttpResponse:
    """The page of one file."""
    conn = desk().connection()
    first = (
        uploads.head(conn, desk().vault, upload) if upload.has_file and upload.state in ("read", "refused") else None
    )
    is_at_work = upload.state in ("reading", "importing")
    context |= {
        "upload": upload,
        "report": upload.report,
        "is_at_work": is_at_work,
        "is_read": upload.state == "read",
        "is_imported": upload.state == "imported",
        "doing": _(UPLOAD_STEPS[upload.doing]) if upload.doing in UPLOAD_STEPS else "",
        "percent": 100 * upload.done // upload.total if upload.total else None,
        "nobody_works": is_at_work and not uploads.is_any_worker_alive(conn),
        "refusal": upload.problem and in_three_parts(upload.problem),
        "facts": facts_of(upload, first),
        "reasons": reasons_of(upload),
        "may_confirm": may(request, "admin"),
    }
    return page(request, "import", "unsubscribes", status=status, **context | preview_of(upload, first))


def facts_of(upload: Upload, first: Head | None) -> list[tuple[str, str]]:
    """How the file was understood."""
    facts = []
    if upload.report:
        facts.append((_("Read as"), _(LAYOUTS.get(upload.report["layout"], upload.report["layout"]))))
    if first:
        delimiters = {",": _("comma"), ";": _("semicolon"), "\t": _("tab"), "|": _("vertical bar")}
        facts.append((_("Encoding"), first.encoding))
        facts.append((_("Between the columns"), delimiters.get(first.delimiter, first.delimiter)))
    return facts


def preview_of(upload: Upload, first: Head | None) -> dict[str, Any]:
    """The first rows, and the columns to choose from; nothing when the file is no longer there."""
    if first is None or not first.rows:
        return {}
    columns = upload.columns
    header, *rows = ([cell[:CELL_CHARS_MAX] for cell in row.cells] for row in first.rows)
    chosen = {name: getattr(columns, name) if columns else None for name in ("address", "record_id", "at", "reason")}
    if columns is None:
        cells = rows[0] if rows else header
        chosen["address"] = next((number for number, cell in enumerate(cells) if "@" in cell), 0)
    return {
        "header": header,
        "rows": rows[: uploads.HEAD_ROWS - 1],
        "choices": [(number, f"{number + 1}: {cell[:40]}") for number, cell in enumerate(header)],
        "chosen": chosen,
        "has_compliance": columns is not None and bool(columns.compliance),
        "compliance_columns": [
            (name, _(word), columns and columns.compliance.get(name)) for name, word in COMPLIANCE_FIELDS.items()
        ],
        "links_people": columns is not None and columns.purpose == "people",
        "has_header": columns.has_header if columns else all("@" not in cell for cell in header),
    }


def reasons_of(upload: Upload) -> list[tuple[str, int]]:
    """Why rows were not taken, the most frequent first."""
    reasons: dict[str, int] = upload.report["reasons"] if upload.report else {}
    found = sorted(reasons.items(), key=lambda item: -item[1])
    return [(reason_of_reject(reason, _), count) for reason, count in found]


@needs("viewer")
@require_safe
def rejects(request: HttpRequest, upload_id: int) -> HttpResponseBase:
    """The rows that were not taken, with a reason each."""
    upload = uploads.find(desk().connection(), upload_id) if upload_id < 2**31 else None
    if upload is None or not upload.has_rejects:
        raise Http404
    headers = {"Content-Disposition": f'attachment; filename="rejects-{upload_id}.csv"', "Cache-Control": "no-store"}
    blocks = iter(()) if request.method == "HEAD" else uploads.rejects(desk().connection(), desk().vault, upload_id)
    return StreamingHttpResponse(blocks, content_type="text/csv; charset=utf-8", headers=headers)
