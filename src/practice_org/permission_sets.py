"""Profiles, permission sets and who has them: where our user's access comes from (salesforce.md 5.8).

The set of our user's profile holds the very dicts that `Access` and `Permissions` work with; the sets that are assigned
to it are lent to both by `settle`, which every change ends with.
"""

from dataclasses import dataclass, field

from practice_org.access import RIGHTS, Access, FieldLevels, ObjectRights, merged
from practice_org.row_ids import RowIds
from practice_org.schema import PEOPLE
from practice_org.set_up_schema import ALL_PREFIXES, NEEDED
from practice_org.sharing import COLUMNS, Permissions
from practice_org.users import ADMIN_PROFILE, HUMAN, INTEGRATION_PROFILE, INTEGRATION_USER, STANDARD_PROFILE

PROFILES = {
    INTEGRATION_PROFILE: "Integration",
    ADMIN_PROFILE: "System Administrator",
    STANDARD_PROFILE: "Standard User",
}


@dataclass
class PermissionSet:
    """One permission set, or what a profile gives, which Salesforce keeps as a set that the profile owns."""

    id: str
    name: str
    label: str
    description: str | None = None
    profile_id: str | None = None
    license_id: str | None = None
    fields: FieldLevels = field(default_factory=dict)
    """Levels of fields that may have been removed since; whoever lists them looks which still exist."""
    rights: ObjectRights = field(default_factory=dict)
    permissions: set[str] = field(default_factory=set)
    """Names of sharing.COLUMNS."""


class PermissionSets:
    """All sets by id, and their assignments: assignment id to user and set."""

    def __init__(self, access: Access, permissions: Permissions, row_ids: RowIds) -> None:
        self._access, self._permissions, self._ids = access, permissions, row_ids
        self.sets: dict[str, PermissionSet] = {}
        self.assignments: dict[str, tuple[str, str]] = {}
        self._add_profile(INTEGRATION_PROFILE, access.own, access.own_rights, permissions.own)
        everything = dict.fromkeys(PEOPLE, RIGHTS["edit"])
        self._add_profile(ADMIN_PROFILE, self._fresh(), everything, set(COLUMNS))
        self._add_profile(STANDARD_PROFILE, self._fresh(), dict(everything), {"api_enabled", "view_setup"})
        self.assign(INTEGRATION_USER, self.of_profile(INTEGRATION_PROFILE).id)
        self.assign(HUMAN, self.of_profile(ADMIN_PROFILE).id)

    def _add_profile(self, profile_id: str, fields: FieldLevels, rights: ObjectRights, permissions: set[str]) -> None:
        label = f"X{profile_id}"  # Salesforce names the sets of profiles so
        made = PermissionSet(self._ids.new(ALL_PREFIXES["PermissionSet"]), label, label, profile_id=profile_id)
        made.fields, made.rights, made.permissions = fields, rights, permissions
        self.sets[made.id] = made

    def _fresh(self) -> FieldLevels:
        """The fields of people as every other profile sees them in a fresh org."""
        return {key: level for key, level in self._access.own.items() if key[0] in PEOPLE}

    def of_profile(self, profile_id: str) -> PermissionSet:
        """The set that a profile owns."""
        return next(one for one in self.sets.values() if one.profile_id == profile_id)

    def create(self, name: str, label: str) -> PermissionSet:
        """A new empty set."""
        made = PermissionSet(self._ids.new(ALL_PREFIXES["PermissionSet"]), name, label)
        self.sets[made.id] = made
        return made

    def named(self, name: str) -> PermissionSet | None:
        """The set of that API name, compared without case; profiles' sets are not among them."""
        wanted = name.lower()
        return next((one for one in self.sets.values() if one.profile_id is None and one.name.lower() == wanted), None)

    def put(self, given: PermissionSet, *, replaces: bool) -> None:
        """Creates a set, or changes the one of that name: it loses what is not given, or keeps it."""
        known = self.named(given.name) or self.create(given.name, given.label)
        known.label, known.description = given.label, given.description
        if replaces:
            known.fields, known.rights, known.permissions = given.fields, given.rights, given.permissions
        else:
            known.fields |= given.fields
            known.rights |= given.rights
            known.permissions |= given.permissions
        self.settle()

    def assign(self, user_id: str, set_id: str) -> str:
        """Gives a set to a user; returns the assignment's id."""
        assignment = self._ids.new(ALL_PREFIXES["PermissionSetAssignment"])
        self.assignments[assignment] = (user_id, set_id)
        self.settle()
        return assignment

    def delete(self, set_id: str) -> None:
        """The set, its rows and its assignments are gone."""
        del self.sets[set_id]
        self.assignments = {key: pair for key, pair in self.assignments.items() if pair[1] != set_id}
        self.settle()

    def settle(self) -> None:
        """Our user's access follows from its profile and from the sets that are assigned to it."""
        lent = [
            self.sets[set_id]
            for user_id, set_id in self.assignments.values()
            if user_id == INTEGRATION_USER and self.sets[set_id].profile_id is None
        ]
        self._permissions.lent = frozenset(name for one in lent for name in one.permissions)
        rights: ObjectRights = {
            name: frozenset().union(*(one.rights.get(name, frozenset()) for one in lent)) for name in PEOPLE
        }
        has = self._permissions.has
        self._access.unseen = frozenset(name for name, any_of in NEEDED.items() if not any(has(one) for one in any_of))
        self._access.lend(merged(*(one.fields for one in lent)), rights)

    def package_came(self, fields: dict[str, str]) -> None:
        """A package is installed for all users: every profile may edit its fields."""
        for one in self.sets.values():
            if one.profile_id is not None:
                one.fields |= dict.fromkeys(fields.items(), "edit")
        self.settle()

    def forget_field(self, object_name: str, name: str) -> None:
        """A field was deleted, and with it every access to it."""
        for one in self.sets.values():
            one.fields.pop((object_name, name), None)
        self.settle()
