"""The style sheet of the pages."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from practice_org.pages.site import Site

SHEET = Path(__file__).with_name("practice.css").read_bytes()


def routes(_: Site) -> list[Route]:
    """One file."""
    return [Route("/practice/practice.css", style)]


async def style(_: Request) -> Response:
    """The same for light and dark, phone and desk."""
    return Response(SHEET, media_type="text/css", headers={"X-Content-Type-Options": "nosniff"})
