"""Why a person's unsubscribe does not show in Salesforce, box by box: what stands against it, what to do, when next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _

from optsync.config.desk import desk
from optsync.connection.connect import connections
from optsync.core.retry import DAILY_SECONDS
from optsync.ledger import marks
from optsync.ledger.marks import Pause
from optsync.ledger.people import BoxMark, Person, Record
from optsync.ledger.queries import sql
from optsync.web.causes import DECIDED
from optsync.web.history import parts_of
from optsync.web.legal_clock import age_of
from optsync.web.words import MARK_REASONS, refusal_of

HELD_BY_HOLD = frozenset({"brake", "fan-out"})
"""Reasons of held boxes about which somebody decides on the page of a hold."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that stands between a person's boxes and Salesforce. `said` is Salesforce's own; `at`: tried again."""

    sign: str
    tone: str
    shown: str
    title: str
    next: str = ""
    code: str = ""
    said: str = ""
    at: datetime | None = None
    decide: str = ""
    """The address of the page on which somebody decides about it."""
    can_retry: bool = False
    boxes: list[tuple[Record, BoxMark]] = field(default_factory=list, compare=False)


def causes_of(found: Person) -> list[Cause]:
    """Everything that stands against a tick, each cause once with its boxes; empty when all is well."""
    pauses = marks.pauses(desk().connection())
    causes: dict[Cause, Cause] = {}
    for record in found.records:
        for mark in record.marks:
            if cause := cause_of(record, mark, pauses, found.hold_ids):
                causes.setdefault(cause, cause).boxes.append((record, mark))
    for pause in pauses:
        if (pause.field, pause.prefix) == (0, "") and pause.org_id in lookups_of(found):
            causes.setdefault(cause := paused(pause, pause.until_at), cause)
    return list(causes.values())


def lookups_of(found: Person) -> dict[int, tuple[datetime, bool]]:
    """The orgs in which the address is looked for: when next, and whether it was tried before."""
    rows = desk().connection().execute(sql("optsync.web", "lookups_of"), [found.address_id]).fetchall()
    return {org_id: (due_at, is_tried) for org_id, due_at, is_tried in rows}


def cause_of(record: Record, mark: BoxMark, pauses: Sequence[Pause], hold_ids: Sequence[int]) -> Cause | None:
    """What stands against one box; None when it is ticked, or sent within seconds."""
    if mark.state == "held":
        return held(mark, hold_ids)
    if mark.state == "confirmed" or mark.is_being_sent:
        return None
    pause = next((one for one in pauses if is_about(one, record, mark)), None)
    if mark.state == "parked":
        return refused(mark)
    if pause is not None:
        return paused(pause, max(pause.until_at, mark.due_at or pause.until_at))
    return put_off(mark) if mark.reason else None


def is_about(pause: Pause, record: Record, mark: BoxMark) -> bool:
    """Whether a pause stops this box."""
    same_org = pause.org_id == record.org_id
    return same_org and pause.field in (0, mark.field) and record.record_id.startswith(pause.prefix)


def paused(pause: Pause, at: datetime) -> Cause:
    """What stops the pushes of a whole object or org."""
    why = refusal_of(pause.code, pause.message, _)
    return Cause(
        "…", "warn", _("Pushes wait"), why.title, why.next, pause.code, pause.message, to_minute(at), can_retry=True
    )


def refused(mark: BoxMark) -> Cause:
    """A box that waits for a person: Salesforce refused it, or one of us did."""
    code, said = parts_of(mark.reason)
    why = refusal_of(code, said, _)
    is_ours = code in DECIDED
    at = None if is_ours else mark.due_at
    return Cause(
        "!", "warn", _("Waits for a person"), why.title, why.next, code, said, to_minute(at), can_retry=not is_ours
    )


def put_off(mark: BoxMark) -> Cause:
    """A box that Salesforce did not take just now; it is tried again by itself."""
    code, said = parts_of(mark.reason)
    why = refusal_of(code, said, _)
    return Cause("…", "info", _("Tried again"), why.title, why.next, code, said, to_minute(mark.due_at), can_retry=True)


def held(mark: BoxMark, hold_ids: Sequence[int]) -> Cause:
    """A box about which somebody decides, or whose removal waits."""
    reason = _(MARK_REASONS.get(mark.reason or "", mark.reason or ""))
    decide = page_of_holds(hold_ids) if mark.reason in HELD_BY_HOLD else ""
    return Cause("!", "warn", _("Held"), reason[:1].upper() + reason[1:], decide=decide)


def page_of_holds(hold_ids: Sequence[int]) -> str:
    """Where somebody decides about these mass changes."""
    return reverse("web:hold", args=hold_ids) if len(hold_ids) == 1 else reverse("web:holds")


def to_minute(at: datetime | None) -> datetime | None:
    """So that boxes which were refused in one breath are one cause."""
    return at and at.replace(second=0, microsecond=0)


def not_linked(found: Person) -> list[str]:
    """For each org in which no Lead or Contact has the address: when it was looked for, and when next."""
    orgs = connections(desk().connection())
    if not orgs:
        return [_("No Salesforce org is connected yet.")]
    linked = {record.org_id for record in found.records if record.is_live}
    lookups = lookups_of(found)
    return [
        (f"{org.name}: " if len(orgs) > 1 else "") + looked_for(*lookups.get(org.org_id, (None, False)))
        for org in orgs
        if org.org_id not in linked
    ]


def looked_for(due_at: datetime | None, is_tried: bool) -> str:
    """One sentence about the looks at an org."""
    now = desk().seams.now()
    if due_at is None:
        return _("No Lead or Contact has this address.")
    if due_at <= now:
        return _("A Lead or Contact with this address is looked for next.")
    wait = {"next": age_of(now - (due_at - now))}
    if not is_tried:
        return _("A Lead or Contact with this address is looked for in %(next)s.") % wait
    wait["ago"] = age_of(min(now, due_at - timedelta(seconds=DAILY_SECONDS)))
    return _("No Lead or Contact had this address %(ago)s ago; it is looked for again in %(next)s.") % wait
