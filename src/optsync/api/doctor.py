"""/v1/doctor: what stands between an opt-out and Salesforce, and how it is put right."""

from typing import Literal

from django.http import HttpRequest
from ninja import Router

from optsync.api.door import ApiKey
from optsync.api.orgs import OrgId, only
from optsync.api.shapes import Told
from optsync.config.desk import desk
from optsync.config.django_start import handed_over
from optsync.connection import doctor

router = Router()


class Check(Told):
    """One finding; `why` and `fix` are empty for a pass."""

    id: str
    title: str
    state: Literal["pass", "warn", "fail", "skip"]
    why: str
    fix: str


class Findings(Told):
    """All of them, in order."""

    org: str
    checks: list[Check]


@router.post("", auth=ApiKey("admin"), response=Findings)
def run_doctor(request: HttpRequest, org: OrgId = "", canary: bool = False) -> Findings:
    """Looks afresh: signs in to Salesforce and reads there. Changes nothing; a POST because it costs API calls.

    With `canary` it also makes a Lead of its own, ticks it, reads it back and deletes it.
    """
    conn, house = desk().connection(), desk()
    one = only(conn, org)
    checks = doctor.run(
        conn,
        lambda: house.vault,
        one.org_id,
        house.database,
        house.seams,
        public_url=handed_over().public_url,
        canary=canary,
    )
    return Findings(org=one.salesforce_id, checks=[Check.model_validate(check) for check in checks])
