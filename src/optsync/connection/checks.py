"""One finding of the doctor, and the words and links that its checks share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from optsync.core.problems import Problem
from optsync.core.told import Told, told
from optsync.salesforce.errors import SalesforceError

State = Literal["pass", "warn", "fail", "skip"]
Place = Literal["salesforce", "here"]

PERMISSION_SETS: Final = "PermSets/home"
PACKAGES: Final = "ImportedPackage/home"
CHANGE_DATA_CAPTURE: Final = "CdcObjectEnablement/home"
FIELDS: Final = "ObjectManager/{}/FieldsAndRelationships/view"
"""Pages of Salesforce Setup below /lightning/setup/, as public repositories link to them."""
PAGE_LAYOUTS: Final = "ObjectManager/{}/PageLayouts/view"
VALIDATION_RULES: Final = "ObjectManager/{}/ValidationRules/view"
DUPLICATE_RULES: Final = "DuplicateRules/home"
USERS: Final = "ManageUsers/home"
"""Of one shape with those above, and not tried."""

VIEW_SETUP: Final = "View Setup and Configuration"

Link = Callable[[str], str]
"""From a page of Setup to its address in the org; "" where it has none."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `why` says what it means, `fix` what to do, `link` opens the page of Salesforce Setup where that is
    done; each is empty where there is nothing to say. `place`: who can put it right, Salesforce's admin or ours."""

    id: str
    title: str
    state: State
    why: str = ""
    fix: str = ""
    link: str = ""
    place: Place = "salesforce"


Look = Callable[[str, Told, str], Check]
"""From the id, the title and the link of a check to what is found."""

TITLES: Final = {
    "sign-in": told("Salesforce accepts our sign-in"),
    "org": told("The sign-in leads to the org we know"),
    "api": told("The org lets us use its API"),
    "fields": told("The opt-out fields can be written"),
}


def skipped(why: str, *ids: str) -> Iterator[Check]:
    """Checks that hang on one which failed."""
    yield from (Check(check_id, TITLES[check_id], "skip", why) for check_id in ids)


def refused(check_id: str, title: str, error: SalesforceError) -> Check:
    """A check that Salesforce's answer made fail."""
    why = told("%(what)s: %(means)s", what=error.message, means=error.means) if error.means else error.message
    return Check(check_id, title, "fail", why, error.next_step or told("see docs/how-to/connect-an-org.md"))


def looked(check_id: str, title: Told, link: str, look: Look, right: str = VIEW_SETUP) -> Check:
    """What `look` finds; skipped where Salesforce does not let us see, with the right that lets us."""
    try:
        return look(check_id, title, link)
    except SalesforceError as error:
        why = told("could not look: %(said)s", said=error.message)
        fix = told("look by hand, or give the integration user %(right)s", right=right)
        return Check(check_id, title, "skip", why, fix, link)


def tried(check_id: str, title: str, act: Callable[[], object]) -> Check:
    """A check of this installation that passes when the act raises no Problem."""
    try:
        act()
    except Problem as problem:
        why = told("%(what)s: %(means)s", what=problem.what, means=problem.means)
        return Check(check_id, title, "fail", why, problem.next, place="here")
    return Check(check_id, title, "pass", place="here")


def setup_link(instance_url: str, is_practice: bool, page: str) -> str:
    """The address of a page of Salesforce Setup; a practice org has none, so none is given."""
    return "" if is_practice else f"{instance_url}/lightning/setup/{page}"
