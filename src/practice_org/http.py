"""The way every request takes: size, faults, session, allowance, handler, faults again, the spy's note."""

import gzip
import json
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from practice_org import clock
from practice_org.errors import RefusalError, not_found
from practice_org.faults.transport import reset_connection
from practice_org.org import Org
from practice_org.spy import Seen, current_request, note_writes, path_to_show

OLDEST_VERSION, NEWEST_VERSION = 31, 67
"""Versions 21 to 30 are retired and answer 410 (salesforce.md 2.1)."""

HEAD_BYTES_MAX = 16_384
"""URI and headers together; more is refused with 414 or 431, far more loses the connection (salesforce.md 6)."""
HEAD_BYTES_CUT = 32_768

PART = "practice_org.part"
"""Where the scope of a request inside another one says whether it counts as an API call of its own."""

UNPACKED_BYTES_MAX = 160 * 1024 * 1024
PACKED_BYTES_MIN = 1_000


@dataclass
class Call:
    """One request on its way to a handler."""

    org: Org
    request: Request
    seen: Seen
    body: bytes

    @property
    def params(self) -> Mapping[str, str]:
        """The named parts of the path."""
        params: Mapping[str, str] = self.request.path_params
        return params

    @property
    def version(self) -> str:
        """The API version of the path, such as 62.0."""
        return self.params["version"]

    def query(self, name: str) -> str | None:
        """One query parameter."""
        value: str | None = self.request.query_params.get(name)
        return value

    def header(self, name: str) -> str:
        """One header; empty when absent."""
        value: str = self.request.headers.get(name, "")
        return value

    def json(self) -> dict[str, object]:
        """The body as a JSON object. Raises RefusalError JSON_PARSER_ERROR."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise RefusalError("JSON_PARSER_ERROR", f"Unexpected character at [line:1, column:1]: {error}") from error
        if not isinstance(value, dict):
            raise RefusalError("JSON_PARSER_ERROR", "The request body must be a JSON object at [line:1, column:1]")
        return value


Handler = Callable[[Call], Awaitable[Response]]


def answer(content: object, status: int = 200) -> Response:
    """A JSON answer in the compact form that Salesforce sends."""
    return JSONResponse(content, status_code=status)


def refuse_as_rest(_: Request, refusal: RefusalError) -> Response:
    """REST's array of errors."""
    return answer(refusal.as_request_error(), refusal.status)


@dataclass(frozen=True)
class Rules:
    """How a family of routes is treated. Only the data API needs a session and counts."""

    counted: bool = True
    session_header: str = "authorization"
    """Where the session stands; any header but this one holds the bare token."""
    refuse: Callable[[Request, RefusalError], Response] = refuse_as_rest

    def authorization(self, request: Request) -> str:
        """The session that the client names, as `Bearer ...`."""
        value: str = request.headers.get(self.session_header, "")
        return value if self.session_header == "authorization" else f"Bearer {value}"


DATA = Rules()
OPEN = Rules(counted=False)


def route(org: Org, path: str, rules: Rules = DATA, **handlers: tuple[str, Handler]) -> Route:
    """A path with its handlers by method, each with the name under which faults and the spy know it.

    ANY takes the methods that are not named; HEAD is GET, whose body the server leaves out.
    """

    async def endpoint(request: Request) -> Response:
        method = _method(request)
        known = handlers.get(method, handlers.get("ANY"))
        if known is None:
            return await _pass(org, request, "method_not_allowed", _refuse_method(request.method, handlers), rules)
        return await _pass(org, request, known[0], known[1], rules)

    made = Route(path, endpoint)
    made.methods = None  # any: those without a handler are refused in Salesforce's words, not in Starlette's
    return made


def _method(request: Request) -> str:
    """HEAD is GET. A POST may name another method in its address, for clients that cannot send PATCH."""
    method: str = request.method
    if method == "POST":
        return str(request.query_params.get("_HttpMethod", method)).upper()
    return "GET" if method == "HEAD" else method


def _refuse_method(method: str, handlers: Mapping[str, object]) -> Handler:
    async def refuse(_: Call) -> Response:
        allowed = ",".join((["HEAD"] if "GET" in handlers else []) + sorted(handlers))
        text = f"HTTP Method '{method}' not allowed. Allowed are {allowed}"
        raise RefusalError("METHOD_NOT_ALLOWED", text, status=405)

    return refuse


async def _pass(org: Org, request: Request, name: str, handler: Handler, rules: Rules) -> Response:
    path = _full_path(request)
    began = clock.monotonic()
    seen = Seen(clock.now().timestamp(), request.method, name, path_to_show(path))
    current_request.set(seen)
    oversized = _refuse_size(request, path)
    counted = rules.counted and request.scope.get(PART) is not False
    try:
        response = oversized or await _answer(org, request, seen, handler, rules, path)
    except ClientDisconnect:
        response = Response(status_code=499)
    seen.status, seen.ms = response.status_code, (clock.monotonic() - began) * 1000
    org.spy.note(seen, counted=counted)
    if rules.counted:
        response.headers.update(org.limits.header())
    return response


async def _answer(org: Org, request: Request, seen: Seen, handler: Handler, rules: Rules, path: str) -> Response:
    body = await _body(request)
    if body is None:
        return answer(RefusalError("JSON_PARSER_ERROR", "the body is not gzip").as_request_error(), 400)
    note_writes(seen, body)
    if org.latency_ms and PART not in request.scope:
        await clock.sleep(org.latency_ms / 1000)
    fault = org.faults.for_request("before", seen.route, path, body)
    early = await fault.answer(request, None) if fault else None
    if early is not None:
        return early
    try:
        if rules.counted:
            org.sessions.check(rules.authorization(request))
            org.check_request(seen.route)
            if request.scope.get(PART) is not False:
                org.limits.spend()
            _check_version(request.path_params["version"])
        response = await handler(Call(org, request, seen, body))
    except RefusalError as refusal:
        response = rules.refuse(request, refusal)
    _pack(request, response)
    fault = org.faults.for_request("after", seen.route, path, body)
    late = await fault.answer(request, response) if fault else None
    return late or response


async def _body(request: Request) -> bytes | None:
    """The body, unpacked when the client packed it; None for one that cannot be unpacked or grows beyond all limits."""
    body: bytes = await request.body()
    if request.headers.get("content-encoding", "").lower() != "gzip":
        return body
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(body, UNPACKED_BYTES_MAX)
    except zlib.error:
        return None
    return unpacked if unpacker.eof else None


def _pack(request: Request, response: Response) -> None:
    """JSON goes out packed to a client that takes gzip; results of Bulk jobs see to themselves."""
    wanted = "gzip" in request.headers.get("accept-encoding", "")
    if wanted and isinstance(response, JSONResponse) and len(response.body) >= PACKED_BYTES_MIN:
        response.body = gzip.compress(bytes(response.body), compresslevel=1)
        response.headers["content-encoding"] = "gzip"
        response.headers["content-length"] = str(len(response.body))


def _full_path(request: Request) -> str:
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    return (raw + b"?" + query if query else raw).decode("latin-1")


def _refuse_size(request: Request, path: str) -> Response | None:
    headers: list[tuple[bytes, bytes]] = request.scope["headers"]
    size = len(path) + sum(len(name) + len(value) + 4 for name, value in headers)
    if size <= HEAD_BYTES_MAX:
        return None
    if size > HEAD_BYTES_CUT:
        reset_connection(request)
    status = 414 if len(path) > HEAD_BYTES_MAX else 431
    return HTMLResponse("<h1>Bad Message</h1>", status_code=status)


def _check_version(text: str) -> None:
    major, _, minor = text.partition(".")
    if not major.isdigit() or minor != "0" or int(major) > NEWEST_VERSION:
        raise not_found()
    if int(major) < OLDEST_VERSION:
        raise RefusalError("UNSUPPORTED_API_VERSION", "The requested API version is no longer available", status=410)
