"""The token endpoint (salesforce.md 1.2 to 1.4).

JWT bearer and client credentials. An OAuth error is one object, `error` and `error_description`, not REST's array.
"""

import base64
import binascii
import hashlib
import hmac
import json
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from starlette.responses import Response
from starlette.routing import Route

from practice_org.http import OPEN, Call, answer, route
from practice_org.org import Org
from practice_org.users import INTEGRATION_USER

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "api refresh_token"
PRODUCTION_LOGIN = "https://login.salesforce.com"


class OAuthError(Exception):
    """One of the pairs of salesforce.md 1.4."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.body = {"error": error, "error_description": description}


def routes(org: Org) -> list[Route]:
    """Token and revocation; neither counts as an API call."""
    return [
        route(org, "/services/oauth2/token", OPEN, POST=("oauth.token", give_token)),
        route(org, "/services/oauth2/revoke", OPEN, POST=("oauth.revoke", revoke)),
    ]


async def give_token(call: Call) -> Response:
    """A token for a grant that holds; an OAuth error with status 400 for one that does not."""
    form = _form(call)
    grants = {JWT_GRANT: _check_jwt, "client_credentials": _check_client}
    try:
        check = grants.get(form.get("grant_type", ""))
        if check is None:
            raise OAuthError("unsupported_grant_type", "grant type not supported")
        check(call, form)
    except OAuthError as error:
        return answer(error.body, 400)
    return answer(_token_body(call.org))


def _token_body(org: Org) -> dict[str, str]:
    """No expires_in; `issued_at` is a string of milliseconds; the signature covers `id` and `issued_at`."""
    identity = org.identity
    user_url = f"{identity.base_url}/id/{identity.org_id}/{INTEGRATION_USER}"
    issued_at = str(int(org.now().timestamp() * 1000))
    digest = hmac.new(identity.client_secret.encode(), (user_url + issued_at).encode(), hashlib.sha256).digest()
    return {
        "access_token": org.sessions.open(),
        "signature": base64.b64encode(digest).decode(),
        "scope": SCOPE,
        "instance_url": identity.base_url,
        "id": user_url,
        "token_type": "Bearer",
        "issued_at": issued_at,
    }


def _check_client(call: Call, form: dict[str, str]) -> None:
    if not call.org.behaviour.client_credentials_allowed:
        raise OAuthError("invalid_grant", "request not supported on this domain")
    client_id, client_secret = _client(call, form)
    if client_id != call.org.identity.client_id:
        raise OAuthError("invalid_client_id", "client identifier invalid")
    if not hmac.compare_digest(client_secret.encode(), call.org.identity.client_secret.encode()):
        raise OAuthError("invalid_client", "invalid client credentials")


def _client(call: Call, form: dict[str, str]) -> tuple[str, str]:
    """From the Basic header or from the body."""
    scheme, _, encoded = call.header("authorization").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError("invalid_client", "invalid client credentials") from error
    return name, secret


def _check_jwt(call: Call, form: dict[str, str]) -> None:
    claims = _verified_claims(form.get("assertion", ""), call.org.identity.public_key_pem)
    identity, behaviour = call.org.identity, call.org.behaviour
    if claims.get("iss") != identity.client_id:
        raise OAuthError("invalid_client_id", "client identifier invalid")
    if str(claims.get("aud")).rstrip("/") not in (identity.base_url, PRODUCTION_LOGIN):
        raise OAuthError("invalid_grant", "Audience validation failed")
    if claims.get("sub") != identity.username or not behaviour.app_approved:
        raise OAuthError("invalid_grant", "user hasn't approved this consumer")
    expires, now = _seconds(claims.get("exp")), call.org.now().timestamp()
    # a clock that is behind is answered so (simple-salesforce issue 491)
    if expires is None or not now < expires <= now + behaviour.jwt_lifetime_max_seconds:
        raise OAuthError("invalid_grant", "expired authorization code")


def _seconds(claim: object) -> float | None:
    """An instant of the assertion, which simple-salesforce sends as text; None for anything that is no number."""
    try:
        return float(claim) if isinstance(claim, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _verified_claims(assertion: str, public_key_pem: bytes) -> dict[str, object]:
    """The claims of an RS256 assertion signed by our client's key; anything else is an `invalid assertion`."""
    key = load_pem_public_key(public_key_pem)
    try:
        head, body, signature = assertion.split(".")
        if json.loads(_decode(head)).get("alg") != "RS256" or not isinstance(key, rsa.RSAPublicKey):
            raise ValueError("not RS256")
        key.verify(_decode(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        claims = json.loads(_decode(body))
        if not isinstance(claims, dict):
            raise TypeError("claims are no object")
    except (ValueError, TypeError, AttributeError, InvalidSignature) as error:
        raise OAuthError("invalid_grant", "invalid assertion") from error
    return claims


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _form(call: Call) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(call.body.decode("utf-8", "replace")).items()}


async def revoke(call: Call) -> Response:
    """Ends a session. An unknown token is refused with 400."""
    token = _form(call).get("token") or call.query("token") or ""
    if call.org.sessions.end(token):
        return Response(status_code=200)
    return answer({"error": "unsupported_token_type", "error_description": "this token type is not supported"}, 400)
