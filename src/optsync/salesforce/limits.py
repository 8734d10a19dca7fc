"""How much of the org's allowances is left. Source: REST API Developer Guide, "Limits"."""

from dataclasses import dataclass

from optsync.salesforce.session import Session


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
