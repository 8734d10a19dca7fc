"""Settings > Salesforce > Connect: where, how to sign in, the right org?, doctor, dry run, on.

Each step has an address of its own and can be left: what was typed waits in the database, secrets encrypted. Opening a
step changes nothing; a POST does.
"""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.connection import drafts
from optsync.connection import settings as org_settings
from optsync.connection.connect import Connection, connections, disconnected
from optsync.connection.drafts import Draft
from optsync.connection.sessions import brief_session, open_session
from optsync.connection.settings import Change
from optsync.core.problems import Problem
from optsync.ledger.queries import sql
from optsync.salesforce.errors import SalesforceError
from optsync.sync import asking
from optsync.web import consent
from optsync.web.integrations import described, lines_of
from optsync.web.middleware import actor_of, admin_of
from optsync.web.previews import preview_of
from optsync.web.runs import error_of, going_of
from optsync.web.shell import REFUSED, chosen_org, page
from optsync.web.troubles import in_three_parts
from optsync.web.words import result_of_run

FORMS = ["GET", "HEAD", "POST"]


@require_http_methods(FORMS)
def where(request: HttpRequest) -> HttpResponse:
    """Step 1: which kind of org, and at which address."""
    problem = None
    if request.method == "POST":
        try:
            if request.POST.get("step") == "start over":
                drafts.drop(desk().connection())
                return redirect("web:connect")
            place, address = request.POST.get("place", ""), request.POST.get("address", "")
            drafts.begin(desk().connection(), place, address, admin_of(request))
            return redirect("web:connect_sign_in")
        except (Problem, SalesforceError) as error:
            problem = in_three_parts(error)
    draft = drafts.load(desk().connection())
    place = request.POST.get("place") or (draft.place if draft else "")
    known = draft.login_url if draft and draft.place in ("my domain", "practice") else ""
    context = {
        "draft": draft,
        "places": places(place),
        "address": request.POST.get("address", known),
        "connected": connections(desk().connection()),
        "disconnected": disconnected(desk().connection()),
        "just": request.GET.get("disconnected"),
        "stays": "stays" in request.GET,
        "problem": problem,
    }
    return page(request, "connect_where", "settings", REFUSED if problem else 200, step="where", **context)


def places(chosen: str) -> list[dict[str, Any]]:
    """The four places an org can be."""
    known = [
        ("my domain", _("My Domain"), _("Best: paste any address of your org; production and sandbox alike.")),
        ("production", _("Production"), _("Signs in at login.salesforce.com.")),
        ("sandbox", _("Sandbox"), _("Signs in at test.salesforce.com. A refreshed sandbox is a new org.")),
        ("practice", _("Practice org"), _("A stand-in on this machine, to rehearse with; no real Salesforce.")),
    ]
    return [
        {"value": value, "id": value.replace(" ", "-"), "title": title, "means": means, "chosen": value == chosen}
        for value, title, means in known
    ]


@require_http_methods(FORMS)
def sign_in(request: HttpRequest) -> HttpResponse:
    """Step 2: the way of sign-in, what to do in Salesforce for it, and the try."""
    desk_, problem = desk(), None
    if drafts.load(desk_.connection()) is None:
        return redirect("web:connect")
    if request.method == "POST":
        try:
            if request.POST.get("step") == "way":
                drafts.choose_way(desk_.connection(), desk_.vault, desk_.seams, request.POST.get("way", ""))
                return redirect(f"{reverse('web:connect_sign_in')}#details")
            typed = [request.POST.get(name, "").strip() for name in ("client_id", "username", "client_secret")]
            drafts.fill_in(desk_.connection(), desk_.vault, *typed)
            if is_by_consent():
                consent.begin(request)
                return redirect("web:connect_leave")
            drafts.look(desk_.connection(), desk_.vault, desk_.seams)
            return redirect("web:connect_confirm")
        except (Problem, SalesforceError) as error:
            problem = in_three_parts(error)
    draft = drafts.load(desk_.connection())
    assert draft is not None
    context = {
        "draft": draft,
        "ways": ways(draft, request.POST.get("way") or draft.way),
        "client_id": request.POST.get("client_id", draft.client_id),
        "username": request.POST.get("username", draft.username),
        "callback": consent.callback_url(request),
        "callback_fits": request.is_secure() or request.get_host().partition(":")[0] == "localhost",
        "problem": problem,
    }
    return page(request, "connect_sign_in", "settings", REFUSED if problem else 200, step="sign-in", **context)


def is_by_consent() -> bool:
    """Whether a person lets us in at Salesforce's own page."""
    draft = drafts.load(desk().connection())
    return draft is not None and draft.way == "refresh_token"


def ways(draft: Draft, chosen: str | None) -> list[dict[str, Any]]:
    """The ways to sign in; none needs anybody to be there at night."""
    jwt = _(
        "Best for a server: a key that is made here and never leaves. Nothing to renew, nothing to copy but a name."
    )
    client = _("A secret that Salesforce makes and you copy. Works at the org's My Domain address only.")
    consented = _(
        "The integration user lets optsync in at Salesforce's own page, once; what it gives is renewed by itself. "
        "It ends when that user's sessions are revoked."
    )
    known = [
        ("jwt", _("Key pair (JWT bearer flow)"), jwt),
        ("client_credentials", _("Client credentials flow"), client),
        ("refresh_token", _("Sign in with Salesforce (web-server flow)"), consented),
    ]
    offered = {"client_credentials": not draft.is_general_login}
    return [
        {
            "value": value,
            "title": title,
            "means": means,
            "chosen": value == chosen,
            "offered": offered.get(value, True),
        }
        for value, title, means in known
    ]


@require_safe
def certificate(_request: HttpRequest) -> HttpResponse:
    """The certificate to upload to Salesforce; it holds the public key only."""
    draft = drafts.load(desk().connection())
    if draft is None or not draft.certificate:
        raise Http404
    headers = {"Content-Disposition": 'attachment; filename="optsync.crt"', "Cache-Control": "no-store"}
    return HttpResponse(draft.certificate, content_type="application/x-pem-file", headers=headers)


@require_http_methods(FORMS)
def confirm(request: HttpRequest) -> HttpResponse:
    """Step 3: the org that the sign-in led to, named before anything is stored."""
    desk_, problem = desk(), None
    draft = drafts.load(desk_.connection())
    if draft is None or draft.found is None:
        return redirect("web:connect")
    if request.method == "POST":
        try:
            confirmed = request.POST.get("org", "")
            org = drafts.finish(desk_.connection(), desk_.vault, desk_.seams, confirmed, admin_of(request))
            return redirect(f"{reverse('web:connect_doctor')}?org={org.salesforce_id}")
        except (Problem, SalesforceError) as error:
            problem = in_three_parts(error)
    others = [org for org in connections(desk_.connection()) if org.salesforce_id != draft.found.id]
    known = any(org.salesforce_id == draft.found.id for org in connections(desk_.connection()))
    context = {"draft": draft, "others": others, "known": known, "problem": problem}
    return page(request, "connect_org", "settings", REFUSED if problem else 200, step="confirm", **context)


@require_http_methods(FORMS)
def first_sync(request: HttpRequest) -> HttpResponse:
    """Steps 4 and 5: POST `look` asks the worker for a dry run, `on` switches the nightly sync on after one, `unseen`
    without. GET shows how far the newest dry run of this org is, or what it found; leaving loses nothing.
    """
    org = chosen_org(request)
    if org is None:
        return redirect("web:connect")
    problem, step = None, request.POST.get("step")
    if request.method == "POST":
        try:
            if step == "look":
                asking.ask(desk().connection(), org.org_id, actor_of(request), dry_run=True)
                return redirect(f"{reverse('web:first_sync')}?org={org.salesforce_id}")
            if step in ("on", "unseen"):
                switch_on(org, admin_of(request), unseen=step == "unseen")
                return redirect("web:overview")
        except (Problem, SalesforceError) as error:
            problem = in_three_parts(error)
    context: dict[str, Any] = {"org": org, "problem": problem} | seen_of(org)
    context["sync_on"] = org_settings.load(desk().connection(), org.org_id).sync_on
    if not context["sync_on"]:
        try:
            context["lines"] = lines_of_switch(org)
        except (Problem, SalesforceError) as error:
            context["problem"] = problem or in_three_parts(error)
    return page(request, "connect_first_sync", "settings", REFUSED if problem else 200, step="first-sync", **context)


def seen_of(org: Connection) -> dict[str, Any]:
    """The run that goes on, and what the newest dry run of this org found, or why it failed."""
    conn = desk().connection()
    with conn.cursor(row_factory=dict_row) as cursor:
        newest = cursor.execute(sql("optsync.web", "newest_dry_run"), {"org": org.org_id}).fetchone()
        row = newest and cursor.execute(sql("optsync.web", "one_run"), {"run": newest["run_id"]}).fetchone()
    seen: dict[str, Any] = {"going": going_of(org.org_id), "can_cancel": True}
    if row:
        seen |= {
            "run": row | {"error": error_of(row["error"])},
            "preview": preview_of(row),
            "result": result_of_run(row["result"], _),
        }
    return seen


def lines_of_switch(org: Connection) -> list[str]:
    """What switching on does, as the settings say it before they are saved."""
    desk_ = desk()
    with brief_session(desk_.connection(), desk_.vault, org.org_id, desk_.seams) as session:
        plan = org_settings.plan_change(desk_.connection(), session, org.org_id, Change(sync_on=True))
    return lines_of(plan, described(org))


def switch_on(org: Connection, actor: str | None, *, unseen: bool) -> None:
    """The switch, and the go for the first run, unless nobody has looked: then the first night only looks and waits.

    Raises Problem when no dry run took place and `unseen` does not say that this is meant.
    """
    desk_ = desk()
    if not unseen and not seen_of(org).get("preview"):
        raise Problem(
            _("No dry run has told yet what a sync would do."),
            _("Nothing was changed."),
            _("Look first, or turn it on without looking."),
        )
    with open_session(desk_.connection(), desk_.vault, org.org_id, desk_.seams) as session:
        org_settings.apply_change(desk_.connection(), session, org.org_id, Change(sync_on=True), actor=actor)
    if not unseen:
        org_settings.approve_first_run(desk_.connection(), org.org_id, actor)
