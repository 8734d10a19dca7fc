"""Settings > Admin Settings: Unsubscribes > Integrations: the switch, the opt-out field, the time (requirements 24-29).

A change is shown before it is saved, saved by POST only, and refused with the fix when Lead or Contact lacks the field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import time
from typing import Any
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
from optsync.connection.fields import EMAIL, Described, Finding, OptOutField
from optsync.connection.sessions import open_session
from optsync.connection.settings import Change, Plan, Settings
from optsync.core.calendar import Schedule
from optsync.core.problems import Problem
from optsync.core.targets import Choice, FieldRole, read_fields, write_fields
from optsync.ledger.targets import Carry
from optsync.salesforce.errors import SalesforceError
from optsync.web.middleware import admin_of
from optsync.web.schedule import next_run
from optsync.web.shell import REFUSED, first_connection, page
from optsync.web.templatetags.web import figure

LOOK_SECONDS = 30.0
"""How old the state of the fields on this page may be; saving always looks afresh."""

_looks: dict[int, tuple[float, Described | None]] = {}


@dataclass(frozen=True, slots=True)
class Card:
    """One radio card: a field with the org's own label and what state it is in."""

    value: str
    title: str
    means: str
    label: str = ""
    names: str = ""
    chosen: bool = False
    offered: bool = True
    state: str = ""
    tone: str = "ok"
    fix: list[str] = field(default_factory=list)


@require_http_methods(["GET", "HEAD", "POST"])
def integrations(request: HttpRequest) -> HttpResponse:
    """GET shows the settings; POST `preview` shows what a change does, POST `save` saves it."""
    org = first_connection()
    if org is None:
        return page(request, "integrations", "settings", connected=False)
    if request.method != "POST":
        return form(request, org)
    try:
        change = change_of(request.POST)
        if request.POST.get("step") == "save":
            return save(request, org, change)
        return preview(request, org, change)
    except (Problem, SalesforceError) as error:
        return form(request, org, status=REFUSED, problem=in_three_parts(error))


def form(request: HttpRequest, org: Connection, status: int = 200, **context: Any) -> HttpResponse:
    """The settings as they are; after a refusal with what was asked for, so that nothing is typed twice."""
    settings = org_settings.load(desk().connection(), org.org_id)
    asked = request.POST if request.method == "POST" else {}
    cards = cards_of(settings, described(org))
    if asked.get("field"):
        cards = [replace(card, chosen=card.value == asked["field"]) for card in cards]
    context |= {
        "connected": True,
        "sync_on": asked.get("sync") == "on" if asked else settings.sync_on,
        "cards": cards,
        "at": f"{settings.schedule.at:%H:%M}",
        "in_zone": settings.schedule.zone,
        "time": asked.get("time", f"{settings.schedule.at:%H:%M}"),
        "zone": asked.get("zone", settings.schedule.zone),
        "zones": sorted(available_timezones()),
        "next_run": next_run(settings.schedule, desk().seams.now()),
        "saved": "saved" in request.GET,
    }
    return page(request, "integrations", "settings", status=status, **context)


def preview(request: HttpRequest, org: Connection, change: Change) -> HttpResponse:
    """What the change will do; nothing is saved."""
    desk_ = desk()
    with open_session(desk_.connection(), desk_.vault, org.org_id, desk_.seams) as session:
        plan = org_settings.plan_change(desk_.connection(), session, org.org_id, change)
    wanted = {name: request.POST[name] for name in ("sync", "field", "time", "zone") if name in request.POST}
    shown = {"lines": lines_of(plan), "asks_carry": plan.changes_target and plan.boxes > 0}
    shown["warns"] = plan.before.sync_on and not plan.after.sync_on
    return page(request, "integrations", "settings", connected=True, plan=shown, wanted=wanted)


def save(request: HttpRequest, org: Connection, change: Change) -> HttpResponse:
    """Saves the change, with the admin's name in the audit."""
    desk_ = desk()
    carry: Carry = "new" if request.POST.get("carry") == "new" else "all"
    with open_session(desk_.connection(), desk_.vault, org.org_id, desk_.seams) as session:
        org_settings.apply_change(desk_.connection(), session, org.org_id, change, carry, actor=admin_of(request))
    return redirect(f"{reverse('web:integrations')}?saved")


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
    return Change(sync_on=posted.get("sync") == "on", field=posted.get("field") or None, schedule=schedule)


def described(org: Connection) -> Described | None:
    """The opt-out fields as our user sees them now; None when Salesforce does not answer."""
    desk_ = desk()
    now = desk_.seams.monotonic()
    seen = _looks.get(org.org_id)
    if seen is not None and now - seen[0] < LOOK_SECONDS:
        return seen[1]
    try:
        with open_session(desk_.connection(), desk_.vault, org.org_id, desk_.seams) as session:
            found: Described | None = fields.look_at(session)
    except (Problem, SalesforceError):
        found = None
    _looks[org.org_id] = (now, found)
    return found


def cards_of(settings: Settings, look: Described | None) -> list[Card]:
    """The choices: Email Opt Out, the Marketo sales field, any other checkbox found, and both."""
    custom = list(look.custom_fields()) if look else []
    if settings.custom and settings.custom not in custom:
        custom.append(settings.custom)
    sales = next((f for f in custom if f.label == fields.SALES_LABEL), None)
    cards = [email_card(settings, look), sales_card(settings, look, sales)]
    cards += [other_card(settings, look, other) for other in custom if other is not sales]
    if custom:
        cards.append(both_card(settings))
    return cards


def email_card(settings: Settings, look: Described | None) -> Card:
    """The default."""
    return Card(
        "email",
        _("Sync to Salesforce Opt Out field"),
        _(
            "Only the standard Email Opt Out (HasOptedOutOfEmail) is updated. "
            "Marketing tools that read this field see it too."
        ),
        label=label_of(look, EMAIL),
        names=EMAIL.lead_name,
        chosen=settings.choice is Choice.EMAIL,
        **state_of(look, EMAIL),
    )


def sales_card(settings: Settings, look: Described | None, sales: OptOutField | None) -> Card:
    """The separate field of the Marketo Sales package, offered only where it exists (requirement 27)."""
    title = _("Sync to Marketo Sales Opt Out field")
    means = _("A separate field keeps sales and marketing unsubscribes apart.")
    if sales is None:
        steps = [
            _("Install the Marketo Sales package in Salesforce: it brings the field to Lead and Contact."),
            _("Give the integration user Read and Edit on the field, then open this page again."),
        ]
        missing = _("Field missing") if look else _("Not known: Salesforce does not answer")
        return Card("sales", title, means, offered=False, state=missing, tone="warn", fix=steps)
    return Card(
        "sales",
        title,
        means,
        label=label_of(look, sales),
        names=names_of(sales),
        chosen=settings.choice is Choice.SALES and settings.custom == sales,
        **state_of(look, sales),
    )


def other_card(settings: Settings, look: Described | None, other: OptOutField) -> Card:
    """Any other opt-out checkbox that the org has on both objects."""
    return Card(
        other.lead_name,
        _("Sync to %(label)s") % {"label": other.label},
        _("A checkbox of your own keeps sales and marketing unsubscribes apart."),
        label=label_of(look, other),
        names=names_of(other),
        chosen=settings.choice is Choice.SALES and settings.custom == other,
        **state_of(look, other),
    )


def both_card(settings: Settings) -> Card:
    """Both fields, on purpose."""
    return Card(
        "both",
        _("Sync to both fields"),
        _(
            "Every unsubscribe ticks both boxes, and either one unsubscribes here: "
            "sales and marketing are merged on purpose."
        ),
        chosen=settings.choice is Choice.BOTH,
        state=_("Merges both"),
        tone="idle",
    )


def label_of(look: Described | None, wanted: OptOutField) -> str:
    """The org's own label of the field, as its admins named it."""
    described_lead = look.objects["Lead"] if look else None
    found = described_lead.fields.get(wanted.lead_name) if described_lead else None
    return found.label if found else wanted.label


def names_of(wanted: OptOutField) -> str:
    """The API name, both where they differ."""
    return ", ".join(dict.fromkeys((wanted.lead_name, wanted.contact_name)))


def state_of(look: Described | None, wanted: OptOutField) -> dict[str, Any]:
    """Ready, or what is missing on which object and how to fix it."""
    if look is None:
        return {"state": _("Not known: Salesforce does not answer"), "tone": "idle"}
    findings = look.findings(wanted)
    if not findings:
        return {"state": _("Ready"), "tone": "ok"}
    on = " + ".join(finding.object_name for finding in findings)
    text = _("Not editable on %(object)s") if findings[0].defect == "read-only" else _("Field missing on %(object)s")
    return {"state": text % {"object": on}, "tone": "bad", "fix": [step for f in findings for step in steps_for(f)]}


def steps_for(finding: Finding) -> list[str]:
    """What an admin of the org does about one finding."""
    values = {"object": finding.object_name, "field": finding.field_name}
    permission = _(
        "Setup > Permission Sets > the integration user's set > Object Settings > %(object)s > Edit: "
        "tick Read and Edit for %(field)s."
    )
    layout = _(
        "Setup > Object Manager > %(object)s > Page Layouts > Edit: "
        "drag %(field)s onto the layout, so that people see it, then Save."
    )
    return [permission % values, layout % values]


def lines_of(plan: Plan) -> list[str]:
    """What a change does, in the reader's language."""
    before, after = plan.before, plan.after
    ticked = ", ".join(f"{label} {figure(count)}" for label, count in plan.ticked.items())
    lines = [_("Records known to be ticked in Salesforce: %(boxes)s.") % {"boxes": ticked or figure(0)}]
    if before.sync_on != after.sync_on:
        lines.append(_("The nightly sync is switched on.") if after.sync_on else _("The nightly sync is switched off."))
    names = labels_of(after, write_fields(after.policy))
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
        reads = labels_of(after, read_fields(after.policy))
        lines.append(_("Each night a tick in %(fields)s unsubscribes a person here.") % {"fields": reads})
    if before.schedule != after.schedule:
        night = next_run(after.schedule, desk().seams.now())
        lines.append(night.sentence)
    return lines


def labels_of(settings: Settings, roles: frozenset[FieldRole]) -> str:
    """The fields by their labels."""
    custom = settings.custom.label if settings.custom else "?"
    return ", ".join(sorted(EMAIL.label if role is FieldRole.EMAIL else custom for role in roles))


def in_three_parts(error: Problem | SalesforceError) -> dict[str, str]:
    """What happened, what it means, what to do; these texts are English like the command line's."""
    if isinstance(error, Problem):
        return {"what": error.what, "means": error.means, "next": error.next}
    return {"what": error.message, "means": error.means, "next": error.next_step or "optsync doctor"}
