"""One person: blocked or not and why, the records with their boxes, the history, removing an unsubscribe."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.connection import settings as org_settings
from optsync.core.addresses import normalize, without_addresses
from optsync.core.record_ids import BadRecordId, kind_of, to_18
from optsync.ledger import check, marks, people, targets, uploads
from optsync.ledger import compliance as kept
from optsync.ledger.lifts import Mode
from optsync.ledger.people import BoxMark, Person, TimelineEntry
from optsync.ledger.queries import sql
from optsync.public import senders
from optsync.sync import lifting
from optsync.sync.lifting import Box
from optsync.web import boxes, compliance, listing
from optsync.web.causes import said_of_retry
from optsync.web.history import Labels, as_json, record_as_json, tell
from optsync.web.letter import letter_of
from optsync.web.middleware import actor_of, needs
from optsync.web.record_links import RecordLink, record_links
from optsync.web.shell import REFUSED, page
from optsync.web.templatetags.web import figure
from optsync.web.words import BOX_STATES, disputed_box, linked_by, state_of_box, why_blocked

BUSY = 409
BOXES_SHOWN = 5
"""Of one cause; an address may have hundreds of records."""


@needs("viewer")
@require_safe
def person(request: HttpRequest) -> HttpResponse:
    """One person by address or by the id of a record; without either the list of all."""
    address = request.GET.get("address", "").strip()
    if not address and request.GET.get("record"):
        return person_of_record(request, request.GET["record"])
    if not address:
        return listing.people(request)
    done = said_of(request.GET.get("done", "")) or said_of_retry(request.GET.get("due", ""))
    return page(request, "people", "people", done=done, **shown(address))


def said_of(outcome: str) -> str:
    """What came of the form that led here."""
    return {
        "new": _("Unsubscribed; blocked from now on."),
        "again": _("Unsubscribed again; the earlier removal is over."),
        "already": _("Already unsubscribed; nothing changed."),
        "lifted": _("Unsubscribe removed here."),
        "compliance": _("Compliance data recorded."),
        "same": _("Nothing was different; nothing was changed."),
        "waits": _("The removal waits until every box in Salesforce is unticked; until then the person stays blocked."),
    }.get(outcome, "")


def shown(address: str) -> dict[str, Any]:
    """Everything about one address, in the reader's words."""
    conn, key = desk().connection(), desk().subject_key
    found = people.find(conn, key, address)
    (verdict,) = check.may_mail(conn, key, [address])
    opt_out = found.opt_out if found else None
    history = people.timeline(conn, key, address)
    person = {
        "address": address,
        "normal": found.normal if found else address,
        "blocked": not verdict.allowed,
        "why": why_of(verdict.why, found),
        "since": since_of(found),
        "erasable": found is not None and not found.is_erased,
        "stopped": ", ".join(senders.stopped(conn, found.opt_outs)) if found else "",
        "removable": opt_out is not None and opt_out.is_active,
        "records": records_of(found) if found else [],
        "compliance": compliance.card_of(found),
        "gone": gone_of(found, history),
        "decide": decide_of(found),
        **hindrances(found),
        "timeline": tell(history, labels_of(found, history), _)[::-1],
        "proofs": proofs_of(found),
    }
    return person | {"letter": letter_of(person)}


def why_of(why: str, found: Person | None) -> str:
    """Why the person may not be mailed, or how we know of them although nothing forbids it."""
    if not why and found and found.records and not found.opt_outs:
        return _("We know this address only from Salesforce. Not unsubscribed: mail is allowed.")
    return why_blocked(why, known=found is not None, translate=_)


def since_of(found: Person | None) -> datetime | None:
    """Since when the person is unsubscribed; None when they are not."""
    opt_out = found.opt_out if found else None
    return opt_out.since_at if opt_out and opt_out.is_active else None


def decide_of(found: Person | None) -> str:
    """The page on which somebody decides about the mass change that alone blocks the person; empty when none does."""
    if found is None or not found.hold_ids or (found.opt_out and found.opt_out.is_active):
        return ""
    return boxes.page_of_holds(found.hold_ids)


def hindrances(found: Person | None) -> dict[str, Any]:
    """What stands between the unsubscribe and Salesforce, and whether trying again may help."""
    if found is None or found.opt_out is None or not found.opt_out.is_active:
        return {}
    causes, unlinked = boxes.causes_of(found), boxes.not_linked(found)
    labels, link = labels_of(found), record_links()
    owed = any(mark.state == "owed" for record in found.records for mark in record.marks)
    return {
        "causes": [shown_cause(cause, labels, link) for cause in causes],
        "unlinked": unlinked,
        "nobody_works": (owed or bool(unlinked)) and not uploads.is_any_worker_alive(desk().connection()),
        "can_retry": bool(boxes.lookups_of(found)) or any(cause.can_retry for cause in causes),
    }


def shown_cause(cause: boxes.Cause, labels: Labels, link: RecordLink) -> dict[str, Any]:
    """A cause with the boxes that it is about, the first of them."""
    shown = [
        {
            "kind": record.kind,
            "record_id": record.record_id,
            "url": link(record.org_id, record.record_id),
            "field": labels.get((record.org_id, mark.field), "?"),
        }
        for record, mark in cause.boxes[:BOXES_SHOWN]
    ]
    return {"about": cause, "boxes": shown, "more": len(cause.boxes) - len(shown)}


def records_of(found: Person) -> list[dict[str, Any]]:
    """The records of a person with their boxes in words."""
    link = record_links()
    labels = labels_of(found)
    return [
        {
            "kind": record.kind,
            "record_id": record.record_id,
            "url": link(record.org_id, record.record_id),
            "provenance": linked_by(record.provenance, _),
            "successor": record.successor,
            "boxes": [
                {"field": labels.get((record.org_id, mark.field), "?"), "state": state_of_box(mark, _)} | sign_of(mark)
                for mark in record.marks
            ]
            + [
                {"field": labels.get((record.org_id, box.field), "?"), "state": said, "shown": said}
                | {"tone": "warn", "sign": "!"}
                for box in record.disputed
                if (said := disputed_box(box, _))
            ],
        }
        for record in found.records
    ]


def sign_of(mark: BoxMark) -> dict[str, str]:
    """The state of a box as tone, sign and word."""
    tone, sign = {"confirmed": ("ok", "✓"), "owed": ("info", "…")}.get(mark.state, ("warn", "!"))
    return {"tone": tone, "sign": sign, "shown": _(BOX_STATES[mark.state])}


def gone_of(found: Person | None, history: Sequence[TimelineEntry]) -> list[dict[str, Any]]:
    """The records of a person that were deleted in Salesforce, newest first, with when we heard of it."""
    known = {record.record_id for record in found.records} if found else set()
    deleted = {e.record_id: e.at for e in history if e.kind == "record deleted" and e.record_id not in known}
    return [{"record_id": record_id, "kind": kind_of(record_id or ""), "at": at} for record_id, at in deleted.items()][
        ::-1
    ]


def labels_of(found: Person | None, history: Sequence[TimelineEntry] = ()) -> Labels:
    """The labels of the opt-out fields of every org that a person's records or history name."""
    orgs = {record.org_id for record in found.records} if found else set()
    orgs |= {entry.org_id for entry in history if entry.org_id is not None}
    conn = desk().connection()
    return {(org_id, field.field): field.label for org_id in orgs for field in targets.fields(conn, org_id)}


def proofs_of(found: Person | None) -> list[dict[str, Any]]:
    """The newest proof of each org in which every box of the person is ticked: run and moment."""
    if found is None or found.opt_out is None or not found.opt_out.is_active:
        return []
    marked = [(record.org_id, mark) for record in found.records for mark in record.marks]
    orgs = {org for org, _mark in marked} - {org for org, mark in marked if mark.state != "confirmed"}
    values = {"orgs": list(orgs), "since": found.opt_out.since_at}
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql("optsync.web", "newest_proofs"), values).fetchall()


def person_of_record(request: HttpRequest, text: str) -> HttpResponse:
    """The person a Salesforce record is linked to; says so when there is none."""
    try:
        record_id = to_18(text)
    except BadRecordId:
        return page(request, "people", "people", problem=_("This is not the id of a Salesforce record: %s") % text[:40])
    row = desk().connection().execute(sql("optsync.web", "person_of_record"), {"record": record_id}).fetchone()
    if row is None:
        return page(request, "people", "people", problem=_("No person is known for the record %s.") % record_id)
    normal, erased = row
    if normal is not None:
        return page(request, "people", "people", **shown(normal))
    said = _("The person of the record %s was erased; only a keyed hash is kept.") if erased else None
    said = said or _("The record %s has no e-mail address; its box is kept ticked by itself.")
    return page(request, "people", "people", problem=said % record_id)


@needs("viewer")
@require_safe
def evidence(request: HttpRequest) -> HttpResponseBase:
    """The history of one person as JSON, to be kept or handed on."""
    address = request.GET.get("address", "").strip()
    conn, key = desk().connection(), desk().subject_key
    found, history = people.find(conn, key, address), people.timeline(conn, key, address)
    (verdict,) = check.may_mail(conn, key, [address])
    labels = labels_of(found, history)
    answer = {
        "address": normalize(address),
        "blocked": not verdict.allowed,
        "why": verdict.why,
        "since": since_of(found),
        "records": [record_as_json(record, labels) for record in found.records] if found else [],
        "deleted_records": gone_of(found, history),
        "proofs": proofs_of(found),
        "compliance": asdict(kept.find(conn, found.address_id)) if found else None,
        "events": [as_json(told, labels) for told in tell(history, labels)],
    }
    headers = {"Content-Disposition": 'attachment; filename="evidence.json"', "Cache-Control": "no-store"}
    return JsonResponse(answer, headers=headers, json_dumps_params={"indent": 1, "ensure_ascii": False})


@needs("viewer", to_change="operator")
@require_http_methods(["GET", "HEAD", "POST"])
def retry(request: HttpRequest) -> HttpResponse:
    """POST makes the boxes and look-ups of one person due at once, also where pushes wait; GET leads back."""
    desk_ = desk()
    conn, address = desk_.connection(), request.POST.get("address", "").strip()
    found = people.find(conn, desk_.subject_key, address) if address else None
    if request.method != "POST" or found is None:
        return redirect("web:people")
    waiting = {"owed", "parked"}
    orgs = {record.org_id for record in found.records if any(mark.state in waiting for mark in record.marks)}
    for org_id in orgs | set(boxes.lookups_of(found)):
        marks.clear_pauses(conn, org_id)
    due = marks.retry_people(conn, [found.address_id])
    return redirect(f"{reverse('web:people')}?{urlencode({'address': normalize(address), 'due': due})}")


@require_http_methods(["GET", "HEAD", "POST"])
def lift(request: HttpRequest) -> HttpResponse:
    """Removing an unsubscribe (rules 6). POST `look` reads every box, POST `lift` removes; GET leads back.

    The look is a POST because it links the records that it finds.
    """
    address = request.POST.get("address", "").strip()
    if request.method != "POST" or not address:
        return redirect("web:people")
    if request.POST.get("step") != "lift":
        return lift_form(request, address)
    reason = request.POST.get("reason", "").strip()
    if not reason:
        return lift_form(request, address, REFUSED, problem=_("A removal needs a reason; nothing was changed."))
    return lifted(request, address, reason)


def lift_form(request: HttpRequest, address: str, status: int = 200, **context: Any) -> HttpResponse:
    """Every record of the person with its box as it is now, and the two ways to go on."""
    desk_ = desk()
    conn = desk_.connection()
    found = people.find(conn, desk_.subject_key, address)
    if found is None or found.opt_out is None or not found.opt_out.is_active:
        return page(request, "people", "people", problem=_("This address is not unsubscribed here."), **shown(address))
    boxes = lifting.boxes_of(conn, desk_.vault, desk_.seams, found.address_id, found.normal or None)
    ticked = [box for box in boxes if box.ticked]
    context |= {
        "address": found.normal,
        "boxes": [box_of(box) for box in boxes],
        "warning": warning_of(ticked),
        "now": request.POST.get("mode") == "now",
        "reason": request.POST.get("reason", ""),
        "evidence": request.POST.get("evidence", ""),
    }
    return page(request, "lift", "people", status=status, **context)


def box_of(box: Box) -> dict[str, Any]:
    """One box as it was read just now; without a record it is the whole org that could not be read."""
    if box.ticked is None:
        state = {"tone": "warn", "sign": "!", "shown": _("Could not be read"), "why": box.why}
    elif box.ticked:
        state = {"tone": "bad", "sign": "✕", "shown": _("Still ticked"), "why": ""}
    else:
        state = {"tone": "ok", "sign": "✓", "shown": _("Unticked"), "why": ""}
    url = record_links()(box.org_id, box.record_id) if box.record_id else ""
    return state | {
        "kind": box.kind if box.record_id else "",
        "record_id": box.record_id,
        "url": url,
        "label": box.label,
    }


def warning_of(ticked: list[Box]) -> str:
    """What comes of removing now while boxes are ticked; empty when none is."""
    if not ticked:
        return ""
    still = _("Boxes still ticked in Salesforce: %(n)s.") % {"n": figure(len(ticked))}
    conn = desk().connection()
    if any(org_settings.load(conn, org_id).sync_on for org_id in {box.org_id for box in ticked}):
        return f"{still} {_('The next nightly sync opts the person out again: untick them before it.')}"
    comes = _("The nightly sync is off, so they bring nothing back until it is switched on.")
    return f"{still} {comes}"


def lifted(request: HttpRequest, address: str, reason: str) -> HttpResponse:
    """Removes, or begins to wait; an answer that changed nothing shows the boxes again."""
    desk_ = desk()
    mode: Mode = "now" if request.POST.get("mode") == "now" else "when-unticked"
    note = without_addresses(request.POST.get("evidence", "").strip())
    answer = lifting.remove(
        desk_.connection(),
        desk_.vault,
        desk_.seams,
        address,
        mode=mode,
        actor=actor_of(request),
        reason=reason,
        evidence={"note": note} if note else None,
    )
    if answer == "busy":
        said = _(
            "A push for this person is on its way at this moment. Nothing was changed; press again in half a minute."
        )
        return lift_form(request, address, BUSY, problem=said)
    if answer == "not opted out":
        return lift_form(request, address)
    return redirect(f"{reverse('web:people')}?{urlencode({'address': normalize(address), 'done': answer})}")
