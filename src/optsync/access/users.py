"""The people of the pages: viewers, operators and admins. Everybody is invited; nobody signs up.

No Django here: the command line adds and removes them too. Passwords, passkeys and codes are Django's and allauth's.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from optsync.config.vault import Vault
from optsync.core.addresses import is_address, normalize, without_addresses
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql

PACKAGE: Final = "optsync.access"
Role = Literal["viewer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""From the least to the most: who may do something may do all that stands before it."""
NAME_LENGTH_MAX: Final = 100
INVITATION_SECONDS: Final = 3 * 24 * 3600
SEALED: Final = ("secret", "seed")
"""Where allauth keeps the secret of an authenticator app and of recovery codes."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in. `signed_in_at` is None until they did; `invitation_open`: a link of theirs works."""

    user_id: int
    name: str
    email: str
    role: Role
    made_at: datetime
    signed_in_at: datetime | None
    invitation_open: bool


def listing(conn: psycopg.Connection) -> list[User]:
    """Everybody, by name."""
    with conn.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(sql(PACKAGE, "users")).fetchall()


def find(conn: psycopg.Connection, user_id: int) -> User | None:
    """The user with this number."""
    with conn.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(sql(PACKAGE, "user"), [user_id]).fetchone()


def find_by_address(conn: psycopg.Connection, address: str) -> User:
    """The user with this address, however it is written. Raises Problem when nobody has it."""
    row = conn.execute(sql(PACKAGE, "user_number"), [normalize(address)]).fetchone()
    return _known(find(conn, row[0]) if row else None)


def add(conn: psycopg.Connection, name: str, address: str, role: Role, *, actor: str) -> User:
    """A new user, who gets in by a link of their own. Raises Problem for a wrong or taken name or address."""
    values = {"name": name.strip(), "email": normalize(address), "role": role, "actor": actor}
    _refuse_unusable(values["name"], values["email"])
    row = conn.execute(sql(PACKAGE, "add_user"), values).fetchone()
    if row is None:
        _refuse_taken(conn, values)
    return _known(find(conn, row[0]) if row else None)


def change_role(
    conn: psycopg.Connection, user_id: int, role: Role, *, actor: str, spare_last_admin: bool = True
) -> User:
    """Gives a user another role, which ends their sessions. Raises Problem for the last admin and for nobody."""
    with conn.transaction():
        _lock(conn, user_id, spare_last_admin and role != "admin")
        conn.execute(sql(PACKAGE, "change_role"), {"user_id": user_id, "role": role, "actor": actor})
    return _known(find(conn, user_id))


def remove(conn: psycopg.Connection, user_id: int, *, actor: str, spare_last_admin: bool = True) -> User:
    """Removes a user with every session and way to sign in. Raises Problem for the last admin and for nobody."""
    with conn.transaction():
        gone = _lock(conn, user_id, spare_last_admin)
        conn.execute(sql(PACKAGE, "remove_user"), {"user_id": user_id, "actor": actor})
    return gone


def end_sessions(conn: psycopg.Connection, user_id: int, *, actor: str) -> None:
    """Signs a user out in every browser."""
    conn.execute(sql(PACKAGE, "end_sessions"), {"user_id": user_id, "actor": actor})


def tell(conn: psycopg.Connection, user_id: int, kind: str, what: str, *, actor: str) -> None:
    """Writes down that something about how a user signs in was changed; `what` holds no address and no secret."""
    conn.execute(sql(PACKAGE, "tell_of_user"), {"user_id": user_id, "kind": kind, "what": what, "actor": actor})


def keep_own_settings(conn: psycopg.Connection, user_id: int, language: str, time_zone: str) -> None:
    """The language and time zone in which a user reads; '' = as the browser asks, and UTC."""
    values = {"user_id": user_id, "language": language, "time_zone": time_zone}
    conn.execute(sql(PACKAGE, "own_settings"), values)


def encrypt_again(conn: psycopg.Connection, vault: Vault) -> int:
    """Encrypts the secrets of one-time and recovery codes with the newest key; returns how many."""
    with conn.transaction():
        found = conn.execute(sql(PACKAGE, "sealed_factors")).fetchall()
        for number, data in found:
            sealed = {name: vault.encrypt_again(data[name].encode()).decode() for name in SEALED if name in data}
            conn.execute(sql(PACKAGE, "store_factor"), {"id": number, "data": Jsonb(data | sealed)})
    return len(found)


def _lock(conn: psycopg.Connection, user_id: int, spare_last_admin: bool) -> User:
    """The user, with every change of standing shut out until the transaction ends."""
    conn.execute(sql(PACKAGE, "lock_users"))
    found = _known(find(conn, user_id))
    if spare_last_admin and found.role == "admin" and found.signed_in_at is not None:
        row = conn.execute(sql(PACKAGE, "another_admin"), {"user_id": user_id}).fetchone()
        if row is None or not row[0]:
            raise Problem(
                told("this is the last admin"),
                told("nothing was changed: without an admin nobody could change settings or users"),
                told("make another user an admin and let them sign in first"),
            )
    return found


def _known(found: User | None) -> User:
    if found is None:
        raise Problem(
            told("there is no such user"),
            told("nothing was changed; they may have been removed meanwhile"),
            told("look at the list of users"),
        )
    return found


def _refuse_unusable(name: str, email: str) -> None:
    if not name or len(name) > NAME_LENGTH_MAX or name != without_addresses(name) or not name.isprintable():
        raise Problem(
            told("a name has 1 to %(most)s characters and holds no e-mail address", most=NAME_LENGTH_MAX),
            told("nobody was invited; the name is how the audit tells who did what"),
            told("give the name by which colleagues know this person"),
            exit_code=2,
        )
    if not is_address(email):
        raise Problem(
            told("this is no e-mail address"),
            told("nobody was invited; the address is what they sign in with"),
            told("type it as name@example.com"),
            exit_code=2,
        )


def _refuse_taken(conn: psycopg.Connection, values: dict[str, str]) -> None:
    row = conn.execute(sql(PACKAGE, "taken"), {"email": values["email"], "name": values["name"]}).fetchone()
    has_address = row is not None and row[0]
    raise Problem(
        told("somebody with this address is a user already")
        if has_address
        else told("somebody with this name is a user already"),
        told("nobody was invited"),
        told("look at the list of users; change the role there")
        if has_address
        else told("give a name that tells them apart"),
        exit_code=2,
    )
