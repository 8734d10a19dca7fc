"""One person: blocked or not and why, the records with their boxes, the history, removing an unsubscribe."""

from dataclasses import asdict
from datetime import UTC
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from optsync.config.desk import desk
from optsync.connection import settings as org_settings
from optsync.core.addresses import normalize, without_addresses
from optsync.core.record_ids import BadRecordId, to_18
from optsync.ledger import check, people, targets
from optsync.ledger import compliance as kept
from optsync.ledger.lifts import Mode
from optsync.ledger.people import Person
from optsync.ledger.queries import sql
from optsync.public import senders
from optsync.sync import lifting
from optsync.sync.lifting import Box
from optsync.web import compliance, listing
from optsync.web.middleware import actor_of, needs
from optsync.web.record_links import record_links
from optsync.web.shell import REFUSED, page
from optsync.web.templatetags.web import figure
from optsync.web.words import detail_of, linked_by, source_of, state_of_box, why_blocked

BUSY = 409


@needs("viewer")
@require_safe
def person(request: HttpRequest) -> HttpResponse:
    """One person by address or by the id of a record; without either the list of all."""
    address = request.GET.get("address", "").strip()
    if not address and request.GET.get("record"):
        return person_of_record(request, request.GET["record"])
    if not address:
        return listing.people(request)
    return page(request, "people", "people", done=said_of(request.GET.get("done", "")), **shown(address))


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
    person = {
        "address": address,
        "normal": found.normal if found else address,
        "blocked": not verdict.allowed,
        "why": why_blocked(verdict.why, known=found is not None, translate=_),
        "erasable": found is not None and not found.is_erased,
        "stopped": ", ".join(senders.stopped(conn, found.opt_outs)) if found else "",
        "removable": opt_out is not None and opt_out.is_active,
        "records": records_of(found) if found else [],
        "compliance": compliance.card_of(found),
        "timeline": [
            {"at": entry.at, "details": detail_of(entry, _), "source": source_of(entry, _)}
            for entry in reversed(people.timeline(conn, key, address))
        ],
    }
    return person | {"letter": letter_of(person)}


def letter_of(person: dict[str, Any]) -> str:
    """The evidence as plain text, to be copied into a letter or a ticket; newest first, to the millisecond, in UTC."""
    state = _("Blocked") if person["blocked"] else _("Mail allowed")
    lines = [person["normal"], f"{state}: {person['why']}"]
    lines += [_("Wants no e-mails from: %(senders)s") % {"senders": person["stopped"]}] if person["stopped"] else []
    lines.append("")
    for record in person["records"]:
        boxes = ", ".join(f"{box['field']}: {box['state']}" for box in record["boxes"])
        lines.append(f"{record['kind']} {record['record_id']}: {boxes or _('nothing owed')}")
    lines += [""] * bool(person["records"])
    for entry in person["timeline"]:
        at = entry["at"].astimezone(UTC).isoformat(" ", "milliseconds").replace("+00:00", " UTC")
        lines.append(f"{at} · {entry['details']} · {entry['source']}")
    return "\n".join(lines)


def records_of(found: Person) -> list[dict[str, Any]]:
    """The records of a person with their boxes in words."""
    link = record_links()
    labels = {org: labels_of(org) for org in {record.org_id for record in found.records}}
    return [
        {
            "kind": record.kind,
            "record_id": record.record_id,
            "url": link(record.org_id, record.record_id),
            "provenance": linked_by(record.provenance, _),
            "successor": record.successor,
            "boxes": [
                {"field": labels[record.org_id].get(mark.field, "?"), "state": state_of_box(mark, _)}
                for mark in record.marks
            ],
        }
        for record in found.records
    ]


def labels_of(org_id: int) -> dict[int, str]:
    """The labels of an org's opt-out fields."""
    return {field.field: field.label for field in targets.fields(desk().connection(), org_id)}


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
    names = ("event_id", "at", "kind", "source", "actor", "org_id", "record_id", "run_id", "reason", "evidence")
    answer = {
        "address": normalize(address),
        "compliance": asdict(kept.find(conn, found.address_id)) if found else None,
        "events": [{name: getattr(entry, name) for name in names} for entry in history],
    }
    headers = {"Content-Disposition": 'attachment; filename="evidence.json"', "Cache-Control": "no-store"}
    return JsonResponse(answer, headers=headers, json_dumps_params={"indent": 1, "ensure_ascii": False})


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
