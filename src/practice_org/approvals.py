"""What a person allowed our app: codes of the web-server flow, and the refresh tokens they are exchanged for."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from practice_org import clock
from practice_org.errors import OAuthError
from practice_org.sessions import digest_of

APPROVALS_MAX = 5
"""Of one user for one app; a further one revokes the oldest (salesforce.md 1.6)."""


@dataclass(frozen=True)
class Request:
    """What the app asked for when it sent the person here. `challenge` is empty without PKCE."""

    client_id: str
    redirect_uri: str
    scope: str
    challenge: str


@dataclass
class Code:
    """An authorization code, until it is redeemed or too old."""

    request: Request
    issued_at: datetime
    redeemed: bool = False


@dataclass
class Approval:
    """One refresh token and its successors, with the sessions they opened; all end together."""

    scope: str
    token: bytes
    used_at: datetime
    spent: set[bytes] = field(default_factory=set)
    sessions: set[bytes] = field(default_factory=set)


@dataclass
class Approvals:
    """All codes and approvals. Tokens and codes are kept by the hash of their text.

    `end_sessions` is called with the sessions of an approval that ended.
    """

    now: Callable[[], datetime]
    end_sessions: Callable[[set[bytes]], None]
    _codes: dict[bytes, Code] = field(default_factory=dict)
    _approvals: list[Approval] = field(default_factory=list)

    def new_code(self, request: Request) -> str:
        """A code for what a person just allowed."""
        code = f"aPrx{clock.token_hex(36)}=="
        self._codes[digest_of(code)] = Code(request, self.now())
        return code

    def redeem(self, text: str, redirect_uri: str, verifier: str, code_seconds: float) -> Request:
        """What was allowed with that code, once. Raises OAuthError."""
        code = self._codes.get(digest_of(text))
        if code is None:
            raise OAuthError("invalid_grant", "invalid authorization code")
        if code.redeemed or self.now() >= code.issued_at + timedelta(seconds=code_seconds):
            raise OAuthError("invalid_grant", "expired authorization code")
        if redirect_uri != code.request.redirect_uri:
            raise OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
        if code.request.challenge and _challenge_of(verifier) != code.request.challenge:
            raise OAuthError("invalid_grant", "invalid code verifier")
        code.redeemed = True
        return code.request

    def open(self, scope: str) -> tuple[str, Approval]:
        """A first refresh token, and the approval that it belongs to."""
        token = _new_refresh_token()
        approval = Approval(scope, digest_of(token), self.now())
        self._approvals.append(approval)
        for oldest in self._approvals[:-APPROVALS_MAX]:
            self._end(oldest)
        return token, approval

    def use(self, token: str, idle_seconds: float) -> Approval:
        """The approval that a refresh token stands for; its idle time starts afresh.

        Raises OAuthError. A token that rotation has replaced ends its whole approval: it may be stolen (salesforce.md
        1.6).
        """
        digest = digest_of(token)
        for approval in list(self._approvals):
            if digest in approval.spent or self.now() >= approval.used_at + timedelta(seconds=idle_seconds):
                self._end(approval)
            elif digest == approval.token:
                approval.used_at = self.now()
                return approval
        raise OAuthError("invalid_grant", "expired access/refresh token")

    def rotate(self, approval: Approval) -> str:
        """The next refresh token of an approval; the one before is spent."""
        token = _new_refresh_token()
        approval.spent.add(approval.token)
        approval.token = digest_of(token)
        return token

    def find(self, token: str) -> Approval | None:
        """The approval of a refresh token that may be used now."""
        digest = digest_of(token)
        return next((approval for approval in self._approvals if approval.token == digest), None)

    def revoke(self, token: str) -> bool:
        """Ends the approval of a refresh token and its sessions; whether it was there."""
        approval = self.find(token)
        if approval is not None:
            self._end(approval)
        return approval is not None

    def _end(self, approval: Approval) -> None:
        self._approvals.remove(approval)
        self.end_sessions(approval.sessions)


def _new_refresh_token() -> str:
    return f"5Aep861{clock.token_hex(40)}"


def _challenge_of(verifier: str) -> str:
    """base64url of the verifier's SHA-256, without padding (RFC 7636, S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
