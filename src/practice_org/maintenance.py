"""Read-only mode: what can be read but not written during some maintenance (salesforce.md 5.7)."""

from practice_org.errors import RefusalError

_WRITES = frozenset({"create", "update", "upsert", "delete"})


def is_write(route: str) -> bool:
    """Whether a route, by the name that the spy gives it, is there to write records."""
    return route.rpartition(".")[2] in _WRITES and not route.startswith("bulk.")


def is_bulk_job(route: str) -> bool:
    """Whether a route begins a Bulk job: in read-only mode not even reading ones can be begun."""
    return route.startswith("bulk.") and route.endswith(".create")


def in_maintenance(*, status: int = 400) -> RefusalError:
    """The refusal of a record, or with 503 of a whole request."""
    text = "Updates can't be made during maintenance. Try again when maintenance is complete."
    return RefusalError("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", text, status=status, fields=[])
