"""Erasing a person (GDPR article 17): only a keyed hash of the address stays, so that the person stays blocked."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.core.addresses import normalize
from optsync.ledger import people
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, page
from optsync.webhooks import inbox


@needs("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest) -> HttpResponse:
    """POST `look` says what an erasure means, `erase` does it once the address was typed; GET leads back."""
    address = normalize(request.POST.get("address", ""))
    if request.method != "POST" or not address:
        return redirect("web:people")
    if request.POST.get("step") != "erase":
        return form(request, address)
    reason = request.POST.get("reason", "").strip()
    if normalize(request.POST.get("typed", "")) != address:
        return form(request, address, REFUSED, problem=_("The address was typed differently; nothing was erased."))
    if not reason:
        return form(request, address, REFUSED, problem=_("An erasure needs a reason; nothing was erased."))
    conn, key = desk().connection(), desk().subject_key
    inbox.take_waiting_of(conn, key, address)
    done = people.erase(conn, key, address, actor=actor_of(request), reason=reason)
    return redirect(f"{reverse('web:people')}?{urlencode({'erased': 'yes' if done else 'no'})}")


def form(request: HttpRequest, address: str, status: int = 200, **context: Any) -> HttpResponse:
    """What an erasure means, and the two things it needs."""
    given = {"typed": request.POST.get("typed", ""), "reason": request.POST.get("reason", "")}
    return page(request, "erase", "people", status=status, address=address, **given, **context)
