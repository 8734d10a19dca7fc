"""How much of the org's allowances is left. Source: REST API Developer Guide, "Limits"."""

from dataclasses import dataclass

from optsync.salesforce.errors import CallsReserved
from optsync.salesforce.session import Session

SHARE_FOR_COMPARING = 0.9
"""Of the org's API calls of 24 hours. Above, only opt-outs themselves go out: the rest is left to others."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One allowance: how many in its period, how many left."""

    maximum: int
    remaining: int


def fetch(session: Session) -> dict[str, Limit]:
    """All allowances by Salesforce's names, such as DailyApiRequests. Needs *View Setup and Configuration*."""
    answer = session.request("GET", "limits").json_object()
    return {
        name: Limit(int(value["Max"]), int(value["Remaining"]))
        for name, value in answer.items()
        if isinstance(value, dict) and type(value.get("Max")) is int and type(value.get("Remaining")) is int
    }


def leave_a_reserve(session: Session) -> None:
    """Raises CallsReserved when less than a tenth of the org's calls is left, by the last answer's own count.

    For work that can wait, such as a comparison; a push never asks. Before the first answer nothing is known.
    """
    usage = session.limit
    if usage is not None and usage.used > SHARE_FOR_COMPARING * usage.allowed:
        raise CallsReserved(f"{usage.used:,} of the org's {usage.allowed:,} API calls of 24 hours are used")
