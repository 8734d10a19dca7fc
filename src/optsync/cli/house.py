"""What nearly every command needs open: environment, database, one session, keys."""

import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import FrameType
from typing import TYPE_CHECKING

from optsync.cli.output import Output
from optsync.core.problems import Problem

if TYPE_CHECKING:  # loading these costs more than showing a help text may
    import psycopg

    from optsync.config.database import Database
    from optsync.config.environment import Environment
    from optsync.config.vault import Vault
    from optsync.seams import Seams

LOCAL_URL = "http://127.0.0.1:8000"
SIGN_IN_NEEDED = 4


@dataclass
class House:
    """The installation, opened for one command. Keys are read when something first needs them."""

    environment: "Environment"
    database: "Database"
    conn: "psycopg.Connection"
    seams: "Seams"

    @cached_property
    def vault(self) -> "Vault":
        """The keys; made at the very first use of an installation. Raises Problem when they are lost or unreadable."""
        from optsync.config.vault import Vault

        return Vault.load_or_create(self.environment, self.seams, self.conn)

    @property
    def subject_key(self) -> bytes:
        """The key under which events name people."""
        return self.vault.subject_key

    @property
    def link_keys(self) -> Sequence[bytes]:
        """The keys of unsubscribe links, newest first."""
        return self.vault.link_keys

    @property
    def public_url(self) -> str:
        """The address that recipients see, without a slash at the end."""
        return self.environment.public_url or LOCAL_URL

    def org_id(self, asked: str | None = None) -> int:
        """The org a command means: the only one connected, or the one with the Salesforce id asked for.

        Raises Problem, exit code 4, when none is connected, and 2 when it must be named.
        """
        from optsync.connection.connect import connections

        orgs = connections(self.conn)
        if not orgs:
            raise Problem(
                "no Salesforce org is connected",
                "unsubscribes are recorded and blocked here; they are pushed once one is",
                "connect one: optsync connect --credentials FILE",
                SIGN_IN_NEEDED,
            )
        found = [org for org in orgs if asked is None or org.salesforce_id.startswith(asked)]
        if len(found) != 1:
            names = ", ".join(f"{org.salesforce_id} ({org.name})" for org in orgs)
            raise Problem("which org is meant?", f"connected are {names}", "name one: --org ID", 2)
        return found[0].org_id


@contextmanager
def opened(out: Output | None = None) -> Iterator[House]:
    """The installation for as long as the command runs; an embedded server that it started ends with it.

    Brings the database to this version first, which costs one query when there is nothing to do.
    """
    from optsync import seams
    from optsync.config.database import open_database
    from optsync.config.environment import read_environment

    end_like_ctrl_c()
    logging.getLogger("psycopg").addHandler(
        logging.NullHandler()
    )  # its errors reach us as exceptions, told in our words
    say = out.say if out else lambda line: None
    environment = read_environment()
    for line in environment.warnings:
        say(f"! {line}")
    with open_database(environment, say) as database:
        database.migrate()
        with database.connect() as conn:
            yield House(environment, database, conn, seams.real())


def end_like_ctrl_c() -> None:
    """A SIGTERM ends a command as Ctrl-C does: cleanly, with what was done kept."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
