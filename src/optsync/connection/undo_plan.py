"""What can be taken back of an installation: what we added and nobody has changed since. Pure, as install_plan is.

A field is taken away only while no record carries it: with the field its ticks would be lost, and with them whom
Salesforce's own tools may not mail.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

from optsync.connection.install_plan import SET_NAME, Found, Step
from optsync.connection.page_layouts import fingerprint, place_of
from optsync.core.targets import account_name
from optsync.core.told import Told, told

ORDER: Final = ("layout", "field", "grant", "assignment", "set")
"""A field goes while our user may still see who carries it; a set goes last."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A step that was done, by whom and when; `made_id` is the id of what it made, "" for a layout."""

    step: Step
    made_id: str
    begun_at: datetime
    begun_by: str | None


@dataclass(frozen=True, slots=True)
class Use:
    """How the checkbox that we made is used: records that carry it, by object (None: nobody could look), and whether
    optsync itself writes or reads it.
    """

    carriers: Mapping[str, int | None]
    by_us: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that stays, and why."""

    step: Step
    why: Told


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What is taken back, in this order; what stays; and the parts that are not there any more."""

    steps: tuple[Step, ...]
    kept: tuple[Kept, ...]
    gone: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The same as long as the same would be taken back from the same state."""
        return fingerprint([asdict(step) for step in self.steps])


def plan_undo(found: Found, remembered: Iterable[Remembered], use: Use) -> UndoPlan:
    """What of these steps can be taken back now. A step's `target` is the id of what goes, `before` as in a Plan."""
    undo = _Undo(found, use)
    for one in sorted(remembered, key=lambda one: ORDER.index(one.step.kind)):
        undo.consider(one)
    return UndoPlan(tuple(undo.steps), tuple(undo.kept), tuple(undo.gone))


class _Undo:
    """The plan in the making: what was decided for the steps before counts for those after."""

    def __init__(self, found: Found, use: Use) -> None:
        self.found, self.use = found, use
        self.steps: list[Step] = []
        self.kept: list[Kept] = []
        self.gone: list[str] = []

    def consider(self, one: Remembered) -> None:
        """Puts the step among those that go, stay, or have gone."""
        decide = {
            "layout": self._layout,
            "field": self._field,
            "grant": self._grant,
            "assignment": self._assignment,
            "set": self._set,
        }[one.step.kind]
        outcome = decide(one)
        if outcome is None:
            self.gone.append(one.step.part)
        elif isinstance(outcome, Step):
            self.steps.append(outcome)
        else:
            self.kept.append(Kept(one.step, outcome))

    def _layout(self, one: Remembered) -> Step | Told | None:
        layout = next((known for known in self.found.layouts if known.id == one.step.target), None)
        place = place_of(layout.metadata, one.step.field) if layout else None
        if layout is None or place is None:
            return None
        ours = one.step.place
        if ours is None or (place.section, place.behavior) != (ours.section, ours.behavior):
            return told("somebody has moved or changed the field on this layout since")
        return replace(one.step, before=fingerprint(layout.metadata), place=place)

    def _field(self, one: Remembered) -> Step | Told | None:
        object_name = one.step.object_name
        field_id, carriers = self.found.own_fields.get(object_name), self.use.carriers.get(object_name)
        if field_id is None:
            return None
        if one.made_id not in ("", field_id):
            return told("somebody has made a field of this name anew")
        if self.use.by_us:
            return told("optsync itself uses this field: choose another one in Settings > Unsubscribes > Integrations")
        if carriers is None:
            return told("nobody could look whether records carry a tick in it")
        if carriers:
            return told(
                "records of %(object)s that carry a tick in it, in the recycle bin too: %(count)s; "
                "the ticks would be lost",
                count=f"{carriers:,}",
                object=object_name,
            )
        others = self._other_layouts(one.step)
        if others:
            return told("somebody has put it on the page layout %(name)s, too", name=others[0])
        return replace(one.step, target=field_id)

    def _other_layouts(self, field: Step) -> list[str]:
        """Layouts that show the field and keep it."""
        freed = {step.target for step in self.steps if step.kind == "layout" and step.field == field.field}
        of_object = [one for one in self.found.layouts if one.object_name == field.object_name and one.id not in freed]
        return [one.name for one in of_object if place_of(one.metadata, field.field) is not None]

    def _grant(self, one: Remembered) -> Step | Told | None:
        known, step = self.found.permission_set, one.step
        given = known.grants.get((step.object_name, step.field)) if known else None
        if given is None or (step.object_name, step.field) in self._fields_that_go():
            return None
        if not given.edit:
            return told("somebody has changed it since")
        return replace(step, target=given.id, before="read" if step.target else "")

    def _assignment(self, one: Remembered) -> Step | Told | None:
        known = self.found.permission_set
        assigned = known.assignments.get(one.step.name) if known else None
        if assigned is None:
            return None
        if self._foreign_grants():
            return told("the permission set holds more than optsync has put into it")
        return replace(one.step, target=assigned)

    def _set(self, one: Remembered) -> Step | Told | None:
        known = self.found.permission_set
        if known is None:
            return None
        if one.made_id not in ("", known.id):
            return told("somebody has made a permission set %(set)s anew", set=SET_NAME)
        if self._foreign_grants():
            return told("the permission set holds more than optsync has put into it")
        ours = {step.target for step in self.steps if step.kind == "assignment"}
        if set(known.assignments.values()) - ours:
            return told("it is given to other users, too")
        return replace(one.step, target=known.id)

    def _fields_that_go(self) -> set[tuple[str, str]]:
        """The fields that are taken away, and what a Person Account has of them: every grant on them goes, too."""
        going = {(step.object_name, step.field) for step in self.steps if step.kind == "field"}
        return going | {("Account", account_name(field)) for name, field in going if name == "Contact"}

    def _foreign_grants(self) -> bool:
        """Whether the set will still hold a grant after what goes has gone."""
        known, fields = self.found.permission_set, self._fields_that_go()
        taken = {s.target for s in self.steps if s.kind == "grant" and not s.before}
        return known is not None and any(key not in fields and one.id not in taken for key, one in known.grants.items())
