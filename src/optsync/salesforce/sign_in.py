"""One sign-in for all threads: made when first needed, and anew when its session is over."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, Self

from optsync.salesforce.answer_headers import AnswerHeaders
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import OddAnswer, SalesforceError, SignInRefused, Unreachable
from optsync.salesforce.hosts import check_login_url
from optsync.salesforce.oauth import Grant, Token, token_form, token_of, token_request
from optsync.salesforce.repeats import repeated
from optsync.seams import Seams

if TYPE_CHECKING:  # loading it costs 0.1 s and more; see http.py
    from optsync.salesforce.http import Http

CLOCK_SKEW_SECONDS = 60


class Held(Protocol):
    """A credential in one's own hands: nobody else renews with it meanwhile."""

    @property
    def credential(self) -> Credential:
        """The newest one, which another process may have renewed."""

    def keep(self, credential: Credential) -> None:
        """Puts another in its place, for good once this returns."""


class Keeper(Protocol):
    """Where a credential lives when its refresh token may be used up: every renewal goes through its hands."""

    def hold(self) -> AbstractContextManager[Held]:
        """The credential, held by one renewal at a time among all processes. Raises Unreachable."""


@dataclass
class Unkept:
    """The keeper of a credential that nobody has stored yet."""

    credential: Credential

    def hold(self) -> AbstractContextManager[Self]:
        """Itself: there is no other process."""
        return nullcontext(self)

    def keep(self, credential: Credential) -> None:
        """Remembers it for whoever stores it."""
        self.credential = credential


class SignIn:
    """The grant of one session, for any number of threads. `credential` is the newest one known here."""

    def __init__(
        self,
        credential: Credential,
        http: "Http",
        seams: Seams,
        headers: AnswerHeaders,
        keeper: Keeper | None = None,
        grant: Grant | None = None,
    ) -> None:
        check_login_url(credential.login_url, credential.practice)
        self.credential = credential
        self._http = http
        self._seams = seams
        self._headers = headers
        self._keeper = keeper or Unkept(credential)
        self._grant = grant
        self._spent: Grant | None = None
        self._signing_in = threading.Lock()
        self._sign_ins = 0
        self._error: SalesforceError | None = None

    def granted(self, stale: Grant | None = None) -> Grant:
        """The current grant, or a new one when there is none or it is the stale one: one sign-in for all threads.

        Threads that waited for a sign-in which failed raise its error instead of asking again one after the other.
        """
        if (current := self._current(stale)) is not None:
            return current
        seen = self._sign_ins
        with self._my_turn():
            if (current := self._current(stale)) is not None:
                return current
            if self._sign_ins != seen and self._error is not None:
                raise self._error
            self._error = None
            try:
                fresh = repeated(self._sign_in, self._http, self._seams)
                self._refuse_another_org(fresh)
            except SalesforceError as error:
                self._error = error
                raise
            finally:
                self._sign_ins += 1
            self._grant = fresh
            return fresh

    def spend(self, grant: Grant) -> None:
        """The next call signs in anew: by then the user may have been put right."""
        self._spent = grant

    def _current(self, stale: Grant | None) -> Grant | None:
        grant = self._grant
        return None if grant is stale or grant is self._spent else grant

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        patience_seconds = max(0.0, min(self._http.seconds_left(), threading.TIMEOUT_MAX))
        if not self._signing_in.acquire(timeout=patience_seconds):
            raise Unreachable("the sign-in took too long", maybe_applied=False)
        try:
            yield
        finally:
            self._signing_in.release()

    def _refuse_another_org(self, fresh: Grant) -> None:
        if self._grant is not None and self._grant.org_id != fresh.org_id:
            raise OddAnswer("the sign-in now leads to another org than before")

    def _sign_in(self) -> Grant:
        if self.credential.kind == "refresh_token":
            return self._renew()
        return self._ask_by_either_clock(self.credential).grant

    def _renew(self) -> Grant:
        """Uses the refresh token that is the newest among all processes; the next one is kept before anything else.

        When the answer is lost on its way, so may be the next token. Asking again is right all the same: either the
        old one still works, or an admin has to connect again anyhow.
        """
        with self._keeper.hold() as held:
            self.credential = held.credential
            token = self._ask_by_either_clock(held.credential)
            if token.refresh_token not in (None, held.credential.refresh_token):
                self.credential = replace(held.credential, refresh_token=token.refresh_token)
                held.keep(self.credential)
        return token.grant

    def _ask_by_either_clock(self, credential: Credential) -> Token:
        """Asks for a token; once more by Salesforce's clock when a JWT was refused and ours is off by a minute."""
        now_at = self._seams.now()
        try:
            return self._ask(credential, now_at)
        except SignInRefused as error:
            salesforce_at = self._headers.now_at
            if error.error != "invalid_grant" or credential.kind != "jwt" or salesforce_at is None:
                raise
            if abs(salesforce_at - now_at) < timedelta(seconds=CLOCK_SKEW_SECONDS):
                raise
        return self._ask(credential, salesforce_at)

    def _ask(self, credential: Credential, now_at: datetime) -> Token:
        login = check_login_url(credential.login_url, credential.practice)
        answer = self._http.send(token_request(login, token_form(credential, login, now_at)))
        self._headers.note(answer.headers)
        return token_of(answer, credential.practice)
