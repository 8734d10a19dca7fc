"""What our user may do beyond its fields and objects: permissions, single records, locks (salesforce.md 5.6)."""

from dataclasses import dataclass, field, fields

from practice_org.errors import RefusalError


@dataclass
class Permissions:
    """Our user's permissions, as profile and permission sets grant them together."""

    api_enabled: bool = True
    view_all_data: bool = False
    """Sees records that are not shared with it."""
    modify_all_data: bool = False
    """Edits them too, and those that an approval holds."""
    view_and_edit_converted_leads: bool = False

    def change(self, values: dict[str, object]) -> None:
        """Grants and withdraws by name. Raises RefusalError for an unknown name or a value that is not a boolean."""
        known = [item.name for item in fields(self)]
        for name, value in values.items():
            if name not in known or not isinstance(value, bool):
                raise RefusalError("INVALID_FIELD", f"true or false for {', '.join(known)}; not {name}: {value}")
            setattr(self, name, value)


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

    @property
    def hidden(self) -> set[int]:
        """The records that our user does not see. Do not change the set."""
        return set() if self.permissions.view_all_data or self.permissions.modify_all_data else self.unshared

    def check_edit(self, number: int) -> None:
        """Raises RefusalError when our user may not edit this record, or nobody may now."""
        if self.permissions.modify_all_data:
            return
        if number in self.read_only or number in self.unshared:
            raise RefusalError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", fields=[])
        if number in self.locked:
            raise RefusalError("ENTITY_IS_LOCKED", "the entity is locked for editing", fields=[])

    def copy(self) -> "Sharing":
        """A copy that later changes of single records do not reach."""
        return Sharing(self.permissions, set(self.unshared), set(self.read_only), set(self.locked))
