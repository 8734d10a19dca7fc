"""The web-server flow: a person lets our app in, in a browser, and a refresh token is what we keep of it.

Whoever shows the pages keeps the `Attempt` with that browser's session and takes it out when the browser comes back,
so that a state works once. Sources: Salesforce Help, "OAuth 2.0 Web Server Flow for Web App Integration"; RFC 7636.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from optsync.core.told import told
from optsync.salesforce.credentials import Credential, bad_credential, read_object, text_in
from optsync.salesforce.errors import BadCallback, SalesforceError, SignInRefused, clean
from optsync.salesforce.hosts import check_login_url, is_loopback_url
from optsync.salesforce.oauth import Grant, token_of, token_request
from optsync.seams import Seams

if TYPE_CHECKING:  # loading it costs 0.1 s and more; see http.py
    from optsync.salesforce.http import Transport

SCOPE: Final = "api refresh_token"
ATTEMPT_SECONDS: Final = 600.0
"""How long a person may take at Salesforce's pages."""
SECRET_BYTES: Final = 64
"""Of a state and of a verifier; 86 characters as base64url, where RFC 7636 allows 43 to 128."""


@dataclass(frozen=True, slots=True)
class App:
    """The external client app or connected app in Salesforce. An app may do without its secret."""

    login_url: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    practice: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One person's way to Salesforce and back. `redirect_uri` is one of the app's callbacks, to the letter."""

    app: App
    redirect_uri: str
    started_at: datetime
    state: str = field(repr=False)
    verifier: str = field(repr=False)

    @property
    def url(self) -> str:
        """Salesforce's consent page, for the browser. Raises HostRefused."""
        asked = {
            "response_type": "code",
            "client_id": self.app.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": SCOPE,
            "state": self.state,
            "code_challenge": _base64url(hashlib.sha256(self.verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        login = check_login_url(self.app.login_url, self.app.practice)
        return f"{login}/services/oauth2/authorize?{urlencode(asked)}"


def app_from_file(path: Path) -> App:
    """The app in a credentials file: login_url, client_id and, where the app wants it, client_secret.

    Raises BadCredential, HostRefused.
    """
    values = read_object(path)
    login_url, client_id = text_in(values, "login_url"), text_in(values, "client_id")
    practice = values.get("practice", True) is not False and is_loopback_url(login_url)
    if not client_id:
        raise bad_credential("client_id (the app's consumer key) is missing")
    return App(check_login_url(login_url, practice), client_id, text_in(values, "client_secret") or None, practice)


def begin(app: App, redirect_uri: str, seams: Seams) -> Attempt:
    """A fresh attempt. Raises HostRefused for a login address that is not Salesforce's."""
    check_login_url(app.login_url, app.practice)
    state, verifier = (_base64url(seams.token_bytes(SECRET_BYTES)) for _ in range(2))
    return Attempt(app, redirect_uri, seams.now(), state, verifier)


def finish(
    attempt: Attempt, callback: Mapping[str, str], seams: Seams, *, transport: "Transport | None" = None
) -> tuple[Credential, Grant]:
    """The credential to store and the session that came with it, for what the browser brought to the callback.

    Raises BadCallback for what does not belong to the attempt (nothing is sent then), SignInRefused when the person or
    Salesforce said no, and any other SalesforceError.
    """
    _check_callback(attempt, callback, seams)
    from optsync.salesforce.http import Http

    app = attempt.app
    form = {
        "grant_type": "authorization_code",
        "code": callback["code"],
        "redirect_uri": attempt.redirect_uri,
        "code_verifier": attempt.verifier,
        "client_id": app.client_id,
    }
    secret = {"client_secret": app.client_secret} if app.client_secret else {}
    login = check_login_url(app.login_url, app.practice)
    # One attempt: a code works once, and an answer that got lost may have used it up.
    with Http(seams, 1, transport) as http:
        token = token_of(http.send(token_request(login, form | secret)), app.practice)
    if token.refresh_token is None:
        raise SignInRefused("invalid_scope", "no refresh token came with the session")
    credential = Credential(
        "refresh_token",
        login,
        app.client_id,
        client_secret=app.client_secret,
        practice=app.practice,
        refresh_token=token.refresh_token,
    )
    return credential, token.grant


def revoke(credential: Credential, seams: Seams, *, transport: "Transport | None" = None) -> bool:
    """Ends at Salesforce what a person's consent gave, with every session of it. False when that did not work."""
    from optsync.salesforce.http import Http

    try:
        login = check_login_url(credential.login_url, credential.practice)
        with Http(seams, 1, transport) as http:
            form = {"token": credential.refresh_token or ""}
            return http.send(token_request(login, form, "revoke")).status == 200
    except SalesforceError:
        return False


def _check_callback(attempt: Attempt, callback: Mapping[str, str], seams: Seams) -> None:
    if not hmac.compare_digest(callback.get("state", "").encode(), attempt.state.encode()):
        raise BadCallback(told("it is not the answer to this attempt (another state)"))
    if seams.now() - attempt.started_at > timedelta(seconds=ATTEMPT_SECONDS):
        raise BadCallback(told("it came too late"))
    if error := callback.get("error"):
        raise SignInRefused(clean(error), clean(callback.get("error_description") or ""))
    if not callback.get("code"):
        raise BadCallback(told("it holds no code"))


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
