"""The door of every route: who asks, may they, how often, and is what they bring a body we take.

`ApiKey` is handed to a route as its `auth`; what it refuses is raised as a Refusal before anything is read or done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest
from ninja.security import HttpBearer

from optsync.access import keys
from optsync.access.keys import Key, Scope
from optsync.api.limits import ORDINARY, Buckets, Limit, Quota
from optsync.api.problems import Refusal
from optsync.config.desk import desk

BODY_BYTES_MAX: Final = 64 * 1024
JSON: Final = "application/json"
BUCKETS: Final = Buckets()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what is left of their limit."""

    key: Key
    quota: Quota

    @property
    def actor(self) -> str:
        """How events name them."""
        return f"API key {self.key.name}"


class ApiKey(HttpBearer):
    """A key with one scope, within a limit; its name is that of the scheme in the OpenAPI document."""

    def __init__(
        self,
        scope: Scope,
        limit: Limit = ORDINARY,
        body_bytes_max: int = BODY_BYTES_MAX,
        media_types: Sequence[str] = (JSON,),
    ) -> None:
        super().__init__()
        self.scope: Scope = scope
        self.limit = limit
        self.body_bytes_max = body_bytes_max
        self.media_types = media_types

    def __call__(self, request: HttpRequest) -> Caller:
        """The caller, with the body read if it is JSON; another one is the route's to read. Raises Refusal."""
        return self.authenticate(request, bearer_of(request.headers.get("Authorization", "")))

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        """As HttpBearer wants it."""
        caller = self.counted(self.key_of(token))
        check_body(request, self.body_bytes_max, self.media_types)
        if JSON in self.media_types:
            request._body = request.read()  # noqa: SLF001 - Django's own place for it; the setting behind `body` has one size for all
        return caller

    def key_of(self, token: str) -> Key:
        """The key with this text, if it may come in here. Raises Refusal."""
        key = keys.find(desk().connection(), desk().subject_key, token)
        if key is None or key.state == "revoked":
            raise Refusal("key-refused", "no key of this installation has this text, or it was revoked")
        if key.state == "expired":
            raise Refusal("key-expired", f"the key {key.handle} has expired")
        if not key.may(self.scope):
            raise Refusal("scope-missing", f"the key {key.handle} has {', '.join(key.scopes)}; {self.scope} is needed")
        return key

    def counted(self, key: Key) -> Caller:
        """Counts one request of a key. Raises Refusal for one too many."""
        quota = BUCKETS.take(key.key_id, self.limit, desk().seams.monotonic())
        if quota.wait_seconds:
            detail = f"more than {self.limit.quota} requests in {self.limit.window_seconds} s"
            raise Refusal("too-many-requests", detail, headers=quota.headers)
        return Caller(key, quota)


def bearer_of(authorization: str) -> str:
    """The text behind `Bearer` in the header Authorization (RFC 6750). Raises Refusal without one."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refusal("key-missing", "the header Authorization: Bearer is missing")
    return token.strip()


def check_body(request: HttpRequest, bytes_max: int, media_types: Sequence[str]) -> None:
    """Whether this route takes such a body, by its own limit instead of that of the pages. Raises Refusal."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise Refusal("length-required", "the body came in chunks")
    length = int(request.headers.get("Content-Length") or 0)
    if length > bytes_max:
        raise Refusal("too-large", f"at most {bytes_max:,} bytes are taken here")
    if length and request.content_type not in media_types:
        raise Refusal("wrong-type", f"Content-Type is not {' or '.join(media_types)}")


def caller_of(request: HttpRequest) -> Caller:
    """Whom the door let in."""
    caller: Caller = request.auth  # type: ignore[attr-defined]  # set by ninja once the door has answered
    return caller
