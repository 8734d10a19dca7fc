"""Settings > Admin Settings: Unsubscribes > Integrations: the switch, the opt-out field, the time (requirements 24-29).

A change is shown before it is saved, saved by POST only, and refused with the fix when Lead or Contact lacks the field.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import time
from typing import Any
from urllib.parse import urlencode
from zoneinfo import available_timezones

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.connection import fields
from optsync.connection import settings as org_settings
from optsync.connection.connect import Connection
from optsync.connection.fields import EMAIL, Described
from optsync.connection.sessions import brief_session, open_session
from optsync.connection.settings import Change, Plan, Settings
from optsync.core.brake import HELD_ABOVE_ADDRESSES, HELD_ABOVE_PERCENT
from optsync.core.calendar import Schedule
from optsync.core.problems import Problem
from optsync.core.targets import Choice, FieldRole, read_fields, write_fields
from optsync.ledger.targets import Carry
from optsync.salesforce.errors import SalesforceError
from optsync.salesforce.session import Session
from optsync.web.choices import ANOTHER, another_card, cards_of, label_of, others_of
from optsync.web.middleware import admin_of, needs
from optsync.web.runs import starters
from optsync.web.schedule import next_run
from optsync.web.shell import REFUSED, chosen_org, of_org, page
from optsync.web.templatetags.web import figure
from optsync.web.troubles import in_three_parts

LOOK_SECONDS = 30.0
"""How old the state of the fields on this page may be; saving always looks afresh."""

_looks: dict[int, tuple[float, Described | None]] = {}


@needs("viewer", to_change="admin")
@require_http_methods(["GET", "HEAD", "POST"])
def integrations(request: HttpRequest) -> HttpResponse:
    """GET shows the settings; POST `preview` shows what a change does, POST `save` saves it."""
    org = chosen_org(request)
    if org is None:
        return page(request, "integrations", "settings", connected=False)
    if request.method != "POST":
        return form(request, org)
    try:
        change = news(change_of(request.POST), org_settings.load(desk().connection(), org.org_id))
        if request.POST.get("step") == "save":
            return save(request, org, change)
        return preview(request, org, change)
    except (Problem, SalesforceError) as error:
        return form(request, org, status=REFUSED, problem=in_three_parts(error))


def form(request: HttpRequest, org: Connection, status: int = 200, **context: Any) -> HttpResponse:
    """The settings as they are; after a refusal with what was asked for, so that nothing is typed twice."""
    settings = org_settings.load(desk().connection(), org.org_id)
    asked = request.POST if request.method == "POST" else {}
    look = described(org)
    cards = cards_of(settings, look)
    others = others_of(look, cards)
    if others:
        cards.append(another_card())
    if asked.get("field"):
        cards = [replace(card, chosen=card.value == asked["field"]) for card in cards]
    context |= {
        "connected": True,
        "sync_on": asked.get("sync") == "on" if asked else settings.sync_on,
        "cards": cards,
        "others": others,
        "other": asked.get("other", ""),
        "reads_both": asked.get("read_both") == "on" if asked else settings.read_both,
        "at": f"{settings.schedule.at:%H:%M}",
        "in_zone": settings.schedule.zone,
        "time": asked.get("time", f"{settings.schedule.at:%H:%M}"),
        "zone": asked.get("zone", settings.schedule.zone),
        "zones": sorted(available_timezones()),
        "next_run": next_run(settings.schedule, desk().seams.now()) if settings.sync_on else None,
        "hold_least": HELD_ABOVE_ADDRESSES,
        "hold_percent": HELD_ABOVE_PERCENT,
        "asks": org.salesforce_id,
        "can_preview": starters(request, org).get("can_preview", False),
        "saved": "saved" in request.GET,
    }
    return page(request, "integrations", "settings", status=status, **context)


def preview(request: HttpRequest, org: Connection, change: Change) -> HttpResponse:
    """What the change will do; nothing is saved."""
    with session_for(org, change) as session:
        plan = org_settings.plan_change(desk().connection(), session, org.org_id, change)
        there = org_settings.ticked_there(session, plan) if session else {}
    wanted = {
        name: request.POST[name]
        for name in ("sync", "field", "other", "read_both", "time", "zone")
        if name in request.POST
    }
    look = described(org)
    lines = lines_of(plan, look) + lines_of_ticks(plan, look, there)
    shown = {"lines": lines, "asks_carry": plan.changes_target and plan.boxes > 0}
    shown["widens"] = plan.widens
    return page(request, "integrations", "settings", connected=True, plan=shown, wanted=wanted)


def save(request: HttpRequest, org: Connection, change: Change) -> HttpResponse:
    """Saves the change, with the admin's name in the audit."""
    carry: Carry = "new" if request.POST.get("carry") == "new" else "all"
    with session_for(org, change) as session:
        org_settings.apply_change(desk().connection(), session, org.org_id, change, carry, actor=admin_of(request))
    forget_look(org.org_id)
    named = of_org(request)
    return redirect(f"{reverse('web:integrations')}?saved{f'&{urlencode(named)}' if named else ''}")


def change_of(posted: Mapping[str, str]) -> Change:
    """What the form asks for. Raises Problem for a time, zone or field that cannot be."""
    try:
        at = time.fromisoformat(posted.get("time", "20:00"))
        schedule = Schedule(at, posted.get("zone", "America/Los_Angeles"))
    except ValueError:
        raise Problem(
            _("This time or time zone does not exist."),
            _("Nothing was changed."),
            _("Choose a time such as 20:00 and a zone such as America/Los_Angeles."),
        ) from None
    chosen = posted.get("field") or None
    if chosen == ANOTHER:
        chosen = posted.get("other") or None
        if chosen is None:
            raise Problem(
                _("No checkbox was chosen."), _("Nothing was changed."), _("Choose one in the list, then save again.")
            )
    return Change(posted.get("sync") == "on", chosen, posted.get("read_both") == "on", schedule)


def news(change: Change, now: Settings) -> Change:
    """The change without what is so already, so that it asks Salesforce only where it must: that may be away."""
    field = now.choice.value
    if now.choice is Choice.SALES and now.custom and now.custom.label != fields.SALES_LABEL:
        field = now.custom.lead_name
    return replace(
        change,
        sync_on=None if change.sync_on == now.sync_on else change.sync_on,
        field=None if change.field == field else change.field,
        read_both=None if change.read_both == now.read_both else change.read_both,
    )


def session_for(org: Connection, change: Change) -> AbstractContextManager[Session | None]:
    """A session with the org where the change needs one."""
    desk_ = desk()
    if not change.needs_look:
        return nullcontext()
    return open_session(desk_.connection(), desk_.vault, org.org_id, desk_.seams)


def described(org: Connection) -> Described | None:
    """The opt-out fields as our user sees them now; None when Salesforce does not answer."""
    desk_ = desk()
    now = desk_.seams.monotonic()
    seen = _looks.get(org.org_id)
    if seen is not None and now - seen[0] < LOOK_SECONDS:
        return seen[1]
    try:
        with brief_session(desk_.connection(), desk_.vault, org.org_id, desk_.seams) as session:
            found: Described | None = fields.look_at(session)
    except (Problem, SalesforceError):
        found = None
    _looks[org.org_id] = (now, found)
    return found


def forget_look(org_id: int) -> None:
    """The fields of this org, or the choice among them, were changed from here: the next page looks afresh."""
    _looks.pop(org_id, None)


def lines_of(plan: Plan, look: Described | None) -> list[str]:
    """What a change does, in the reader's language, the fields by the org's own labels."""
    before, after = plan.before, plan.after
    own = {field.label: label_of(look, field) for field in (EMAIL, before.custom, after.custom) if field}
    ticked = ", ".join(f"{own.get(label, label)} {figure(count)}" for label, count in plan.ticked.items())
    lines = [_("Records known to be ticked in Salesforce: %(boxes)s.") % {"boxes": ticked or figure(0)}]
    if before.sync_on != after.sync_on:
        lines.append(_("The nightly sync is switched on.") if after.sync_on else _("The nightly sync is switched off."))
    names = labels_of(look, after, write_fields(after.policy))
    if plan.changes_target:
        lines.append(_("New unsubscribes are due in: %(fields)s.") % {"fields": names})
        carried = _(
            "Carried over, up to %(boxes)s more boxes are ticked in Salesforce. "
            "Boxes ticked before stay ticked; nobody is mailed meanwhile."
        )
        stays = _("What was recorded before stays due where it was; its boxes stay ticked.")
        lines.append(carried % {"boxes": figure(plan.boxes)} if plan.boxes else stays)
    else:
        lines.append(_("Unsubscribes stay due in: %(fields)s.") % {"fields": names})
    if after.sync_on:
        reads = labels_of(look, after, read_fields(after.policy))
        lines.append(_("Each night a tick in %(fields)s unsubscribes a person here.") % {"fields": reads})
    if before.schedule != after.schedule:
        night = next_run(after.schedule, desk().seams.now())
        lines.append(night.sentence)
    return lines


def lines_of_ticks(plan: Plan, look: Described | None, there: Mapping[str, int]) -> list[str]:
    """Whom the boxes that begin to count will unsubscribe, as far as Salesforce says it now."""
    own = {one.label: label_of(look, one) for one in (EMAIL, plan.after.custom) if one}
    boxes = ", ".join(f"{own.get(label, label)} {figure(count)}" for label, count in there.items())
    return (
        [_("Ticked in Salesforce now, which the next sync takes over: %(boxes)s.") % {"boxes": boxes}] if boxes else []
    )


def labels_of(look: Described | None, settings: Settings, roles: frozenset[FieldRole]) -> str:
    """The fields by their labels."""
    custom = label_of(look, settings.custom) if settings.custom else "?"
    return ", ".join(sorted(label_of(look, EMAIL) if role is FieldRole.EMAIL else custom for role in roles))
