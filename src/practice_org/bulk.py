"""Bulk API 2.0 with its query and ingest jobs, and 1.0 (salesforce.md 3)."""

from starlette.routing import Route

from practice_org import bulk_ingest, bulk_query, bulk_v1
from practice_org.org import Org


def routes(org: Org) -> list[Route]:
    """All Bulk routes."""
    return [*bulk_query.routes(org), *bulk_ingest.routes(org), *bulk_v1.routes(org)]
