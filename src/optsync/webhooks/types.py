"""The types of events that a program elsewhere may hear of, and what each tells: one for one of the ledger's events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

KIND_OF: Final = {
    "unsubscribe.created": "opted out",
    "unsubscribe.confirmed": "confirmed",
    "unsubscribe.lifted": "lifted",
    "sync.finished": "sync finished",
    "sync.held": "sync held",
    "issue.opened": "issue opened",
    "issue.resolved": "issue resolved",
    "connection.lost": "connection lost",
    "connection.restored": "connection restored",
}
"""The kind of the ledger's event behind each type."""
TEST: Final = "webhook.test"
TEST_KIND: Final = "webhook test"
TYPE_OF: Final = {kind: name for name, kind in KIND_OF.items()} | {TEST_KIND: TEST}


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it leaves. `data` holds what is known about it; an erased address is None."""

    event_id: int
    type: str
    at: datetime
    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The same for every attempt and every endpoint: a receiver knows by it what it has seen."""
        return f"evt_{self.event_id}"

    def as_dict(self) -> dict[str, Any]:
        """The body of a webhook, in the form of Standard Webhooks."""
        return {"type": self.type, "timestamp": _instant(self.at), "data": dict(self.data)}


def kinds_of(types: Iterable[str]) -> list[str]:
    """The ledger's kinds behind types; unknown ones are left out."""
    return [KIND_OF[name] for name in types if name in KIND_OF]


def event_of(row: Mapping[str, Any]) -> Event:
    """An event from a row of sql/events.sql."""
    name = TYPE_OF[row["kind"]]
    evidence = row["evidence"] or {}
    about: dict[str, Any] = {"org": row["org"], "run": row["run_id"]}
    if name.startswith("unsubscribe."):
        about |= {"person": row["address_id"], "address": row["normal"], "source": row["source"]}
        about |= {"scope": "sender" if row["scope"] else "account"}
        about |= {"record": row["record_id"], "field": row["field_name"]}
    elif name.startswith("sync."):
        about |= {"result": row["reason"], "counts": evidence.get("counts")}
        about |= {"hold": evidence.get("hold"), "origin": evidence.get("origin")}
    elif name.startswith("issue."):
        about |= {"code": row["reason"], "boxes": evidence.get("boxes")}
    elif name.startswith("connection."):
        about |= {"code": row["reason"]}
    return Event(row["event_id"], name, row["at"], {key: value for key, value in about.items() if value is not None})


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
