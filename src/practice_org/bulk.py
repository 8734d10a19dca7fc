"""Bulk API 2.0: what query and ingest jobs share (salesforce.md 3)."""

from starlette.routing import Route

from practice_org import bulk_ingest, bulk_query
from practice_org.org import Org


def routes(org: Org) -> list[Route]:
    """All Bulk routes."""
    return [*bulk_query.routes(org), *bulk_ingest.routes(org)]
