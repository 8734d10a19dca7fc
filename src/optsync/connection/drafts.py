"""A connection that is being set up step by step: where, how to sign in, which org that leads to, then `connect`.

There is one draft at a time, in the database: any admin goes on where another left off. Secrets in it are encrypted
like those of a connection and are never given back.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, get_args
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from optsync.connection.connect import PACKAGE, Connected, connect, refuse_other_org
from optsync.connection.key_pairs import make_key_pair
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql
from optsync.salesforce import organization, web_flow
from optsync.salesforce import session as salesforce
from optsync.salesforce.credentials import Credential
from optsync.salesforce.hosts import LOGIN_HOSTS, Origin, check_login_url, my_domain_of
from optsync.salesforce.oauth import Grant
from optsync.salesforce.organization import Organization
from optsync.salesforce.web_flow import App, Attempt
from optsync.seams import Seams

if TYPE_CHECKING:
    from optsync.config.vault import Vault

Place = Literal["production", "sandbox", "my domain", "practice"]
Way = Literal["jwt", "client_credentials", "refresh_token"]
SECRET_OF: Final[dict[Way, str]] = {
    "jwt": "private_key",
    "client_credentials": "client_secret",
    "refresh_token": "refresh_token",
}
"""The column that holds what a way of sign-in cannot do without."""
RENEWAL_LOCK: Final = 7015
LOGIN_ADDRESSES: Final[dict[str, Origin]] = {
    "production": Origin("https://login.salesforce.com"),
    "sandbox": Origin("https://test.salesforce.com"),
}
_KEY = re.compile(r"[!-~]{1,512}", re.ASCII)
_USERNAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,80}@[^\s\x00-\x1f\x7f]{1,80}")


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known so far; `way` is None until it was chosen, `found` until the sign-in has worked once."""

    place: Place
    login_url: str
    way: Way | None
    client_id: str
    username: str
    certificate: str
    has_secret: bool
    found: Organization | None

    @property
    def is_general_login(self) -> bool:
        """True for login.salesforce.com and test.salesforce.com, which serve every org."""
        return urlsplit(self.login_url).hostname in LOGIN_HOSTS

    @property
    def is_unexpected_kind(self) -> bool:
        """Whether a sandbox was asked for and a production org found, or the other way round."""
        wanted = {"production": False, "sandbox": True}.get(self.place)
        return self.found is not None and wanted is not None and self.found.is_sandbox is not wanted


def load(conn: psycopg.Connection) -> Draft | None:
    """The draft, without its secrets; None when nothing is being set up."""
    row = _row(conn)
    if row is None:
        return None
    return Draft(
        row["place"],
        row["login_url"],
        row["way"],
        row["client_id"],
        row["username"],
        row["certificate"],
        row["client_secret"] is not None,
        Organization(**row["found"]) if row["found"] else None,
    )


def begin(conn: psycopg.Connection, place: str, address: str, actor: str | None) -> None:
    """Stores where the org is. Raises Problem for an unknown place, HostRefused for an address that is not its own."""
    if place not in get_args(Place):
        raise _not_chosen()
    values = {"place": place, "login_url": _login_url(place, address), "actor": actor}
    conn.execute(sql(PACKAGE, "begin_draft"), values)


def choose_way(conn: psycopg.Connection, vault: "Vault", seams: Seams, way: str) -> None:
    """Stores how to sign in; the first choice of JWT makes the key pair. Raises Problem when it cannot be that way."""
    draft = _required(conn)
    if way not in get_args(Way):
        raise _not_chosen()
    if way == "client_credentials" and draft.is_general_login:
        raise Problem(
            told("client credentials do not work at %(address)s", address=draft.login_url),
            told("Salesforce offers this way at an org's own My Domain address only; nothing was changed"),
            told("go one step back and choose My Domain, with the address from Salesforce Setup > My Domain"),
        )
    values: dict[str, object] = {"way": way, "certificate": "", "private_key": None}
    if way == "jwt" and not draft.certificate:
        pair = make_key_pair(seams.now())
        values |= {"certificate": pair.certificate, "private_key": vault.encrypt(pair.private_key.encode())}
    conn.execute(sql(PACKAGE, "choose_way"), values)


def fill_in(conn: psycopg.Connection, vault: "Vault", client_id: str, username: str, client_secret: str) -> None:
    """Stores what the app and its user are called. An empty secret keeps the one typed before. Raises Problem."""
    draft = _required(conn)
    if not _KEY.fullmatch(client_id):
        raise _unusable(told("the consumer key is missing or holds blanks or odd characters"))
    if draft.way == "jwt" and not _USERNAME.fullmatch(username):
        raise _unusable(told("the user name is missing or is not of the form name@company.example"))
    keeps_secret = draft.has_secret and not client_secret
    if draft.way == "client_credentials" and not keeps_secret and not _KEY.fullmatch(client_secret):
        raise _unusable(told("the consumer secret is missing or holds blanks or odd characters"))
    if client_secret and not _KEY.fullmatch(client_secret):
        raise _unusable(told("the consumer secret is missing or holds blanks or odd characters"))
    secret = vault.encrypt(client_secret.encode()) if client_secret else None
    values = {"client_id": client_id, "username": username if draft.way == "jwt" else draft.username}
    conn.execute(sql(PACKAGE, "fill_in"), values | {"client_secret": secret})


def app(conn: psycopg.Connection, vault: "Vault") -> App:
    """The app that a person is to let in. Raises Problem before its key is known."""
    row = _row(conn)
    if row is None or row["way"] != "refresh_token" or not row["client_id"]:
        raise _not_chosen()
    return App(row["login_url"], row["client_id"], _opened(vault, row["client_secret"]), row["place"] == "practice")


def let_in(
    conn: psycopg.Connection, vault: "Vault", seams: Seams, attempt: Attempt, callback: Mapping[str, str]
) -> Organization:
    """Takes what the browser brought back from the consent page, stores its refresh token, and looks which org it is.

    Raises Problem when the draft is about another app by now, SalesforceError when the consent was not given or does
    not belong to the attempt.
    """
    if app(conn, vault) != attempt.app:
        raise _not_chosen()
    credential, grant = web_flow.finish(attempt, callback, seams)
    _Kept(conn, vault).keep(credential)
    return look(conn, vault, seams, grant)


def look(conn: psycopg.Connection, vault: "Vault", seams: Seams, grant: Grant | None = None) -> Organization:
    """Signs in, writes nothing in Salesforce, and remembers which org that leads to. `grant` is a sign-in just made.

    Raises SalesforceError when the sign-in fails and Problem when it used to lead to another org.
    """
    credential = _credential(conn, vault)
    with salesforce.open_session(credential, seams, keeper=_keeper(conn, vault, credential), grant=grant) as session:
        org = organization.fetch(session)
    refuse_other_org(conn, credential, org.id)
    conn.execute(sql(PACKAGE, "store_found"), {"found": Jsonb(asdict(org))})
    return org


def finish(conn: psycopg.Connection, vault: "Vault", seams: Seams, confirmed: str, actor: str | None) -> Connected:
    """Connects the org with the id that a person has confirmed; the draft is gone then. Raises as `connect`."""
    credential = _credential(conn, vault)
    keeper = _keeper(conn, vault, credential)
    connected = connect(conn, vault, credential, seams, keeper=keeper, expected=confirmed, actor=actor)
    drop(conn)
    return connected


@dataclass(frozen=True, slots=True)
class _Kept:
    """The keeper of the draft's refresh token (`salesforce.sign_in.Keeper`): its successor is stored before it is
    used. `conn` is the page's own, and nothing else goes on in it meanwhile."""

    conn: psycopg.Connection
    vault: "Vault"

    @property
    def credential(self) -> Credential:
        """The newest one."""
        return _credential(self.conn, self.vault)

    @contextmanager
    def hold(self) -> Iterator[Self]:
        """Itself, with a lock of the session: of two pages that renew at once one waits for the other's token."""
        self.conn.execute("SELECT pg_advisory_lock(%s, 0)", (RENEWAL_LOCK,))
        try:
            yield self
        finally:
            self.conn.execute("SELECT pg_advisory_unlock(%s, 0)", (RENEWAL_LOCK,))

    def keep(self, credential: Credential) -> None:
        """Stores the token, encrypted; committed once this returns."""
        sealed = self.vault.as_filed().encrypt((credential.refresh_token or "").encode())
        self.conn.execute(sql(PACKAGE, "store_refresh_token"), {"refresh_token": sealed})


def _keeper(conn: psycopg.Connection, vault: "Vault", credential: Credential) -> _Kept | None:
    """Only a refresh token may be used up."""
    return _Kept(conn, vault) if credential.kind == "refresh_token" else None


def drop(conn: psycopg.Connection) -> None:
    """Forgets the draft and its secrets."""
    conn.execute(sql(PACKAGE, "drop_draft"))


def _login_url(place: str, address: str) -> Origin:
    if place == "practice":
        parts = address.strip().split("/", 3)  # a whole address of a page is cut, as for a real org
        return check_login_url("/".join(parts[:3]), practice=True)
    return LOGIN_ADDRESSES.get(place) or my_domain_of(address)


def _credential(conn: psycopg.Connection, vault: "Vault") -> Credential:
    row = _row(conn)
    if row is None or row["way"] is None or row[SECRET_OF[row["way"]]] is None or not row["client_id"]:
        raise _not_chosen()
    way: Way = row["way"]
    return Credential(
        kind=way,
        login_url=row["login_url"],
        client_id=row["client_id"],
        username=row["username"] if way == "jwt" else None,
        private_key_pem=_opened(vault, row["private_key"]) if way == "jwt" else None,
        client_secret=None if way == "jwt" else _opened(vault, row["client_secret"]),
        practice=row["place"] == "practice",
        refresh_token=_opened(vault, row["refresh_token"]) if way == "refresh_token" else None,
    )


def _opened(vault: "Vault", sealed: bytes | None) -> str | None:
    return None if sealed is None else vault.decrypt(sealed).decode()


def _row(conn: psycopg.Connection) -> dict[str, Any] | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql(PACKAGE, "draft")).fetchone()


def _required(conn: psycopg.Connection) -> Draft:
    draft = load(conn)
    if draft is None:
        raise _not_chosen()
    return draft


def _not_chosen() -> Problem:
    return Problem(
        told("a step before this one is not done yet"),
        told("nothing was changed"),
        told("begin with where your org is; what was typed before is still there"),
    )


def _unusable(what: str) -> Problem:
    return Problem(
        what,
        told("nothing was sent to Salesforce"),
        told("copy it once more from Salesforce Setup; blanks before and after it do not matter"),
    )
