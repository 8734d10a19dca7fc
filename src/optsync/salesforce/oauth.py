"""Signing in to one org and talking to it as one user: JWT bearer (the default) and client credentials.

Nothing is rotated and nothing is stored: a lost session is simply signed in anew. Sources: Salesforce Help, "OAuth 2.0
JWT Bearer Flow for Server-to-Server Integration", "OAuth 2.0 Client Credentials Flow"; REST API Developer Guide,
"Headers" (Sforce-Call-Options, Sforce-Auto-Assign, Sforce-Limit-Info).
"""

import json
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from urllib.parse import urlencode

from optsync.core.record_ids import BadRecordId, to_18
from optsync.salesforce.errors import (
    BadCredential,
    Busy,
    Code,
    OddAnswer,
    SalesforceError,
    SessionRefused,
    SignInRefused,
    Unreachable,
    clean,
    code_of,
    error_items,
    refusal,
)
from optsync.salesforce.hosts import Origin, check_instance_url, check_login_url, is_loopback_url
from optsync.seams import Seams

if TYPE_CHECKING:  # loading it costs 0.1 s and more; see http.py
    from optsync.salesforce.http import Answer, Http, Request, Stream, Transport

API_VERSION = "62.0"
"""Pinned: Bulk results are only given in the version that made the job. Winter '25; 3 years of support or more."""
DATA_ROOT = f"/services/data/v{API_VERSION}"
CLIENT_NAME = "optsync"
"""Appears in change events as the origin of our own writes, so that we can tell our echoes."""
ASSERTION_SECONDS = 180
"""Life of a JWT: Salesforce takes up to 5 minutes."""
CLOCK_SKEW_SECONDS = 60
SIGN_IN_SECONDS = 30.0
READ_ATTEMPTS = 4
FIRST_RETRY_SECONDS = 0.25
MAX_RETRY_SECONDS = 8.0

NOT_RENEWABLE = ("is not valid for use with the REST API", "Connected app is not attached to Agent")
"""401 texts that a new sign-in cannot cure (jsforce, http-api.ts: renewing on them never ends)."""

_PATH = re.compile(r"/services/[!\"$-\[\]-~]*", re.ASCII)
_IDENTITY_PATH = re.compile(r"/id/(00D[0-9A-Za-z]{12,15})/(005[0-9A-Za-z]{12,15})\Z", re.ASCII)
_API_USAGE = re.compile(r"api-usage=([0-9]{1,12})/([0-9]{1,12})", re.ASCII)

Kind = Literal["jwt", "client_credentials"]
T = TypeVar("T")


@dataclass(frozen=True)
class Credential:
    """What it takes to sign in to one org. Its repr never shows the private key or the secret."""

    kind: Kind
    login_url: str
    client_id: str
    username: str | None = None
    private_key_pem: str | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)
    practice: bool = False
    """True: a practice org on this machine, plain http to loopback and nothing else. False: only Salesforce."""

    def __post_init__(self) -> None:
        if self.kind == "jwt" and not (self.username and self.private_key_pem):
            raise _bad_credential("a JWT sign-in needs username and private_key_pem (or private_key_file)")
        if self.kind == "client_credentials" and not self.client_secret:
            raise _bad_credential("a client credentials sign-in needs client_secret")
        if not self.client_id:
            raise _bad_credential("client_id (the app's consumer key) is missing")

    def to_json(self) -> str:
        """Everything, secrets included: to be encrypted by whoever stores it."""
        return dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The credential that `to_json` wrote. Raises BadCredential."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise _bad_credential("the stored credential cannot be read") from error

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Reads a credentials file. Raises BadCredential, and HostRefused for a login address that is not Salesforce's.

        The file is one JSON object:
          login_url          https://NAME.my.salesforce.com (best), https://login.salesforce.com or https://test....
          client_id          the app's consumer key
          username           the integration user (JWT)
          private_key_file   PEM file, relative to this file (JWT), or private_key_pem with its text
          client_secret      the app's secret (client credentials)
          kind               "jwt" or "client_credentials"; unset: jwt when there is a private key
        Other keys are ignored, so the file that `practice-org serve --credentials` writes is read as it is. A login
        address on this machine makes it a practice credential, unless the file says "practice": false.
        """
        values = _read_object(path)
        key_pem = _text(values, "private_key_pem") or _read_key(path, _text(values, "private_key_file"))
        kind: Kind = "jwt" if key_pem else "client_credentials"
        match values.get("kind", kind):
            case "jwt" | "client_credentials" as named:
                kind = named
            case _:
                raise _bad_credential('kind must be "jwt" or "client_credentials"')
        login_url = _text(values, "login_url")
        practice = values.get("practice", True) is not False and is_loopback_url(login_url)
        return cls(
            kind=kind,
            login_url=check_login_url(login_url, practice),
            client_id=_text(values, "client_id"),
            username=_text(values, "username") or None,
            private_key_pem=key_pem if kind == "jwt" else None,
            client_secret=_text(values, "client_secret") if kind == "client_credentials" else None,
            practice=practice,
        )


@dataclass(frozen=True, slots=True)
class ApiUsage:
    """API calls of the last 24 hours as Salesforce counts them (it counts late), and how many are allowed."""

    used: int
    allowed: int


@dataclass(frozen=True, slots=True)
class Grant:
    """One sign-in's result."""

    access_token: str = field(repr=False)
    instance: Origin
    org_id: str
    user_id: str


class Session:
    """One user's session with one org, for any number of threads: signs in when first needed and once more on 401.

    `limit` is what the last answer said about API calls, None before the first; `person_accounts` when describe was
    asked for them and whether the org has them (`describe.has_person_accounts`). Reads are repeated a few times when
    Salesforce is busy or unreachable; writes are sent once.
    """

    def __init__(self, credential: Credential, http: "Http", seams: Seams) -> None:
        self.credential = credential
        self.http = http
        self.seams = seams
        self.limit: ApiUsage | None = None
        self.person_accounts: tuple[float, bool] | None = None
        self._login = check_login_url(credential.login_url, credential.practice)
        self._grant: Grant | None = None
        self._spent: Grant | None = None
        self._signing_in = threading.Lock()
        self._sign_ins = 0
        self._sign_in_error: SalesforceError | None = None
        self._date = ""

    @property
    def instance_url(self) -> str:
        """The org's API address; signs in if needed."""
        return self._granted().instance

    @property
    def org_id(self) -> str:
        """The org's 18-character id; signs in if needed."""
        return self._granted().org_id

    @property
    def user_id(self) -> str:
        """The integration user's 18-character id; signs in if needed."""
        return self._granted().user_id

    @property
    def salesforce_now_at(self) -> datetime | None:
        """The time of the last answer by Salesforce's own clock, to the second; None before the first."""
        return _parse_date(self._date)

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
            return self._repeated(lambda: self._with_renewal(attempt, replayable))
        # A renewal counts: a write that leaves long after its worker looked at its claim might not be its own any more.
        with self.http.until(deadline):
            return self._with_renewal(attempt, replayable)

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
            self._note(stream.headers)
            return stream

        with self._repeated(lambda: self._with_renewal(attempt, replayable=True)) as stream:
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
        if not _PATH.fullmatch(whole_path):
            # A path may come out of an answer (nextRecordsUrl): it must stay on this host.
            raise OddAnswer("a path that does not start with /services/ or holds odd characters")
        authorised = {"Authorization": f"Bearer {grant.access_token}", **headers}
        return Request(method, grant.instance, whole_path, authorised, content, deadline_seconds)

    def _checked(self, answer: "Answer", accept: Collection[int] = ()) -> "Answer":
        """The answer when it is a 2xx or accepted; raises what it stands for otherwise."""
        self._note(answer.headers)
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
        grant = self._granted()
        try:
            return attempt(grant)
        except _Expired:
            fresh = self._granted(stale=grant)
            if not replayable:
                raise
        except SessionRefused:
            self._spent = grant
            raise
        return attempt(fresh)

    def _repeated(self, action: Callable[[], T]) -> T:
        """What `action` gives, tried up to READ_ATTEMPTS times while Salesforce is busy or unreachable."""
        for attempt in range(1, READ_ATTEMPTS):
            try:
                return action()
            except (Busy, Unreachable) as error:
                pause_seconds = self._pause_seconds(attempt, error)
                if pause_seconds >= self.http.seconds_left():
                    raise
                self.seams.sleep(pause_seconds)
        return action()

    def _pause_seconds(self, attempt: int, error: Busy | Unreachable) -> float:
        """0.25 s, 0.5 s, 1 s with up to half of it taken off at random, or what Salesforce asked for, at most 8 s."""
        asked = getattr(error, "retry_after_seconds", None) or 0.0
        backoff: float = FIRST_RETRY_SECONDS * 2 ** (attempt - 1) * self.seams.random.uniform(0.5, 1.0)
        return min(max(backoff, asked), MAX_RETRY_SECONDS)

    def _note(self, headers: Mapping[str, str]) -> None:
        self._date = headers.get("date", self._date)
        if usage := _API_USAGE.search(headers.get("sforce-limit-info", "")):
            self.limit = ApiUsage(int(usage[1]), int(usage[2]))

    def _granted(self, stale: Grant | None = None) -> Grant:
        """The current grant, or a new one when there is none or it is the stale one: one sign-in for all threads.

        Threads that waited for a sign-in which failed raise its error instead of asking again one after the other.
        """
        if (held := self._held(stale)) is not None:
            return held
        seen = self._sign_ins
        with self._my_turn_to_sign_in():
            if (held := self._held(stale)) is not None:
                return held
            if self._sign_ins != seen and self._sign_in_error is not None:
                raise self._sign_in_error
            try:
                fresh = self._repeated(self._sign_in)
                self._refuse_another_org(fresh)
            except SalesforceError as error:
                self._sign_in_error = error
                raise
            finally:
                self._sign_ins += 1
            self._grant, self._sign_in_error = fresh, None
            return fresh

    def _held(self, stale: Grant | None) -> Grant | None:
        grant = self._grant
        return None if grant is stale or grant is self._spent else grant

    @contextmanager
    def _my_turn_to_sign_in(self) -> Iterator[None]:
        patience_seconds = max(0.0, min(self.http.seconds_left(), threading.TIMEOUT_MAX))
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
        """Asks for a token; once more by Salesforce's clock when a JWT was refused and ours is off by a minute."""
        now_at = self.seams.now()
        try:
            return self._ask_for_token(now_at)
        except SignInRefused as error:
            salesforce_at = self.salesforce_now_at
            if error.error != "invalid_grant" or self.credential.kind != "jwt" or salesforce_at is None:
                raise
            if abs(salesforce_at - now_at) < timedelta(seconds=CLOCK_SKEW_SECONDS):
                raise
        return self._ask_for_token(salesforce_at)

    def _ask_for_token(self, now_at: datetime) -> Grant:
        from optsync.salesforce.http import Request

        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "User-Agent": CLIENT_NAME,
        }
        form = urlencode(_token_form(self.credential, self._login, now_at)).encode()
        request = Request("POST", self._login, "/services/oauth2/token", headers, form, SIGN_IN_SECONDS)
        answer = self.http.send(request)
        self._note(answer.headers)
        if answer.status == 200:
            return _grant_of(answer.json_object(), self.credential.practice)
        raise _sign_in_error(answer)


class _Expired(SessionRefused):
    """A 401 that a renewal may cure."""


def open_session(
    credential: Credential,
    seams: Seams,
    *,
    connections: int | None = None,
    transport: "Transport | None" = None,
) -> Session:
    """A session with a connection pool of its own; nothing is sent before it is used. Raises HostRefused.

    `connections` defaults to 5; `transport` replaces the network, for a simulator that answers in-process.
    """
    from optsync.salesforce.http import CONNECTIONS, Http

    check_login_url(credential.login_url, credential.practice)
    return Session(credential, Http(seams, connections or CONNECTIONS, transport), seams)


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


def _token_form(credential: Credential, login: Origin, now_at: datetime) -> dict[str, str]:
    if credential.kind == "jwt":
        return {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": _assertion(credential, login, now_at),
        }
    return {
        "grant_type": "client_credentials",
        "client_id": credential.client_id,
        "client_secret": credential.client_secret or "",
    }


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
        raise _bad_credential("the private key is not an RSA key in PEM form without a password") from error


def audience_of(login: Origin) -> str:
    """https://test.salesforce.com for sandboxes and scratch orgs, https://login.salesforce.com for all others."""
    host = login.removeprefix("https://")
    is_test = host == "test.salesforce.com" or "--" in host or ".sandbox.my." in host or ".scratch.my." in host
    return "https://test.salesforce.com" if is_test else "https://login.salesforce.com"


def _grant_of(token: dict[str, Any], practice: bool) -> Grant:
    """The grant in a token answer, its host checked before anything goes there. Raises HostRefused, OddAnswer."""
    access_token, identity = token.get("access_token"), _IDENTITY_PATH.search(str(token.get("id")))
    if not isinstance(access_token, str) or not re.fullmatch(r"[!-~]{1,8000}", access_token) or identity is None:
        raise OddAnswer("the token answer lacks a token or the org's id")
    instance = check_instance_url(str(token.get("instance_url")), practice)
    try:
        return Grant(access_token, instance, to_18(identity[1]), to_18(identity[2]))
    except BadRecordId as error:
        raise OddAnswer("the token answer's org id is no Salesforce id") from error


def _sign_in_error(answer: "Answer") -> SalesforceError:
    """OAuth errors are one object `{"error", "error_description"}` with status 400 or 401, unlike REST's array."""
    try:
        said = answer.json_object()
    except OddAnswer:
        said = {}
    if answer.status in (400, 401, 403) and isinstance(said.get("error"), str):
        return SignInRefused(clean(said["error"]), clean(said.get("error_description") or ""))
    return refusal(answer.status, answer.headers, answer.body)


def _parse_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


def _read_object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise _bad_credential(f"the file cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise _bad_credential("the file is not JSON") from error
    if not isinstance(values, dict):
        raise _bad_credential("the file holds no JSON object")
    return values


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str | None):
        raise _bad_credential(f"{name} must be text in quotes")
    return value or ""


def _read_key(path: Path, name: str) -> str | None:
    if not name:
        return None
    try:
        return (path.parent / name).read_text("ascii")
    except OSError as error:
        raise _bad_credential(f"private_key_file cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise _bad_credential("private_key_file is not a PEM file") from error


def _bad_credential(reason: str) -> BadCredential:
    return BadCredential(
        f"these credentials cannot be used: {reason}",
        means="nothing was sent to Salesforce",
        next_step="give login_url, client_id and either username with private_key_file, or client_secret",
    )
