"""Objects and fields as one user may see them; what is absent does not exist for it (salesforce.md 0.1)."""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from practice_org.schema import PEOPLE, Field

Level = Literal["absent", "read", "edit"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass
class Catalog:
    """The objects of an interface, and what our one user may do with them and their fields."""

    fields: dict[str, dict[str, Field]] = field(default_factory=dict)
    """Object to lower-case field name to every field that exists, visible or not."""
    levels: dict[tuple[str, str], Level] = field(default_factory=dict)
    """What our user may do with each field, by object and name."""
    objects: dict[str, Level] = field(default_factory=dict)
    """What our user may do with each object; an absent one does not exist for it."""

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
        """The object behind a relationship such as Owner; None where there is none or it cannot be followed here.

        From people only users can be reached; objects of the set-up follow every lookup, several steps far.
        """
        lookup = self.readable(object_name, f"{relationship}Id")
        if lookup is None or len(lookup.reference_to) != 1:
            return None
        target = lookup.reference_to[0]
        followed = target == "User" or object_name not in PEOPLE
        return target if followed and self.objects.get(target, "absent") != "absent" else None

    def _of_parent(self, object_name: str, relationship: str, name: str) -> Field | None:
        parent = self.parent(object_name, relationship)
        known = None if parent is None else self.readable(parent, name)
        lookup = self.readable(object_name, f"{relationship}Id")
        if known is None or lookup is None:
            return None
        return replace(known, name=f"{lookup.name.removesuffix('Id')}.{known.name}")
