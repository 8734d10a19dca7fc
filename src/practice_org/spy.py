"""What the org saw: requests by route, API calls, writes, and every request that said false."""

import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

REQUESTS_KEPT = 2_000
PATH_LENGTH_KEPT = 2_000

JSON_WRITE_ROUTES = frozenset(
    {"record.update", "record.create", "record.upsert", "tree.create"}
    | {"collections.update", "collections.create", "collections.upsert"}
)
NO_FIELDS = frozenset({"attributes", "id", "Id"})
"""Keys of a record's JSON that are not fields to write."""
UPDATE_ROUTES = frozenset(
    {"collections.update", "collections.upsert", "record.update", "record.upsert", "bulk.ingest.upload"}
)


@dataclass
class Seen:
    """One request. `fields` are the written ones, `records` how many records it wrote or tried to write."""

    received_at: float
    method: str
    route: str
    path: str
    status: int = 0
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
            "received_at": self.received_at,
            "method": self.method,
            "route": self.route,
            "path": self.path,
            "status": self.status,
            "fields": sorted(self.fields),
            "records": self.records,
            "says_false": self.says_false,
        }


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
        self.requests.append(seen)

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
