"""The JWT bearer flow: an assertion that our client's key signed (salesforce.md 1.2)."""

import base64
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from practice_org.errors import OAuthError
from practice_org.http import Call
from practice_org.oauth_client import LOGIN_HOST

PRODUCTION_LOGIN = "https://login.salesforce.com"


def check_assertion(call: Call, form: dict[str, str]) -> None:
    """Raises OAuthError unless the assertion is our client's, for our user, for this org, and of this moment."""
    claims = _verified_claims(form.get("assertion", ""), call.org.identity.public_key_pem)
    identity, behaviour = call.org.identity, call.org.behaviour
    if claims.get("iss") != identity.client_id:
        raise OAuthError("invalid_client_id", "client identifier invalid")
    login = identity.base_url.replace("127.0.0.1", LOGIN_HOST)
    if str(claims.get("aud")).rstrip("/") not in (identity.base_url, login, PRODUCTION_LOGIN):
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
