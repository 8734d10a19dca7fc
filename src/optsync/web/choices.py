"""The choices of Settings > Unsubscribes > Integrations: a card per opt-out field, with its live state and fix."""

from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from optsync.connection import fields
from optsync.connection.fields import EMAIL, Described, Finding, OptOutField
from optsync.connection.install_plan import OWN
from optsync.connection.settings import Settings
from optsync.core.targets import Choice
from optsync.ledger.targets import EMAIL_OPT_OUT

ANOTHER = "another"
"""The choice of a checkbox from the list."""


@dataclass(frozen=True, slots=True)
class Card:
    """One radio card: a field with the org's own label and its state; `helps` leads to where it is put right."""

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
    helps: list[tuple[str, str]] = field(default_factory=list)


def cards_of(settings: Settings, look: Described | None) -> list[Card]:
    """The choices: Email Opt Out, the Marketo sales field, any other checkbox found, and both. A field that was chosen
    once and is gone from the org is no choice."""
    custom = list(look.custom_fields()) if look else []
    is_in_use = settings.choice is not Choice.EMAIL or settings.read_both
    if settings.custom and settings.custom not in custom and (is_in_use or look is None):
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
        helps = [
            (_("The package, step by step"), f"{reverse('web:install')}#guide-package"),
            (_("Make a checkbox of your own instead"), f"{reverse('web:install')}?field={OWN.lead_name}"),
        ]
        return Card("sales", title, means, offered=False, state=missing, tone="warn", fix=steps, helps=helps)
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


def another_card() -> Card:
    """Any checkbox of the org whose name does not speak of opting out; the form has a list of them."""
    return Card(
        ANOTHER,
        _("Sync to another checkbox"),
        _("Any custom checkbox that Lead and Contact both have. A tick in it will mean: unsubscribed."),
        state=_("Checked when you save"),
        tone="idle",
    )


def others_of(look: Described | None, cards: list[Card]) -> list[OptOutField]:
    """The checkboxes on both objects that have no card of their own."""
    shown = {name for card in cards for name in card.names.split(", ")}
    return [box for box in look.checkboxes() if box.lead_name not in shown] if look else []


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
    row = f"#field.{findings[0].object_name}.{EMAIL_OPT_OUT}" if wanted == EMAIL else ""
    helps = [
        (_("Do it from here"), f"{reverse('web:install')}?field={wanted.lead_name}"),
        (_("See it in the doctor"), reverse("web:doctor") + row),
    ]
    steps = [step for finding in findings for step in steps_for(finding)]
    return {"state": text % {"object": on}, "tone": "bad", "fix": steps, "helps": helps}


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
