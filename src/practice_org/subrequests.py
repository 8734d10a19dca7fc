"""Requests inside a request: each takes the way of any other, with its own route, faults and note of the spy."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote, unquote

from starlette.types import Message, Scope

from practice_org.errors import RefusalError
from practice_org.faults.transport import TRANSPORT
from practice_org.http import PART, Call

REQUESTS_MAX = 25
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
INHERITED = (b"authorization", b"sforce-call-options", b"user-agent")
_KEPT = frozenset({"type", "asgi", "http_version", "scheme", "server", "client", "state", TRANSPORT})
_ALLOWED = re.compile(r"/services/data/v\d+\.0/(sobjects|query|queryAll|limits|composite/sobjects)(/.*)?")
_SLASHES = re.compile("/{2,}")


@dataclass(frozen=True)
class Subrequest:
    """`address` starts with /services/data and may carry a query; `body` None: none."""

    method: str
    address: str
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Without the query, in plain letters and single slashes."""
        return _SLASHES.sub("/", unquote(self.address.partition("?")[0]))

    @property
    def query(self) -> str:
        """What stands behind the question mark, encoded."""
        return quote(self.address.partition("?")[2], safe="%/:?[]@!$&'()*+,;=<>{}|^~\"\\")

    def check(self) -> None:
        """Raises RefusalError for what cannot be asked inside another request: other methods, jobs, composites."""
        if self.method not in METHODS:
            raise RefusalError("JSON_PARSER_ERROR", f"method must be one of {', '.join(METHODS)}: {self.method}")
        if _ALLOWED.fullmatch(self.path) is None:
            raise RefusalError("INVALID_OPERATION", f"url cannot be asked inside a composite request: {self.address}")


@dataclass(frozen=True)
class Subanswer:
    """`body` is decoded, None where there is none."""

    status: int
    body: object
    location: str | None = None

    @property
    def failed(self) -> bool:
        """An answer in the range of 400 or 500."""
        return self.status >= 400


async def ask(call: Call, asked: Subrequest, *, counted: bool) -> Subanswer:
    """The org's answer to a part of this call; `counted` when it is an API call of its own. Raises RefusalError."""
    asked.check()
    body = b"" if asked.body is None else json.dumps(asked.body).encode()
    sent: list[Message] = []
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            # the client stays; whoever waits for its leaving is cancelled when the answer is complete
            await asyncio.Event().wait()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await call.request.app(_scope(call, asked, counted=counted), receive, send)
    return _answer(sent)


def _scope(call: Call, asked: Subrequest, *, counted: bool) -> Scope:
    outer: Scope = call.request.scope
    inherited = [pair for pair in outer["headers"] if pair[0] in INHERITED]
    own = [(name.lower().encode(), value.encode()) for name, value in asked.headers.items()]
    return {name: value for name, value in outer.items() if name in _KEPT} | {
        "method": asked.method,
        "path": asked.path,
        "raw_path": quote(asked.path).encode(),
        "query_string": asked.query.encode(),
        "root_path": "",
        "headers": inherited + own,
        PART: counted,
    }


def _answer(sent: list[Message]) -> Subanswer:
    headers = dict(sent[0]["headers"])
    body = b"".join(cast("bytes", message.get("body", b"")) for message in sent[1:])
    try:
        content = json.loads(body) if body else None
    except ValueError:
        content = body.decode("utf-8", "replace")
    location = headers.get(b"location")
    return Subanswer(sent[0]["status"], content, None if location is None else location.decode())
