"""A person's history as evidence: what happened, who or what did it, what was kept as proof, and how long it took.

No Django here: `optsync who` tells the same. Pages hand in gettext as `translate`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optsync.core.compliance import FIELDS
from optsync.core.record_ids import kind_of
from optsync.ledger.marks import FOUND_TICKED
from optsync.web.words import (
    KINDS,
    ONE_SENDER,
    REASONS,
    SOURCES,
    Translate,
    compliance_line,
    disputed_box,
    refusal_of,
    state_of_box,
)

if TYPE_CHECKING:
    from optsync.ledger.people import BoxMark, Record, TimelineEntry

Labels = Mapping[tuple[int, int], str]
"""The labels of opt-out fields by (org number, field number)."""

CONFIRMED = "Salesforce confirmed: %(record)s, %(field)s = true"
WAS_TICKED = "Found ticked in Salesforce: %(record)s, %(field)s = true"
SAID_BY_SALESFORCE = frozenset(
    {"confirmed", "parked", "not kept", "late write", "converted", "merged", "record deleted", "mark ended"}
)
"""Kinds of events that come from Salesforce, whoever had asked."""
FACTS = {
    "network": "Network",
    "user_agent": "Mail program or browser",
    "message": "Message",
    "mail": "Mail of the person",
    "named by": "Address taken from",
    "campaign": "Campaign",
    "sender": "Sender",
    "provider": "Mail provider",
    "type": "Event",
    "event": "Number of the event",
    "at": "Time at the provider",
    "unsubscribed_at": "Unsubscribed there on",
    "group": "Group",
    "tags": "Tags",
    "said": "Answer of the recipient's mail server",
    "file": "File",
    "row": "Row of the file",
    "record": "Record",
    "note": "Evidence",
    "boxes": "Boxes read, all unticked",
}
"""What is kept as proof, in the order in which it is told; keys that are not named here are told as they are."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event in words. `facts` are pairs of a name and a value; `took_seconds`: from unsubscribe to tick."""

    entry: "TimelineEntry"
    details: str
    source: str
    facts: tuple[tuple[str, str], ...]
    took_seconds: float | None


def tell(history: Iterable["TimelineEntry"], labels: Labels, translate: Translate = str) -> list[Told]:
    """The events in words, in the order given: the oldest first."""
    told: list[Told] = []
    since = None
    for entry in history:
        if entry.kind == "opted out" and not entry.scope:
            since = entry.at
        is_ours = entry.kind == "confirmed" and entry.reason != FOUND_TICKED
        took = (entry.at - since).total_seconds() if is_ours and since is not None else None
        details, source = detail_of(entry, labels, translate), source_of(entry, translate)
        told.append(Told(entry, details, source, facts_of(entry, translate), took))
    return told


def detail_of(entry: "TimelineEntry", labels: Labels | None = None, translate: Translate = str) -> str:
    """What happened: with the box, the record and what became of it, the one sender, the reason if there is one."""
    evidence = entry.evidence or {}
    label = (labels or {}).get((entry.org_id or 0, entry.field or 0))
    if entry.kind == "confirmed" and entry.record_id and label:
        text = WAS_TICKED if entry.reason == FOUND_TICKED else CONFIRMED
        return translate(text) % {"record": named(entry.record_id), "field": label}
    is_one_sender = entry.kind == "opted out" and bool(entry.scope)
    successor = evidence.get("successor")
    record = named(entry.record_id) + (f" → {named(str(successor))}" if successor else "")
    parts = [
        translate(ONE_SENDER if is_one_sender else KINDS.get(entry.kind, entry.kind)),
        str(evidence.get("sender", "")) if is_one_sender else "",
        record,
        refusal_of(*parts_of(entry.reason), translate).title if entry.kind == "parked" else "",
        translate(REASONS.get(str(evidence["why"]), "")) if evidence.get("why") in REASONS else "",
        entry.reason or "",
        compliance_line(evidence, translate) if entry.kind == "compliance set" else "",
    ]
    return " · ".join(part for part in parts if part)


def named(record_id: str | None) -> str:
    """A record with its object; empty when there is none."""
    return f"{kind_of(record_id) or ''} {record_id}".strip() if record_id else ""


def parts_of(reason: str | None) -> tuple[str, str]:
    """Code and words of a reason; one of ours is a code alone."""
    code, _colon, said = (reason or "").partition(":")
    return code.strip(), said.strip()


def source_of(entry: "TimelineEntry", translate: Translate = str) -> str:
    """Marketo's word for where it came from, and who did it."""
    source = translate(SOURCES.get(entry.source, entry.source)) if entry.source else ""
    if not source and entry.kind in SAID_BY_SALESFORCE:
        source = translate(SOURCES["salesforce sync"])
    return ", ".join(part for part in (source, entry.actor or "") if part) or "–"


def facts_of(entry: "TimelineEntry", translate: Translate = str) -> tuple[tuple[str, str], ...]:
    """What was kept as proof, by name; what the details say already is left out."""
    said = ("why", "successor", *(FIELDS if entry.kind == "compliance set" else ()))
    kept = {name: value for name, value in (entry.evidence or {}).items() if name not in said and value}
    if entry.kind == "opted out" and entry.scope:
        kept.pop("sender", None)
    known = [name for name in FACTS if name in kept]
    order = known + [name for name in kept if name not in FACTS]
    return tuple((translate(FACTS.get(name, name)), in_words(kept[name])) for name in order)


def in_words(value: object) -> str:
    """A value of the evidence; lists with commas."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def as_json(told: Told, labels: Labels) -> dict[str, Any]:
    """An event as it is handed on: as it is sealed in the chain, and in English words."""
    entry = told.entry
    names = ("event_id", "at", "kind", "source", "actor", "org_id", "record_id", "run_id", "reason", "evidence")
    words = {"field": labels.get((entry.org_id or 0, entry.field or 0)), "took_seconds": told.took_seconds}
    return (
        {name: getattr(entry, name) for name in names} | words | {"details": told.details, "shown_source": told.source}
    )


def record_as_json(record: "Record", labels: Labels) -> dict[str, Any]:
    """A record and its boxes, as `optsync who` and the evidence tell them."""
    return {
        "record_id": record.record_id,
        "kind": record.kind,
        "linked_by": record.provenance,
        "successor": record.successor,
        "boxes": [box_as_json(mark, labels.get((record.org_id, mark.field), "?")) for mark in record.marks]
        + [
            {"field": labels.get((record.org_id, box.field), "?"), "state": "disputed", "shown": disputed_box(box)}
            for box in record.disputed
        ],
    }


def box_as_json(mark: "BoxMark", label: str) -> dict[str, Any]:
    """A box: what it is owed, and of one that Salesforce refused or put off what that means and what to do."""
    box = {"field": label, "state": mark.state, "shown": state_of_box(mark), "due_at": mark.due_at}
    if mark.state in ("owed", "parked") and mark.reason:
        why = refusal_of(*parts_of(mark.reason))
        why = refusal_of(*parts_of(mark.reason))
        box |= {"means": why.title, "next": why.advice}
    return box
