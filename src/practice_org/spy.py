"""What the org saw: requests by route, API calls, writes, and every request that said false."""

import json
import re
from collections import Counter, deque
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count

REQUESTS_KEPT = 2_000
PATH_LENGTH_KEPT = 2_000

JSON_WRITE_ROUTES = frozenset(
    {"record.update", "record.create", "record.upsert", "tree.create"}
    | {"collections.update", "collections.create", "collections.upsert"}
)
HARMLESS_PARAMETERS = frozenset(
    {"q", "locator", "maxRecords", "fields", "ids", "sObjects", "start", "end", "columns", "explain", "allOrNone"}
    | {"jobType", "isPkChunkingEnabled", "queryLocator", "concurrencyMode", "format", "response_type", "prompt"}
)
_SESSION_ID = re.compile(r"00D\w{12,15}(?:!|%21)[\w.%]*")
NO_FIELDS = frozenset({"attributes", "id", "Id"})
"""Keys of a record's JSON that are not fields to write."""
UPDATE_ROUTES = frozenset(
    {"collections.update", "collections.upsert", "record.update", "record.upsert", "bulk.ingest.upload"}
)


@dataclass
class Seen:
    """One request. `fields` are the written ones, `records` how many records it wrote or tried to write.

    `path` comes from `path_to_show`; neither bodies nor headers are kept.
    """

    received_at: float
    method: str
    route: str
    path: str
    status: int = 0
    ms: float = 0.0
    """Until the answer began."""
    number: int = 0
    """Counts the requests of this process, through every reset; 0 before the answer."""
    faults: list[str] = field(default_factory=list)
    """Kind and id of each fault that struck it, such as `refuse 3`."""
    fields: set[str] = field(default_factory=set)
    records: int = 0
    says_false: bool = False

    def wrote(self, fields: Mapping[str, object]) -> None:
        """Notes one record's written fields."""
        self.records += 1
        self.fields.update(fields)
        self.says_false |= any(says_false(value) for value in fields.values())

    def as_json(self) -> dict[str, object]:
        """The request as the control API shows it; `received_at` is seconds since 1970."""
        return {
            "number": self.number,
            "received_at": self.received_at,
            "method": self.method,
            "route": self.route,
            "path": self.path,
            "status": self.status,
            "ms": round(self.ms, 1),
            "faults": list(self.faults),
            "fields": sorted(self.fields),
            "records": self.records,
            "says_false": self.says_false,
        }


_numbers = count(1)

current_request: ContextVar[Seen | None] = ContextVar("current_request", default=None)
"""The request that is being answered, also in what it started; None outside."""


def path_to_show(path: str) -> str:
    """Path and query without secrets: parameters that are not known to be harmless lose their values."""
    place, mark, query = path.partition("?")
    shown = "&".join(
        pair if name in HARMLESS_PARAMETERS else f"{name}=…"
        for pair, name in ((pair, pair.partition("=")[0]) for pair in query.split("&"))
    )
    clean = "".join(letter if letter.isprintable() else "�" for letter in place + mark + (shown if mark else ""))
    return _SESSION_ID.sub("…", clean)[:PATH_LENGTH_KEPT]


def says_false(value: object) -> bool:
    """False in any of its spellings; null counts too, as it unticks or empties."""
    return value is None or value == 0 or (isinstance(value, str) and value.strip().lower() in ("false", "0"))


def note_writes(seen: Seen, body: bytes) -> None:
    """Notes what a JSON write says before anything else happens to it: also a refused request has said false."""
    if seen.route not in JSON_WRITE_ROUTES:
        return
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return
    records = content.get("records", [content]) if isinstance(content, dict) else []
    for record in records if isinstance(records, list) else []:
        if isinstance(record, dict):
            seen.wrote({name: value for name, value in record.items() if name not in NO_FIELDS})


@dataclass
class Spy:
    """Counters since the last reset, and the last requests."""

    routes: Counter[str] = field(default_factory=Counter)
    api_calls: int = 0
    update_calls: int = 0
    records_written: int = 0
    false_writes: int = 0
    requests: deque[Seen] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT))

    def note(self, seen: Seen, *, counted: bool) -> None:
        """Takes in one finished request; `counted` when Salesforce would count it as an API call."""
        self.routes[seen.route] += 1
        self.api_calls += counted
        self.update_calls += seen.route in UPDATE_ROUTES
        self.false_writes += seen.says_false
        seen.number = next(_numbers)
        self.requests.append(seen)

    def since(self, number: int) -> list[Seen]:
        """The kept requests after that one, the oldest first."""
        return [seen for seen in self.requests if seen.number > number]

    def as_json(self) -> dict[str, object]:
        """Everything, the oldest request first."""
        return {
            "routes": dict(self.routes),
            "api_calls": self.api_calls,
            "update_calls": self.update_calls,
            "records_written": self.records_written,
            "false_writes": self.false_writes,
            "requests": [seen.as_json() for seen in self.requests],
        }
