"""Which org this is. Source: Object Reference for the Salesforce Platform, "Organization"."""

from dataclasses import dataclass

from optsync.core.record_ids import BadRecordId, to_18
from optsync.salesforce import query
from optsync.salesforce.errors import OddAnswer
from optsync.salesforce.session import Session


@dataclass(frozen=True, slots=True)
class Organization:
    """One org: its 18-character id, name, edition ("Enterprise Edition") and whether it is a sandbox."""

    id: str
    name: str
    edition: str
    is_sandbox: bool


def fetch(session: Session) -> Organization:
    """The org behind the session."""
    found = list(query.rows(session, "SELECT Id, Name, OrganizationType, IsSandbox FROM Organization"))
    if len(found) != 1:
        raise OddAnswer(f"{len(found)} orgs behind one session")
    row = found[0]
    try:
        org_id = to_18(str(row.get("Id")))
    except BadRecordId as error:
        raise OddAnswer("the org's id is no Salesforce id") from error
    name, edition = str(row.get("Name") or ""), str(row.get("OrganizationType") or "")
    return Organization(org_id, name, edition, row.get("IsSandbox") is True)
