"""The org as a whole: its people, its user, its rules, and what is going on in it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from practice_org.access import Access
from practice_org.behaviour import Behaviour
from practice_org.clock import Random
from practice_org.cursors import Cursors
from practice_org.faults.base import Faults
from practice_org.jobs import Jobs
from practice_org.limits import Limits
from practice_org.people import Crowd, scatter_opt_outs
from practice_org.records import Table
from practice_org.schema import CUSTOM_FIELD, DEFAULT_PACKAGE_FIELD, EMAIL_OPT_OUT, PEOPLE, Value
from practice_org.sessions import Identity, Sessions
from practice_org.spy import Spy
from practice_org.users import USERS


@dataclass(frozen=True)
class Options:
    """What a fresh org looks like. Shares are per cent of each object's records."""

    leads: int = 0
    contacts: int = 0
    opted_out: float = 0.0
    sales_opted_out: float = 0.0
    seed: int = 1
    package: bool = False
    grant_opt_out: bool = False
    lead_field: str = DEFAULT_PACKAGE_FIELD
    contact_field: str = DEFAULT_PACKAGE_FIELD

    def __post_init__(self) -> None:
        """Raises ValueError for numbers, shares and names that no org can have."""
        if self.leads < 0 or self.contacts < 0:
            raise ValueError("there cannot be fewer than no Leads or Contacts")
        for share in (self.opted_out, self.sales_opted_out):
            if not 0 <= share <= 100:
                raise ValueError(f"the share of opted-out people must be 0 to 100 per cent: {share}")
        for name in (self.lead_field, self.contact_field):
            if not CUSTOM_FIELD.fullmatch(name):
                raise ValueError(f"not the API name of a custom field, such as {DEFAULT_PACKAGE_FIELD}: {name}")


@dataclass
class Flow:
    """An automation of the org that takes ticks back behind our back, for a `rate` of updated records (0 to 1)."""

    unsets: bool = False
    rate: float = 1.0
    chance: Random = field(default_factory=lambda: Random(7))

    def strikes(self) -> bool:
        """Whether it acts on the next record."""
        return self.unsets and (self.rate >= 1 or self.chance.random() < self.rate)


class Org:
    """Everything the server knows. `started` is how a reset without arguments looks."""

    def __init__(self, options: Options, identity: Identity, now: Callable[[], datetime]) -> None:
        self.started = options
        self.identity = identity
        self.now = now
        self.sessions = Sessions(identity, now)
        self.jobs = Jobs()
        self.reset(options)

    def reset(self, options: Options) -> None:
        """A fresh org of that shape; sessions stay valid."""
        self.jobs.close()
        self.options = options
        self.faults = Faults()
        self.spy = Spy()
        self.limits = Limits()
        self.behaviour = Behaviour()
        self.flow = Flow()
        self.latency_ms = 0.0
        self.jobs = Jobs()
        self.cursors = Cursors()
        self.access = Access({"Lead": options.lead_field, "Contact": options.contact_field})
        if options.package:
            self.access.install_package(installed=True)
        if options.grant_opt_out:
            for object_name in PEOPLE:
                self.access.grant(object_name, EMAIL_OPT_OUT, "edit")
        self.tables = {name: self._make_table(name) for name in PEOPLE}

    def _make_table(self, object_name: str) -> Table:
        options = self.options
        size = options.leads if object_name == "Lead" else options.contacts
        percents = {
            EMAIL_OPT_OUT: options.opted_out,
            self.access.package_fields[object_name]: options.sales_opted_out,
        }
        ticks = scatter_opt_outs(object_name, options.seed, size, percents)
        crowd = Crowd(object_name, options.seed, size, options.contacts, ticks)
        return Table(crowd, lambda: self.access.checkboxes(object_name))

    def changed_options(self, values: dict[str, object]) -> Options:
        """The options of the start, with some replaced. Raises TypeError or ValueError for what does not fit."""
        known = {name: type(value) for name, value in vars(self.started).items()}
        unknown = set(values) - set(known)
        if unknown:
            raise ValueError(f"no such option: {', '.join(sorted(unknown))}; there are: {', '.join(sorted(known))}")
        return replace(self.started, **{name: known[name](value) for name, value in values.items()})

    def opt_out_fields(self, object_name: str) -> list[str]:
        """The opt-out checkboxes that exist on the object, visible to our user or not."""
        names = [EMAIL_OPT_OUT]
        if self.access.package_installed:
            names.append(self.access.package_fields[object_name])
        return names

    def fixed_rows(self, object_name: str) -> list[dict[str, Value]]:
        """The rows of Organization or User (salesforce.md 8: what clients ask after sign-in)."""
        if object_name == "User":
            return list(USERS.values())
        return [
            {
                "Id": self.identity.org_id,
                "Name": "Practice Org",
                "InstanceName": "PRACTICE",
                "IsSandbox": False,
                "NamespacePrefix": None,
                "OrganizationType": "Enterprise Edition",
                "TrialExpirationDate": None,
            }
        ]
