"""Bulk API 2.0 (salesforce.md 3)."""

from starlette.routing import Route

from practice_org.org import Org


def routes(org: Org) -> list[Route]:
    """Jobs."""
    return []
