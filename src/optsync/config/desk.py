"""What a page needs besides Django: the ledger's session, the keys, the seams. `config.wsgi` lays it out."""

import select
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import LifoQueue
from typing import Literal, get_args

import psycopg
from psycopg.abc import Buffer
from psycopg.types.string import StrDumperUnknown

from optsync.config.database import Database
from optsync.config.vault import Vault
from optsync.core.proxies import INSIDE, Networks
from optsync.core.texts import storable
from optsync.seams import Seams

SHARED_SESSIONS = 4
"""For each work of threads that have no session of their own; more do not help before a core is full."""
Work = Literal["one-click", "check"]
"""A large check takes its time, and must not delay an unsubscribe."""


class Desk:
    """The installation as pages see it. `proxies` may say who asks (`core.proxies`)."""

    def __init__(self, database: Database, vault: Vault, seams: Seams, proxies: Networks = INSIDE) -> None:
        self.database = database
        self.vault = vault
        self.seams = seams
        self.proxies = proxies
        self._own = threading.local()
        self._shared: dict[Work, LifoQueue[psycopg.Connection | None]] = {w: LifoQueue() for w in get_args(Work)}
        for sessions in self._shared.values():
            for _ in range(SHARED_SESSIONS):
                sessions.put(None)  # made when it is first used
        self._links = (0, vault.link_keys)

    @property
    def subject_key(self) -> bytes:
        """The key under which events name people."""
        return self.vault.subject_key

    @property
    def link_keys(self) -> Sequence[bytes]:
        """The keys of unsubscribe links, newest first.

        Read again as soon as the key file is another one: a link made with a new key must not meet a server without it.
        """
        try:
            changed_at = self.vault.path.stat().st_mtime_ns
        except OSError:
            return self._links[1]
        if changed_at != self._links[0]:
            self._links = (changed_at, self.vault.as_filed().link_keys)
        return self._links[1]

    def connection(self) -> psycopg.Connection:
        """This thread's session, tried before use; a new one when the server went away meanwhile.

        Not Django's own: that one hands JSON out as text, which the ledger's functions do not expect.
        """
        session: psycopg.Connection | None = getattr(self._own, "session", None)
        if session is not None and is_alive(session):
            return session
        fresh = self._own.session = self.database.connect()
        fresh.adapters.register_dumper(str, Storable)
        return fresh

    @contextmanager
    def shared_session(self, work: Work) -> Iterator[None]:
        """While this lasts, `connection` gives this thread one of a few sessions that many share; it waits for one.

        For short work in autocommit, in a thread that is one of very many.
        """
        own = getattr(self._own, "session", None)
        self._own.session = self._shared[work].get()
        try:
            yield
        finally:
            self._shared[work].put(self._own.session)
            self._own.session = own


class Storable(StrDumperUnknown):
    """Leaves out what PostgreSQL cannot store, such as NUL: who sends that finds nothing, and nothing fails of it.

    Like psycopg's own it leaves the type to the statement: a `"char"` of the ledger takes no `text`.
    """

    def dump(self, obj: str) -> Buffer | None:
        """The text for the server."""
        return super().dump(storable(obj))


def is_alive(session: psycopg.Connection) -> bool:
    """Whether a session still answers; a dead one is closed.

    A server that went away has closed its end, which makes the socket readable. A silent one is not asked: that would
    be a round trip for each page, and half the time of recording an opt-out.
    """
    if not readable(session):
        return True
    try:
        session.execute("")
    except psycopg.OperationalError:
        session.close()
        return False
    return True


def readable(session: psycopg.Connection) -> bool:
    """Whether the server has sent something that nobody asked for: a notice, or its end."""
    if session.closed:
        return True
    poll = select.poll()
    poll.register(session.fileno(), select.POLLIN)
    return bool(poll.poll(0))


_laid_out: list[Desk] = []


def lay_out(database: Database, vault: Vault, seams: Seams, proxies: Networks = INSIDE) -> None:
    """Called once Django has been started; called again it replaces what was there."""
    _laid_out[:] = [Desk(database, vault, seams, proxies)]


def desk() -> Desk:
    """The desk of this process. Raises IndexError before `lay_out`."""
    return _laid_out[0]
