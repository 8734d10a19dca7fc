"""/v1/issues: boxes that wait for a person, by cause."""

from django.http import HttpRequest, HttpResponse
from ninja import Router
from psycopg.rows import dict_row
from pydantic import Field

from optsync.api import PACKAGE
from optsync.api.door import ApiKey
from optsync.api.idempotency import DOCUMENTED, once
from optsync.api.orgs import OrgId, chosen
from optsync.api.runs import Retried
from optsync.api.shapes import Asked, Told
from optsync.config.desk import desk
from optsync.ledger import marks
from optsync.ledger.queries import sql
from optsync.web.words import refusal_of

router = Router()


class Issue(Told):
    """One cause in one org."""

    org: str
    code: str = Field(description="Salesforce's code, or one of ours.", examples=["FIELD_CUSTOM_VALIDATION_EXCEPTION"])
    title: str
    said: str = Field(description="Salesforce's own words, of one of the boxes.")
    next: str
    boxes: int
    people: int


class Issues(Told):
    """All of them, the largest first."""

    issues: list[Issue]


class Again(Asked):
    """Which boxes to try again."""

    code: str = Field(min_length=1, max_length=200, description="The code of the issue.")
    org: str = Field("", max_length=18, description="The Salesforce id of one org; empty = every connected one.")


@router.get("", auth=ApiKey("read"), response=Issues)
def list_issues(request: HttpRequest, org: OrgId = "") -> Issues:
    """The people are blocked here already; what waits is their box in Salesforce."""
    conn, found = desk().connection(), []
    for one in chosen(conn, org):
        with conn.cursor(row_factory=dict_row) as cursor:
            for row in cursor.execute(sql(PACKAGE, "issues"), {"org": one.org_id}):
                why = refusal_of(row["code"], row["said"])
                found.append(Issue(org=one.salesforce_id, title=why.title, next=why.advice, **row))
    return Issues(issues=sorted(found, key=lambda issue: -issue.boxes))


@router.post("/retry", auth=ApiKey("admin"), response=Retried, openapi_extra=DOCUMENTED)
def retry_issue(request: HttpRequest, again: Again) -> HttpResponse:
    """Makes the boxes of one cause due at once, and ends the pauses of their org; as `optsync retry --reason` does."""

    def retry() -> tuple[int, Retried]:
        conn, due = desk().connection(), 0
        for one in chosen(conn, again.org):
            marks.clear_pauses(conn, one.org_id)
            due += marks.retry_now(conn, one.org_id, again.code)
        return 200, Retried(due=due)

    return once(request, retry)
