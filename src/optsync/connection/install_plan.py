"""What an installation would change in an org, from what is there. Pure: nothing is read or written here.

Plans are made of steps that can be told before they are done, and compared with what is there at the moment of doing.
"""

from dataclasses import asdict, dataclass
from typing import Final, Literal

from optsync.connection.fields import EMAIL, OptOutField
from optsync.connection.page_layouts import Place, fingerprint, place_of, spot_for
from optsync.core.record_ids import Kind
from optsync.core.told import Told, told
from optsync.salesforce.permissions import PermissionSet
from optsync.salesforce.tooling import Layout

OWN: Final = OptOutField("Sales_Opt_Out__c", "Sales_Opt_Out__c", "Sales Opt Out")
"""The checkbox that we make, for orgs without the Marketo Sales package."""
SET_NAME: Final = "optsync"
"""API name and label of our permission set."""
OBJECTS: Final[tuple[Kind, ...]] = ("Lead", "Contact")

StepKind = Literal["field", "set", "grant", "assignment", "layout"]


@dataclass(frozen=True, slots=True)
class Step:
    """One change. `name` is what people call the layout or the user; `target` the Salesforce id of what is changed, ""
    for what is not there yet; `before` the fingerprint of what the plan was made from; `place` where the field will
    stand on a layout.
    """

    kind: StepKind
    object_name: str = ""
    field: str = ""
    name: str = ""
    target: str = ""
    before: str = ""
    place: Place | None = None

    @property
    def part(self) -> str:
        """What is changed, the same in every plan: the key under which it is remembered."""
        layout = self.target if self.kind == "layout" else ""
        return " ".join(filter(None, (self.kind, layout, self.object_name, self.field)))

    @property
    def told(self) -> Told:
        """The change as a sentence."""
        below = self.place.below if self.place else ""
        template = SENTENCES["layout, below" if below else self.kind]
        section = self.place.section if self.place else ""
        values = {"object": self.object_name, "field": self.field, "name": self.name}
        return told(template, **values, section=section, below=below, set=SET_NAME)


SENTENCES: Final = {
    "field": "%(object)s: a new checkbox %(field)s",
    "set": "a new permission set %(set)s",
    "grant": "permission set %(set)s: Read and Edit on %(field)s of %(object)s",
    "assignment": "permission set %(set)s is given to the integration user",
    "layout": "%(object)s: page layout %(name)s shows %(field)s, last in the section %(section)s",
    "layout, below": "%(object)s: page layout %(name)s shows %(field)s below %(below)s",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What to install: the field, the ids of the layouts that are to show it, and whether our user is given it."""

    field: OptOutField
    layouts: frozenset[str] = frozenset()
    grant: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What an org has: its layouts of Lead and Contact, our own checkbox by object, our permission set, our user.

    `granted` are the objects on which a field is granted: Account, too, where the org has Person Accounts.
    """

    layouts: tuple[Layout, ...]
    own_fields: dict[str, str]
    permission_set: PermissionSet | None
    user_id: str
    granted: tuple[Kind, ...] = OBJECTS


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in the order in which they are done; `by_hand` names layouts without room for a field."""

    steps: tuple[Step, ...]
    by_hand: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The same as long as the same steps would be done to the same things."""
        return fingerprint([asdict(step) for step in self.steps])


def plan(found: Found, wish: Wish) -> Plan:
    """What is missing for the wish; nothing that is there is changed, but a grant is raised from Read to Edit."""
    steps = [*_missing_fields(found, wish)]
    if wish.grant:
        steps += _missing_grants(found, wish)
    layouts, by_hand = _layouts_to_change(found, wish)
    return Plan((*steps, *layouts), tuple(by_hand))


def layouts_without(found: Found, field: OptOutField) -> list[Layout]:
    """The layouts on which the field does not stand."""
    return [one for one in found.layouts if place_of(one.metadata, field.name_on(one.object_name)) is None]


def _missing_fields(found: Found, wish: Wish) -> list[Step]:
    if wish.field != OWN:
        return []
    return [Step("field", name, OWN.lead_name) for name in OBJECTS if name not in found.own_fields]


def _missing_grants(found: Found, wish: Wish) -> list[Step]:
    known = found.permission_set
    steps = [] if known else [Step("set")]
    for field in dict.fromkeys((EMAIL, wish.field)):
        for object_name in found.granted:
            name = field.name_on(object_name)
            given = known.grants.get((object_name, name)) if known else None
            if given is None or not given.edit:
                steps.append(Step("grant", object_name, name, target=given.id if given else ""))
    if known is None or found.user_id not in known.assignments:
        steps.append(Step("assignment", name=found.user_id))
    return steps


def _layouts_to_change(found: Found, wish: Wish) -> tuple[list[Step], list[str]]:
    steps, by_hand = [], []
    for layout in layouts_without(found, wish.field):
        if layout.id not in wish.layouts:
            continue
        field = wish.field.name_on(layout.object_name)
        found_spot = spot_for(layout.metadata)
        if found_spot is None:
            by_hand.append(layout.name)
            continue
        before, place = fingerprint(layout.metadata), found_spot[1]
        steps.append(Step("layout", layout.object_name, field, layout.name, layout.id, before, place))
    return steps, by_hand
