"""What Salesforce's refusals mean, what to do next, and when a mark is tried again (requirement 13).

The table covers the 26 errors that Marketo Sales Connect documents for the same job, and the codes that updates of one
checkbox meet in practice. `docs/reference/rejections.md` is this table; a test keeps it current. An unknown code parks
the mark with Salesforce's own words untouched: nothing is ever dropped.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Literal


class RetryClass(Enum):
    """When a refused mark is tried again; the delays are in core/retry.py."""

    RETRY = "soon"
    """Passes by itself: backoff with jitter."""
    SLOW = "hourly"
    """Passes when somebody else has finished: an approval, a maintenance."""
    FOLLOW = "follow"
    """The record became another one or is gone: find its successor, then write there."""
    PARK = "park"
    """A person must act on this record; shown with its age, retried daily."""
    PAUSE = "pause"
    """A field or permission is missing for the whole object: its pushes pause, with one alert instead of thousands."""
    LIMIT = "limit"
    """The daily API limit is used up: pushes of the org wait until there is budget."""
    RECONNECT = "reconnect"
    """Salesforce refuses our sign-in: pushes of the org wait until somebody reconnects."""


Act = Literal["", "retry", "doctor", "reconnect"]
"""What is to be done here once Salesforce is put right: a button on a page, a command in a terminal."""

COMMANDS: Final[dict[Act, str]] = {
    "retry": "Then: optsync retry",
    "doctor": "Run: optsync doctor",
    "reconnect": "Run: optsync connect --credentials FILE",
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refusal in plain words. `code` is Salesforce's; `title` is a heading, `means` and `next` are sentences.

    `setup` is the page of Salesforce Setup where it is put right, below /lightning/setup/ and with {} for the object;
    "" where no single page is known. They are of one shape with the doctor's (connection/checks.py).
    """

    code: str
    title: str
    means: str
    next: str
    retry: RetryClass
    act: Act = ""
    setup: str = ""

    @property
    def advice(self) -> str:
        """What to do next, for who reads it beside a command line instead of a button."""
        return f"{self.next} {COMMANDS[self.act]}" if self.act else self.next


UNKNOWN_CODE: Final = "UNKNOWN"
"""Stands where Salesforce gave no code at all."""

_BLOCKED = "These people are already blocked here, but Salesforce still shows them as mailable."
_WAITS = "Nobody needs to act: optsync tries again by itself."
_RECONNECT = "Sign in again. Everything owed is sent afterwards."
_DOCTOR = "The doctor names the missing permission; the pause ends by itself once it is granted."
_RULES, _PERMISSIONS, _FIELDS = (
    "ObjectManager/{}/ValidationRules/view",
    "PermSets/home",
    "ObjectManager/{}/FieldsAndRelationships/view",
)
_DUPLICATES, _TRIGGERS, _FLOWS, _CLASSES = "DuplicateRules/home", "ApexTriggers/home", "Flows/home", "ApexClasses/home"


def _soon(code: str, title: str, means: str, next_step: str = _WAITS, setup: str = "") -> Rejection:
    return Rejection(code, title, means, next_step, RetryClass.RETRY, setup=setup)


def _slow(code: str, title: str, means: str, next_step: str) -> Rejection:
    return Rejection(code, title, means, next_step, RetryClass.SLOW)


def _follow(code: str, title: str, means: str, next_step: str) -> Rejection:
    return Rejection(code, title, means, next_step, RetryClass.FOLLOW)


def _park(code: str, title: str, why: str, next_step: str, setup: str = "") -> Rejection:
    return Rejection(code, title, f"{why} {_BLOCKED}", next_step, RetryClass.PARK, "retry", setup)


def _pause(code: str, title: str, why: str, next_step: str = _DOCTOR) -> Rejection:
    means = f"{why} Pushes to this object wait; nothing is lost."
    return Rejection(code, title, means, next_step, RetryClass.PAUSE, "doctor" if next_step == _DOCTOR else "retry")


def _limit(code: str, title: str, means: str, next_step: str) -> Rejection:
    return Rejection(code, title, means, next_step, RetryClass.LIMIT)


def _reconnect(code: str, title: str, why: str, next_step: str = _RECONNECT) -> Rejection:
    means = f"{why} Nothing reaches Salesforce meanwhile; everything waits here."
    return Rejection(code, title, means, next_step, RetryClass.RECONNECT, "reconnect")


_ALL: Final = (
    # Passes by itself
    _soon("UNABLE_TO_LOCK_ROW", "Someone was editing this record",
          "Another change held the record or its Account at that moment."),
    _soon("DUPLICATES_DETECTED", "A duplicate rule stopped the update",
          "Salesforce found a similar record. optsync sends the update again and asks to save anyway.",
          "If it stays, the rule blocks instead of warning: exempt the integration user from it.", setup=_DUPLICATES),
    _soon("QUERY_TIMEOUT", "A question to Salesforce ran too long", "The org was slow at that moment."),
    _soon("SERVER_UNAVAILABLE", "Salesforce did not answer", "Salesforce or the way to it was too busy or away."),
    _soon("FAILED_WRITE", "The connection broke off",
          "Salesforce closed the connection before it answered; the box is read before it is written again."),
    _soon("UNKNOWN_EXCEPTION", "Salesforce failed inside",
          "Salesforce had an error of its own and named it by a number only.",
          "If it stays for a day, open a case with Salesforce and quote the number in its message."),
    _soon("INTERNAL_SERVER_ERROR", "Salesforce failed inside", "Salesforce had an error of its own.",
          "If it stays for a day, open a case with Salesforce and quote its message."),
    _soon("TXN_SECURITY_METERING_ERROR", "A security policy took too long",
          "A transaction security policy of the org timed out on our request.",
          "If it stays, exempt the integration user from that policy."),
    _soon("INVALID_QUERY_LOCATOR", "Salesforce forgot where we were reading", "A long read is begun again."),
    _soon("PROCESSING_HALTED", "Stopped because a neighbour failed", "Another record of the same request was refused."),
    _soon("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Undone because a neighbour failed",
          "Another record of the same request was refused."),
    # Passes when somebody else has finished
    _slow("ENTITY_IS_LOCKED", "Locked by an approval",
          "The record waits for an approval and cannot be edited until then. The person is already blocked here.",
          "The approver decides; optsync tries again every hour."),
    _slow("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "Salesforce is in maintenance",
          "The org can be read but not written for a while.", "Nobody needs to act: optsync tries again every hour."),
    # The record became another one
    _follow("CANNOT_UPDATE_CONVERTED_LEAD", "This Lead was converted",
            "The person is a Contact now; the opt-out belongs there.",
            "Nobody needs to act: optsync follows ConvertedContactId and sets the box of the Contact."),
    _follow("ENTITY_IS_DELETED", "The record was deleted or merged",
            "The opt-out belongs to the record that survived, if there is one. The person stays blocked here.",
            "Nobody needs to act: optsync follows MasterRecordId, else looks the address up again."),
    _follow("INVALID_CROSS_REFERENCE_KEY", "No such record for us",
            "The record was deleted for good, is hidden from us or is of another org. The person stays blocked here.",
            "Nobody needs to act: optsync looks for it daily. If it stays, let the integration user see it, or check "
            "that the id is of this org."),
    # A person must act on this record
    _park("FIELD_CUSTOM_VALIDATION_EXCEPTION", "A validation rule blocks the update",
          "A rule of your org refuses any change of this record.",
          "Exempt the integration user from the rule, or fill in the field it names.", setup=_RULES),
    _park("FIELD_FILTER_VALIDATION_EXCEPTION", "A lookup filter refuses this record",
          "A value that is already in the record does not pass a filter, which Salesforce checks on every change.",
          "Correct the field that Salesforce names.", setup=_FIELDS),
    _park("FIELD_INTEGRITY_EXCEPTION", "Another field of this record is invalid",
          "A value that is already in the record is not allowed any more, which Salesforce checks on every change.",
          "Correct the field that Salesforce names."),
    _park("REQUIRED_FIELD_MISSING", "A required field of this record is empty",
          "Salesforce checks required fields on every change, even of another field.",
          "Fill in the field that Salesforce names.", setup=_FIELDS),
    _park("STRING_TOO_LONG", "Another field of this record is too long",
          "A trigger or flow writes more into a field than it can hold.",
          "Shorten the field that Salesforce names."),
    _park("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "An Apex trigger failed",
          "A trigger of your org stopped the update, or the integration user may not edit this object.",
          "Show Salesforce's words below to whoever looks after the trigger.", setup=_TRIGGERS),
    _park("CANNOT_EXECUTE_FLOW_TRIGGER", "A flow failed",
          "A record-triggered flow of your org stopped the update.",
          "Show Salesforce's words below to whoever looks after the flow.", setup=_FLOWS),
    _park("APEX_ERROR", "Apex code failed", "Code of your org stopped the update.",
          "Show Salesforce's words below to whoever looks after the code.", setup=_CLASSES),
    _park("INSUFFICIENT_ACCESS_OR_READONLY", "We may not edit this record",
          "Sharing rules hide the record from the integration user or make it read-only.",
          "Give the integration user edit access, for example by View All and Modify All on Lead and Contact.",
          setup=_PERMISSIONS),
    _park("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "We may not see a related record",
          "The integration user has no access to a record that this one refers to, such as its Account or owner.",
          "Give the integration user access to the related record.", setup=_PERMISSIONS),
    _park("TXN_SECURITY_NO_ACCESS", "A security policy refuses the update",
          "A transaction security policy of your org does not allow it.",
          "Ask your Salesforce administrator to exempt the integration user."),
    _park("DUPLICATE_VALUE", "A unique field has this value already",
          "A trigger or flow writes a value that another record has.",
          "Correct the field that Salesforce names."),
    _park("MALFORMED_ID", "The id is not one of this object",
          "The stored id does not name a record that Salesforce knows.",
          "Check the file the id came from, and import the right one."),
    _park("MISSING_ARGUMENT", "The id was missing", "A request went out without the id of its record.",
          "This is our mistake: please report it."),
    # Missing for a whole object
    _pause("INVALID_FIELD", "The opt-out field does not exist for us",
           "It is not in this org, or field-level security hides it from the integration user."),
    _pause("INVALID_FIELD_FOR_INSERT_UPDATE", "The opt-out field is read-only for us",
           "Field-level security lets the integration user read the field but not edit it."),
    _pause("INVALID_TYPE", "The object does not exist for us", "The integration user may not read Lead or Contact."),
    _pause("NOT_FOUND", "The object does not exist for us",
           "Salesforce knows no such address: the API version or the access to the object is missing."),
    _pause("UNSUPPORTED_API_VERSION", "This version of the API is retired",
           "Salesforce does not speak the version of its API any more that this optsync uses.",
           "Install a newer optsync; what is owed is sent afterwards."),
    _pause("API_CURRENTLY_DISABLED", "The API is switched off for our user",
           "The integration user lacks the permission API Enabled, or the edition of this org has no API.",
           "Give the integration user API Enabled; the editions with an API are Enterprise, Unlimited, Developer and "
           "Professional with the API add-on."),
    _pause("API_DISABLED_FOR_ORG", "This org has no API", "The edition of this org does not include the API.",
           "Ask Salesforce for API access: Enterprise, Unlimited and Developer have it, Professional has an add-on."),
    # No budget
    _limit("REQUEST_LIMIT_EXCEEDED", "Salesforce's daily API limit is used up",
           "All programs of this org together have used its API calls of the last 24 hours.",
           "Nobody needs to act: pushes go on once calls are free. If it happens often, find the heavy user in Setup."),
    _limit("LIMIT_EXCEEDED", "A Salesforce quota is used up",
           "The org's quota for bulk jobs of the last 24 hours is used up.",
           "Nobody needs to act: it is tried again as soon as there is budget."),
    # Sign-in
    _reconnect("INVALID_SESSION_ID", "Sign-in expired",
               "Salesforce does not accept our session, and a fresh one neither."),
    _reconnect("INVALID_GRANT", "Sign-in refused", "Salesforce does not accept our credential from here.",
               "If Salesforce says ip restricted, allow our address for the integration user. Else reconnect."),
    _reconnect("AUTHENTICATION_FAILURE", "Sign-in refused", "Salesforce does not accept our credential."),
    _reconnect("EXPIRED_ACCESS", "The permission to sign in has expired",
               "Salesforce has ended the access we were given."),
    _reconnect("INACTIVE_USER", "The integration user is switched off",
               "Somebody deactivated the user that optsync signs in as.",
               "Activate that user in Setup, or reconnect with another."),
    _reconnect("INACTIVE_ORGANIZATION", "The org is switched off",
               "Salesforce says that this organization is not active.",
               "Ask Salesforce about the org, or connect another."),
    _reconnect("INVALID_CLIENT_ID", "Salesforce does not know our app",
               "The consumer key is of another org or was removed."),
)  # fmt: skip

REJECTIONS: Final[dict[str, Rejection]] = {rejection.code: rejection for rejection in _ALL}
"""Every code we can explain, by Salesforce's name for it, in the order in which the reference page shows them."""

_SAME_AS: Final = {
    "INVALID_CLIENT": "INVALID_CLIENT_ID",
    "GONE": "UNSUPPORTED_API_VERSION",
    "INVALID_ID_FIELD": "MALFORMED_ID",
    "TIMEOUT": "SERVER_UNAVAILABLE",
    "SERVICE_UNAVAILABLE": "SERVER_UNAVAILABLE",
    "EXCEEDED_ID_LIMIT": "LIMIT_EXCEEDED",
}

_GRANTS: Final = {
    "expired access": "EXPIRED_ACCESS",
    "inactive user": "INACTIVE_USER",
    "inactive organization": "INACTIVE_ORGANIZATION",
    "authentication failure": "AUTHENTICATION_FAILURE",
}
"""OAuth answers `invalid_grant` to almost everything and tells the difference in its description only."""


def explain(code: str | None, message: str | None) -> Rejection:
    """What one refusal means. Unknown codes park the mark, with Salesforce's own text untouched in `means`.

    `code` is a REST `statusCode` or `errorCode`, or an OAuth `error`, in any case; `message` is what stood beside it.
    """
    name = (code or "").strip().upper()
    text = message or ""
    name = _SAME_AS.get(name, name)
    if name == "INVALID_GRANT":
        name = next((known for words, known in _GRANTS.items() if words in text.lower()), name)
    known = REJECTIONS.get(name)
    if known is None:
        return _explain_unknown(name, text)
    if name == "REQUEST_LIMIT_EXCEEDED" and "concurrent" in text.lower():
        return _CONCURRENT
    if name == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" and "INVALID_SESSION_ID" in text:
        return REJECTIONS["INVALID_SESSION_ID"]  # seen in the field: the code of the trigger around that of the session
    return known


_CONCURRENT: Final = replace(
    REJECTIONS["REQUEST_LIMIT_EXCEEDED"],
    title="Salesforce is working on too many of our requests",
    means="Too many long requests run in this org at once.",
    next=_WAITS,
    retry=RetryClass.RETRY,
)


def _explain_unknown(name: str, message: str) -> Rejection:
    if name.startswith("APEX"):
        return replace(REJECTIONS["APEX_ERROR"], code=name)
    title = "Salesforce refused the update"
    means = message or "Salesforce gave no reason."
    return Rejection(
        name or UNKNOWN_CODE,
        title,
        means,
        "Show Salesforce's words to your administrator.",
        RetryClass.PARK,
        "retry",
    )
