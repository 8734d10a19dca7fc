"""Only this machine's own browser and programs may steer the org: no other site, whatever name it gives itself."""

from urllib.parse import urlsplit

from starlette.requests import Request

from practice_org.org import Org


def is_from_here(request: Request, org: Org) -> bool:
    """Whether the request is addressed to this machine by name, and no other site's page sent it.

    A name that a foreign page had pointed at 127.0.0.1 (DNS rebinding) fails the first test, its forms and scripts the
    second. The instance address that clients are told to call is welcome too.
    """
    host = _name(request.headers.get("host", ""))
    if not (_is_loopback(host) or host == urlsplit(org.identity.base_url).hostname):
        return False
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return False
    return request.headers.get("sec-fetch-site", "none") in ("none", "same-origin", "same-site") or _is_visit(request)


def _is_visit(request: Request) -> bool:
    """Someone followed a link from elsewhere, such as from the product; it changes nothing."""
    return request.method in ("GET", "HEAD") and request.headers.get("sec-fetch-mode") == "navigate"


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    return host in ("127.0.0.1", "::1", "localhost") or host.endswith(".localhost")
