"""The org as a whole: its people, its user, its rules, and what is going on in it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from practice_org.access import Access
from practice_org.approvals import Approvals
from practice_org.behaviour import Behaviour
from practice_org.clock import Random
from practice_org.cursors import Cursors
from practice_org.deployments import Deployments
from practice_org.edition import Edition
from practice_org.errors import RefusalError
from practice_org.faults.base import Faults
from practice_org.jobs import Jobs
from practice_org.layouts import Layouts
from practice_org.limits import Limits
from practice_org.maintenance import in_maintenance, is_bulk_job, is_write
from practice_org.people import BORN_AT, CONTACTS_PER_ACCOUNT, Crowd, instant_text, scatter_opt_outs
from practice_org.permission_sets import PermissionSets
from practice_org.person_accounts import make_person_accounts
from practice_org.records import Table
from practice_org.row_ids import RowIds
from practice_org.row_locks import RowLocks
from practice_org.rules import Rules
from practice_org.schema import (
    CUSTOM_FIELD,
    DEFAULT_PACKAGE_FIELD,
    EMAIL_OPT_OUT,
    PEOPLE,
    PERSON_EMAIL_OPT_OUT,
    Value,
    account_name,
)
from practice_org.sessions import Identity, Sessions
from practice_org.sharing import Permissions, Sharing
from practice_org.spy import Spy
from practice_org.users import LANGUAGE, LOCALE, TIME_ZONE, USERS

DEFAULT_CALLBACK = "http://localhost:1717/OauthRedirect"
"""Where Salesforce's own command line listens."""
CALLBACK = re.compile(r"https?://[!-~]+", re.ASCII)


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
    callbacks: tuple[str, ...] = (DEFAULT_CALLBACK,)
    """Where the web-server flow may send people back to, to the letter."""
    person_accounts: int | None = None
    """How many Person Accounts there are; None is an org without the feature."""

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
        for callback in self.callbacks:
            if not CALLBACK.fullmatch(callback):
                raise ValueError(f"not a callback address, such as {DEFAULT_CALLBACK}: {callback}")


def email_opt_out(object_name: str) -> str:
    """The API name of Email Opt Out on an object."""
    return PERSON_EMAIL_OPT_OUT if object_name == "Account" else EMAIL_OPT_OUT


@dataclass
class Flow:
    """An automation of the org that takes ticks back behind our back, for a `rate` of updated records (0 to 1)."""

    unsets: bool = False
    rate: float = 1.0
    chance: Random = field(default_factory=lambda: Random(7))

    def strikes(self) -> bool:
        """Whether it acts on the next record."""
        return self.unsets and (self.rate >= 1 or self.chance.random() < self.rate)


class ChangeEvents(NamedTuple):
    """An object whose changes are told on a channel, such as LeadChangeEvent on ChangeEvents."""

    channel: str
    entity: str
    full_name: str


class Org:
    """Everything the server knows. `started` is how a reset without arguments looks."""

    def __init__(self, options: Options, identity: Identity, now: Callable[[], datetime]) -> None:
        self.started = options
        self.identity = identity
        self.now = now
        self.sessions = Sessions(identity, now, lambda: self.behaviour.session_seconds)
        self.approvals = Approvals(now, self.sessions.end_all_of)
        self.jobs = Jobs()
        self.deployments = Deployments()
        self.reset(options)

    def reset(self, options: Options) -> None:
        """A fresh org of that shape; sessions stay valid."""
        self.close()
        self.options = options
        self.faults = Faults()
        self.spy = Spy()
        self.limits = Limits()
        self.behaviour = Behaviour()
        self.flow = Flow()
        self.permissions = Permissions()
        self.row_ids = RowIds()
        self.edition = Edition()
        self.read_only = False
        self.rules = Rules()
        self.row_locks = RowLocks()
        self.latency_ms = 0.0
        self.pubsub_reachable = True
        self.jobs = Jobs()
        self.cursors = Cursors()
        names = {"Lead": options.lead_field, "Contact": options.contact_field}
        if options.person_accounts is not None:
            names["Account"] = account_name(options.contact_field)
        self.access = Access(package_fields=names, person_accounts=options.person_accounts is not None)
        self.permission_sets = PermissionSets(self.access, self.permissions, self.row_ids)
        self.layouts = Layouts()
        self.change_events: dict[str, ChangeEvents] = {}
        self.lead_mapping: dict[str, str] = {}
        """Setup's Map Lead Fields: custom fields of Lead to the field of Contact that takes them over."""
        self.deployments = Deployments()
        if options.package:
            self.install_package(installed=True)
        if options.grant_opt_out:
            for object_name in names:
                self.access.grant(object_name, email_opt_out(object_name), "edit")
        self.tables = {name: self._make_table(name) for name in PEOPLE}
        make_person_accounts(self)

    def close(self) -> None:
        """Ends all work that is under way."""
        self.jobs.close()
        self.deployments.close()

    def _make_table(self, object_name: str) -> Table:
        options = self.options
        sizes = {
            "Lead": options.leads,
            "Contact": options.contacts,
            "Account": -(-options.contacts // CONTACTS_PER_ACCOUNT),
        }
        size = sizes[object_name]
        percents = {}
        if object_name != "Account":
            percents = {
                EMAIL_OPT_OUT: options.opted_out,
                self.access.package_fields[object_name]: options.sales_opted_out,
            }
        ticks = scatter_opt_outs(object_name, options.seed, size, percents)
        crowd = Crowd(object_name, options.seed, size, options.contacts, ticks)
        sharing = Sharing(self.permissions, rights=lambda: self.access.rights[object_name])
        return Table(crowd, lambda: self.access.checkboxes(object_name), sharing=sharing)

    def take_certificate(self, pem: str) -> None:
        """A certificate that an administrator uploads to the app: from now on JWTs are signed with its key. Raises
        ValueError for anything else."""
        try:
            public = load_pem_x509_certificate(pem.strip().encode()).public_key()
        except ValueError:
            raise ValueError("this is not a certificate in PEM: paste the whole file") from None
        pem_of_key = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.identity = replace(self.identity, public_key_pem=pem_of_key)

    def install_package(self, *, installed: bool) -> None:
        """Adds the package's checkbox for all users, or removes it."""
        self.access.install_package(installed=installed)
        if installed:
            self.permission_sets.package_came(self.access.package_fields)
            return
        for object_name, name in self.access.package_fields.items():
            self.permission_sets.forget_field(object_name, name)
            self.layouts.remove_field(object_name, name)

    def settle(self) -> None:
        """After any change of the set-up: what our user may do now."""
        decided = self.edition.by_layout and self.behaviour.layouts_decide_in_professional
        self.access.by_layout = self.layouts.levels() if decided else None
        self.permission_sets.settle()

    def check_request(self, route: str) -> None:
        """Raises RefusalError for what this org does not answer now, or not to our user (salesforce.md 1.5)."""
        if not self.edition.has_api:
            text = "The REST API is not enabled for this Organization."
            raise RefusalError("API_DISABLED_FOR_ORG", text, status=403)
        if not self.permissions.has("api_enabled"):
            raise RefusalError("API_CURRENTLY_DISABLED", "API is disabled for this user", status=403)
        whole = self.behaviour.maintenance_refuses_requests
        if self.read_only and (is_bulk_job(route) or (whole and is_write(route))):
            raise in_maintenance(status=503)

    def changed_options(self, values: dict[str, object]) -> Options:
        """The options of the start, with some replaced. Raises TypeError or ValueError for what does not fit."""
        known = {name: type(value) for name, value in vars(self.started).items()} | {"person_accounts": int}
        unknown = set(values) - set(known)
        if unknown:
            raise ValueError(f"no such option: {', '.join(sorted(unknown))}; there are: {', '.join(sorted(known))}")
        return replace(
            self.started, **{name: known[name](value) for name, value in values.items() if value is not None}
        )

    def opt_out_fields(self, object_name: str) -> list[str]:
        """The opt-out checkboxes that exist on the object, visible to our user or not."""
        if object_name not in self.access.package_fields:
            return []
        names = [email_opt_out(object_name)]
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
                "IsSandbox": self.edition.sandbox,
                "NamespacePrefix": None,
                "OrganizationType": self.edition.name,
                "TrialExpirationDate": None,
                "LanguageLocaleKey": LANGUAGE,
                "DefaultLocaleSidKey": LOCALE,
                "TimeZoneSidKey": TIME_ZONE,
                **dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), instant_text(BORN_AT)),
            }
        ]
