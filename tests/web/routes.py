"""Every address of the installation, taken from its URL patterns: what nobody entered here no test can forget."""

import os

from django.apps import apps
from django.urls import URLPattern, URLResolver

from optsync.config.django_start import start_django
from tests.installation import Site


def every_route(site: Site) -> list[str]:
    """The routes of the installation, with the names of their parameters."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optsync.config.settings")
    if not apps.ready:  # the patterns are the same for every site
        start_django(site.installation.database)
    from optsync.config.urls import urlpatterns

    return routes(list(urlpatterns))


def routes(patterns: "list[URLPattern | URLResolver]", prefix: str = "/") -> list[str]:
    """The routes below these patterns."""
    found: list[str] = []
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        found += routes(pattern.url_patterns, path) if isinstance(pattern, URLResolver) else [path]
    return found


def filled(route: str, values: dict[str, str]) -> str:
    """The route with a value for each parameter; an unknown one fails the test, so that new routes are thought of."""
    for name, value in values.items():
        route = route.replace(name, value)
    assert "<" not in route, f"give {route} a value in the test"
    return route


def is_page(site: Site, cookie: str, path: str) -> bool:
    """Whether it answers with a page of its own: not with data or a file, and not by leading to another page."""
    answer, text = site.request("GET", path, headers={"Cookie": cookie})
    assert answer.status < 500, (path, (site.installation.folder / "web.log").read_text()[-2000:])
    return answer.status not in (302, 405) and text.lstrip().lower().startswith("<!doctype html")
