"""An error of one record among many."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.errors import RefusalError
from practice_org.faults.base import RecordFault
from practice_org.faults.options import option

KNOWN: dict[str, tuple[int, str]] = {
    "UNABLE_TO_LOCK_ROW": (400, "unable to obtain exclusive access to this record or 1 records"),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": (400, "Phone is required before a record can be saved."),
    "FIELD_FILTER_VALIDATION_EXCEPTION": (400, "Value does not exist or does not match filter criteria."),
    "FIELD_INTEGRITY_EXCEPTION": (400, "Company: value not valid for this record"),
    "REQUIRED_FIELD_MISSING": (400, "Required fields are missing: [LastName]"),
    "INSUFFICIENT_ACCESS_OR_READONLY": (400, "insufficient access rights on object id"),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": (400, "insufficient access rights on cross-reference id"),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": (400, "LeadTrigger: execution of BeforeUpdate caused by: System.Exception"),
    "CANNOT_UPDATE_CONVERTED_LEAD": (400, "cannot reference converted lead"),
    "ENTITY_IS_DELETED": (404, "entity is deleted"),
    "ENTITY_IS_LOCKED": (400, "the entity is locked for editing"),
    "INVALID_CROSS_REFERENCE_KEY": (404, "invalid cross reference id"),
    "DUPLICATES_DETECTED": (400, "Use one of these records?"),
    "DUPLICATE_VALUE": (400, "duplicate value found"),
    "TXN_SECURITY_METERING_ERROR": (400, "The transaction security policy timed out."),
    "UNKNOWN_EXCEPTION": (500, "UNKNOWN_EXCEPTION 1234567-89012 (-345678901)"),
}


@dataclass(kw_only=True)
class Reject(RecordFault):
    """Single records of a write are refused, as triggers, locks and rules of an org do; the others are written."""

    source: ClassVar[str] = "salesforce.md 2.4, 3.2, 5.5"
    client_must: ClassVar[str] = (
        "Read the result of each record; try a locked row again, follow a merged or converted one, put others aside "
        "with the reason for a person, and hold nothing else up for them."
    )

    code: str = option("UNABLE_TO_LOCK_ROW", "The record's statusCode.", known=tuple(KNOWN))
    message: str | None = option(None, "The text; null: the code's own.")
    fields: list[str] | None = option(None, "The fields that the error names.")

    def refusal(self) -> RefusalError:
        status, message = KNOWN.get(self.code, (400, self.code))
        return RefusalError(self.code, self.message or message, status=status, fields=self.fields or [])
