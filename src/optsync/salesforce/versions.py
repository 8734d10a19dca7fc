"""Which API versions the org's instance speaks. Source: REST API Developer Guide, "Versions"."""

from optsync.salesforce.errors import OddAnswer
from optsync.salesforce.session import API_VERSION, Session


def fetch(session: Session) -> list[str]:
    """The versions offered, such as "62.0", in Salesforce's order."""
    items = session.request("GET", "/services/data").json_array()
    if not items or not all(isinstance(item, dict) and "version" in item for item in items):
        raise OddAnswer("a list of versions without versions")
    return [str(item["version"]) for item in items]


def offers_ours(session: Session) -> bool:
    """Whether the instance still speaks the version this client is pinned to."""
    return API_VERSION in fetch(session)
