"""The web server: granian with this installation's WSGI application."""

import ctypes
import logging
import signal
import socket
import sys
from typing import Any

from granian import Granian
from granian.constants import Interfaces
from granian.server.common import AbstractServer

from optsync import seams
from optsync.config.database import open_database
from optsync.config.environment import read_environment
from optsync.config.lanes import READERS, Lanes
from optsync.config.vault import Vault
from optsync.core.problems import Problem

BACKLOG = 1024
PR_SET_PDEATHSIG = 1


def serve(host: str, port: int, workers: int) -> None:
    """Serves until SIGTERM or SIGINT. Raises Problem when the address is taken or the database will not do.

    The database is opened here too: what is wrong with it is told once and not by each worker, and when this returns an
    embedded server that nobody else uses has stopped.
    """
    refuse_taken(host, port)
    environment = read_environment()
    with open_database(environment) as database:
        database.migrate()
        with database.connect() as conn:
            Vault.load_or_create(environment, seams.real(), conn)
        granian(host, port, workers).serve()


def granian(host: str, port: int, workers: int) -> AbstractServer[Any]:
    """The server; each worker calls `application`."""
    logging.getLogger("_granian").addFilter(_is_no_advice_on_threads)
    return Granian(
        "optsync.config.serve:application",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=READERS,
        backlog=BACKLOG,
        websockets=False,
        respawn_failed_workers=True,
        log_access=False,  # a path may hold an unsubscribe token
    )


def _is_no_advice_on_threads(record: logging.LogRecord) -> bool:
    """Granian warns of so many threads at every start; ours read bodies, and `lanes` bounds those that work."""
    return "Python threads" not in str(record.msg)


def application() -> Lanes:
    """Runs in a worker process: what it serves. It ends when the process that started it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    from optsync.config.wsgi import application as loaded

    return loaded


def refuse_taken(host: str, port: int) -> None:
    """Raises Problem when nobody could listen there; granian itself would retry in silence."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise Problem(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            "the web pages were not started; recording and syncing elsewhere go on",
            "choose another one with --host and --port",
        ) from None
