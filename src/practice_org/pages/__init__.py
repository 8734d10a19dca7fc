"""/practice: pages for people who want to see the org and to change it, as a Salesforce administrator would."""

from starlette.routing import Route

from practice_org.org import Org
from practice_org.pages import access, faults, layouts, people, record, requests, style
from practice_org.pages.site import Site


def routes(org: Org) -> list[Route]:
    """All pages."""
    site = Site(org)
    return [item for page in (people, record, access, layouts, faults, requests, style) for item in page.routes(site)]
