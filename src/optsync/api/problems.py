"""What a program is told when it does not get what it asked for: RFC 9457, with codes that stay as they are.

Every refusal has a code, what happened (`detail`), what it means and what to do next. `GET /v1/problems` lists them
all; the `type` of each leads there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja.errors import ValidationError

from optsync.web.request_ids import request_id_of

MEDIA_TYPE: Final = "application/problem+json"
CATALOGUE: Final = "/v1/problems"
AWAY: Final = (psycopg.OperationalError, psycopg.InterfaceError)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of refusal: HTTP status and a title that never change, what it means, and what to do next."""

    status: int
    title: str
    means: str
    next: str


NOTHING_DONE: Final = "Nothing was done."
KINDS: Final[dict[str, Kind]] = {
    "bad-request": Kind(400, "The request cannot be read", NOTHING_DONE, "Send it again, complete and well formed."),
    "bad-json": Kind(400, "The body is no JSON", NOTHING_DONE, "Send one JSON object in UTF-8, no name in it twice."),
    "key-missing": Kind(
        401,
        "An API key is needed",
        NOTHING_DONE,
        "Send the header Authorization: Bearer os_live_..., with a key made by: optsync api-keys make",
    ),
    "key-refused": Kind(
        401, "This API key opens nothing", NOTHING_DONE, "Check that the key is complete; see: optsync api-keys list"
    ),
    "key-expired": Kind(401, "This API key has expired", NOTHING_DONE, "Make a new one: optsync api-keys make"),
    "scope-missing": Kind(
        403, "This API key may not do that", NOTHING_DONE, "Use a key with the scope that `detail` names."
    ),
    "beyond-own-key": Kind(
        403,
        "An API key cannot give what it has not",
        NOTHING_DONE,
        "Let the new key end no later than this one, or make it with a key that has no end.",
    ),
    "route-unknown": Kind(404, "There is no such address", NOTHING_DONE, "See /v1/openapi.json for those there are."),
    "not-found": Kind(404, "There is no such thing", NOTHING_DONE, "Check the number; it comes from a list or a POST."),
    "method-not-allowed": Kind(
        405, "This address does not take that method", NOTHING_DONE, "Use one that the header Allow names."
    ),
    "refused": Kind(409, "It cannot be done as things stand", NOTHING_DONE, "Do what `next` says, then try again."),
    "length-required": Kind(411, "The body has no length", NOTHING_DONE, "Send Content-Length, not chunks."),
    "too-large": Kind(413, "The body is too large", NOTHING_DONE, "Send less at once; `detail` names the limit."),
    "wrong-type": Kind(
        415, "The body is of another type", NOTHING_DONE, "Send the header Content-Type that `detail` names."
    ),
    "invalid": Kind(422, "Something in the request does not fit", NOTHING_DONE, "Correct what `errors` names."),
    "idempotency-key-reused": Kind(
        422,
        "This Idempotency-Key belongs to another request",
        "Nothing was done; the earlier request stands.",
        "Use a new key for a new request; each is remembered for 30 days.",
    ),
    "too-many-requests": Kind(
        429, "Too many requests with this key", NOTHING_DONE, "Wait as many seconds as Retry-After says."
    ),
    "internal": Kind(
        500,
        "We failed",
        "What was acknowledged before is kept; whether this request was done is not certain.",
        "Send it again: doing it twice is harmless. If it stays, report request_id with the log line that has it.",
    ),
    "database-away": Kind(
        503,
        "The database does not answer",
        "Nothing was acknowledged, and nobody may be mailed on the strength of this answer.",
        "Send nothing, and ask again in a few seconds; doing it twice is harmless.",
    ),
}
OF_STATUS: Final = {
    400: ("bad-request", "the request cannot be read"),
    404: ("route-unknown", "nothing answers at this address"),
    405: ("method-not-allowed", "this address has no such method"),
    500: ("internal", "an error of our own stopped this request"),
}
"""What Django itself answers with such a status, before or without any of our views."""


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """Raised anywhere below a view. `detail` says what happened this time, without addresses; `errors` name fields."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        means: str = "",
        next: str = "",  # noqa: A002 - the word of the page
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.means = means
        self.next = next


def told(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The problem document of a refusal."""
    kind = KINDS[refusal.code]
    document = {
        "type": f"{CATALOGUE}#{refusal.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": refusal.detail,
        "instance": request.path,
        "code": refusal.code,
        "means": refusal.means or kind.means,
        "next": refusal.next or kind.next,
        "request_id": request_id_of(request),
    }
    if refusal.errors:
        document["errors"] = list(refusal.errors)
    headers = {"Retry-After": "5"} if kind.status == 503 else {}
    if kind.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="optsync"'
    headers |= refusal.headers
    return JsonResponse(document, status=kind.status, content_type=MEDIA_TYPE, headers=headers)


def invalid(error: ValidationError) -> Refusal:
    """What does not fit, field by field: where it stands as a JSON Pointer (RFC 6901), or as the parameter's name."""
    errors = [{"where": where_of(one["loc"]), "detail": one["msg"]} for one in error.errors[:100]]
    return Refusal("invalid", f"{len(error.errors)} of the fields or parameters do not fit", errors=errors)


def where_of(place: Sequence[str | int]) -> str:
    """/addresses/3 in a body, person_id elsewhere. pydantic says ("body", argument, field, ...)."""
    source, *steps = place
    if source != "body":
        return str(steps[-1]) if steps else str(source)
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps[1:])
