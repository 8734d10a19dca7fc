"""A connection that is being set up step by step: where, how to sign in, which org that leads to, then `connect`.

There is one draft at a time, in the database: any admin goes on where another left off. Secrets in it are encrypted
like those of a connection and are never given back.
"""

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from optsync.connection.connect import PACKAGE, Connected, connect, refuse_other_org
from optsync.connection.key_pairs import make_key_pair
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql
from optsync.salesforce import organization
from optsync.salesforce import session as salesforce
from optsync.salesforce.credentials import Credential
from optsync.salesforce.hosts import LOGIN_HOSTS, Origin, check_login_url, my_domain_of
from optsync.salesforce.organization import Organization
from optsync.seams import Seams

if TYPE_CHECKING:
    from optsync.config.vault import Vault

Place = Literal["production", "sandbox", "my domain", "practice"]
Way = Literal["jwt", "client_credentials"]
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
    secret = vault.encrypt(client_secret.encode()) if client_secret else None
    values = {"client_id": client_id, "username": username if draft.way == "jwt" else draft.username}
    conn.execute(sql(PACKAGE, "fill_in"), values | {"client_secret": secret})


def look(conn: psycopg.Connection, vault: "Vault", seams: Seams) -> Organization:
    """Signs in, writes nothing in Salesforce, and remembers which org that leads to.

    Raises SalesforceError when the sign-in fails and Problem when it used to lead to another org.
    """
    credential = _credential(conn, vault)
    with salesforce.open_session(credential, seams) as session:
        org = organization.fetch(session)
    refuse_other_org(conn, credential, org.id)
    conn.execute(sql(PACKAGE, "store_found"), {"found": Jsonb(asdict(org))})
    return org


def finish(conn: psycopg.Connection, vault: "Vault", seams: Seams, confirmed: str, actor: str | None) -> Connected:
    """Connects the org with the id that a person has confirmed; the draft is gone then. Raises as `connect`."""
    connected = connect(conn, vault, _credential(conn, vault), seams, expected=confirmed, actor=actor)
    drop(conn)
    return connected


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
    sealed = None if row is None else row["private_key" if row["way"] == "jwt" else "client_secret"]
    if row is None or sealed is None or not row["client_id"]:
        raise _not_chosen()
    secret = vault.decrypt(sealed).decode()
    is_jwt = row["way"] == "jwt"
    return Credential(
        kind=row["way"],
        login_url=row["login_url"],
        client_id=row["client_id"],
        username=row["username"] if is_jwt else None,
        private_key_pem=secret if is_jwt else None,
        client_secret=None if is_jwt else secret,
        practice=row["place"] == "practice",
    )


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
