"""What is said to the token endpoint and what comes back. Sources as in `credentials`.

Loads no HTTP library before it is used; nothing is sent here: `sign_in` does that.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import urlencode

from optsync.core.record_ids import BadRecordId, to_18
from optsync.salesforce.credentials import Credential, bad_credential
from optsync.salesforce.errors import OddAnswer, SalesforceError, SignInRefused, clean, refusal
from optsync.salesforce.hosts import Origin, check_instance_url

if TYPE_CHECKING:  # loading it costs 0.1 s and more; see http.py
    from optsync.salesforce.http import Answer, Request

CLIENT_NAME = "optsync"
"""Appears in change events as the origin of our own writes, so that we can tell our echoes."""
ASSERTION_SECONDS = 180
"""Life of a JWT: Salesforce takes up to 5 minutes."""
SIGN_IN_SECONDS = 30.0

_IDENTITY_PATH = re.compile(r"/id/(00D[0-9A-Za-z]{12,15})/(005[0-9A-Za-z]{12,15})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Grant:
    """One sign-in's result."""

    access_token: str = field(repr=False)
    instance: Origin
    org_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token answer: its grant, and a refresh token when one came with it."""

    grant: Grant
    refresh_token: str | None = field(default=None, repr=False)


def token_request(login: Origin, form: dict[str, str], endpoint: str = "token") -> "Request":
    """A form for the token endpoint, or for another one beside it."""
    from optsync.salesforce.http import Request

    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "User-Agent": CLIENT_NAME,
    }
    return Request("POST", login, f"/services/oauth2/{endpoint}", headers, urlencode(form).encode(), SIGN_IN_SECONDS)


def token_of(answer: "Answer", practice: bool) -> Token:
    """The token in an answer. Raises SignInRefused, HostRefused, OddAnswer, Busy."""
    if answer.status != 200:
        raise _refused(answer)
    said = answer.json_object()
    refresh_token = said.get("refresh_token")
    if refresh_token is not None and not _is_token(refresh_token):
        raise OddAnswer("the token answer holds an odd refresh token")
    return Token(_grant_of(said, practice), refresh_token)


def token_form(credential: Credential, login: Origin, now_at: datetime) -> dict[str, str]:
    """What a credential asks with."""
    if credential.kind == "jwt":
        return {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": _assertion(credential, login, now_at),
        }
    client = {"client_id": credential.client_id, "client_secret": credential.client_secret}
    known = {name: value for name, value in client.items() if value}
    if credential.kind == "refresh_token":
        return {"grant_type": "refresh_token", "refresh_token": credential.refresh_token or ""} | known
    return {"grant_type": "client_credentials"} | known


def _assertion(credential: Credential, login: Origin, now_at: datetime) -> str:
    """An RS256 JWT. Its audience is the login host of the org's kind, also when signing in at the My Domain host."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    claims = {
        "iss": credential.client_id,
        "sub": credential.username,
        "aud": audience_of(login),
        "exp": int(now_at.timestamp()) + ASSERTION_SECONDS,
    }
    try:
        return jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(credential.private_key_pem or ""))
    except (JoseError, ValueError, TypeError) as error:
        raise bad_credential("the private key is not an RSA key in PEM form without a password") from error


def audience_of(login: Origin) -> str:
    """https://test.salesforce.com for sandboxes and scratch orgs, https://login.salesforce.com for all others."""
    host = login.removeprefix("https://")
    is_test = host == "test.salesforce.com" or "--" in host or ".sandbox.my." in host or ".scratch.my." in host
    return "https://test.salesforce.com" if is_test else "https://login.salesforce.com"


def _grant_of(token: dict[str, Any], practice: bool) -> Grant:
    """The grant in a token answer, its host checked before anything goes there. Raises HostRefused, OddAnswer."""
    access_token, identity = token.get("access_token"), _IDENTITY_PATH.search(str(token.get("id")))
    if not _is_token(access_token) or identity is None:
        raise OddAnswer("the token answer lacks a token or the org's id")
    instance = check_instance_url(str(token.get("instance_url")), practice)
    try:
        return Grant(access_token, instance, to_18(identity[1]), to_18(identity[2]))
    except BadRecordId as error:
        raise OddAnswer("the token answer's org id is no Salesforce id") from error


def _is_token(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch(r"[!-~]{1,8000}", value) is not None


def _refused(answer: "Answer") -> SalesforceError:
    """OAuth errors are one object `{"error", "error_description"}` with status 400 or 401, unlike REST's array."""
    try:
        said = answer.json_object()
    except OddAnswer:
        said = {}
    if answer.status in (400, 401, 403) and isinstance(said.get("error"), str):
        return SignInRefused(clean(said["error"]), clean(said.get("error_description") or ""))
    return refusal(answer.status, answer.headers, answer.body)
