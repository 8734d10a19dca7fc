"""Settings > Salesforce > Reconnect: one click from where a page says that Salesforce refuses our sign-in.

Where a person had let our app in, the click leads to Salesforce's own page and from there back; everywhere else the
sign-in is tried at once, and what is wrong with it stands here with its fix.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.connection import reconnect as sign_ins
from optsync.core.problems import Problem
from optsync.ledger import marks
from optsync.salesforce.errors import SalesforceError
from optsync.web import consent
from optsync.web.shell import REFUSED, chosen_org, page
from optsync.web.troubles import in_three_parts


@require_http_methods(["GET", "HEAD", "POST"])
def reconnect(request: HttpRequest) -> HttpResponse:
    """POST signs in anew. GET shows the button, or, after a consent, that it has worked."""
    org = chosen_org(request)
    if org is None:
        return redirect("web:connect")
    desk_ = desk()
    context: dict[str, Any] = {"org": org, "callback": consent.callback_url(request)}
    if request.method != "POST":
        is_paused = any(pause.org_id == org.org_id for pause in marks.pauses(desk_.connection()))
        return page(request, "reconnect", "settings", works="works" in request.GET and not is_paused, **context)
    try:
        app = sign_ins.app_to_let_in(desk_.connection(), desk_.vault, org.org_id)
        if app is not None:
            return consent.go_again(request, app, org)
        sign_ins.sign_in_again(desk_.connection(), desk_.vault, org.org_id, desk_.seams)
    except (Problem, SalesforceError) as error:
        context["problem"] = in_three_parts(error)
        return page(request, "reconnect", "settings", REFUSED, **context)
    return page(request, "reconnect", "settings", **context | {"works": True})
