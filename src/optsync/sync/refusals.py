"""Marks that Salesforce refused."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from optsync.core.rejections import RetryClass, explain
from optsync.ledger.marks import ClaimedMark


@dataclass(frozen=True, slots=True)
class Refusal:
    """One mark that Salesforce refused, in its own words."""

    mark: ClaimedMark
    code: str | None
    message: str

    @property
    def reason(self) -> str:
        """As the mark keeps it: the code, then what Salesforce said."""
        return f"{self.code or 'UNKNOWN'}: {self.message}"

    @property
    def retry(self) -> RetryClass:
        """When it is tried again."""
        return explain(self.code, self.message).retry


def may_be_of_another(code: str | None, message: str) -> bool:
    """Whether another record of the same call may be the cause: an uncaught failure of Apex refuses all of them alike.

    Source: Apex Developer Guide, "Bulk DML Exception Handling": only errors that are set aside spare the others.
    """
    known = explain(code, message).code
    in_trigger = known == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" and "execution of" in message
    return in_trigger or known == "CANNOT_EXECUTE_FLOW_TRIGGER" or known.startswith("APEX")


def failed_together(refusals: Sequence[Refusal]) -> list[ClaimedMark]:
    """The marks of a call that were refused in the same words, though one of their records may be the only cause."""
    shared = Counter(one.reason for one in refusals if may_be_of_another(one.code, one.message))
    return [refusal.mark for refusal in refusals if shared[refusal.reason] > 1]
