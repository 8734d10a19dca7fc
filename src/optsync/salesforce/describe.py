"""Which fields an object has, as this user sees it: no field-level security means that the field is not there at all.

Source: REST API Developer Guide, "sObject Describe"; Salesforce Help, "Field-Level Security".
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from optsync.salesforce.errors import ApiRefused, OddAnswer
from optsync.salesforce.session import Session

IS_PERSON: Final = "IsPersonAccount"
ASKED_SECONDS: Final = 24 * 3600.0

_OBJECT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `updateable` is False for read-only field-level security and for computed fields."""

    name: str
    label: str
    type: str
    updateable: bool
    custom: bool


@dataclass(frozen=True, slots=True)
class ObjectDescription:
    """One object and its visible fields by API name. `updateable` is the user's right to edit records of it."""

    name: str
    label: str
    updateable: bool
    fields: dict[str, Field]


def has_person_accounts(session: Session) -> bool:
    """Whether the org has Person Accounts, and so Contact the field IsPersonAccount. Asked once a day for a session.

    Source: Object Reference, "Contact": the field exists only where the feature is on. An org cannot turn it off.
    """
    now = session.seams.monotonic()
    if session.person_accounts is None or now - session.person_accounts[0] > ASKED_SECONDS:
        try:
            note_person_accounts(session, object_fields(session, "Contact"))
        except ApiRefused as error:
            if not is_hidden(error):
                raise
            note_person_accounts(session, None)
    assert session.person_accounts is not None  # noted a line above
    return session.person_accounts[1]


def note_person_accounts(session: Session, contact: ObjectDescription | None) -> None:
    """Remembers for the session what the description of Contact says; None = Contact is hidden from us."""
    session.person_accounts = (session.seams.monotonic(), contact is not None and IS_PERSON in contact.fields)


def is_hidden(error: ApiRefused) -> bool:
    """Whether an object was refused because the user may not read it: then it does not exist for the user."""
    return error.status == 404 or error.code in ("NOT_FOUND", "INVALID_TYPE")


def object_fields(session: Session, name: str) -> ObjectDescription:
    """The object's description for this user. Raises ApiRefused NOT_FOUND when the user may not read the object."""
    if not _OBJECT.fullmatch(name):
        raise ValueError("this is not the name of an object")
    answer = session.request("GET", f"sobjects/{name}/describe").json_object()
    try:
        fields = [_field(item) for item in answer["fields"]]
        return ObjectDescription(
            str(answer["name"]),
            str(answer["label"]),
            answer.get("updateable") is True,
            {field.name: field for field in fields},
        )
    except (KeyError, TypeError) as error:
        raise OddAnswer("a description without name, label or fields") from error


def _field(item: dict[str, Any]) -> Field:
    return Field(
        str(item["name"]),
        str(item["label"]),
        str(item["type"]),
        item["updateable"] is True,
        item["custom"] is True,
    )
