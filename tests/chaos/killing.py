"""Dying by SIGKILL at a chosen boundary: every SQL statement, COPY, commit and HTTP call, before or after its effect.

A life runs in a process of its own, so that what dies with it is what kill -9 takes: threads, sessions, connections.
"""

import os
import re
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from optsync.salesforce.http import Http, Request

DiesAt = Callable[[int, str], bool]
"""Told of each boundary, its number and its name; whether the process dies there."""


class Boundaries:
    """Numbers and names the statements and calls of this process, tells each to `pipe`, and dies where it is asked to.

    A name says what, in which part of the work, for which time there: "sql: COMMIT #1, applying".
    """

    def __init__(self, dies_at: DiesAt, *, after_effect: bool, pipe: int) -> None:
        self.dies_at = dies_at
        self.after_effect = after_effect
        self.pipe = pipe
        self.number = 0
        self.enter("beginning")

    def enter(self, part: str, _count: int = 0) -> None:
        """The work enters another part."""
        self.part = part
        self.met = Counter[str]()

    @contextmanager
    def around(self, words: str) -> Iterator[None]:
        """Stands around the effect of one statement or call."""
        self.number += 1
        self.met[words] += 1
        name = f"{words} #{self.met[words]}, {self.part}"
        os.write(self.pipe, f"{name}\n".encode())
        dies = self.dies_at(self.number, name)
        if dies and not self.after_effect:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            yield
        finally:
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)


def live(
    life: Callable[[Boundaries], object], dies_at: DiesAt, *, after_effect: bool = False
) -> tuple[list[str], bool]:
    """Lives in a process of its own, to its end or to its death. Returns the boundaries it met and whether it died."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            boundaries = Boundaries(dies_at, after_effect=after_effect, pipe=writer)
            with _watching(boundaries):
                life(boundaries)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it was, this copy of the test run must not go on
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as told:
        met = told.read().splitlines()
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert status in (0, -signal.SIGKILL), f"the life ended with {status} after {met[-1:]}"
    return met, status != 0


def counted(met: Sequence[str]) -> str:
    """How many statements and how many calls these are, for a printed line."""
    calls = sum(name.startswith("http") for name in met)
    return f"{len(met) - calls} statements, {calls} calls"


@contextmanager
def _watching(boundaries: Boundaries) -> Iterator[None]:
    """Watches all database sessions and all HTTP of this process while the block runs."""
    execute, copy, end = psycopg.Cursor.execute, psycopg.Cursor.copy, psycopg.Transaction.__exit__
    start = Http.open

    def watched_execute(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        with boundaries.around(f"sql: {_words_of(query)}"):
            return execute(self, query, *arguments, **named)

    @contextmanager
    def watched_copy(self: Any, statement: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        with boundaries.around(f"sql: {_words_of(statement)}"), copy(self, statement, *arguments, **named) as copying:
            yield copying

    def watched_end(self: Any, kind: Any, error: Any, at: Any) -> Any:
        with boundaries.around("sql: COMMIT" if error is None else "sql: ROLLBACK"):
            return end(self, kind, error, at)

    def watched_start(self: Http, request: Request, *, is_poll: bool = False) -> Any:
        with boundaries.around(f"http: {request.method} {_path_of(request)}"):
            return start(self, request, is_poll=is_poll)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", watched_execute)
        patch.setattr(psycopg.Cursor, "copy", watched_copy)
        patch.setattr(psycopg.Transaction, "__exit__", watched_end)
        patch.setattr(Http, "open", watched_start)
        yield


def _words_of(statement: Any) -> str:
    """The first words of a statement, its comment left out."""
    text = statement if isinstance(statement, str) else statement.as_string()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return " ".join(" ".join(lines).split())[:60]


def _path_of(request: Request) -> str:
    """The path of a call, without its query and without the id of a job or record."""
    return re.sub(r"/[0-9a-zA-Z]{15,18}(?=/|$)", "/ID", request.path.partition("?")[0])
