"""Who may see which page and press which button: everything needs a sign-in and, unless it says otherwise, an admin."""

from collections.abc import Callable
from typing import Literal, TypeVar

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

OPEN_NAMESPACES = frozenset({"public", "health", "api", "webhooks"})
OPEN_NAMES = frozenset({"set_language"})
"""Django's own view: the sign-in page has the language buttons too."""
READING = frozenset({"GET", "HEAD", "OPTIONS"})
Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
"""From the least to the most: who may do something may do all that stands before it."""
View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def open_to_all(view: View) -> View:
    """Marks the few pages of `web` that need no sign-in."""
    view.open_to_all = True  # type: ignore[attr-defined]  # a mark on the function, read below
    return view


def needs(role: Role, to_change: Role | None = None) -> Callable[[View], View]:
    """Marks a page with the role that may open it, and the role that may press its buttons when that is another one.

    A page without this mark is the admins' alone: forgetting it locks out, it never lets in.
    """

    def marked(view: View) -> View:
        view.needs = (role, to_change or role)  # type: ignore[attr-defined]  # a mark on the function, read below
        return view

    return marked


class SignInRequired:
    """Sends everybody who is not signed in to the sign-in page, and turns away whose role is too small."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], args: list[object], kwargs: dict[str, object]
    ) -> HttpResponse | None:
        """None lets the request through."""
        match = request.resolver_match
        if match is not None and (set(match.namespaces) & OPEN_NAMESPACES or match.view_name in OPEN_NAMES):
            return None
        if getattr(view, "open_to_all", False):
            return None
        if admin_of(request) is None:
            return redirect("web:sign_in")
        marked: tuple[Role, Role] = getattr(view, "needs", ("admin", "admin"))
        to_read, to_change = marked
        if may(request, to_read if request.method in READING else to_change):
            return None
        return render(request, "web/not_for_this_role.html", {"needed": to_change}, status=403)


def admin_of(request: HttpRequest) -> str | None:
    """The name under which this browser is signed in, as it stands in the audit; None when it is not."""
    name = request.session.get("admin")
    return name if isinstance(name, str) else None


def role_of(request: HttpRequest) -> Role | None:
    """What this browser's user may do; None when nobody is signed in."""
    return "admin" if admin_of(request) else None


def may(request: HttpRequest, role: Role) -> bool:
    """Whether this browser's user has the role or a greater one."""
    own = role_of(request)
    return own is not None and ROLES.index(own) >= ROLES.index(role)


def actor_of(request: HttpRequest) -> str:
    """Who did it, for the audit; only for pages that need a sign-in."""
    return admin_of(request) or "web"
