"""/v1/unsubscribes: record one, see those there are, and lift one, with a reason and by the rules of a lift."""

from datetime import datetime
from typing import Annotated, Final, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router
from pydantic import Field

from optsync.api.cursors import NUMBER_MAX, Cursor, Limit, cut, number_in
from optsync.api.door import ApiKey, caller_of
from optsync.api.idempotency import DOCUMENTED, once
from optsync.api.limits import SENDING
from optsync.api.problems import Refusal
from optsync.api.shapes import NOT_BLANK, Asked, OneAddress, Told
from optsync.config.desk import desk
from optsync.ledger import opt_outs
from optsync.ledger.lifts import Mode
from optsync.ledger.opt_outs import Unsubscribed
from optsync.ledger.record import opt_out
from optsync.sync.lifting import remove

router = Router()
Source = Literal["api", "clicked link", "one-click", "manual", "bulk", "bounce", "complaint"]
State = Literal["active", "lift waits", "lifted"]
OUTCOMES: Final = {"new": 201, "again": 201, "already": 200}
Count = Annotated[bool, Query(description="Also count all of them: `total`.")]
PersonId = Annotated[int, Path(ge=1, le=NUMBER_MAX, description="The number of the person.")]


class NewUnsubscribe(Asked):
    """Who must not be mailed any more."""

    address: OneAddress = Field(examples=["ann@example.com"])
    source: Source = Field("api", description="Where it came from.")
    reason: str | None = Field(None, max_length=1_000, description="In the person's own words; kept as evidence.")
    message_id: str | None = Field(None, max_length=998, description="The message it answers; kept as evidence.")


class Recorded(Told):
    """What came of it. It is committed; the person is blocked from now on."""

    id: int = Field(description="The number of the person, for GET.")
    outcome: Literal["new", "already", "again"] = Field(description="already: it stood, nothing changed.")
    since_at: datetime
    source: str
    owed: int = Field(description="Boxes in Salesforce that are now owed; they follow by push.")


class Unsubscribe(Told):
    """An account-wide opt-out."""

    id: int
    address: str | None = Field(description="Null once the address was erased.")
    since_at: datetime
    source: str
    state: State
    lifted_at: datetime | None


class Lift(Asked):
    """Why the person may be mailed again."""

    reason: str = Field(
        min_length=1, max_length=1_000, pattern=NOT_BLANK, description="Kept for ever, with your key's name."
    )
    mode: Mode = Field(
        "when-unticked",
        description="when-unticked: the person stays blocked until every box in Salesforce is unticked. "
        "now: at once; a box that is still ticked brings the opt-out back at night.",
    )


class Lifted(Told):
    """What came of it."""

    id: int
    outcome: Literal["lifted", "waits"] = Field(description="waits: the person stays blocked until boxes are unticked.")


class Unsubscribes(Told):
    """A page of them."""

    unsubscribes: list[Unsubscribe]
    next: str | None = Field(description="The cursor of the next page; null on the last.")
    total: int | None = Field(description="How many stand in all, with `count=true`; else null.")


@router.post("", auth=ApiKey("write", SENDING), response={200: Recorded, 201: Recorded}, openapi_extra=DOCUMENTED)
def record_unsubscribe(request: HttpRequest, unsubscribe: NewUnsubscribe) -> HttpResponse:
    """Records an unsubscribe for the whole account. 201: recorded; 200: it stood already. Both mean committed."""
    return once(request, lambda: record(unsubscribe, caller_of(request).actor))


def record(new: NewUnsubscribe, actor: str) -> tuple[int, Recorded]:
    """Status and body; without the address, because the body may be kept (see idempotency)."""
    conn, evidence = desk().connection(), {"message": new.message_id} if new.message_id else None
    done = opt_out(conn, desk().subject_key, new.address, new.source, actor=actor, reason=new.reason, evidence=evidence)
    stands = opt_outs.one(conn, done.address_id)
    assert stands is not None  # it was committed a moment ago, and a lift keeps the row
    told = Recorded(
        id=done.address_id, outcome=done.outcome, since_at=stands.since_at, source=stands.source, owed=done.owed
    )
    return OUTCOMES[done.outcome], told


@router.get("", auth=ApiKey("read"), response=Unsubscribes)
def list_unsubscribes(
    request: HttpRequest, limit: Limit = 100, cursor: Cursor = "", count: Count = False
) -> Unsubscribes:
    """Active ones, in the order in which the addresses became known."""
    conn = desk().connection()
    rows = opt_outs.active_after(conn, number_in(cursor, first=0), limit + 1)
    page, following = cut(rows, limit, "address_id")
    total = opt_outs.count_active(conn) if count else None
    return Unsubscribes(unsubscribes=[shown(row) for row in page], next=following, total=total)


@router.get("/{person_id}", auth=ApiKey("read"), response=Unsubscribe)
def get_unsubscribe(request: HttpRequest, person_id: PersonId) -> Unsubscribe:
    """One, also a lifted one."""
    found = opt_outs.one(desk().connection(), person_id)
    if found is None:
        raise Refusal("not-found", f"person {person_id} has no unsubscribe")
    return shown(found)


@router.delete("/{person_id}", auth=ApiKey("admin"), response={200: Lifted, 202: Lifted}, openapi_extra=DOCUMENTED)
def lift_unsubscribe(request: HttpRequest, person_id: PersonId, lift: Lift) -> HttpResponse:
    """Lifts one. It counts only on both sides: untick the boxes in Salesforce, too. 200: lifted; 202: it waits."""
    return once(request, lambda: lifted(person_id, lift, caller_of(request).actor))


def lifted(person_id: int, lift: Lift, actor: str) -> tuple[int, Lifted]:
    """Status and body. Raises Refusal."""
    found = opt_outs.one(desk().connection(), person_id)
    if found is None:
        raise Refusal("not-found", f"person {person_id} has no unsubscribe")
    if found.normal is None:
        means = "Nobody can name them any more, so they stay blocked."
        raise Refusal(
            "refused", "this person was erased", means=means, next="Lift by the address: optsync lift ADDRESS"
        )
    conn, vault, seams = desk().connection(), desk().vault, desk().seams
    answer = remove(conn, vault, seams, found.normal, mode=lift.mode, actor=actor, reason=lift.reason)
    if answer == "busy":
        means = "Nothing was changed, so that the push and the lift cannot cross."
        retry = {"Retry-After": "30"}
        raise Refusal("refused", "a push for this person is on its way", means=means, next="Try again.", headers=retry)
    if answer == "not opted out":
        raise Refusal("refused", f"person {person_id} is not unsubscribed any more", next="Nothing is left to do.")
    return (200 if answer == "lifted" else 202), Lifted(id=person_id, outcome=answer)


def shown(row: Unsubscribed) -> Unsubscribe:
    """As a program sees it."""
    return Unsubscribe(
        id=row.address_id,
        address=row.normal,
        since_at=row.since_at,
        source=row.source,
        state="lifted" if row.lifted_at else "lift waits" if row.lift_waits_at else "active",
        lifted_at=row.lifted_at,
    )
