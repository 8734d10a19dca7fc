"""Who may see which page: everything needs a sign-in except what says otherwise."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

OPEN_NAMESPACES = frozenset({"public", "health", "api"})
OPEN_NAMES = frozenset({"set_language"})
"""Django's own view: the sign-in page has the language buttons too."""
View = Callable[..., HttpResponseBase]


def open_to_all(view: View) -> View:
    """Marks the few pages of `web` that need no sign-in."""
    view.open_to_all = True  # type: ignore[attr-defined]  # a mark on the function, read below
    return view


class SignInRequired:
    """Sends everybody who is not signed in to the sign-in page.

    Roles come later: until then anyone who is signed in is the admin (requirements 23 and 29).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: list[object], kwargs: dict[str, object]
    ) -> HttpResponse | None:
        """None lets the request through."""
        match = request.resolver_match
        if match is not None and (set(match.namespaces) & OPEN_NAMESPACES or match.view_name in OPEN_NAMES):
            return None
        if getattr(view, "open_to_all", False) or admin_of(request):
            return None
        return redirect("web:sign_in")


def admin_of(request: HttpRequest) -> str | None:
    """The name under which this browser is signed in, as it stands in the audit; None when it is not."""
    name = request.session.get("admin")
    return name if isinstance(name, str) else None


def actor_of(request: HttpRequest) -> str:
    """Who did it, for the audit; only for pages that need a sign-in."""
    return admin_of(request) or "web"
