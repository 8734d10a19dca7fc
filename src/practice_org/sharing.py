"""What our user may do beyond its fields and objects: permissions, single records, locks (salesforce.md 5.6)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from practice_org.errors import RefusalError

COLUMNS = {
    "api_enabled": "PermissionsApiEnabled",
    "view_all_data": "PermissionsViewAllData",
    "modify_all_data": "PermissionsModifyAllData",
    "view_and_edit_converted_leads": "PermissionsAllowViewEditConvertedLeads",
    "view_setup": "PermissionsViewSetup",
    "customize_application": "PermissionsCustomizeApplication",
    "modify_metadata": "PermissionsModifyMetadata",
    "manage_permission_sets": "PermissionsManageProfilesPermissionsets",
    "assign_permission_sets": "PermissionsAssignPermissionSets",
}
"""The permissions that mean something here, and their columns of Profile and PermissionSet."""
OF_OUR_PROFILE = frozenset(COLUMNS) - {"view_all_data", "modify_all_data", "view_and_edit_converted_leads"}
"""What our user's profile has in a fresh org."""


@dataclass
class Permissions:
    """Our user's permissions by name, as profile and permission sets grant them together."""

    own: set[str] = field(default_factory=lambda: set(OF_OUR_PROFILE))
    """What the profile gives; PermissionSets holds the very same set."""
    lent: frozenset[str] = frozenset()
    """What permission sets add."""

    def has(self, name: str) -> bool:
        """Whether our user has that permission, one of COLUMNS."""
        return name in self.own or name in self.lent

    def change(self, values: dict[str, object]) -> None:
        """Changes the profile by name. Raises RefusalError for an unknown name or a value that is not a boolean."""
        for name, value in values.items():
            if name not in COLUMNS or not isinstance(value, bool):
                raise RefusalError("INVALID_FIELD", f"true or false for {', '.join(COLUMNS)}; not {name}: {value}")
            (self.own.add if value else self.own.discard)(name)

    def as_json(self) -> dict[str, bool]:
        """Every permission and whether our user has it."""
        return {name: self.has(name) for name in COLUMNS}


@dataclass
class Sharing:
    """Which records of one object are withheld from our user, by number."""

    permissions: Permissions
    unshared: set[int] = field(default_factory=set)
    """Records that our user may not see."""
    read_only: set[int] = field(default_factory=set)
    """Records that our user may see but not edit."""
    locked: set[int] = field(default_factory=set)
    """Records in approval."""
    rights: Callable[[], frozenset[str]] = frozenset
    """Our user's rights to the object, among them perhaps ViewAllRecords and ModifyAllRecords."""

    @property
    def hidden(self) -> set[int]:
        """The records that our user does not see. Do not change the set."""
        return set() if self._sees_all() else self.unshared

    def check_edit(self, number: int) -> None:
        """Raises RefusalError when our user may not edit this record, or nobody may now."""
        if self._edits_all():
            return
        if number in self.read_only or number in self.unshared:
            raise RefusalError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", fields=[])
        if number in self.locked:
            raise RefusalError("ENTITY_IS_LOCKED", "the entity is locked for editing", fields=[])

    def copy(self) -> "Sharing":
        """A copy that later changes of single records do not reach."""
        return Sharing(self.permissions, set(self.unshared), set(self.read_only), set(self.locked), self.rights)

    def _sees_all(self) -> bool:
        return self.permissions.has("view_all_data") or "ViewAllRecords" in self.rights() or self._edits_all()

    def _edits_all(self) -> bool:
        return self.permissions.has("modify_all_data") or "ModifyAllRecords" in self.rights()
