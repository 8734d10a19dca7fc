"""Links into Salesforce: the page of one record."""

from collections.abc import Callable
from urllib.parse import urlsplit

from optsync.config.desk import desk
from optsync.ledger.queries import sql

COMMON_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})
"""Every org signs in there, so an address there leads to no record. Of an org that was connected before its instance's
address was kept, nothing else may be known."""

RecordLink = Callable[[int, str], str]
"""From an org's number and a record's id to the address of the record's page; empty when it is not known."""


def record_links() -> RecordLink:
    """The links of all connected orgs."""
    rows = desk().connection().execute(sql("optsync.web", "instances")).fetchall()
    pages = {
        org_id: page_of_records(instance or login, is_practice=is_practice)
        for org_id, instance, login, is_practice in rows
    }
    return lambda org_id, record_id: f"{pages[org_id]}{record_id}" if pages.get(org_id) else ""


def page_of_records(address: str, *, is_practice: bool) -> str:
    """What stands before the id. Salesforce leads from https://NAME.my.salesforce.com/ID to the record's page."""
    if is_practice:
        return f"{address}/practice?q="
    return "" if urlsplit(address).hostname in COMMON_HOSTS else f"{address}/"
