"""Which org the pages speak of, where several are connected."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.connection.connect import connections
from optsync.web.middleware import needs
from optsync.web.shell import ORG_SESSION

PAGES_OF_ORG = ("overview", "runs", "issues", "integrations", "doctor", "install")
"""The pages that show one org: who chooses another on one of them stays there."""


@needs("viewer")
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """POST makes the pages of this session speak of an org; one that is not connected changes nothing."""
    wanted, came_from = request.POST.get("org", ""), request.POST.get("from", "")
    if request.method == "POST" and any(org.salesforce_id == wanted for org in connections(desk().connection())):
        request.session[ORG_SESSION] = wanted
    addresses = [reverse(f"web:{name}") for name in PAGES_OF_ORG]
    return redirect(came_from if came_from in addresses else "web:overview")
