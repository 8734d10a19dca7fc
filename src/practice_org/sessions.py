"""Who may call: the org's identity, its one client and user, and the sessions given out."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from practice_org import clock
from practice_org.errors import RefusalError

SESSION_SECONDS = 7_200
"""Two hours of inactivity, the default of an org (salesforce.md 1.3)."""


@dataclass(frozen=True)
class Identity:
    """What FILE hands out, and the public key (PEM) that the client's assertions are checked with."""

    base_url: str
    org_id: str
    username: str
    client_id: str
    client_secret: str
    access_token: str
    public_key_pem: bytes


def new_access_token(org_id: str) -> str:
    """A token in Salesforce's shape: the 15-character org id, an exclamation mark, a secret; 112 characters."""
    return f"{org_id[:15]}!AQMA{clock.token_hex(46)}"


class Sessions:
    """Access tokens by the hash of their text. The long-lived one of the credentials file never expires by itself."""

    def __init__(self, identity: Identity, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lifetime = timedelta(seconds=SESSION_SECONDS)
        self._long_lived = _digest(identity.access_token)
        self._org_id = identity.org_id
        self._expires_at: dict[bytes, datetime] = {}
        self._long_lived_valid = True

    def open(self) -> str:
        """A new session; returns its access token."""
        token = new_access_token(self._org_id)
        self._expires_at[_digest(token)] = self._now() + self._lifetime
        return token

    def check(self, authorization: str) -> None:
        """Prolongs the session of a header `Bearer ...`. Raises 401 INVALID_SESSION_ID (salesforce.md 1.5)."""
        scheme, _, token = authorization.partition(" ")
        digest = _digest(token.strip())
        if scheme.lower() in ("bearer", "oauth"):
            if digest == self._long_lived and self._long_lived_valid:
                return
            expires_at = self._expires_at.get(digest)
            if expires_at is not None and self._now() < expires_at:
                self._expires_at[digest] = self._now() + self._lifetime
                return
        raise RefusalError("INVALID_SESSION_ID", "Session expired or invalid", status=401)

    def end(self, token: str) -> bool:
        """Revokes one session; whether it was there."""
        return self._expires_at.pop(_digest(token), None) is not None

    def expire_all(self, *, long_lived: bool) -> None:
        """Ends every session; the long-lived one only when asked."""
        self._expires_at.clear()
        self._long_lived_valid = self._long_lived_valid and not long_lived


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
