"""The web server: granian with this installation's WSGI application."""

import socket

from granian import Granian
from granian.constants import Interfaces

from optsync.core.problems import Problem

THREADS_PER_WORKER = 4  # measured: sync views scale with them until a core is full
BACKLOG = 1024


def serve(host: str, port: int, workers: int) -> None:
    """Serves until SIGTERM or SIGINT. Raises Problem when the address cannot be listened on."""
    refuse_taken(host, port)
    Granian(
        "optsync.config.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS_PER_WORKER,
        backlog=BACKLOG,
        websockets=False,
        respawn_failed_workers=True,
        log_access=False,  # a path may hold an unsubscribe token
    ).serve()


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
