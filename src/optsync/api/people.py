"""/v1/people: one person, blocked or not and why, the records with their boxes, and what happened."""

from datetime import date, datetime
from typing import Any, Literal

import psycopg
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from optsync.api.cursors import Cursor, Limit, cut, number_in
from optsync.api.door import ApiKey, caller_of
from optsync.api.examples import RECORD
from optsync.api.orgs import orgs_by_number
from optsync.api.problems import Refusal
from optsync.api.shapes import Address, Asked, Told
from optsync.api.unsubscribes import PersonId
from optsync.config.desk import desk
from optsync.core.compliance import TEXT_CHARS_MAX, Authorization, BadCompliance, SourceType
from optsync.ledger import check, compliance, people, targets
from optsync.ledger.people import Person, Record, TimelineEntry
from optsync.ledger.targets import OptOutField
from optsync.web.history import detail_of

router = Router()


class Whom(Asked):
    """An address stands in the body, never in a path: paths are logged on the way."""

    address: Address = Field(examples=["ann@example.com"])


class Box(Told):
    """What one opt-out field of a record is owed."""

    field: str = Field(description="The field's API name.")
    label: str
    state: Literal["owed", "confirmed", "held", "parked"]
    reason: str | None
    attempts: int
    is_being_sent: bool


class LinkedRecord(Told):
    """A Lead, Contact or Account of the person."""

    org: str = Field(description="The Salesforce id of the org.")
    id: str = Field(examples=[RECORD])
    kind: Literal["Lead", "Contact", "Account"]
    linked_by: str
    successor: str | None = Field(description="What a converted or merged record became.", examples=[None])
    boxes: list[Box]


class FoundPerson(Told):
    """Everything about one address."""

    id: int | None = Field(description="Null when the address is not known here.")
    address: str | None = Field(description="In its normal form; null once it was erased.")
    blocked: bool
    why: str = Field(description="What blocks, in words; empty when nothing does.")
    since_at: datetime | None
    records: list[LinkedRecord]


class PastEvent(Told):
    """One event of a person's history, as it is sealed in the hash chain."""

    id: int
    at: datetime
    kind: str = Field(examples=["opted out"])
    what: str = Field(description="The kind in words, with record and reason.")
    source: str | None
    actor: str | None
    org: str | None
    record_id: str | None
    run_id: int | None
    reason: str | None
    evidence: dict[str, Any] | None


class Timeline(Told):
    """A page of it, the oldest first."""

    events: list[PastEvent]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class WantedCompliance(Asked):
    """Why a person's data may be used, and where they came from, as a whole: what is left out or null is emptied."""

    authorization_type: Authorization | None = Field(None, description="A consent needs its date and its purpose.")
    authorization_note: str | None = Field(None, max_length=TEXT_CHARS_MAX, description="Of other only.")
    consent_date: date | None = Field(None, strict=False, examples=["2026-03-31"])
    consent_purpose: str | None = Field(None, max_length=TEXT_CHARS_MAX, examples=["Newsletter"])
    source_type: SourceType | None = None
    source_note: str | None = Field(None, max_length=TEXT_CHARS_MAX, description="Of other only.")


class ComplianceData(Told):
    """What is recorded; null: nothing. It never changes an unsubscribe."""

    authorization_type: Authorization | None
    authorization_note: str | None
    consent_date: date | None
    consent_purpose: str | None
    source_type: SourceType | None
    source_note: str | None
    set_at: datetime | None
    set_by: str | None


@router.post("/find", auth=ApiKey("read"), response=FoundPerson)
def find_person(request: HttpRequest, whom: Whom) -> FoundPerson:
    """By address. Writes nothing; one that is not known answers too, with what its domain says."""
    conn, key = desk().connection(), desk().subject_key
    person = people.find(conn, key, whom.address)
    (why,) = check.ask(conn, key, [whom.address])
    if person is None:
        return FoundPerson(id=None, address=whom.address, blocked=bool(why), why=why, since_at=None, records=[])
    return shown(conn, person, why)


@router.get("/{person_id}", auth=ApiKey("read"), response=FoundPerson)
def get_person(request: HttpRequest, person_id: PersonId) -> FoundPerson:
    """By our own number, also an erased one."""
    conn = desk().connection()
    person = people.find_by_id(conn, person_id)
    if person is None:
        raise Refusal("not-found", f"there is no person {person_id}")
    why = check.ask(conn, desk().subject_key, [person.normal])[0] if person.normal else person.why
    return shown(conn, person, why)


@router.get("/{person_id}/compliance", auth=ApiKey("read"), response=ComplianceData)
def get_compliance(request: HttpRequest, person_id: PersonId) -> ComplianceData:
    """Authorization type, consent and source type of one person; empty when nobody has recorded any."""
    return compliance_of(person_id)


@router.put("/{person_id}/compliance", auth=ApiKey("write"), response=ComplianceData)
def put_compliance(request: HttpRequest, person_id: PersonId, wanted: WantedCompliance) -> ComplianceData:
    """Records them as a whole. A consent opts nobody in: who is blocked stays blocked."""
    conn, texts = desk().connection(), {name: str(value or "") for name, value in wanted.model_dump().items()}
    compliance_of(person_id)
    try:
        change = compliance.understand(conn, texts, whole=True)
    except BadCompliance as error:
        raise Refusal("refused", str(error), means="Nothing was changed.", next="Send what goes together.") from error
    compliance.set_for(conn, desk().subject_key, [person_id], change, actor=caller_of(request).actor)
    return compliance_of(person_id)


def compliance_of(person_id: int) -> ComplianceData:
    """Raises Refusal for somebody unknown or erased."""
    conn = desk().connection()
    person = people.find_by_id(conn, person_id)
    if person is None:
        raise Refusal("not-found", f"there is no person {person_id}")
    if person.is_erased:
        raise Refusal("refused", "this person was erased", means="Nothing is kept about them.", next="Nothing to do.")
    return ComplianceData.model_validate(compliance.find(conn, person_id))


@router.get("/{person_id}/timeline", auth=ApiKey("read"), response=Timeline)
def get_timeline(request: HttpRequest, person_id: PersonId, limit: Limit = 100, cursor: Cursor = "") -> Timeline:
    """What happened, the oldest first."""
    conn = desk().connection()
    rows = people.timeline_after(conn, desk().subject_key, person_id, number_in(cursor, first=0), limit + 1)
    if rows is None:
        raise Refusal("not-found", f"there is no person {person_id}")
    page, following = cut(rows, limit, "event_id")
    orgs = orgs_by_number(conn)
    return Timeline(events=[event_of(entry, orgs) for entry in page], next=following)


def shown(conn: psycopg.Connection, person: Person, why: str) -> FoundPerson:
    """A known person as a program sees them."""
    orgs, active = orgs_by_number(conn), person.opt_out
    fields = {(org_id, f.field): f for org_id in orgs for f in targets.fields(conn, org_id)}
    return FoundPerson(
        id=person.address_id,
        address=person.normal or None,
        blocked=bool(why),
        why=why,
        since_at=active.since_at if active and active.is_active else None,
        records=[record_of(record, orgs, fields) for record in person.records],
    )


def record_of(record: Record, orgs: dict[int, str], fields: dict[tuple[int, int], OptOutField]) -> LinkedRecord:
    """A record with its boxes."""
    boxes = []
    for mark in record.marks:
        field = fields[record.org_id, mark.field]
        boxes.append(
            Box(
                field=field.name_on(record.kind),
                label=field.label,
                state=mark.state,
                reason=mark.reason,
                attempts=mark.attempts,
                is_being_sent=mark.is_being_sent,
            )
        )
    return LinkedRecord(
        org=orgs[record.org_id],
        id=record.record_id,
        kind=record.kind,
        linked_by=record.provenance,
        successor=record.successor,
        boxes=boxes,
    )


def event_of(entry: TimelineEntry, orgs: dict[int, str]) -> PastEvent:
    """An event with its org by name."""
    return PastEvent(
        id=entry.event_id,
        at=entry.at,
        kind=entry.kind,
        what=detail_of(entry),
        source=entry.source,
        actor=entry.actor,
        org=None if entry.org_id is None else orgs.get(entry.org_id),
        record_id=entry.record_id,
        run_id=entry.run_id,
        reason=entry.reason,
        evidence=entry.evidence,
    )
