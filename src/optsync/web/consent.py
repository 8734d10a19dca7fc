"""The wizard's web-server flow: a person lets our app in at Salesforce's own page, and comes back here.

The attempt (state and verifier, encrypted) waits in the session of the browser that began it and is taken out before
its answer is used, so it works once and for that browser only. Coming back is a GET and changes nothing: what
Salesforce gave travels in a form, whose button finishes.
"""

import json
from dataclasses import asdict
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from optsync.config.desk import desk
from optsync.connection import drafts
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.salesforce import web_flow
from optsync.salesforce.errors import BadCallback, SalesforceError
from optsync.salesforce.web_flow import App, Attempt
from optsync.web.shell import REFUSED, page
from optsync.web.troubles import in_three_parts

SESSION_KEY = "consent"
BROUGHT = ("state", "code", "error", "error_description")
TEXT_MAX = 4_000
"""Of each thing that a browser brings back; real ones are far shorter."""


def callback_url(request: HttpRequest) -> str:
    """Where Salesforce sends people back to, as this browser reaches us."""
    return request.build_absolute_uri(reverse("web:connect_callback"))


def begin(request: HttpRequest) -> None:
    """Keeps a fresh attempt with this browser's session. Raises Problem, HostRefused."""
    desk_ = desk()
    app = drafts.app(desk_.connection(), desk_.vault)
    keep(request, web_flow.begin(app, callback_url(request), desk_.seams))


def keep(request: HttpRequest, attempt: Attempt) -> None:
    """Encrypted, because the session is a row of the database."""
    values = asdict(attempt) | {"started_at": attempt.started_at.isoformat()}
    request.session[SESSION_KEY] = desk().vault.encrypt(json.dumps(values).encode()).hex()


def kept(request: HttpRequest) -> Attempt | None:
    """This browser's attempt; None when it has none, or it was made under a key that is gone."""
    sealed = request.session.get(SESSION_KEY)
    if sealed is None:
        return None
    try:
        values = json.loads(desk().vault.decrypt(bytes.fromhex(sealed)))
    except Problem:
        return None
    app, started_at = App(**values.pop("app")), datetime.fromisoformat(values.pop("started_at"))
    return Attempt(app=app, started_at=started_at, **values)


@require_safe
def leave(request: HttpRequest) -> HttpResponse:
    """The way to Salesforce, as a link: a form's redirect to another site is what our content policy forbids."""
    attempt = kept(request)
    if attempt is None:
        return redirect("web:connect_sign_in")
    return page(request, "connect_leave", "settings", step="sign-in", attempt=attempt)


@require_http_methods(["GET", "HEAD", "POST"])
def come_back(request: HttpRequest) -> HttpResponse:
    """GET shows what the browser brought with the button that uses it; POST uses it, once."""
    if request.method != "POST":
        brought = {name: request.GET[name][:TEXT_MAX] for name in BROUGHT if name in request.GET}
        return page(request, "connect_back", "settings", step="sign-in", brought=brought)
    brought = {name: request.POST[name][:TEXT_MAX] for name in BROUGHT if name in request.POST}
    desk_, attempt = desk(), kept(request)
    request.session.pop(SESSION_KEY, None)
    request.session.save()  # whatever comes now, this attempt is over
    try:
        if attempt is None:
            raise BadCallback(told("this browser has not begun a sign-in, or has finished it already"))
        drafts.let_in(desk_.connection(), desk_.vault, desk_.seams, attempt, brought)
    except (Problem, SalesforceError) as error:
        problem = in_three_parts(error)
        return page(request, "connect_back", "settings", REFUSED, step="sign-in", problem=problem)
    return redirect("web:connect_confirm")
