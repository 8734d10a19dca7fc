"""API keys: shown once, kept as a keyed hash, with scopes, an end and a last use.

No Django here: the command line makes, lists and revokes them.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

import psycopg
from psycopg.rows import dict_row

from optsync.core.addresses import without_addresses
from optsync.core.problems import Problem
from optsync.ledger.queries import sql

PACKAGE: Final = "optsync.access"
Scope = Literal["check", "read", "write", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
"""check: may I mail?; read: everything that can be seen; write: record unsubscribes; admin: all of it, and operate."""

NAME_LENGTH_MAX: Final = 100
DAYS_MAX: Final = 36_500
OVERLAP_HOURS: Final = 24
"""How long a key that was replaced still works, so that its program can be changed in between."""
HANDLE_BYTES: Final = 6
SECRET_BYTES: Final = 32
SHAPE: Final = re.compile(r"os_live_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
NO_HASH: Final = bytes(32)


class Replaced(Problem):
    """A key that has a successor, or was ended in this moment."""

    def __init__(self, handle: str) -> None:
        super().__init__(
            f"the key {handle} was replaced before",
            "nothing was changed; it works until its end",
            "replace its successor, or make a new one; see: optsync api-keys list",
        )


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret. `expires_at` None = never; `last_used_at` is exact to the hour."""

    key_id: int
    handle: str
    name: str
    scopes: tuple[Scope, ...]
    made_at: datetime
    made_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    is_expired: bool

    @property
    def state(self) -> Literal["active", "expired", "revoked"]:
        """Whether it opens anything."""
        return "revoked" if self.revoked_at else "expired" if self.is_expired else "active"

    def may(self, scope: Scope) -> bool:
        """Whether it opens what needs this scope; admin opens everything."""
        return scope in self.scopes or "admin" in self.scopes


def make(
    conn: psycopg.Connection,
    subject_key: bytes,
    token_bytes: Callable[[int], bytes],
    name: str,
    scopes: Sequence[Scope],
    *,
    days: int | None,
    actor: str,
    not_after: datetime | None = None,
) -> tuple[Key, str]:
    """A new key and its text, which nobody can show again. `days` None = it never expires, or at `not_after`."""
    handle = token_bytes(HANDLE_BYTES).hex()
    text = f"os_live_{handle}_{urlsafe_b64encode(token_bytes(SECRET_BYTES)).rstrip(b'=').decode()}"
    values = {
        "handle": handle,
        "secret_hash": hash_of(text, subject_key),
        "name": without_addresses(name),
        "scopes": sorted(set(scopes), key=SCOPES.index),
        "actor": actor,
        "days": days,
        "not_after": not_after,
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql(PACKAGE, "make_key"), values).fetchone()
    assert row is not None  # INSERT ... RETURNING
    return Key(**row | {"scopes": tuple(row["scopes"])}), text


def listing(conn: psycopg.Connection, before: int | None = None, limit: int | None = None) -> list[Key]:
    """Every key there ever was, the newest first; or a page of them, of numbers below `before`."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql(PACKAGE, "keys"), {"before": before, "limit": limit})
        return [Key(**row | {"scopes": tuple(row["scopes"])}) for row in rows]


def revoke(conn: psycopg.Connection, handle: str, *, actor: str) -> bool:
    """Ends a key from now on; False when there is no such key or it was revoked before."""
    return conn.execute(sql(PACKAGE, "revoke_key"), {"handle": handle, "actor": actor}).fetchone() is not None


def rotate(
    conn: psycopg.Connection,
    subject_key: bytes,
    token_bytes: Callable[[int], bytes],
    handle: str,
    *,
    actor: str,
    not_after: datetime | None = None,
) -> tuple[Key, str] | None:
    """A new key with the name, scopes and length of life of this one, which ends after OVERLAP_HOURS at the latest.

    The new one ends no later than `not_after`. None when there is no such key or it opens nothing any more. Raises
    Replaced.
    """
    old = next((key for key in listing(conn) if key.handle == handle and key.state == "active"), None)
    if old is None:
        return None
    days = None if old.expires_at is None else max(1, (old.expires_at - old.made_at).days)
    with conn.transaction():
        ends = {"handle": handle, "hours": OVERLAP_HOURS, "actor": actor}
        if conn.execute(sql(PACKAGE, "end_key_soon"), ends).fetchone() is None:
            raise Replaced(handle)
        return make(conn, subject_key, token_bytes, old.name, old.scopes, days=days, actor=actor, not_after=not_after)


def find(conn: psycopg.Connection, subject_key: bytes, text: str) -> Key | None:
    """The key with this text, also an expired or revoked one; None for a text that is none of ours.

    Compared in constant time, and the hash is computed for a wrong text too. Writes the last use at most hourly.
    """
    shape = SHAPE.fullmatch(text)
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql(PACKAGE, "key_by_handle"), [shape[1] if shape else ""], prepare=True).fetchone()
    stored = row.pop("secret_hash") if row else NO_HASH
    if not hmac.compare_digest(stored, hash_of(text, subject_key)) or row is None:
        return None
    is_use_due = row.pop("is_use_due")
    key = Key(**row | {"scopes": tuple(row["scopes"])})
    if is_use_due and key.state == "active":
        conn.execute(sql(PACKAGE, "note_use"), [key.key_id])
    return key


def hash_of(text: str, subject_key: bytes) -> bytes:
    """What is stored of a key. The NUL keeps it apart from the hash of any person: no normal form holds one."""
    return hmac.digest(subject_key, b"api key\0" + text.encode(errors="replace"), "sha256")
