"""Talking to one org as one user.

Source: REST API Developer Guide, "Headers" (Sforce-Call-Options, Sforce-Auto-Assign).
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from json import dumps
from typing import TYPE_CHECKING, Self, TypeVar

from optsync.salesforce import soap
from optsync.salesforce.answer_headers import AnswerHeaders, ApiUsage
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import Code, OddAnswer, SessionRefused, clean, code_of, error_items, refusal
from optsync.salesforce.hosts import check_login_url
from optsync.salesforce.oauth import CLIENT_NAME, Grant
from optsync.salesforce.repeats import repeated
from optsync.salesforce.sign_in import Keeper, SignIn
from optsync.seams import Seams

if TYPE_CHECKING:  # loading it costs 0.1 s and more; see http.py
    from optsync.salesforce.http import Answer, Http, Request, Stream, Transport

API_VERSION = "62.0"
"""Pinned: Bulk results are only given in the version that made the job. Winter '25; 3 years of support or more."""
DATA_ROOT = f"/services/data/v{API_VERSION}"

NOT_RENEWABLE = ("is not valid for use with the REST API", "Connected app is not attached to Agent")
"""401 texts that a new sign-in cannot cure (jsforce, http-api.ts: renewing on them never ends)."""

_PATH = re.compile(r"/services/[!\"$-\[\]-~]*", re.ASCII)

T = TypeVar("T")


class Session:
    """One user's session with one org, for any number of threads: signs in when first needed and once more on 401.

    `person_accounts` is when describe was asked for them and whether the org has them (`describe.has_person_accounts`),
    None before. Reads are repeated a few times when Salesforce is busy or unreachable; writes are sent once.
    """

    def __init__(self, sign_in: SignIn, http: "Http", seams: Seams, headers: AnswerHeaders) -> None:
        self.http = http
        self.seams = seams
        self.person_accounts: tuple[float, bool] | None = None
        self._sign_in = sign_in
        self._heard = headers

    @property
    def credential(self) -> Credential:
        """What it signs in with: the newest one when its refresh token was renewed meanwhile."""
        return self._sign_in.credential

    @property
    def limit(self) -> ApiUsage | None:
        """What the last answer said about API calls, None before the first."""
        return self._heard.limit

    @property
    def instance_url(self) -> str:
        """The org's API address; signs in if needed."""
        return self._sign_in.granted().instance

    @property
    def org_id(self) -> str:
        """The org's 18-character id; signs in if needed."""
        return self._sign_in.granted().org_id

    @property
    def user_id(self) -> str:
        """The integration user's 18-character id; signs in if needed."""
        return self._sign_in.granted().user_id

    @property
    def access_token(self) -> str:
        """What the Pub/Sub API is shown, which is asked by gRPC and not through here; signs in if needed."""
        return self._sign_in.granted().access_token

    @property
    def salesforce_now_at(self) -> datetime | None:
        """The time of the last answer by Salesforce's own clock, to the second; None before the first."""
        return self._heard.now_at

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        deadline_seconds: float | None = None,
        is_read: bool | None = None,
        is_poll: bool = False,
        accept: Collection[int] = (),
    ) -> "Answer":
        """The answer to one call: a 2xx, or one of `accept`.

        `path` starts with /services/ or is relative to the pinned version ("query?q=..."). `is_read` marks a POST that
        only reads, so that it may be repeated. Raises every SalesforceError but JobFailed.
        """
        from optsync.salesforce.http import READ_DEADLINE_SECONDS, WRITE_DEADLINE_SECONDS

        if is_read is None:
            is_read = method == "GET"
        if json is not None:
            content = dumps(json, separators=(",", ":")).encode()
        sent_headers = _headers(is_read, json is not None, headers)
        deadline = deadline_seconds or (READ_DEADLINE_SECONDS if is_read else WRITE_DEADLINE_SECONDS)

        def attempt(grant: Grant) -> "Answer":
            request = self._request_for(grant, method, path, sent_headers, content, deadline)
            return self._checked(self.http.send(request, is_poll=is_poll), accept)

        replayable = content is None or isinstance(content, bytes)
        if is_read:
            return repeated(lambda: self._with_renewal(attempt, replayable), self.http, self.seams)
        # A renewal counts: a write that leaves long after its worker looked at its claim might not be its own any more.
        with self.http.until(deadline):
            return self._with_renewal(attempt, replayable)

    def soap(self, path: str, body: str, *, is_read: bool = False) -> "Answer":
        """The answer to one SOAP call with that body (`salesforce.soap`). Raises as `request`, by the fault's code."""
        from optsync.salesforce.http import READ_DEADLINE_SECONDS, WRITE_DEADLINE_SECONDS

        sent_headers = _headers(is_read, False, soap.HEADERS)
        deadline = READ_DEADLINE_SECONDS if is_read else WRITE_DEADLINE_SECONDS

        def attempt(grant: Grant) -> "Answer":
            content = soap.envelope(grant.access_token, body)
            request = self._request_for(grant, "POST", path, sent_headers, content, deadline)
            answer = self._checked(self.http.send(request), accept=(soap.FAULT_STATUS,))
            if answer.status != soap.FAULT_STATUS:
                return answer
            code, text = soap.fault_of(answer.body)
            if code == Code.INVALID_SESSION_ID:
                raise _Expired(clean(text), code=code)
            # Every fault has status 500: as a refusal by REST its code alone says whether it is for now or for good.
            raise refusal(400, answer.headers, dumps([{"errorCode": code, "message": text}]).encode())

        if is_read:
            return repeated(lambda: self._with_renewal(attempt, replayable=True), self.http, self.seams)
        with self.http.until(deadline):
            return self._with_renewal(attempt, replayable=True)

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str] | None = None) -> "Iterator[Stream]":
        """A GET whose 2xx body is read in blocks. Repeated like any read until its head is there, not after."""
        from optsync.salesforce.http import READ_DEADLINE_SECONDS

        sent_headers = _headers(True, False, headers)

        def attempt(grant: Grant) -> "Stream":
            stream = self.http.open(self._request_for(grant, "GET", path, sent_headers, None, READ_DEADLINE_SECONDS))
            if not 200 <= stream.status < 300:
                with stream:
                    self._checked(stream.whole())
            self._heard.note(stream.headers)
            return stream

        with repeated(lambda: self._with_renewal(attempt, replayable=True), self.http, self.seams) as stream:
            yield stream

    def close(self) -> None:
        """Closes the connections."""
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request_for(
        self,
        grant: Grant,
        method: str,
        path: str,
        headers: dict[str, str],
        content: bytes | Iterable[bytes] | None,
        deadline_seconds: float,
    ) -> "Request":
        from optsync.salesforce.http import Request

        whole_path = path if path.startswith("/") else f"{DATA_ROOT}/{path}"
        if not _PATH.fullmatch(whole_path) or "/.." in whole_path.partition("?")[0]:
            # A path may come out of an answer (nextRecordsUrl): it must stay on this host, and below /services/.
            raise OddAnswer("a path that does not stay below /services/ or holds odd characters")
        authorised = {"Authorization": f"Bearer {grant.access_token}", **headers}
        return Request(method, grant.instance, whole_path, authorised, content, deadline_seconds)

    def _checked(self, answer: "Answer", accept: Collection[int] = ()) -> "Answer":
        """The answer when it is a 2xx or accepted; raises what it stands for otherwise."""
        self._heard.note(answer.headers)
        if 200 <= answer.status < 300 or answer.status in accept:
            return answer
        if answer.status != 401:
            raise refusal(answer.status, answer.headers, answer.body)
        item = (error_items(answer.body) or [{"errorCode": Code.INVALID_SESSION_ID}])[0]
        text, code = clean(item.get("message") or "no error text"), code_of(item.get("errorCode"))
        if code == Code.INVALID_SESSION_ID and not any(final in text for final in NOT_RENEWABLE):
            raise _Expired(text, code=code)
        raise SessionRefused(text, code=code)

    def _with_renewal(self, attempt: Callable[[Grant], T], replayable: bool) -> T:
        """What `attempt` gives, after one renewal at most. A streamed body cannot be sent twice: its 401 is raised.

        A session that no renewal can cure now is left to the next call: by then the user may have been put right.
        """
        grant = self._sign_in.granted()
        try:
            return attempt(grant)
        except _Expired:
            fresh = self._sign_in.granted(stale=grant)
            if not replayable:
                raise
        except SessionRefused:
            self._sign_in.spend(grant)
            raise
        return attempt(fresh)


class _Expired(SessionRefused):
    """A 401 that a renewal may cure."""


def open_session(
    credential: Credential,
    seams: Seams,
    *,
    keeper: Keeper | None = None,
    grant: Grant | None = None,
    connections: int | None = None,
    transport: "Transport | None" = None,
) -> Session:
    """A session with a connection pool of its own; nothing is sent before it is used. Raises HostRefused.

    `keeper` has the credential's refresh token in its care, `grant` is a sign-in made a moment ago. `connections`
    defaults to 5; `transport` replaces the network, for a simulator that answers in-process.
    """
    from optsync.salesforce.http import CONNECTIONS, Http

    check_login_url(credential.login_url, credential.practice)
    headers, http = AnswerHeaders(), Http(seams, connections or CONNECTIONS, transport)
    return Session(SignIn(credential, http, seams, headers, keeper, grant), http, seams, headers)


def _headers(is_read: bool, is_json: bool, more: Mapping[str, str] | None) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "User-Agent": CLIENT_NAME,
        "Sforce-Call-Options": f"client={CLIENT_NAME}",
    }
    if is_json:
        headers["Content-Type"] = "application/json"
    if not is_read:
        # An update of a Lead would run the org's assignment rules otherwise: a tick must not change its owner.
        headers["Sforce-Auto-Assign"] = "FALSE"
    return headers | dict(more or {})
