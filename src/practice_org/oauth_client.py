"""What all OAuth endpoints share: forms, who the client is, and which host was asked."""

import base64
import binascii
import hmac
from urllib.parse import parse_qs

from practice_org.errors import OAuthError
from practice_org.http import Call

LOGIN_HOST = "localhost"
"""The server has two names. This one plays login.salesforce.com, its number the org's My Domain (salesforce.md 1.1)."""


def read_form(call: Call) -> dict[str, str]:
    """The fields of a form, each with its first value."""
    return {name: values[0] for name, values in parse_qs(call.body.decode("utf-8", "replace")).items()}


def is_my_domain(call: Call) -> bool:
    """Whether the org's own host was asked, not the login host of all orgs."""
    return call.header("host").partition(":")[0].lower() != LOGIN_HOST


def check_client(call: Call, form: dict[str, str], *, needs_secret: bool = True) -> None:
    """Raises OAuthError unless it is our client, told in the Basic header or in the form.

    Without `needs_secret` the secret may be missing, but not wrong.
    """
    client_id, client_secret = _client(call, form)
    if client_id != call.org.identity.client_id:
        raise OAuthError("invalid_client_id", "client identifier invalid")
    if not client_secret and not needs_secret:
        return
    if not hmac.compare_digest(client_secret.encode(), call.org.identity.client_secret.encode()):
        raise OAuthError("invalid_client", "invalid client credentials")


def _client(call: Call, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, encoded = call.header("authorization").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError("invalid_client", "invalid client credentials") from error
    return name, secret
