"""/v1/issues: boxes that wait for a person, by cause."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from optsync.api.door import ApiKey
from optsync.api.idempotency import DOCUMENTED, once
from optsync.api.orgs import OrgId, chosen
from optsync.api.runs import Retried
from optsync.api.shapes import Asked, Told
from optsync.config.desk import desk
from optsync.ledger import marks
from optsync.web import causes
from optsync.web.words import refusal_of

router = Router()


class Issue(Told):
    """One cause in one org: boxes of one object that Salesforce refuses in the same words."""

    org: str
    cause: str = Field(description="Names the group, also to retry exactly this one; as the issues page does.")
    object: str = Field(description="Lead, Contact or Account.")
    code: str = Field(description="Salesforce's code, or one of ours.", examples=["FIELD_CUSTOM_VALIDATION_EXCEPTION"])
    title: str
    said: str = Field(description="Salesforce's own words, of one of the boxes.")
    next: str
    boxes: int = Field(description="How many wait, counted up to 10,000.")
    people: int | None = Field(description="How many people that is; null where there are too many to look at.")
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    muted_until: datetime | None = Field(description="It is put aside until then, and counted all the same.")
    came_back: bool = Field(description="It was fixed before, and is met again.")


class Issues(Told):
    """All of them, the largest first."""

    issues: list[Issue]


class Again(Asked):
    """Which boxes to try again."""

    code: str = Field(min_length=1, max_length=200, description="The code of the issue.")
    cause: str = Field("", max_length=64, description="Its cause; empty = every cause of that code.")
    org: str = Field("", max_length=18, description="The Salesforce id of one org; empty = every connected one.")


@router.get("", auth=ApiKey("read"), response=Issues)
def list_issues(request: HttpRequest, org: OrgId = "") -> Issues:
    """The people are blocked here already; what waits is their box in Salesforce."""
    found = [
        issue_of(one.salesforce_id, row)
        for one in chosen(desk().connection(), org)
        for row in causes.rows_waiting(one.org_id, causes.WAITS_FOR_A_PERSON)
    ]
    return Issues(issues=sorted(found, key=lambda issue: -issue.boxes))


def issue_of(org: str, row: dict[str, Any]) -> Issue:
    """One cause in plain words, with Salesforce's own."""
    said = (row["said"] or [""])[0]
    why = refusal_of(row["code"], said)
    return Issue(
        org=org,
        cause=row["cause"],
        object=causes.object_of(row),
        code=row["code"],
        title=why.title,
        said=said,
        next=why.advice,
        boxes=row["count"],
        people=row["people"],
        first_seen_at=row["first_at"],
        last_seen_at=row["last_at"],
        muted_until=row["muted_until"],
        came_back=row["came_back"],
    )


@router.post("/retry", auth=ApiKey("admin"), response=Retried, openapi_extra=DOCUMENTED)
def retry_issue(request: HttpRequest, again: Again) -> HttpResponse:
    """Makes the boxes of a cause or a code due at once, and ends the pauses of their org; as `optsync retry` does."""

    def retry() -> tuple[int, Retried]:
        conn, cause = desk().connection(), again.cause.replace("\0", "") or None
        orgs = chosen(conn, again.org)
        return 200, Retried(due=sum(marks.retry_now(conn, one.org_id, again.code, cause=cause) for one in orgs))

    return once(request, retry)
