"""What a worker does beside its pushes: webhooks and alerts, each in a thread and on a session of its own.

Nothing here can end a worker's shift or make a push wait: trouble is logged, and the thread begins anew.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import psycopg

from optsync.alerts import watching
from optsync.alerts.sending import Sender
from optsync.config.logging import get_logger
from optsync.seams import Seams
from optsync.sync.worker import IDLE_IN_TRANSACTION_SECONDS, innermost
from optsync.webhooks import delivering
from optsync.webhooks.delivering import Deliverer
from optsync.webhooks.egress import egress_of

if TYPE_CHECKING:
    from optsync.config.database import Database
    from optsync.config.environment import Environment
    from optsync.config.vault import Vault

POLL_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 60.0
TIDY_SECONDS: Final = 600.0
AGAIN_SECONDS: Final = 5.0

log = get_logger(__name__)


class Telling:
    """Works between `start` and `stop`."""

    def __init__(self, database: "Database", vault: "Vault", seams: Seams, environment: "Environment") -> None:
        self.database = database
        self.vault = vault
        self.seams = seams
        self.egress = egress_of(seams, environment)
        self.smtp = environment.smtp
        self.url = environment.public_url
        self.look_seconds = LOOK_SECONDS
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begins; returns at once."""
        for name, duty in (("webhooks", self._deliver), ("alerts", self._alert)):
            thread = threading.Thread(target=self._again_and_again, args=(duty,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Ends; what is being sent is left to its lease, and sent again after it."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(AGAIN_SECONDS)

    def _again_and_again(self, duty: Callable[[psycopg.Connection], None]) -> None:
        while not self._stopping.is_set():
            try:
                with self.database.connect(application_name=f"optsync {threading.current_thread().name}") as conn:
                    conn.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS}s'")
                    duty(conn)
            except Exception as error:  # noqa: BLE001 - nothing that happens here may end a worker
                log.warning("telling failed", error=type(error).__name__, where=innermost(error))
            self.seams.wait(self._stopping, AGAIN_SECONDS)

    def _deliver(self, conn: psycopg.Connection) -> None:
        deliverer = Deliverer(self.vault, self.seams, self.egress)
        tidied_at = self.seams.monotonic() - TIDY_SECONDS
        try:
            while not self._stopping.is_set():
                if self.seams.monotonic() - tidied_at >= TIDY_SECONDS:
                    tidied_at = self.seams.monotonic()
                    delivering.tidy(conn)
                if not deliverer.step(conn) and not deliverer.wait():
                    self.seams.wait(self._stopping, POLL_SECONDS)
        finally:
            deliverer.close()

    def _alert(self, conn: psycopg.Connection) -> None:
        sender = Sender(self.vault, self.seams, self.egress, self.smtp)
        looked_at = self.seams.monotonic() - self.look_seconds
        while not self._stopping.is_set():
            if self.seams.monotonic() - looked_at >= self.look_seconds:
                looked_at = self.seams.monotonic()
                watching.look(conn, self.url)
            if not sender.step(conn):
                self.seams.wait(self._stopping, POLL_SECONDS)
