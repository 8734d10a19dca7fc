"""/v1/runs: what each sync run did, and trying again what one had to park."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router
from psycopg.rows import dict_row
from pydantic import Field

from optsync.api import PACKAGE
from optsync.api.cursors import Cursor, Limit, cut, number_in
from optsync.api.door import ApiKey
from optsync.api.idempotency import DOCUMENTED, once
from optsync.api.orgs import orgs_by_number
from optsync.api.problems import Refusal
from optsync.api.shapes import Told
from optsync.config.desk import desk
from optsync.core.record_ids import kind_of
from optsync.ledger import marks, targets
from optsync.ledger.queries import sql
from optsync.ledger.targets import OptOutField
from optsync.sync import runs
from optsync.web.words import refusal_of

router = Router()
INT_MAX = 2**31 - 1
RunId = Annotated[int, Path(ge=1, le=INT_MAX, description="The number of the run.")]


class Run(Told):
    """One sync run. `state` says how far it is, `result` how it ended (null before)."""

    id: int
    org: str | None
    kind: Literal["nightly", "by hand", "first", "dry run"]
    state: Literal["asked", "running", "interrupted", "finished"]
    result: str | None = Field(
        description="proved, partly done, not proved, held, waiting for go, dry run, cancelled or failed."
    )
    phase: str
    by: str
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    api_calls: int | None
    counts: dict[str, int] = Field(description="People and boxes, by what was counted.")
    rest: list[dict[str, Any]] = Field(description="What is not done, by reason.")
    error: dict[str, Any] | None


class Runs(Told):
    """A page of them, the newest first."""

    runs: list[Run]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class Reject(Told):
    """A box that the run could not tick, with the refusal it met last."""

    id: int
    record: str = Field(description="The Lead, Contact or Account.")
    field: str | None = Field(description="The field's API name.", examples=["HasOptedOutOfEmail"])
    person: int | None = Field(description="For GET /v1/people/{id}; null when the record has no address.")
    code: str = Field(description="Salesforce's code, or one of ours.", examples=["FIELD_CUSTOM_VALIDATION_EXCEPTION"])
    title: str
    said: str = Field(description="Salesforce's own words.")
    next: str = Field(description="What to do.")
    waits: bool = Field(description="Whether it still waits for a person; false once it was tried again.")
    at: datetime


class Rejects(Told):
    """A page of them, the oldest first."""

    rejects: list[Reject]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class Retried(Told):
    """How many boxes are due now; the worker sends them."""

    due: int


@router.get("", auth=ApiKey("read"), response=Runs)
def list_runs(request: HttpRequest, limit: Limit = 100, cursor: Cursor = "") -> Runs:
    """Of every org, the newest first."""
    conn = desk().connection()
    rows = runs.before(conn, min(number_in(cursor, first=INT_MAX), INT_MAX), limit + 1)
    orgs = orgs_by_number(conn)
    page, following = cut([shown(row, orgs) for row in rows], limit, "id")
    return Runs(runs=list(page), next=following)


@router.get("/{run_id}", auth=ApiKey("read"), response=Run)
def get_run(request: HttpRequest, run_id: RunId) -> Run:
    """One."""
    return shown(found(run_id), orgs_by_number(desk().connection()))


@router.get("/{run_id}/rejects", auth=ApiKey("read"), response=Rejects)
def list_rejects(request: HttpRequest, run_id: RunId, limit: Limit = 100, cursor: Cursor = "") -> Rejects:
    """What the run could not tick. The people are blocked here all the same."""
    conn, org_id = desk().connection(), found(run_id)["org_id"]
    values = {"run": run_id, "after": number_in(cursor, first=0), "limit": limit + 1}
    with conn.cursor(row_factory=dict_row) as rows:
        parked = rows.execute(sql(PACKAGE, "rejects"), values).fetchall()
    fields = {one.field: one for one in targets.fields(conn, org_id)}
    page, following = cut([reject_of(row, fields) for row in parked], limit, "id")
    return Rejects(rejects=list(page), next=following)


@router.post("/{run_id}/retry", auth=ApiKey("admin"), response=Retried, openapi_extra=DOCUMENTED)
def retry_run(request: HttpRequest, run_id: RunId) -> HttpResponse:
    """Makes what the run parked due at once, and ends the pauses of its org; as `optsync retry` does."""
    org_id = found(run_id)["org_id"]

    def retry() -> tuple[int, Retried]:
        return 200, Retried(due=marks.retry_now(desk().connection(), org_id, run_id=run_id))

    return once(request, retry)


def reject_of(row: dict[str, Any], fields: dict[int, OptOutField]) -> Reject:
    """As a program sees it."""
    code, _, said = row["reason"].partition(":")
    why = refusal_of(code, said.strip())
    field, kind = fields.get(row["field"]), kind_of(row["record_id"])
    return Reject(
        id=row["event_id"],
        record=row["record_id"],
        field=field.name_on(kind) if field and kind else None,
        person=row["address_id"],
        code=code,
        title=why.title,
        said=said.strip(),
        next=why.next,
        waits=row["waits"],
        at=row["at"],
    )


def found(run_id: int) -> dict[str, Any]:
    """The row of a run. Raises Refusal when there is none."""
    row = runs.report(desk().connection(), run_id)
    if row is None:
        raise Refusal("not-found", f"there is no run {run_id}")
    return row


def shown(row: dict[str, Any], orgs: dict[int, str]) -> Run:
    """As a program sees it."""
    report = row["report"] or {}
    counts = report.get("counts") or row["counts"] or {}
    return Run(
        id=row["run_id"],
        org=orgs.get(row["org_id"]),
        kind=row["kind"],
        state=row["state"],
        result=row["result"],
        phase=row["phase"],
        by=row["by_whom"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        seconds=report.get("seconds"),
        api_calls=report.get("api_calls"),
        counts={name: count for name, count in counts.items() if isinstance(count, int)},
        rest=report.get("rest") or [],
        error=report.get("error"),
    )
