"""/v1/preview: what the next sync would do, without writing anything, here or in Salesforce."""

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from optsync.api import PACKAGE
from optsync.api.door import ApiKey, caller_of
from optsync.api.idempotency import DOCUMENTED, made_once
from optsync.api.orgs import OrgId, only, orgs_by_number
from optsync.api.problems import Refusal
from optsync.api.runs import RunId
from optsync.api.shapes import Told
from optsync.config.desk import desk
from optsync.ledger.queries import sql
from optsync.sync import asking, runs
from optsync.web.words import PREVIEW_REASONS

router = Router()
RESULTS = ("dry run", "waiting for go")


class Concerned(Told):
    """One person whom the sync would touch, for example."""

    address: str = Field(description="Masked.", examples=["a…@example.com"])
    record: str
    why: str = Field(examples=["ticked in Salesforce"])
    by: str = Field(description="Who changed the record last; empty where Salesforce does not say.")
    changed_at: datetime | None


class Preview(Told):
    """A dry run. Counts are null until it has ended; a partial count is never shown as a whole one."""

    id: int = Field(description="The number of the run; it is among /v1/runs, too.")
    org: str | None
    by: str
    state: Literal["asked", "running", "interrupted", "finished"]
    result: str | None = Field(
        description="dry run; waiting for go: it was due as the first run; cancelled or failed: it found nothing out."
    )
    started_at: datetime
    finished_at: datetime | None
    is_even: bool | None = Field(description="Whether both sides agree, so that the sync would change nothing.")
    would_set: int | None = Field(description="Boxes that would be ticked in Salesforce.")
    already_set: int | None = Field(description="Boxes that are ticked on both sides.")
    no_record: int | None = Field(description="Unsubscribed people without a Lead or Contact.")
    would_record: int | None = Field(description="People who would be unsubscribed here.")
    would_hold: int | None = Field(description="People whose change is so large that it would wait for a decision.")
    expected_api_calls: int | None
    expected_seconds: float | None
    to_salesforce: list[Concerned] = Field(description="Some of those whose box would be ticked.")
    from_salesforce: list[Concerned] = Field(description="Some of those who would be unsubscribed here.")
    error: dict[str, Any] | None = Field(examples=[{"what": "Salesforce did not answer"}])


@router.post("", auth=ApiKey("admin"), response={202: Preview}, openapi_extra=DOCUMENTED)
def ask_for_preview(request: HttpRequest, org: OrgId = "") -> HttpResponse:
    """Asks a worker for a dry run now, also while the nightly sync is off. 202: ask for its state by its number."""
    caller = caller_of(request)

    def ask() -> tuple[int, Preview]:
        conn = desk().connection()
        return 202, found(asking.ask(conn, only(conn, org).org_id, caller.actor, dry_run=True))

    return made_once(request, ask)


@router.get("", auth=ApiKey("read"), response=Preview)
def get_newest_preview(request: HttpRequest, org: OrgId = "") -> Preview:
    """The newest one of an org."""
    conn = desk().connection()
    one = only(conn, org)
    row = conn.execute(sql(PACKAGE, "newest_preview"), {"org": one.org_id}).fetchone()
    if row is None or row[0] is None:
        raise Refusal("not-found", "there was no preview yet", next="Ask for one: POST /v1/preview")
    return found(row[0])


@router.get("/{run_id}", auth=ApiKey("read"), response=Preview)
def get_preview(request: HttpRequest, run_id: RunId) -> Preview:
    """One, by its number."""
    return found(run_id)


def found(run_id: int) -> Preview:
    """A dry run. Raises Refusal when there is no run of this number, or it was none."""
    conn = desk().connection()
    row = runs.report(conn, run_id)
    if row is None or (row["kind"] != "dry run" and row["result"] not in RESULTS):
        raise Refusal("not-found", f"there is no preview {run_id}", next="See GET /v1/preview for the newest one.")
    return shown(row, orgs_by_number(conn))


def shown(row: dict[str, Any], orgs: dict[int, str]) -> Preview:
    """As a program sees it."""
    report = row["report"] or {}
    counts = report.get("counts") or {}
    samples = report.get("samples") or {}
    is_done = row["result"] in RESULTS
    held = counts.get("held_in_people", 0) + counts.get("held_out_people", 0)
    changes = counts.get("would_set", 0) + counts.get("recorded", 0) + held + counts.get("followed", 0)
    return Preview(
        id=row["run_id"],
        org=orgs.get(row["org_id"]),
        by=row["by_whom"],
        state=row["state"],
        result=row["result"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        is_even=not changes if is_done else None,
        would_set=counts.get("would_set", 0) if is_done else None,
        already_set=counts.get("already_set", 0) if is_done else None,
        no_record=counts.get("no_record", 0) if is_done else None,
        would_record=counts.get("recorded", 0) if is_done else None,
        would_hold=held if is_done else None,
        expected_api_calls=counts.get("expected_api_calls") if is_done else None,
        expected_seconds=counts.get("expected_seconds") if is_done else None,
        to_salesforce=[concerned(one) for one in samples.get("to Salesforce", [])],
        from_salesforce=[concerned(one) for one in samples.get("from Salesforce", [])],
        error=report.get("error"),
    )


def concerned(sample: dict[str, Any]) -> Concerned:
    """One of the samples."""
    why = sample["why"]
    return Concerned(
        address=sample["address"],
        record=sample["record"],
        why=PREVIEW_REASONS.get(why, why),
        by=sample.get("by", ""),
        changed_at=sample.get("at") or None,
    )
