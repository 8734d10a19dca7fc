"""Who may see which page and press which button: everything needs a sign-in and, unless it says otherwise, an admin."""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation

from optsync.access.models import User
from optsync.access.users import ROLES, Role

OPEN_NAMESPACES = frozenset({"public", "health", "api", "webhooks"})
OPEN_NAMES = frozenset({"set_language"})
"""Django's own view: the sign-in page has the language buttons too."""
READING = frozenset({"GET", "HEAD", "OPTIONS"})
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
    """Sends everybody who is not signed in to the sign-in page, and turns away whose role is too small.

    Who comes in is shown the pages in the language and time zone of their account.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(None):  # a thread serves one reader after another
            return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], args: list[object], kwargs: dict[str, object]
    ) -> HttpResponse | None:
        """None lets the request through."""
        match = request.resolver_match
        if match is not None and (set(match.namespaces) & OPEN_NAMESPACES or match.view_name in OPEN_NAMES):
            return None
        if request.method == "OPTIONS":
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD, POST"})
        if request.method == "HEAD":
            request.method = "GET"  # allauth counts any other method as an attempt to sign in; the server cuts the body
        if getattr(view, "open_to_all", False):
            return None
        if role_of(request) is None:
            return redirect(sign_in_before(request))
        timezone.deactivate()  # what the thread's reader before had chosen
        if user := user_of(request):
            speak_as_told_by(user, request)
        marked: tuple[Role, Role] = getattr(view, "needs", ("admin", "admin"))
        to_read, to_change = marked
        if may(request, to_read if request.method in READING else to_change):
            return None
        return render(request, "web/not_for_this_role.html", {"needed": to_change}, status=403)


def speak_as_told_by(user: User, request: HttpRequest) -> None:
    """The language and time zone of the user's account; a language chosen in this browser goes first."""
    if user.language and settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
        translation.activate(user.language)
    if user.time_zone:
        timezone.activate(ZoneInfo(user.time_zone))


def sign_in_before(request: HttpRequest) -> str:
    """The sign-in page, which leads on to the page that was asked for."""
    asked = request.get_full_path()
    onward = f"?{urlencode({'next': asked})}" if request.method == "GET" and asked != "/" else ""
    return reverse("account_login") + onward


LINK_SESSION = "admin"
"""Where the session of a machine's operator, who came by a one-time link, keeps their name."""


def user_of(request: HttpRequest) -> User | None:
    """The user who is signed in; None also for the operator of the machine, who came by a link and is no user."""
    return request.user if isinstance(request.user, User) else None


def admin_of(request: HttpRequest) -> str | None:
    """The name under which this browser is signed in, as it stands in the audit; None when it is not."""
    user = user_of(request)
    name = user.name if user else request.session.get(LINK_SESSION)
    return name if isinstance(name, str) else None


def role_of(request: HttpRequest) -> Role | None:
    """What this browser's user may do; None when nobody is signed in."""
    user = user_of(request)
    if user is None:
        return "admin" if admin_of(request) else None
    return next((role for role in ROLES if role == user.role), None)


def may(request: HttpRequest, role: Role) -> bool:
    """Whether this browser's user has the role or a greater one."""
    own = role_of(request)
    return own is not None and ROLES.index(own) >= ROLES.index(role)


def actor_of(request: HttpRequest) -> str:
    """Who did it, for the audit; only for pages that need a sign-in."""
    return admin_of(request) or "web"
