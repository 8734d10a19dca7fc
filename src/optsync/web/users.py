"""Settings > Users: who may come in, as what; inviting, another role, removing."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.access import users as store
from optsync.access.users import INVITATION_SECONDS, ROLES, Role, User
from optsync.alerts import mail
from optsync.config.desk import desk
from optsync.config.django_start import handed_over
from optsync.config.environment import read_environment
from optsync.core.problems import Problem
from optsync.web.middleware import actor_of, needs, user_of
from optsync.web.shell import REFUSED, page
from optsync.web.sign_in import make_link
from optsync.web.troubles import in_three_parts


@needs("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def users(request: HttpRequest) -> HttpResponse:
    """Everybody; POST invites one, by mail or with a link that is shown once."""
    if request.method != "POST":
        return listed(request, removed="removed" in request.GET)
    typed = {name: request.POST.get(name, "") for name in ("name", "address", "role")}
    try:
        made = store.add(
            desk().connection(), typed["name"], typed["address"], chosen_role(typed["role"]), actor=actor_of(request)
        )
    except Problem as error:
        return listed(request, REFUSED, problem=in_three_parts(error), typed=typed)
    return listed(request, **invitation(request, made))


def listed(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    """The page with the list and the form."""
    context |= {"users": [shown(one) for one in store.listing(desk().connection())], "roles": roles()}
    return page(request, "users", "settings", status=status, **context)


@needs("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def user(request: HttpRequest, user_id: int) -> HttpResponse:
    """One user; POST changes their role, makes another invitation, or removes them."""
    conn = desk().connection()
    found = store.find(conn, user_id)
    if found is None:
        raise Http404
    if request.method != "POST":
        return one(request, found, saved="saved" in request.GET)
    step = request.POST.get("step", "")
    try:
        if step == "remove":
            store.remove(conn, user_id, actor=actor_of(request))
            return redirect(f"{reverse('web:users')}?removed")
        if step == "link" and found.signed_in_at is None:
            return one(request, found, **invitation(request, found))
        store.change_role(conn, user_id, chosen_role(request.POST.get("role", "")), actor=actor_of(request))
    except Problem as error:
        return one(request, found, REFUSED, problem=in_three_parts(error))
    return redirect(f"{reverse('web:user', args=[user_id])}?saved")


def one(request: HttpRequest, found: User, status: int = 200, **context: Any) -> HttpResponse:
    """The page of one user."""
    own = user_of(request)
    context |= {"one": shown(found), "roles": roles(), "is_self": own is not None and own.user_id == found.user_id}
    return page(request, "user", "settings", status=status, **context)


def invitation(request: HttpRequest, invited: User) -> dict[str, Any]:
    """A new one-time link for somebody who has not been here yet, by mail where a mail server is set.

    `link` is there to be handed over by hand: while no server is set, or with what it `said` when it did not take the
    mail. A mail's link is not shown: who invites need not have it.
    """
    secret = make_link(desk().connection(), desk().seams.token_bytes, INVITATION_SECONDS, invited.user_id)
    base = handed_over().public_url or f"{request.scheme}://{request.get_host()}"
    link = base + reverse("web:sign_in_by_link", args=[secret])
    server = read_environment().smtp
    if server is None:
        return {"invited": invited, "link": link}
    body = _("%(who)s invites you to optsync. This link lets you in; it works once, within three days:")
    text = f"{body % {'who': actor_of(request)}}\n\n{link}\n"
    said = mail.send(server, desk().seams, invited.email, _("Invitation to optsync"), text)
    return {"invited": invited, "link": link, "said": said} if said else {"invited": invited}


def chosen_role(text: str) -> Role:
    """The role that a form names; the smallest for one that is none."""
    return next((role for role in ROLES if role == text), "viewer")


def roles() -> list[tuple[Role, str, str]]:
    """Every role with its name and what it may do, in the reader's language."""
    return [
        ("viewer", _("Viewer"), _("Sees every page and changes nothing.")),
        ("operator", _("Operator"), _("Also adds unsubscribes, imports, starts sync runs and retries.")),
        (
            "admin",
            _("Admin"),
            _("Also removes unsubscribes, decides mass changes, and changes settings, keys and users."),
        ),
    ]


def shown(found: User) -> dict[str, Any]:
    """A user in the reader's language."""
    words = {role: word for role, word, _means in roles()}
    if found.signed_in_at:
        state = ("ok", "✓", _("Has signed in"))
    elif found.invitation_open:
        state = ("info", "…", _("Invited"))
    else:
        state = ("warn", "!", _("Invitation has ended"))
    return {"user": found, "role": words[found.role], "tone": state[0], "sign": state[1], "state": state[2]}
