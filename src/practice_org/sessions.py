"""Who may call: the org's identity, its one client and user, and the sessions given out."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from practice_org import clock
from practice_org.errors import RefusalError


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


@dataclass
class Session:
    """When it began, and when it ends unless it is used before."""

    issued_at: datetime
    expires_at: datetime


class Sessions:
    """Access tokens by the hash of their text. The long-lived one of the credentials file never expires by itself.

    `seconds` says how long a session lives without being used.
    """

    def __init__(self, identity: Identity, now: Callable[[], datetime], seconds: Callable[[], float]) -> None:
        self._now = now
        self._seconds = seconds
        self._long_lived = digest_of(identity.access_token)
        self._org_id = identity.org_id
        self._open: dict[bytes, Session] = {}
        self._long_lived_valid = True

    def open(self) -> str:
        """A new session; returns its access token."""
        token, now = new_access_token(self._org_id), self._now()
        self._open[digest_of(token)] = Session(now, now + self._lifetime())
        return token

    def check(self, authorization: str) -> None:
        """Prolongs the session of a header `Bearer ...`. Raises 401 INVALID_SESSION_ID (salesforce.md 1.5)."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() in ("bearer", "oauth"):
            if digest_of(token.strip()) == self._long_lived and self._long_lived_valid:
                return
            session = self.find(token.strip())
            if session is not None:
                session.expires_at = self._now() + self._lifetime()
                return
        raise RefusalError("INVALID_SESSION_ID", "Session expired or invalid", status=401)

    def find(self, token: str) -> Session | None:
        """The session of an access token, if it has not ended."""
        session = self._open.get(digest_of(token))
        return session if session is not None and self._now() < session.expires_at else None

    def end(self, token: str) -> bool:
        """Revokes one session; whether it was there."""
        return self._open.pop(digest_of(token), None) is not None

    def end_all_of(self, digests: set[bytes]) -> None:
        """Ends the sessions that an approval opened."""
        for digest in digests:
            self._open.pop(digest, None)

    def expire_all(self, *, long_lived: bool) -> None:
        """Ends every session; the long-lived one only when asked."""
        self._open.clear()
        self._long_lived_valid = self._long_lived_valid and not long_lived

    def _lifetime(self) -> timedelta:
        return timedelta(seconds=self._seconds())


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()
