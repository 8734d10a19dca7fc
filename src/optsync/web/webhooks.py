"""Settings > Webhooks: who elsewhere is told what happens, and what came of each attempt."""

from datetime import timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.config.environment import read_environment
from optsync.core.problems import Problem
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, page
from optsync.web.troubles import in_three_parts
from optsync.web.words import EVENT_TYPES
from optsync.webhooks import endpoints
from optsync.webhooks.egress import egress_of
from optsync.webhooks.types import KIND_OF

PAGE_ROWS = 25
HOURS_MAX = 24 * endpoints.KEPT_DAYS
LATEST = 2**63 - 1


@needs("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def webhooks(request: HttpRequest) -> HttpResponse:
    """GET lists the endpoints; POST adds one and shows its secret, once."""
    if request.method != "POST":
        return listed(request)
    url, types = request.POST.get("url", "").strip(), request.POST.getlist("type")
    house = desk()
    egress = egress_of(house.seams, read_environment())
    try:
        number, secret = endpoints.add(
            house.connection(), house.vault, egress, house.seams.token_bytes, url, types, actor=actor_of(request)
        )
    except Problem as problem:
        return listed(request, REFUSED, problem=in_three_parts(problem), url=url, chosen=types)
    return listed(request, secret=secret, made=number)


def listed(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    """The endpoints, with the form to add one."""
    found = endpoints.listing(desk().connection())
    chosen = context.get("chosen", list(KIND_OF))
    context |= {
        "endpoints": [{"one": one} | pill_of(one.state) for one in found],
        "types": [(name, _(meaning), name in chosen) for name, meaning in EVENT_TYPES.items()],
        "done": _("Removed.") if "removed" in request.GET else "",
    }
    return page(request, "webhooks", "settings", status=status, **context)


@needs("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def webhook(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """One endpoint with its deliveries; POST does what its `deed` says."""
    try:
        endpoints.found(desk().connection(), endpoint_id)
    except Problem:
        raise Http404 from None
    if request.method != "POST":
        return shown(request, endpoint_id)
    try:
        return done(request, endpoint_id)
    except Problem as problem:
        return shown(request, endpoint_id, REFUSED, problem=in_three_parts(problem))


def done(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """Does one deed. Raises Problem."""
    house, actor, deed = desk(), actor_of(request), request.POST.get("deed", "")
    conn, here = house.connection(), reverse("web:webhook", args=[endpoint_id])
    if deed == "remove":
        endpoints.remove(conn, endpoint_id, actor=actor)
        return redirect(f"{reverse('web:webhooks')}?removed={endpoint_id}")
    if deed == "rotate":
        secret = endpoints.rotate(conn, house.vault, house.seams.token_bytes, endpoint_id, actor=actor)
        return shown(request, endpoint_id, secret=secret)
    if deed == "test":
        endpoints.send_test(conn, endpoint_id, actor=actor)
    elif deed == "enable":
        endpoints.enable(conn, endpoint_id, actor=actor)
    elif deed == "disable":
        endpoints.disable(conn, endpoint_id, actor=actor)
    elif deed == "replay":
        hours = min(number_in(request.POST.get("hours", "")), HOURS_MAX + 1)  # more is refused below
        endpoints.replay(conn, endpoint_id, house.seams.now() - timedelta(hours=hours), actor=actor)
    elif deed == "resend":
        endpoints.resend(conn, endpoint_id, number_in(request.POST.get("delivery", "")), actor=actor)
    return redirect(f"{here}?done={deed}")


def shown(request: HttpRequest, endpoint_id: int, status: int = 200, **context: Any) -> HttpResponse:
    """An endpoint and a page of its deliveries."""
    conn = desk().connection()
    one = endpoints.found(conn, endpoint_id)
    before = number_in(request.GET.get("before", "")) or LATEST
    rows = endpoints.deliveries(conn, endpoint_id, before, PAGE_ROWS + 1)
    context |= {
        "one": one,
        "pill": pill_of(one.state),
        "hours_max": HOURS_MAX,
        "why": why_of(one),
        "deliveries": [{"one": row} | pill_of(row.state) for row in rows[:PAGE_ROWS]],
        "older": rows[PAGE_ROWS - 1].delivery_id if len(rows) > PAGE_ROWS else None,
        "is_first_page": before == LATEST,
        "done": said_of(request.GET.get("done", "")),
    }
    return page(request, "webhook", "settings", status=status, **context)


def said_of(deed: str) -> str:
    """What a deed did; empty when none led here."""
    return {
        "test": _("A test event is on its way. Reload this page in a few seconds."),
        "enable": _("Enabled. Deliveries go on where they stopped."),
        "disable": _("Disabled. What happens meanwhile is kept for 30 days."),
        "resend": _("This delivery is due again. Reload this page in a few seconds."),
        "replay": _("What happened since then is sent again. What is new does not wait for it."),
    }.get(deed, "")


def why_of(one: endpoints.Endpoint) -> str:
    """Why nothing is delivered; empty while it is."""
    return {
        "by hand": _("Disabled by hand."),
        "gone": _("Disabled: it answered 410, which means that nobody is there any more."),
        "failing": _("Disabled: every attempt of five days failed."),
        "secret": _("Disabled: its secret cannot be decrypted with the key file of this installation. Make a new one."),
    }.get(one.disabled_why or "", "")


def pill_of(state: str) -> dict[str, str]:
    """A state as tone, sign and word."""
    tone, sign, word = {
        "active": ("ok", "✓", _("Active")),
        "failing": ("warn", "!", _("Fails at the moment")),
        "disabled": ("bad", "✕", _("Disabled")),
        "delivered": ("ok", "✓", _("Delivered")),
        "pending": ("info", "…", _("Waits for its next attempt")),
        "failed": ("bad", "✕", _("Given up")),
    }[state]
    return {"tone": tone, "sign": sign, "word": word}


def number_in(text: str) -> int:
    """A number of ours as a form or an address holds it; 0 for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(LATEST)) - 1 else 0
