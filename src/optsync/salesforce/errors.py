"""Everything that can go wrong between us and Salesforce, as one tree.

SalesforceError                    code, message, means, next_step
├── BadCredential                  the credentials file cannot be used; nothing was sent
├── HostRefused                    an address we will not talk to; nothing was sent to it
├── NoClient                       what speaks that protocol is not installed; nothing was sent
├── Unreachable                    network, DNS, TLS or time-out; maybe_applied
├── BadCallback                    what a browser brought back is not the answer to our question; nothing was sent
├── SignInRefused                  the token endpoint said no; error, description
├── SessionRefused                 401 that one renewal did not cure
├── ApiRefused                     Salesforce said no in its own words; status, code, message, fields
│   ├── LimitExceeded              a daily or other exhausted allowance: later, not soon
│   └── Busy                       too much at once, maintenance or a broken edge: soon; retry_after_seconds
├── CallsReserved                  what is left of the allowance is for opt-outs and others; nothing was sent
├── JobFailed                      a Bulk job ended without its result; job_id, state
└── OddAnswer                      HTML, malformed, short, wrong header or count: the answer cannot be trusted

What a code of a single record means (parked, retried, re-resolved) is not decided here but in `optsync.core`.
"""

# ruff: noqa: N818  the names say what happened; "Error" behind each would say nothing more

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from optsync.core.addresses import without_addresses
from optsync.core.told import told

MAX_CODE_CHARS = 80
MAX_MESSAGE_CHARS = 500
"""Salesforce's texts are foreign: they are cut to this length and lose their e-mail addresses before they are shown."""


class Code(StrEnum):
    """Salesforce's error codes that the client itself acts upon.

    Sources: REST API Developer Guide, "Status Codes and Error Responses"; SOAP API Developer Guide, "ExceptionCode";
    Bulk API 2.0 Developer Guide. `URI_TOO_LONG` is ours: Salesforce answers 414 and 431 without a code. `GONE` comes
    with 410, of a retired version (restforce/restforce#941).
    """

    INVALID_SESSION_ID = "INVALID_SESSION_ID"
    REQUEST_LIMIT_EXCEEDED = "REQUEST_LIMIT_EXCEEDED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    SERVER_UNAVAILABLE = "SERVER_UNAVAILABLE"
    UNKNOWN_EXCEPTION = "UNKNOWN_EXCEPTION"
    MAINTENANCE = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
    TXN_SECURITY_METERING_ERROR = "TXN_SECURITY_METERING_ERROR"
    INVALID_QUERY_LOCATOR = "INVALID_QUERY_LOCATOR"
    URI_TOO_LONG = "URI_TOO_LONG"
    GONE = "GONE"


BUSY_STATUSES = frozenset({406, 420, 429, 500, 502, 503, 504})
"""Answers of an overloaded or broken edge, often as HTML or empty (the retry set of jsforce; 406 from Airbyte)."""

_BUSY_CODES = frozenset(
    {Code.SERVER_UNAVAILABLE, Code.UNKNOWN_EXCEPTION, Code.MAINTENANCE, Code.TXN_SECURITY_METERING_ERROR}
)


class SalesforceError(Exception):
    """Something between us and Salesforce failed; `means` and `next_step` are for people ("" = left to the caller)."""

    MEANS = ""
    NEXT_STEP = ""

    def __init__(self, message: str, *, code: str | None = None, means: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.means = means or self.MEANS
        self.next_step = next_step or self.NEXT_STEP


class BadCredential(SalesforceError):
    """The credentials file cannot be used as it is; nothing was sent."""


class HostRefused(SalesforceError):
    """The address is not one of Salesforce's (or, for a practice org, not of this machine); nothing was sent to it."""


class NoClient(SalesforceError):
    """The library that speaks a protocol, an extra, is not installed; nothing was sent."""


class BadCallback(SalesforceError):
    """What a browser brought to our callback does not belong to the attempt it should finish; nothing was sent."""

    MEANS = told("somebody else's sign-in must not become ours, so nothing was sent and nothing was stored")
    NEXT_STEP = told("begin the sign-in again")

    def __init__(self, reason: str) -> None:
        super().__init__(told("the answer from the sign-in page cannot be used: %(reason)s", reason=reason))


class Unreachable(SalesforceError):
    """No whole answer came. `maybe_applied` is True when a write may have taken effect all the same."""

    MEANS = told("Salesforce could not be reached, or did not answer in time; nothing recorded here is lost")
    NEXT_STEP = told("nothing: it is tried again; if it lasts, check the network and status.salesforce.com")

    def __init__(self, message: str, *, maybe_applied: bool) -> None:
        super().__init__(message)
        self.maybe_applied = maybe_applied


class SignInRefused(SalesforceError):
    """The token endpoint refused the credential, in OAuth's `error` and `error_description`."""

    def __init__(self, error: str, description: str) -> None:
        means, next_step = _sign_in_advice(error, description)
        super().__init__(
            told("Salesforce refused the sign-in: %(said)s", said=description or error),
            means=means,
            next_step=next_step,
        )
        self.code = error
        self.error = error
        self.description = description


class SessionRefused(SalesforceError):
    """Salesforce answered 401 and a fresh sign-in did not help, or could not have helped."""

    MEANS = told("the sign-in works but the integration user may not use the API with it")
    NEXT_STEP = told("check the user's API Enabled permission and the app's policies in Salesforce Setup")

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(told("Salesforce refused the session: %(said)s", said=message), code=code)


class ApiRefused(SalesforceError):
    """Salesforce refused a request in its own words; `code` is None when it gave none."""

    def __init__(self, status: int, code: str | None, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(
            told("Salesforce answered %(status)s: %(said)s", status=f"{status} {code or ''}".rstrip(), said=message),
            code=code,
        )
        self.status = status
        self.text = message
        self.fields = fields


class LimitExceeded(ApiRefused):
    """An allowance is used up (usually the org's API calls of the last 24 hours)."""

    MEANS = told("the org's allowance for API calls is used up; what is owed waits here and nothing is lost")
    NEXT_STEP = told("nothing: it goes on when there is room; Salesforce Setup > System Overview shows who used it")


class CallsReserved(SalesforceError):
    """Nothing was asked: what is left of the org's API calls is kept for opt-outs and for the org's other programs."""

    MEANS = told(
        "the last tenth of the org's API calls is left to opt-outs and to your other programs; nothing is lost"
    )
    NEXT_STEP = told("nothing: it goes on when there is room; Salesforce Setup > System Overview shows who uses them")


class Busy(ApiRefused):
    """Salesforce cannot now but can soon. `retry_after_seconds` is None when it named no time."""

    MEANS = told("Salesforce is overloaded or in maintenance; what is owed waits here and nothing is lost")
    NEXT_STEP = told("nothing: it is tried again; if it lasts, see status.salesforce.com")

    retry_after_seconds: float | None = None


class JobFailed(SalesforceError):
    """A Bulk query job ended as Failed or Aborted, or did not end in time."""

    MEANS = told("Salesforce gave no result, so nothing was concluded from it")
    NEXT_STEP = told("run it again; if it lasts, look at Salesforce Setup > Bulk Data Load Jobs")

    def __init__(self, job_id: str, state: str, reason: str) -> None:
        super().__init__(
            told(
                "Salesforce's job %(job)s ended as %(state)s: %(reason)s", job=job_id, state=state, reason=reason or "-"
            )
        )
        self.job_id = job_id
        self.state = state


class OddAnswer(SalesforceError):
    """The answer is not what was promised and must not be used. After a write, the write may have taken effect."""

    MEANS = told("it cannot be trusted, so nothing was concluded from it")
    NEXT_STEP = told("nothing: it is tried again; if it lasts, look for a proxy or a login page in between")

    def __init__(self, message: str) -> None:
        super().__init__(told("an odd answer from Salesforce: %(found)s", found=message))


def clean(text: object) -> str:
    """`text` on one line, at most 500 characters, without e-mail addresses: fit for logs and screens."""
    line = " ".join(str(text)[: 4 * MAX_MESSAGE_CHARS].split())
    return without_addresses(line)[:MAX_MESSAGE_CHARS]


def code_of(said: object) -> str | None:
    """Salesforce's code as it may be stored and shown, None when it gave none: odd answers hold anything there."""
    return clean(said)[:MAX_CODE_CHARS] or None if isinstance(said, str) else None


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> SalesforceError:
    """The error that a refusing answer (any status but 2xx and 401) stands for.

    REST answers an array `[{"message", "errorCode", "fields"}]` with one or more elements; the first one decides and
    all texts are kept. Edges answer HTML or nothing. Source: REST API Developer Guide, "Status Codes".
    """
    if 300 <= status < 400:
        return OddAnswer(f"a redirect ({status}), which is never followed")
    items = error_items(body)
    if not items:
        return _refusal_without_words(status, headers)
    code = code_of(items[0].get("errorCode"))
    text = clean("; ".join(str(item.get("message") or "") for item in items))
    fields = tuple(clean(name) for item in items if isinstance(item.get("fields"), list) for name in item["fields"])
    if code == Code.LIMIT_EXCEEDED or (code == Code.REQUEST_LIMIT_EXCEEDED and "concurrent" not in text.lower()):
        return LimitExceeded(status, code, text, fields)
    if code == Code.REQUEST_LIMIT_EXCEEDED or code in _BUSY_CODES or status in BUSY_STATUSES:
        return _busy(status, code, text, headers)
    return ApiRefused(status, code, text, fields)


def error_items(body: bytes) -> list[dict[str, Any]]:
    """The elements of REST's error array, or [] when the body is anything else."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(parsed, list) or not all(isinstance(item, dict) and "errorCode" in item for item in parsed):
        return []
    return parsed


def _refusal_without_words(status: int, headers: Mapping[str, str]) -> SalesforceError:
    if status in BUSY_STATUSES:
        return _busy(status, None, "no error text", headers)
    if status in (414, 431):
        return ApiRefused(status, Code.URI_TOO_LONG, "the request line or its headers are too long")
    if status == 410:
        return ApiRefused(status, Code.GONE, "this version of the API is retired")
    return OddAnswer(f"HTTP {status} without Salesforce's error text")


def _busy(status: int, code: str | None, text: str, headers: Mapping[str, str]) -> Busy:
    error = Busy(status, code, text)
    seconds = headers.get("retry-after", "")
    if seconds.isascii() and seconds.isdigit():
        error.retry_after_seconds = float(seconds[:6])
    return error


_SIGN_IN_ADVICE = (
    # a word of error or description -> (means, next); source: Salesforce Help, "OAuth 2.0 Errors"
    (
        "request not supported on this domain",
        told("client credentials work on the org's own My Domain host only"),
        told("use the My Domain address (Setup > My Domain) as login address"),
    ),
    (
        "approved this consumer",
        told("the app is not yet allowed to act for this user"),
        told("pre-authorise the integration user's permission set in the app's policies"),
    ),
    (
        "audience",
        told("a production credential was used at a sandbox, or the other way round"),
        told("use the My Domain address of the org, or test.salesforce.com for a sandbox"),
    ),
    (
        "ip restricted",
        told("this machine's network address is outside the ranges the org allows"),
        told("add it to the profile's login IP ranges or relax the app's IP policy"),
    ),
    (
        "inactive",
        told("the integration user or its org is deactivated"),
        told("activate it in Salesforce, or connect another"),
    ),
    (
        "access/refresh token",
        told(
            "our refresh token was revoked, unused for too long or used by somebody else; "
            "opt-outs wait here, none is lost"
        ),
        told("connect the org again"),
    ),
    ("denied", told("the person at the consent page refused"), told("begin again and allow the access")),
    (
        "no refresh token",
        told("without one the sign-in would end within hours; nothing was stored"),
        told("give the app the scope refresh_token in its OAuth settings, then begin again"),
    ),
    (
        "redirect_uri",
        told("the callback address is not among the app's own"),
        told("enter it as callback URL in the app's settings, to the letter"),
    ),
    (
        "no client credentials user",
        told("the app has no user to run as"),
        told("set the Run As user in the app's client credentials policy"),
    ),
    (
        "invalid_client",
        told("Salesforce does not know this app or its secret"),
        told("copy consumer key and secret once more"),
    ),
    (
        "client identifier",
        told("Salesforce does not know this app"),
        told("copy the consumer key once more; a new app takes up to 10 minutes"),
    ),
    (
        "grant type",
        told("the org does not offer this way of signing in"),
        told("enable the flow (JWT bearer or client credentials) in the app's settings"),
    ),
)


def _sign_in_advice(error: str, description: str) -> tuple[str, str]:
    said = f"{error} {description}".lower()
    for word, means, next_step in _SIGN_IN_ADVICE:
        if word in said:
            return means, next_step
    return (
        told("user name, key or the org's login policy do not fit; unsubscribes wait here until it works"),
        told("look at the user's Login History in Salesforce Setup, then connect again"),
    )
