"""The web-server flow: a person lets our app in at Salesforce's own page, and comes back here.

The attempt (state and verifier, encrypted) waits in the session of the browser that began it and is taken out before
its answer is used, so it works once and for that browser only. Coming back is a GET and changes nothing: what
Salesforce gave travels in a form, whose button finishes. The wizard goes on to name the org; where a connected org is
let in again, that org and no other is connected at once.
"""

import json
from dataclasses import asdict
from datetime import datetime
from hmac import compare_digest
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from optsync.config.desk import desk
from optsync.connection import drafts
from optsync.connection.connect import Connection, connect
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.salesforce import web_flow
from optsync.salesforce.errors import BadCallback, SalesforceError
from optsync.salesforce.web_flow import App, Attempt
from optsync.web.middleware import actor_of
from optsync.web.shell import REFUSED, page
from optsync.web.troubles import in_three_parts

SESSION_KEY = "consent"
AGAIN_KEY = "consent again"
"""Where a session keeps the Salesforce id of the connected org that its attempt is for."""
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
    request.session.pop(AGAIN_KEY, None)
    keep(request, web_flow.begin(app, callback_url(request), desk_.seams))


def go_again(request: HttpRequest, app: App, org: Connection) -> HttpResponse:
    """Sends this browser to Salesforce, so that a connected org lets its app in again. Raises HostRefused.

    By the Refresh header: our content policy lets no form lead to another site, not even by a redirect.
    """
    attempt = web_flow.begin(app, callback_url(request), desk().seams)
    keep(request, attempt)
    request.session[AGAIN_KEY] = org.salesforce_id
    answer = page(request, "connect_leave", "settings", attempt=attempt, again=org)
    answer["Refresh"] = f"0; url={attempt.url}"
    return answer


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
        brought = brought_in(request.GET)
        attempt = kept(request)
        is_ours = attempt is not None and compare_digest(attempt.state.encode(), brought.get("state", "").encode())
        again = org_again(request)
        return page(request, "connect_back", "settings", step="sign-in", brought=brought, is_ours=is_ours, again=again)
    attempt, again = kept(request), org_again(request)
    for key in (SESSION_KEY, AGAIN_KEY):
        request.session.pop(key, None)
    request.session.save()  # whatever comes now, this attempt is over
    try:
        if attempt is None:
            raise BadCallback(told("this browser has not begun a sign-in, or has finished it already"))
        return use(attempt, brought_in(request.POST), again, actor_of(request))
    except (Problem, SalesforceError) as error:
        problem = in_three_parts(error)
        return page(request, "connect_back", "settings", REFUSED, step="sign-in", problem=problem, again=again)


def brought_in(values: QueryDict) -> dict[str, str]:
    """What Salesforce gave the browser for us."""
    return {name: str(values[name])[:TEXT_MAX] for name in BROUGHT if name in values}


def org_again(request: HttpRequest) -> str:
    """The Salesforce id of the connected org that this browser's attempt is for; "" in the wizard."""
    return str(request.session.get(AGAIN_KEY, ""))


def use(attempt: Attempt, brought: dict[str, str], again: str, actor: str) -> HttpResponse:
    """Signs in with what was brought: as the draft of the wizard, or to connect `again` and no other org.

    Raises Problem, SalesforceError.
    """
    desk_ = desk()
    if not again:
        drafts.let_in(desk_.connection(), desk_.vault, desk_.seams, attempt, brought)
        return redirect("web:connect_confirm")
    credential, grant = web_flow.finish(attempt, brought, desk_.seams)
    connect(desk_.connection(), desk_.vault, credential, desk_.seams, grant=grant, expected=again, actor=actor)
    return redirect(f"{reverse('web:reconnect')}?{urlencode({'org': again, 'works': ''})}")
