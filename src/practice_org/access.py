"""Field-level security: without it a field does not exist, for describe, queries and writes (salesforce.md 0.1)."""

from copy import copy
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from practice_org.errors import RefusalError, field_not_writable, no_such_column
from practice_org.schema import PEOPLE, PREFIXES, Field, package_field, standard_fields

Level = Literal["absent", "read", "edit"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass
class Access:
    """Which fields exist and what our one user may do with them."""

    package_fields: dict[str, str]
    """The objects that hold people to the API name of the package's checkbox there."""
    person_accounts: bool = False
    """Whether the org has the feature; without it its fields do not exist."""
    fields: dict[str, dict[str, Field]] = field(default_factory=dict)
    """Object to lower-case field name to every field that exists, visible or not."""
    levels: dict[tuple[str, str], Level] = field(default_factory=dict)
    objects: dict[str, Level] = field(default_factory=lambda: dict.fromkeys(PREFIXES, "edit"))
    """What our user may do with each object; an absent one does not exist for it."""
    package_installed: bool = False
    _checkboxes: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fields = {name: standard_fields(name, person_accounts=self.person_accounts) for name in PREFIXES}
        for object_name, fields in self.fields.items():
            for known in fields.values():
                self.levels[object_name, known.name] = "absent" if known.hidden else "edit"
        self._recount()

    def install_package(self, *, installed: bool) -> None:
        """Adds the package's checkbox for all users, or removes it with its access."""
        self.package_installed = installed
        for object_name, name in self.package_fields.items():
            if installed:
                self.fields[object_name][name.lower()] = package_field(name)
                self.levels[object_name, name] = "edit"
            else:
                self.fields[object_name].pop(name.lower(), None)
                self.levels.pop((object_name, name), None)
        self._recount()

    def grant(self, object_name: str, name: str, level: Level) -> None:
        """Sets the user's level. Raises KeyError for a field that the org does not have."""
        known = self.fields[object_name][name.lower()]
        self.levels[object_name, known.name] = level

    def grant_object(self, object_name: str, level: Level) -> None:
        """Sets the user's right to Lead, Contact or Account. Raises RefusalError for another object."""
        if object_name not in PEOPLE:
            raise RefusalError("INVALID_TYPE", f"object must be one of {', '.join(PEOPLE)}")
        self.objects[object_name] = level

    def level(self, object_name: str, name: str) -> Level:
        """absent, read or edit; absent also for a field that the org does not have."""
        known = self.fields[object_name].get(name.lower())
        return "absent" if known is None else self.levels[object_name, known.name]

    def visible(self, object_name: str) -> list[Field]:
        """The fields that our user may see, in the object's order."""
        return [
            known for known in self.fields[object_name].values() if self.levels[object_name, known.name] != "absent"
        ]

    def readable(self, object_name: str, name: str) -> Field | None:
        """The field if our user may see it; names are compared without case. Owner.Name is a field of the parent."""
        relationship, dot, rest = name.rpartition(".")
        if dot:
            return self._of_parent(object_name, relationship, rest)
        known = self.fields[object_name].get(name.lower())
        return known if known is not None and self.levels[object_name, known.name] != "absent" else None

    def parent(self, object_name: str, relationship: str) -> str | None:
        """The object behind a relationship such as Owner; None where there is none or it cannot be followed here."""
        lookup = self.readable(object_name, f"{relationship}Id")
        return "User" if lookup is not None and lookup.reference_to == ("User",) else None

    def _of_parent(self, object_name: str, relationship: str, name: str) -> Field | None:
        parent = self.parent(object_name, relationship)
        known = None if parent is None else self.readable(parent, name)
        if known is None:
            return None
        lookup = self.fields[object_name][f"{relationship}Id".lower()]
        return replace(known, name=f"{lookup.name.removesuffix('Id')}.{known.name}")

    def unrestricted(self) -> "Access":
        """The same org as its own rules see it: nothing is hidden."""
        everything = copy(self)
        everything.levels = dict.fromkeys(self.levels, "edit")
        return everything

    def writable(self, object_name: str, name: str, *, creating: bool = False) -> Field:
        """The field if our user may write it. Raises RefusalError with the reason that Salesforce gives."""
        known = self.readable(object_name, name)
        if known is None:
            raise no_such_column(name, object_name)
        allowed = known.createable if creating else known.updateable
        if not allowed or self.levels[object_name, known.name] != "edit":
            raise field_not_writable(known.name)
        return known

    def checkboxes(self, object_name: str) -> frozenset[str]:
        """The names of the object's own checkboxes (system flags such as IsDeleted are not among them)."""
        return self._checkboxes[object_name]

    def _recount(self) -> None:
        self._checkboxes = {
            object_name: frozenset(f.name for f in fields.values() if f.type == "boolean" and f.updateable)
            for object_name, fields in self.fields.items()
        }


def checked_level(text: object) -> Level:
    """One of the three levels. Raises RefusalError for anything else."""
    for level in LEVELS:
        if level == text:
            return level
    raise RefusalError("INVALID_FIELD", f"access must be one of {', '.join(LEVELS)}")
