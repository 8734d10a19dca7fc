"""Every view that takes a POST without the token of a page, and why it may: a new one has to be thought about here."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tests.installation import Site
from tests.web.routes import every_route

if TYPE_CHECKING:
    from django.urls import URLPattern, URLResolver

EXEMPT: Final = {
    "/u/": "a recipient has no session; the form is bounded, and a wrong address opts itself out only",
    "/u/<str:token>": "the token is the authority; a mail program posts one-click unsubscribes (RFC 8058)",
    "/u/<path:token>": "a damaged link with a slash in it, whose page is the same form",
    "/u/<str:token>/why": "the token is the authority; what is said changes no opt-out",
    "/webhooks/<slug:provider>": "a provider's server, known by its signature or secret",
    "/webhooks/<slug:provider>/mail": "a provider's server, known by its secret",
    "/v1/": "programs are known by their key, which no browser adds by itself; cookies are not read",
    "/csp-reports": "a browser reports without cookies; a line in the log is all that comes of it, within limits",
}


def exempt(patterns: "list[URLPattern | URLResolver]", prefix: str = "/") -> Iterator[str]:
    """The routes of exempt views."""
    from django.urls import URLResolver

    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from exempt(pattern.url_patterns, path)
        elif getattr(pattern.callback, "csrf_exempt", False):
            yield path


def test_each_view_without_the_token_of_a_page_is_listed_with_its_reason(site: Site) -> None:
    assert every_route(site), "which loads the patterns"
    from optsync.config.urls import urlpatterns

    found = {"/v1/" if path.startswith("/v1/") else path for path in exempt(list(urlpatterns))}
    assert found == set(EXEMPT)
