"""/v1/imports: a file of unsubscribes, or of people with Salesforce ids; a worker does the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path as FilePath
from tempfile import NamedTemporaryFile
from typing import Annotated, Any, Final

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Path, Query, Router
from pydantic import Field

from optsync.api import PACKAGE
from optsync.api.cursors import Cursor, Limit, cut, number_in
from optsync.api.door import ApiKey, caller_of
from optsync.api.idempotency import DOCUMENTED, once
from optsync.api.orgs import only
from optsync.api.problems import Refusal
from optsync.api.shapes import Told
from optsync.config.desk import desk
from optsync.ledger import uploads
from optsync.ledger.files import digest_of
from optsync.ledger.layouts import COLUMN_NAMES, Purpose
from optsync.ledger.queries import sql
from optsync.ledger.uploads import BLOCK_BYTES, BYTES_MAX, NAME_CHARS_MAX, State, Upload

router = Router()
INT_MAX: Final = 2**31 - 1
MEDIA_TYPES: Final = ("text/csv", "text/plain", "application/octet-stream")
COUNTS: Final = (
    "rows",
    "new",
    "again",
    "already",
    "linked",
    "owed",
    "compliance",
    "erased",
    "bad",
    "skipped",
    "duplicates",
)
ImportId = Annotated[int, Path(ge=1, le=INT_MAX, description="The number of the import.")]
Name = Annotated[str, Query(max_length=NAME_CHARS_MAX, description="The file's name; kept as evidence.")]
DryRun = Annotated[bool, Query(description="Read and count only; nothing is recorded, and the file is forgotten.")]
Confirmed = Annotated[
    bool, Query(description="Do not hold a mass change: you have seen a dry run. Needs the scope admin.")
]
Org = Annotated[str, Query(max_length=18, description="The Salesforce id of the org whose records the file names.")]
Rows = Annotated[Purpose, Query(description="What the rows are, with column: people are linked and opt nobody out.")]
Named = Annotated[
    list[str],
    Query(
        max_length=len(COLUMN_NAMES),
        description="NAME=COLUMN, once for each: which column, by its header or its number from 1, holds "
        f"{', '.join(COLUMN_NAMES)}. Without it the layout is recognised.",
        examples=[["address=E-Mail", "at=Unsubscribed on"]],
    ),
]
FILE: Final[dict[str, Any]] = DOCUMENTED | {
    "requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
}


class ImportProblem(Told):
    """Why nothing was imported."""

    what: str
    means: str
    next: str


class Import(Told):
    """A file and what became of it. Null counts: it has not been read yet."""

    id: int
    name: str
    state: State = Field(
        description="reading or importing: a worker is at it or will be; read: a dry run has ended; imported; refused."
    )
    layout: str | None = Field(description="As what it was read.")
    counts: dict[str, int] | None = Field(description=f"{', '.join(COUNTS)}.")
    reasons: dict[str, int] = Field(description="Why rows came back, and how many.")
    held: bool = Field(description="So many at once are held: all are blocked, their boxes wait for a decision.")
    hold_id: int | None
    seen_before_at: datetime | None = Field(description="The same bytes were imported then; nothing was changed.")
    percent: int | None = Field(description="How far the worker is; null when it is not at it.")
    problem: ImportProblem | None
    made_at: datetime
    ended_at: datetime | None


class Imports(Told):
    """A page of them, the newest first."""

    imports: list[Import]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


@router.get("", auth=ApiKey("read"), response=Imports)
def list_imports(request: HttpRequest, limit: Limit = 100, cursor: Cursor = "") -> Imports:
    """Files that were handed over, by programs or on the pages; one that was discarded is gone."""
    conn, before = desk().connection(), min(number_in(cursor, first=INT_MAX), INT_MAX)
    numbers = conn.execute(sql(PACKAGE, "imports_before"), {"before": before, "limit": limit + 1}).fetchall()
    uploaded = [uploads.find(conn, number) for (number,) in numbers]
    page, following = cut([shown(one) for one in uploaded if one is not None], limit, "id")
    return Imports(imports=list(page), next=following)


@router.post(
    "",
    auth=ApiKey("write", body_bytes_max=BYTES_MAX, media_types=MEDIA_TYPES),
    response={202: Import},
    openapi_extra=FILE,
)
def import_file(
    request: HttpRequest,
    name: Name = "import.csv",
    dry_run: DryRun = False,
    confirmed: Confirmed = False,
    org: Org = "",
    rows: Rows = "opt-outs",
    column: Named = [],  # noqa: B006 - ninja's way to say that there may be none
) -> HttpResponse:
    """The body is the file, as a mail tool exported it. 202: it is kept and will be imported; ask for its state."""
    caller = caller_of(request)
    if confirmed and not caller.key.may("admin"):
        raise Refusal("scope-missing", f"confirmed needs admin; the key {caller.key.handle} has not that scope")
    org_id = only(desk().connection(), org).org_id if org else None
    with received(request) as file:

        def keep() -> tuple[int, Import]:
            conn, vault = desk().connection(), desk().vault
            number = uploads.keep(
                conn,
                vault,
                file,
                name,
                actor=caller.actor,
                org_id=org_id,
                at_once=not dry_run,
                confirmed=confirmed,
                purpose=rows,
                named={part.partition("=")[0]: part.partition("=")[2] for part in column},
            )
            return 202, shown(found(number))

        return once(request, keep, digest_of(file))


@contextmanager
def received(request: HttpRequest) -> Iterator[FilePath]:
    """The body in a file, for as long as it is needed; memory does not grow with it. Raises Refusal."""
    with NamedTemporaryFile(prefix="optsync-import-") as file:
        while block := request.read(BLOCK_BYTES):
            file.write(block)
        if file.tell() != int(request.headers.get("Content-Length") or 0):
            raise Refusal("bad-request", "the body broke off")
        file.flush()
        yield FilePath(file.name)


@router.get("/{import_id}", auth=ApiKey("read"), response=Import)
def get_import(request: HttpRequest, import_id: ImportId) -> Import:
    """Its state and counts."""
    return shown(found(import_id))


@router.get(
    "/{import_id}/rejects",
    auth=ApiKey("read"),
    openapi_extra={"responses": {200: {"description": "OK", "content": {"text/csv": {"schema": {"type": "string"}}}}}},
)
def get_rejects(request: HttpRequest, import_id: ImportId) -> StreamingHttpResponse:
    """The rows that came back, as CSV with a reason each; kept for a week."""
    upload = found(import_id)
    if not upload.has_rejects:
        raise Refusal("not-found", f"import {import_id} has no rejected rows, or they were kept for a week")
    rows = uploads.rejects(desk().connection(), desk().vault, import_id)
    return StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")


def found(import_id: int) -> Upload:
    """One of them. Raises Refusal."""
    upload = uploads.find(desk().connection(), import_id)
    if upload is None:
        raise Refusal("not-found", f"there is no import {import_id}")
    return upload


def shown(upload: Upload) -> Import:
    """As a program sees it."""
    report = upload.report or {}
    problem = upload.problem
    return Import(
        id=upload.upload_id,
        name=upload.name,
        state=upload.state,
        layout=report.get("layout"),
        counts={count: report.get(count, 0) for count in COUNTS} if report else None,
        reasons=report.get("reasons", {}),
        held=report.get("held", False),
        hold_id=report.get("hold_id"),
        seen_before_at=report.get("seen_before_at"),
        percent=100 * upload.done // upload.total if upload.total and not upload.ended_at else None,
        problem=None if problem is None else ImportProblem.model_validate(problem),
        made_at=upload.made_at,
        ended_at=upload.ended_at,
    )
