"""Settings > Unsubscribes > Blocked domains (requirement 41)."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.core.problems import Problem
from optsync.ledger import domains
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, page
from optsync.web.troubles import in_three_parts

DOMAINS_ON_PAGE = 500


@needs("viewer", to_change="admin")
@require_http_methods(["GET", "HEAD", "POST"])
def blocked(request: HttpRequest) -> HttpResponse:
    """GET shows them; POST `block` adds the one that was typed, `allow` ends one."""
    if request.method != "POST":
        return listed(request)
    conn, typed, step = desk().connection(), request.POST.get("domain", ""), request.POST.get("step", "")
    change = domains.allow if step == "allow" else domains.block
    try:
        changed = change(conn, typed, actor=actor_of(request))
    except Problem as problem:
        return listed(request, REFUSED, typed=typed, problem=in_three_parts(problem))
    done = ("allowed" if step == "allow" else "blocked") if changed else "same"
    return redirect(f"{reverse('web:domains')}?{urlencode({'done': done})}")


def listed(request: HttpRequest, status: int = 200, **context: object) -> HttpResponse:
    """The list with its form."""
    done = {
        "blocked": _("Blocked from now on."),
        "allowed": _("No longer blocked. Who unsubscribed there stays unsubscribed."),
        "same": _("It was so already; nothing changed."),
    }.get(request.GET.get("done", ""), "")
    found = domains.listing(desk().connection())
    more = max(0, len(found) - DOMAINS_ON_PAGE)
    context |= {"domains": found[:DOMAINS_ON_PAGE], "more": more, "done": done}
    return page(request, "domains", "settings", status=status, **context)
