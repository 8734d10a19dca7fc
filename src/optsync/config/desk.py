"""What a page needs besides Django: the ledger's session, the keys, the seams. `config.wsgi` lays it out."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from optsync.config.vault import Vault
from optsync.seams import Seams


@dataclass(frozen=True, slots=True)
class Desk:
    """The installation as pages see it."""

    vault: Vault
    seams: Seams

    @property
    def subject_key(self) -> bytes:
        """The key under which events name people."""
        return self.vault.subject_key

    @property
    def link_keys(self) -> Sequence[bytes]:
        """The keys of unsubscribe links, newest first."""
        return self.vault.link_keys

    def connection(self) -> psycopg.Connection:
        """This thread's session: Django's own, so that a page has one connection and Django looks after it."""
        from django.db import connection

        connection.ensure_connection()
        session: psycopg.Connection = connection.connection
        return session


_laid_out: list[Desk] = []


def lay_out(vault: Vault, seams: Seams) -> None:
    """Called once Django has been started; called again it replaces what was there."""
    _laid_out[:] = [Desk(vault, seams)]


def desk() -> Desk:
    """The desk of this process. Raises IndexError before `lay_out`."""
    return _laid_out[0]
