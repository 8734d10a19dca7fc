"""What an org's own rules say to a write: validation rules, Apex triggers, duplicate rules (salesforce.md 5.7).

A rule's condition is a WHERE clause of SOQL about the record as it would be after the write, and sees every field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar, TypeVar

from practice_org import soql
from practice_org.access import Access
from practice_org.behaviour import Behaviour
from practice_org.errors import RefusalError
from practice_org.records import Change, Table
from practice_org.rendering import attributes
from practice_org.schema import PEOPLE, Value
from practice_org.selection import Tester, Valued

AnyRule = TypeVar("AnyRule", bound="Rule")

DUPLICATES_TEXT = "Use one of these records?"
_TRIGGER_TEXT = "System.NullPointerException: Attempt to de-reference a null object"


@dataclass(frozen=True)
class Draft:
    """A record as it would be after a write; `number` is None for a new one."""

    table: Table
    number: int | None
    changes: Change

    def value(self, _: int, name: str) -> Value:
        """The value of a field, as a condition asks for it."""
        if name in self.changes:
            return self.changes[name]
        if self.number is None:
            return False if name in self.table.checkboxes() else None
        return self.table.value(self.number, name)


class Nobody:
    """A record without values, to try a condition on."""

    def value(self, _: int, name: str) -> Value:
        """None, whatever is asked."""


@dataclass(frozen=True)
class Saving:
    """What a request says about how its records are saved."""

    version: str = "62.0"
    allow_duplicates: bool = False
    """Sforce-Duplicate-Rule-Header: allowSave=true."""


@dataclass(kw_only=True)
class Rule:
    """A rule of one object; an empty condition holds for every record."""

    kind: ClassVar[str]

    object: str
    when: str = ""
    active: bool = True

    def check(self, access: Access, today: date) -> None:
        """Raises RefusalError when the rule's fields make no sense."""
        if self.object not in PEOPLE:
            raise RefusalError("INVALID_TYPE", f"object must be one of {', '.join(PEOPLE)}")
        self._test(access, today, Nobody())

    def holds(self, draft: Draft, access: Access, today: date) -> bool:
        """Whether the condition is true for the record."""
        return self.active and draft.table.name == self.object and self._test(access, today, draft)

    def _test(self, access: Access, today: date, record: Valued) -> bool:
        if not self.when:
            return True
        query = soql.parse(f"SELECT Id FROM {self.object} WHERE {self.when}", today)
        return query.where is None or Tester(query, record, access).test(query.where)(0)


@dataclass(kw_only=True)
class Validation(Rule):
    """Refuses a record for which the condition is true, with the message at `field`, or at the top of the page."""

    kind: ClassVar[str] = "validation"
    message: str = "This record cannot be saved."
    field: str = ""
    name: str = "Practice_Rule"

    def refusal(self) -> RefusalError:
        """What the writer is told."""
        fields = [self.field] if self.field else []
        return RefusalError("FIELD_CUSTOM_VALIDATION_EXCEPTION", self.message, fields=fields)


@dataclass(kw_only=True)
class Trigger(Rule):
    """Code that fails, uncaught, as soon as it meets a record for which the condition is true."""

    kind: ClassVar[str] = "trigger"
    message: str = _TRIGGER_TEXT

    def refusal(self) -> RefusalError:
        """What the writer is told, of this record and of all that went through the trigger with it."""
        name = f"{self.object}Trigger"
        text = f"{name}: execution of BeforeUpdate\n\ncaused by: {self.message}\n\nTrigger.{name}: line 3, column 1"
        return RefusalError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", text, fields=[])


@dataclass(kw_only=True)
class Duplicates(Rule):
    """Refuses a record whose address another one has. One that only alerts lets pass who asks to save anyway."""

    kind: ClassVar[str] = "duplicate"
    blocks: bool = False

    def matches(self, draft: Draft) -> list[int]:
        """The live records of the object with the same address."""
        address, table = draft.value(0, "Email"), draft.table
        found = table.find(str(address)) if address else []
        return [number for number in found if number != draft.number and number not in table.deleted]

    def refusal(self, draft: Draft, matches: list[int], version: str, key: str) -> RefusalError:
        """What the writer is told; a single request's error shows the records found under `key`."""
        records = [_match(draft.table, number, version) for number in matches]
        result = {
            "allowSave": not self.blocks,
            "duplicateRule": f"Standard_{self.object}_Duplicate_Rule",
            "duplicateRuleEntityType": self.object,
            "errorMessage": DUPLICATES_TEXT,
            "matchResults": [
                {
                    "entityType": self.object,
                    "errors": [],
                    "matchEngine": "ExactMatchEngine",
                    "matchRecords": records,
                    "rule": f"Standard_{self.object}_Match_Rule_v1_0",
                    "size": len(records),
                    "success": True,
                }
            ],
        }
        return RefusalError("DUPLICATES_DETECTED", DUPLICATES_TEXT, details={key: result})


def _match(table: Table, number: int, version: str) -> dict[str, object]:
    record_id = table.id_of(number)
    record = {"attributes": attributes(table.name, record_id, version), "Id": record_id}
    return {"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record}


KINDS: dict[str, type[Rule]] = {kind.kind: kind for kind in (Validation, Trigger, Duplicates)}


def make_rule(values: Mapping[str, object]) -> Rule:
    """A rule from the control API's JSON: `kind` and that kind's fields. Raises ValueError or TypeError."""
    kind = KINDS.get(str(values.get("kind")))
    if kind is None:
        raise ValueError(f"kind must be one of {', '.join(sorted(KINDS))}")
    return kind(**{name: value for name, value in values.items() if name != "kind"})  # type: ignore[arg-type]  # JSON


@dataclass
class Rules:
    """The org's rules, in the order in which they came."""

    ordered: list[Rule] = field(default_factory=list)

    def add(self, rule: Rule, access: Access, today: date) -> None:
        """Takes a rule in. Raises RefusalError when it makes no sense."""
        rule.check(access.unrestricted(), today)
        self.ordered.append(rule)

    def has_triggers(self) -> bool:
        """Whether any trigger may fail."""
        return any(isinstance(rule, Trigger) for rule in self.ordered)

    def check(self, draft: Draft, access: Access, today: date, behaviour: Behaviour, saving: Saving) -> None:
        """Raises RefusalError: of the first trigger that fails, of all validations at once, of a duplicate rule.

        That is Salesforce's order of execution.
        """
        if not self.ordered:
            return
        everything = access.unrestricted()
        for trigger in self._holding(Trigger, draft, everything, today):
            raise trigger.refusal()
        refusals = [rule.refusal() for rule in self._holding(Validation, draft, everything, today)]
        if refusals:
            raise refusals[0].with_others(refusals[1:])
        if not behaviour.duplicate_rules_run_on_any_edit and "Email" not in draft.changes:
            return
        for rule in self._holding(Duplicates, draft, everything, today):
            matches = rule.matches(draft)
            if matches and (rule.blocks or not saving.allow_duplicates):
                raise rule.refusal(draft, matches, saving.version, behaviour.duplicate_result_key)

    def failing_trigger(self, draft: Draft, access: Access, today: date) -> RefusalError | None:
        """What the first trigger that fails on this record says; None when none does."""
        failing = self._holding(Trigger, draft, access.unrestricted(), today)
        return failing[0].refusal() if failing else None

    def _holding(self, kind: type[AnyRule], draft: Draft, access: Access, today: date) -> list[AnyRule]:
        return [rule for rule in self.ordered if isinstance(rule, kind) and rule.holds(draft, access, today)]
