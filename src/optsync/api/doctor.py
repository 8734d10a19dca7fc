"""/v1/doctor: what stands between an opt-out and Salesforce, and how it is put right."""

from datetime import datetime
from typing import Literal

from django.http import HttpRequest
from ninja import Router
from psycopg.types.json import Jsonb
from pydantic import Field

from optsync.api import PACKAGE
from optsync.api.door import ApiKey
from optsync.api.orgs import OrgId, only
from optsync.api.problems import Refusal
from optsync.api.shapes import Told
from optsync.config.desk import desk
from optsync.ledger.queries import sql
from optsync.web.doctor import checks_of

router = Router()


class Check(Told):
    """One finding; `why` and `fix` are empty for a pass."""

    id: str = Field(examples=["fields.Contact"])
    title: str
    state: Literal["pass", "warn", "fail", "skip"]
    why: str
    fix: str
    link: str = Field(
        description="The page of Salesforce Setup where it is put right; empty where there is none.",
        examples=["https://acme.my.salesforce.com/lightning/setup/PermSets/home"],
    )


class Findings(Told):
    """All of them, in order."""

    org: str
    checked_at: datetime
    checks: list[Check]


@router.post("", auth=ApiKey("admin"), response=Findings)
def run_doctor(request: HttpRequest, org: OrgId = "", canary: bool = False) -> Findings:
    """Looks afresh: signs in to Salesforce and reads there. Changes nothing; a POST because it costs API calls.

    With `canary` it also makes a Lead of its own, ticks it, reads it back and deletes it.
    """
    conn = desk().connection()
    one = only(conn, org)
    checks = [Check.model_validate(check) for check in checks_of(one.org_id, canary=canary)]
    values = {"org": one.org_id, "checks": Jsonb([check.model_dump() for check in checks])}
    row = conn.execute(sql(PACKAGE, "keep_findings"), values).fetchone()
    assert row is not None  # the statement answers with the row it wrote
    return Findings(org=one.salesforce_id, checked_at=row[0], checks=checks)


@router.get("", auth=ApiKey("read"), response=Findings)
def get_findings(request: HttpRequest, org: OrgId = "") -> Findings:
    """What the last POST found in an org, without asking Salesforce."""
    conn = desk().connection()
    one = only(conn, org)
    row = conn.execute(sql(PACKAGE, "kept_findings"), {"org": one.org_id}).fetchone()
    if row is None:
        raise Refusal("not-found", "no program has asked the doctor yet", next="Let it look: POST /v1/doctor")
    return Findings(org=one.salesforce_id, checked_at=row[0], checks=row[1])
