"""Whatever no other family answers: refused as Salesforce does, and counted by the spy like any request."""

from starlette.responses import Response
from starlette.routing import Route

from practice_org.errors import not_found
from practice_org.http import OPEN, Call, route
from practice_org.org import Org


def routes(org: Org) -> list[Route]:
    """Below a version a session is asked for first. These come after all other routes."""
    return [
        route(org, "/services/data/v{version}/{rest:path}", ANY=("unknown", refuse)),
        route(org, "/{rest:path}", OPEN, ANY=("unknown", refuse)),
    ]


async def refuse(_: Call) -> Response:
    """404 NOT_FOUND (salesforce.md 2.3)."""
    raise not_found()
