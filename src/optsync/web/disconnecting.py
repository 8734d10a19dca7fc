"""Settings > Salesforce > Disconnect: what it means, then the button."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.ledger import balance, lifts
from optsync.sync import disconnecting
from optsync.web.middleware import actor_of
from optsync.web.shell import chosen_org, page


@require_http_methods(["GET", "HEAD", "POST"])
def disconnect(request: HttpRequest) -> HttpResponse:
    """GET says what it means for the org; a POST that names the org it was shown does it. Pressed twice, it is
    disconnected once.
    """
    org, conn = chosen_org(request), desk().connection()
    if org is None:
        return redirect("web:connect")
    if request.method == "POST" and request.POST.get("org") == org.salesforce_id:
        ended = disconnecting.disconnect(conn, desk().vault, desk().seams, org.org_id, actor_of(request))
        is_good_there = {"stays": ""} if ended == "not revoked" else {}
        return redirect(f"{reverse('web:connect')}?{urlencode({'disconnected': org.salesforce_id} | is_good_there)}")
    found = balance.balance(conn, org.org_id)
    context: dict[str, Any] = {
        "org": org,
        "waiting": found.owed + found.held + found.parked,
        "lifts": len(lifts.waiting(conn)),
    }
    return page(request, "disconnect", "settings", **context)
