"""The opt-out fields of one org as our user sees them: what exists on Lead, Contact and Account, may we write it?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from optsync.core.problems import Problem
from optsync.core.record_ids import Kind
from optsync.core.targets import account_name
from optsync.core.told import Told, told
from optsync.salesforce import describe
from optsync.salesforce.describe import Field, ObjectDescription
from optsync.salesforce.errors import ApiRefused
from optsync.salesforce.session import Session

SALES_LABEL: Final = "Marketo Sales Opt Out"
PERSON_OBJECTS: Final[tuple[Kind, ...]] = ("Lead", "Contact")
"""Where admins make fields. An Account has those of its Contact, where the org has Person Accounts."""

_OPT_OUT_NAME = re.compile(r"opt(?:ed)?[\s_-]*out|unsubscri", re.IGNORECASE)

Defect = Literal["object hidden", "missing", "not a checkbox", "standard", "read-only"]


@dataclass(frozen=True, slots=True)
class OptOutField:
    """One opt-out checkbox: its API name on Lead and on Contact (they may differ) and its label."""

    lead_name: str
    contact_name: str
    label: str

    def name_on(self, kind: Kind) -> str:
        """The API name on that object."""
        if kind == "Account":
            return account_name(self.contact_name)
        return self.lead_name if kind == "Lead" else self.contact_name


EMAIL: Final = OptOutField("HasOptedOutOfEmail", "HasOptedOutOfEmail", "Email Opt Out")
"""The standard checkbox of every org."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that keeps a field from being used on one object."""

    object_name: Kind
    field_name: str
    defect: Defect

    @property
    def told(self) -> Told:
        """The finding as a sentence."""
        return told(SENTENCES[self.defect], object=self.object_name, field=self.field_name)

    def __str__(self) -> str:
        return str(self.told)


SENTENCES: Final[dict[Defect, str]] = {
    "object hidden": "%(object)s: the integration user may not read this object",
    "missing": "%(object)s: %(field)s does not exist, or field-level security hides it from the integration user",
    "not a checkbox": "%(object)s: %(field)s is not a checkbox",
    "standard": "%(object)s: %(field)s is a standard field of another meaning",
    "read-only": "%(object)s: %(field)s is read-only for the integration user",
}


@dataclass(frozen=True, slots=True)
class Described:
    """Lead, Contact and, where the org has Person Accounts, Account as our user sees them; None for a hidden object."""

    objects: dict[Kind, ObjectDescription | None]

    def findings(self, field: OptOutField) -> list[Finding]:
        """What keeps this field from being written, by object; empty when it can be used."""
        return [finding for name in self.objects for finding in self._findings_on(name, field.name_on(name))]

    def custom_fields(self) -> list[OptOutField]:
        """Custom checkboxes on both objects that speak of opting out, paired by API name, else by label."""
        leads, contacts = list(self._custom_on("Lead")), list(self._custom_on("Contact"))
        found = []
        for lead in leads:
            same = [c for c in contacts if c.name == lead.name] or [c for c in contacts if c.label == lead.label]
            if same:
                found.append(OptOutField(lead.name, same[0].name, lead.label))
        return found

    def checkboxes(self) -> list[OptOutField]:
        """Every custom checkbox that both objects have under one API name, whatever it means, by label."""
        leads, contacts = (self.objects[name] for name in PERSON_OBJECTS)
        if leads is None or contacts is None:
            return []
        both = [field for name, field in leads.fields.items() if name in contacts.fields]
        found = [field for field in both if field.custom and field.type == "boolean"]
        return [OptOutField(f.name, f.name, f.label) for f in sorted(found, key=lambda f: f.label.casefold())]

    def objects_without_custom_field(self) -> list[Kind]:
        """The objects without such a checkbox; both, when each has one that the other lacks."""
        return [name for name in PERSON_OBJECTS if not any(self._custom_on(name))] or list(PERSON_OBJECTS)

    def field_named(self, api_name: str) -> OptOutField:
        """The checkbox of that API name, in any case, for both objects (`findings` says what is wrong with it)."""
        wanted = api_name.lower()
        for field in (EMAIL, *self.custom_fields()):
            if wanted in (field.lead_name.lower(), field.contact_name.lower()):
                return field
        both = [described for name in PERSON_OBJECTS if (described := self.objects[name])]
        known = [field for described in both for field in described.fields.values()]
        same = next((field for field in known if field.name.lower() == wanted), None)
        return OptOutField(same.name, same.name, same.label) if same else OptOutField(api_name, api_name, api_name)

    def _custom_on(self, name: Kind) -> Iterator[Field]:
        described = self.objects[name]
        for field in described.fields.values() if described else ():
            if field.custom and field.type == "boolean" and _OPT_OUT_NAME.search(f"{field.name} {field.label}"):
                yield field

    def _findings_on(self, name: Kind, field_name: str) -> list[Finding]:
        described = self.objects[name]
        if described is None:
            return [Finding(name, field_name, "object hidden")]
        field = described.fields.get(field_name)
        if field is None:
            return [Finding(name, field_name, "missing")]
        if field.type != "boolean":
            return [Finding(name, field_name, "not a checkbox")]
        if not field.custom and field_name != EMAIL.name_on(name):
            return [Finding(name, field_name, "standard")]
        return [] if field.updateable else [Finding(name, field_name, "read-only")]


def look_at(session: Session) -> Described:
    """Describes Lead and Contact, and Account where the org has Person Accounts: two or three API calls.

    Raises SalesforceError.
    """
    objects = {name: _describe(session, name) for name in PERSON_OBJECTS}
    describe.note_person_accounts(session, objects["Contact"])
    if describe.has_person_accounts(session):
        objects["Account"] = _describe(session, "Account")
    return Described(objects)


def refuse_unusable(described: Described, field: OptOutField) -> None:
    """Raises Problem, naming the object, when the field cannot be written on every object (requirement 2)."""
    findings = described.findings(field)
    if findings:
        next_step = told(
            "give the integration user Edit on the field (Setup > Permission Sets > Object Settings), then try again"
        )
        if any(finding.defect in ("not a checkbox", "standard") for finding in findings):
            next_step = told("name a custom checkbox that Lead and Contact both have, or email, sales or both")
        raise Problem(
            told("%(field)s cannot be used: %(findings)s", field=field.label, findings=_joined(findings)),
            told("nothing was changed: a field that is not there on every object would leave people mailable"),
            next_step,
        )


def _joined(findings: list[Finding]) -> Told:
    """The findings in one line."""
    first, *more = (finding.told for finding in findings)
    return told("%(first)s; %(more)s", first=first, more=_joined(findings[1:])) if more else first


def _describe(session: Session, name: Kind) -> ObjectDescription | None:
    try:
        return describe.object_fields(session, name)
    except ApiRefused as error:
        if describe.is_hidden(error):
            return None
        raise
