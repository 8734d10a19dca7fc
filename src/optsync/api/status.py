"""/v1/status: is every opt-out in Salesforce?"""

from datetime import datetime

from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from optsync.api.door import ApiKey
from optsync.api.orgs import OrgId, chosen
from optsync.api.shapes import Told
from optsync.config.desk import desk
from optsync.connection import settings
from optsync.core.calendar import next_slot
from optsync.core.counts import Balance
from optsync.web import standing
from optsync.web.standing import Standing
from optsync.web.tally import Counted, count, tally

router = Router()


class Sums(Told):
    """Both sides of the balance, each counted from its own tables."""

    recorded: int
    linked: int
    not_linked: int
    pairs: int
    no_address: int
    confirmed: int
    owed: int
    held: int
    parked: int


class OrgStatus(Told):
    """How one org stands."""

    org: str
    verdict: standing.Verdict
    sentence: str
    closes: bool = Field(description="Whether the balance closes.")
    agree: bool = Field(description="Whether it closes and nothing is on its way, held or parked.")
    balance: Sums
    counted_at: datetime = Field(description="When the balance was counted; a large one is as old as half a minute.")
    held_people: int
    looked_for: int = Field(description="People still to be looked for in Salesforce.")
    paused: str = Field(description="Why pushes are paused, as a code; empty when they are not.")
    proved_at: datetime | None
    swept_at: datetime | None
    next_run_at: datetime | None = Field(description="Null while the nightly sync is off.")


class Status(Told):
    """Of the installation; `orgs` is empty until one is connected, and then opt-outs are recorded and wait."""

    recorded: int = Field(description="Addresses with an account-wide opt-out.")
    orgs: list[OrgStatus]


@router.get("", auth=ApiKey("read"), response=Status)
def get_status(request: HttpRequest, org: OrgId = "") -> Status:
    """The verdict of `optsync status`, for every connected org."""
    conn = desk().connection()
    orgs = []
    for one in chosen(conn, org):
        looked = standing.look(conn, one.org_id, counted(one.org_id))
        orgs.append(shown(one.salesforce_id, looked, next_run_at(one.org_id)))
    return Status(recorded=orgs[0].balance.recorded if orgs else counted(None).balance.recorded, orgs=orgs)


def counted(org_id: int | None) -> Counted:
    """The sums as the pages show them; the first ones of a process are counted before it answers."""
    conn = desk().connection()
    return tally(desk().database).of(conn, org_id) or count(conn, org_id)


def next_run_at(org_id: int) -> datetime | None:
    """When the next nightly run starts; None with the switch off."""
    chosen_settings = settings.load(desk().connection(), org_id)
    return next_slot(chosen_settings.schedule, desk().seams.now()) if chosen_settings.sync_on else None


def shown(org: str, looked: Standing, next_run: datetime | None) -> OrgStatus:
    """As a program sees it."""
    return OrgStatus(
        org=org,
        verdict=looked.verdict,
        sentence=looked.sentence,
        closes=looked.balance.closes(),
        agree=looked.balance.agree,
        balance=sums(looked.balance),
        counted_at=looked.counted.at if looked.counted else looked.at,
        held_people=looked.exactly("held_people"),
        looked_for=looked.exactly("looked_for"),
        paused=looked.paused,
        proved_at=looked.proved_at,
        swept_at=looked.swept_at,
        next_run_at=next_run,
    )


def sums(balance: Balance) -> Sums:
    """The counts by name."""
    return Sums(**balance.as_dict())
