"""Dying at the n-th boundary: every SQL statement and every HTTP call, before or after its effect."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest

from optsync.salesforce.http import Http, Request, Stream


class Killed(BaseException):
    """The process died here. No `except Exception` may catch it, as none would catch kill -9."""


class Boundaries:
    """Counts the statements and calls of the threads and sessions under test, and dies at number `die_at`."""

    def __init__(self, die_at: int | None, *, after_effect: bool) -> None:
        self.die_at = die_at
        self.after_effect = after_effect
        self.passed: list[str] = []
        self.fired = False

    def pass_one(self, name: str, effect: Callable[[], Any]) -> Any:
        """Lets one statement or call happen, unless this is where the process dies."""
        if self.fired:
            raise Killed(name)  # a dead process does nothing more
        self.passed.append(name)
        dies = len(self.passed) == self.die_at
        if dies and not self.after_effect:
            self._die(name)
        result = effect()
        if dies:
            self._die(name)
        return result

    def _die(self, name: str) -> None:
        self.fired = True
        raise Killed(name)


@contextmanager
def dying_at(boundaries: Boundaries, sessions: list[psycopg.Connection[Any]]) -> Iterator[None]:
    """Watches these database sessions and all HTTP while the block runs; swallows the death."""
    execute, open_stream = psycopg.Connection.execute, Http.open

    def watched_execute(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        if self not in sessions:
            return execute(self, query, *arguments, **named)
        words = " ".join(str(query).split())[:60]
        return boundaries.pass_one(f"sql: {words}", lambda: execute(self, query, *arguments, **named))

    def watched_open(self: Http, request: Request, *, is_poll: bool = False) -> Stream:
        path = request.path.partition("?")[0]
        stream: Stream = boundaries.pass_one(
            f"http: {request.method} {path}", lambda: open_stream(self, request, is_poll=is_poll)
        )
        return stream

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", watched_execute)
        patch.setattr(Http, "open", watched_open)  # every request begins with it
        with suppress(Killed):
            yield
