"""The request log, renewed every other second by the page itself, without a script."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from practice_org.pages.site import Site
from practice_org.spy import Seen

SHOWN_MAX = 100
RENEWED_SECONDS = 2


def routes(site: Site) -> list[Route]:
    """The newest requests first; ?pause=1 holds the page still."""

    def show(request: Request, problem: str) -> Response:
        spy = site.org.spy
        rows = [_row(seen) for seen in list(spy.requests)[: -SHOWN_MAX - 1 : -1]]
        paused = request.query_params.get("pause") == "1"
        return site.render(
            request,
            "requests",
            "requests",
            problem=problem,
            rows=rows,
            spy=spy,
            allowance=f"{site.org.limits.used:,} / {site.org.limits.daily:,}",
            every=None if paused else RENEWED_SECONDS,
        )

    return [site.route("/practice/requests", show)]


def _row(seen: Seen) -> dict[str, object]:
    tone = "bad" if seen.status >= 500 else "warn" if seen.status >= 400 else "ok"
    at = datetime.fromtimestamp(seen.received_at, UTC).strftime("%H:%M:%S")
    return {"seen": seen, "at": at, "tone": tone, "ms": f"{seen.ms:.1f}", "faults": ", ".join(seen.faults)}
