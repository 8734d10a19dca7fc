"""What the practice org says when it refuses, in Salesforce's codes and words.

A refusal of a whole request uses `errorCode`, a refusal of one record among many uses `statusCode` (salesforce.md 0.7).
"""

from collections.abc import Mapping, Sequence


class RefusalError(Exception):
    """One refusal. `fields` None leaves the key out, as request-level errors do; `status` is of a single request.

    `details` are further keys of a request's error.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        fields: Sequence[str] | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = None if fields is None else list(fields)
        self.details = dict(details or {})
        self.others: list[RefusalError] = []

    def with_others(self, others: Sequence["RefusalError"]) -> "RefusalError":
        """The same refusal followed by others of the same record."""
        self.others = list(others)
        return self

    def as_request_error(self) -> list[dict[str, object]]:
        """The body of a refused request: always an array (salesforce.md 2.1)."""
        error: dict[str, object] = self.details | {"message": self.message, "errorCode": self.code}
        own = error if self.fields is None else error | {"fields": self.fields}
        return [own, *(item for other in self.others for item in other.as_request_error())]

    def as_record_errors(self) -> list[dict[str, object]]:
        """A record's `errors` (salesforce.md 2.4)."""
        own: dict[str, object] = {"statusCode": self.code, "message": self.message, "fields": self.fields or []}
        return [own, *(item for other in self.others for item in other.as_record_errors())]

    def as_bulk_error(self) -> str:
        """The `sf__Error` cell of a failed row: CODE:message:fields -- for each refusal (salesforce.md 3.2)."""
        fields = f"{','.join(self.fields)} --" if self.fields else "--"
        return f"{self.code}:{self.message}:{fields}" + "".join(other.as_bulk_error() for other in self.others)


class OAuthError(Exception):
    """A refused sign-in, one of the pairs of salesforce.md 1.4: an object, not REST's array."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description

    def as_body(self) -> dict[str, str]:
        """The body of a refused sign-in, and what a callback is told."""
        return {"error": self.error, "error_description": self.description}


def no_such_column(field: str, object_name: str) -> RefusalError:
    """A write names a field that is missing or hidden (salesforce.md 2.4)."""
    return RefusalError("INVALID_FIELD", f"No such column '{field}' on sobject of type {object_name}", fields=[])


def field_not_writable(field: str) -> RefusalError:
    """A write names a field that is visible but not editable (salesforce.md 5.5)."""
    text = (
        f"Unable to create/update fields: {field}. Please check the security settings of this field and verify that "
        "it is read/write for your profile or permission set."
    )
    return RefusalError("INVALID_FIELD_FOR_INSERT_UPDATE", text, fields=[field])


def entity_is_deleted() -> RefusalError:
    """The record is in the recycle bin, deleted or merged away (salesforce.md 2.3)."""
    return RefusalError("ENTITY_IS_DELETED", "entity is deleted", status=404, fields=[])


def converted_lead() -> RefusalError:
    """The Lead lives on as a Contact (salesforce.md 0.12)."""
    return RefusalError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", fields=[])


def malformed_id(text: str) -> RefusalError:
    """Not an id at all (salesforce.md 5.5)."""
    return RefusalError("MALFORMED_ID", f"malformed id {text}", fields=["Id"])


def id_of_other_type(label: str, text: str) -> RefusalError:
    """An id of another object (salesforce.md 5.5)."""
    return RefusalError("MALFORMED_ID", f"{label} ID: id value of incorrect type: {text}", fields=["Id"])


def invalid_cross_reference() -> RefusalError:
    """No such record here: hard-deleted, of another org, or invisible (salesforce.md 5.5)."""
    return RefusalError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", status=404, fields=[])


def not_found() -> RefusalError:
    """An unknown path, version or object (salesforce.md 2.3)."""
    return RefusalError("NOT_FOUND", "The requested resource does not exist", status=404)
