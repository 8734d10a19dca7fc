"""How an admin of Salesforce installs the fields by hand, step by step: the text of the page and of docs/how-to."""

from dataclasses import dataclass
from typing import Final

from optsync.connection.checks import FIELDS, PACKAGES, PAGE_LAYOUTS, PERMISSION_SETS
from optsync.core.told import Told, told

PACKAGE_NAMESPACE: Final = "mkto_si"
APP_EXCHANGE: Final = "https://appexchange.salesforce.com/results?keywords=Marketo%20Sales%20Insight"


@dataclass(frozen=True, slots=True)
class GuideStep:
    """One step; `page` is the page of Setup where it is done, `url` another address; "" where there is none."""

    text: Told
    page: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """Some steps in their order, under a title; `id` stands in addresses."""

    id: str
    title: Told
    intro: Told
    steps: tuple[GuideStep, ...]


WHO: Final = told(
    "Only a Salesforce admin can do this: somebody with the permissions Customize Application and View Setup and "
    "Configuration. Do every step for Lead and for Contact."
)

LIGHTNING: Final = Chapter(
    "layouts",
    told("The field on the page layouts, in Lightning Experience"),
    told("People see who is unsubscribed only where the page layout shows the field."),
    (
        GuideStep(told("Press the gear at the top right, then Setup.")),
        GuideStep(
            told(
                "Type Object Manager into Quick Find and open it; then Lead > Page Layouts. "
                "(Or type Page Layouts into Quick Find.)"
            ),
            PAGE_LAYOUTS.format("Lead"),
        ),
        GuideStep(told("Open a page layout of your people with its Edit.")),
        GuideStep(
            told(
                "Choose Fields in the palette at the top, and drag Email Opt Out (or the opt-out field you have "
                "chosen) into the section where it should stand, best below Email."
            )
        ),
        GuideStep(told("Press Save. Do the same with every other page layout that your people use.")),
        GuideStep(
            told("Do the same for Contact: Object Manager > Contact > Page Layouts."), PAGE_LAYOUTS.format("Contact")
        ),
        GuideStep(
            told("Where the org has Person Accounts: the same with Object Manager > Person Account > Page Layouts.")
        ),
        GuideStep(
            told(
                "Lightning record pages with Dynamic Forms ignore the page layout. Open a record there, press the "
                "gear, then Edit Page, and drag the field into a section of the page, too."
            )
        ),
    ),
)
CLASSIC: Final = Chapter(
    "classic",
    told("The same in Salesforce Classic"),
    told("The palette is the same one; only the way there differs."),
    (
        GuideStep(told("Press Setup at the top right (or your name, then Setup).")),
        GuideStep(told("Type Page Layouts into Quick Find, and choose Page Layouts below Leads (Customize > Leads).")),
        GuideStep(
            told("Press Edit beside a page layout, choose Fields, drag Email Opt Out into a section, press Save.")
        ),
        GuideStep(told("Do the same with Page Layouts below Contacts.")),
    ),
)
RIGHTS: Final = Chapter(
    "rights",
    told("Let the integration user tick it"),
    told("Enterprise, Unlimited and Developer Edition; in Professional Edition the page layout of the user decides."),
    (
        GuideStep(told("Setup > Permission Sets > New; name it optsync, press Save."), PERMISSION_SETS),
        GuideStep(told("Object Settings > Leads > Edit: tick Read and Edit for the opt-out field, press Save.")),
        GuideStep(told("Object Settings > Contacts > Edit: the same.")),
        GuideStep(told("Manage Assignments > Add Assignment: choose the integration user.")),
    ),
)
OWN_FIELD: Final = Chapter(
    "own-field",
    told("A checkbox of your own"),
    told("It keeps sales and marketing unsubscribes apart where there is no Marketo Sales package."),
    (
        GuideStep(
            told(
                "Object Manager > Lead > Fields & Relationships > New > Checkbox; the label Sales Opt Out, unchecked."
            ),
            FIELDS.format("Lead"),
        ),
        GuideStep(told("Next: let your people see it. Next: choose the page layouts. Press Save.")),
        GuideStep(told("The same on Contact, with the same field name."), FIELDS.format("Contact")),
        GuideStep(
            told(
                "Object Manager > Lead > Fields & Relationships > Map Lead Fields: map it to the field of Contact, so "
                "that a converted Lead keeps its tick."
            ),
            FIELDS.format("Lead"),
        ),
        GuideStep(told("Let the integration user tick it, as above; then choose it in Settings > Unsubscribes.")),
    ),
)
PACKAGE: Final = Chapter(
    "package",
    told("The Marketo Sales Insight package"),
    told("It brings the field Marketo Sales Opt Out to Lead and Contact; Marketo, not optsync, makes and sells it."),
    (
        GuideStep(told("Open Marketo Sales Insight in the AppExchange and press Get It Now."), url=APP_EXCHANGE),
        GuideStep(told("Choose where: Production, or Sandbox to try it first. Sign in there as a Salesforce admin.")),
        GuideStep(told("Choose who gets it: admins only, all users, or chosen profiles. Press Install.")),
        GuideStep(
            told("When the mail says that it is done: Setup > Installed Packages must list Marketo Sales Insight."),
            PACKAGES,
        ),
        GuideStep(told("Setup > Object Manager: its objects must be Deployed.")),
        GuideStep(
            told("Let the integration user tick the field, as above; then choose it in Settings > Unsubscribes.")
        ),
    ),
)
CHAPTERS: Final = (LIGHTNING, CLASSIC, RIGHTS, OWN_FIELD, PACKAGE)
