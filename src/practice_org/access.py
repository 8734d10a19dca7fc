"""Field-level security: without it a field does not exist, for describe, queries and writes (salesforce.md 0.1).

Our user has what its profile gives (`own`) and what permission sets lend on top of it. In an edition without
field-level security the page layout decides instead (salesforce.md 5.8).
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field

from practice_org.catalog import LEVELS, Catalog, Level
from practice_org.errors import RefusalError, field_not_writable, no_such_column
from practice_org.schema import PEOPLE, PREFIXES, Field, package_field, standard_fields
from practice_org.set_up_schema import SET_UP_FIELDS

FieldLevels = dict[tuple[str, str], Level]
ObjectRights = dict[str, frozenset[str]]

RIGHTS: dict[Level, frozenset[str]] = {
    "absent": frozenset(),
    "read": frozenset({"Read"}),
    "edit": frozenset({"Create", "Read", "Edit", "Delete"}),
}
"""The rights to an object as ObjectPermissions names them; View and Modify All Records come on top of these."""
LEVELS_BY_RIGHTS: dict[tuple[bool, bool], Level] = {
    (False, False): "absent",
    (True, False): "read",
    (True, True): "edit",
}
"""A field's level by whether it may be read and edited."""


@dataclass
class Access(Catalog):
    """Which fields exist and what our one user may do with them."""

    package_fields: dict[str, str] = field(default_factory=dict)
    """The objects that hold people to the API name of the package's checkbox there."""
    person_accounts: bool = False
    """Whether the org has the feature; without it its fields do not exist."""
    own: FieldLevels = field(default_factory=dict)
    """What our user's profile gives; PermissionSets holds the very same dict, as it does `own_rights`."""
    own_rights: ObjectRights = field(default_factory=lambda: dict.fromkeys(PEOPLE, RIGHTS["edit"]))
    rights: ObjectRights = field(default_factory=dict)
    """All rights to the objects that hold people, lent ones too."""
    package_installed: bool = False
    unseen: frozenset[str] = frozenset()
    """Objects of the set-up that do not exist for our user, for want of a permission."""
    by_layout: FieldLevels | None = None
    """What page layouts leave of the fields of people, where they decide; None where field-level security does."""
    _lent: FieldLevels = field(default_factory=dict)
    _lent_rights: ObjectRights = field(default_factory=dict)
    _checkboxes: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        standard = {name: standard_fields(name, person_accounts=self.person_accounts) for name in PREFIXES}
        self.fields = standard | SET_UP_FIELDS
        for object_name, fields in self.fields.items():
            for known in fields.values():
                self.own[object_name, known.name] = "absent" if known.hidden else "edit"
        self._recount()
        self.settle()

    def install_package(self, *, installed: bool) -> None:
        """Adds the package's checkbox for our user, or removes it with its access."""
        self.package_installed = installed
        for object_name, name in self.package_fields.items():
            if installed:
                self.add_field(object_name, package_field(name), "edit")
            else:
                self.remove_field(object_name, name)

    def add_field(self, object_name: str, new: Field, level: Level) -> None:
        """A new field, with what our user's profile gives of it."""
        self.fields[object_name][new.name.lower()] = new
        self.own[object_name, new.name] = level
        self._recount()
        self.settle()

    def remove_field(self, object_name: str, name: str) -> None:
        """The field and every access to it are gone; nothing happens where it is not there."""
        self.fields[object_name].pop(name.lower(), None)
        for levels in (self.own, self.levels):
            levels.pop((object_name, name), None)
        self._recount()

    def grant(self, object_name: str, name: str, level: Level) -> None:
        """Sets the level in our user's profile. Raises KeyError for a field that the org does not have."""
        known = self.fields[object_name][name.lower()]
        self.own[object_name, known.name] = level
        self.settle()

    def grant_object(self, object_name: str, level: Level) -> None:
        """Sets the profile's right to Lead, Contact or Account. Raises RefusalError for another object."""
        if object_name not in PEOPLE:
            raise RefusalError("INVALID_TYPE", f"object must be one of {', '.join(PEOPLE)}")
        self.own_rights[object_name] = RIGHTS[level]
        self.settle()

    def lend(self, fields: FieldLevels, rights: ObjectRights) -> None:
        """What permission sets add to the profile from now on."""
        self._lent, self._lent_rights = fields, rights
        self.settle()

    def settle(self) -> None:
        """Works out what our user may do from what profile, permission sets and layouts say."""
        self.levels = {key: self._settled(key, level) for key, level in self.own.items()}
        self.rights = {name: self.own_rights[name] | self._lent_rights.get(name, frozenset()) for name in PEOPLE}
        self.objects = dict.fromkeys(self.fields, "edit")
        self.objects |= {name: _level_of(self.rights[name]) for name in PEOPLE}
        self.objects |= dict.fromkeys(self.unseen, "absent")

    def _settled(self, key: tuple[str, str], own: Level) -> Level:
        known = self.fields[key[0]][key[1].lower()]
        if self.by_layout is not None and known.permissionable and key[0] in ("Lead", "Contact"):
            return self.by_layout.get(key, "absent")
        return higher(own, self._lent.get(key, "absent"))

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


def higher(one: Level, other: Level) -> Level:
    """Whichever of the two allows more."""
    return max(one, other, key=LEVELS.index)


def _level_of(rights: frozenset[str]) -> Level:
    if "Edit" in rights:
        return "edit"
    return "read" if "Read" in rights else "absent"


def merged(*given: Mapping[tuple[str, str], Level]) -> FieldLevels:
    """What several permission sets lend together."""
    together: FieldLevels = {}
    for levels in given:
        for key, level in levels.items():
            together[key] = higher(level, together.get(key, "absent"))
    return together


def checked_level(text: object) -> Level:
    """One of the three levels. Raises RefusalError for anything else."""
    for level in LEVELS:
        if level == text:
            return level
    raise RefusalError("INVALID_FIELD", f"access must be one of {', '.join(LEVELS)}")
