"""Settings > Salesforce > Install: a field on page layouts, our own checkbox, our permission set (requirements 30-32).

What would change is shown before it is done, and done only if it would still be the same; what was done is listed with
who did it, and can be taken back by anybody who may. The same by hand stands below, for whoever lacks the rights here.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.connection import fields, guide, installing
from optsync.connection import settings as org_settings
from optsync.connection.checks import setup_link
from optsync.connection.connect import Connection
from optsync.connection.fields import EMAIL, Described, OptOutField
from optsync.connection.install_plan import OWN, Found, Step, Wish, plan
from optsync.connection.page_layouts import place_of
from optsync.connection.sessions import open_session
from optsync.core.problems import Problem
from optsync.core.told import in_language
from optsync.salesforce import tooling
from optsync.salesforce.errors import SalesforceError
from optsync.salesforce.session import Session
from optsync.web.choices import state_of
from optsync.web.integrations import forget_look
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, chosen_org, page
from optsync.web.troubles import capitalised, in_three_parts


@dataclass(frozen=True, slots=True)
class View:
    """The org as a person wants to see it: what is there, and the field in question among those that can be."""

    org: Connection
    found: Found
    described: Described
    fields: list[OptOutField]
    field: OptOutField
    chosen: OptOutField | None
    package: bool | None


@needs("viewer", to_change="admin")
@require_http_methods(["GET", "HEAD", "POST"])
def install(request: HttpRequest) -> HttpResponse:
    """GET shows what is there; POST `preview` and `undo` what would change, `install` and `take-back` do it."""
    org = chosen_org(request)
    if org is None:
        return page(request, "install", "settings", connected=False, **guide_of(""))
    desk_ = desk()
    try:
        with open_session(desk_.connection(), desk_.vault, org.org_id, desk_.seams) as session:
            return answered(request, org, session)
    except (Problem, SalesforceError) as error:
        status = REFUSED if request.method == "POST" else 200
        context = {"connected": True, "org": org, "done": done_here(org), **guide_of(base_of(org))}
        return page(request, "install", "settings", status=status, problem=in_three_parts(error), **context)


def answered(request: HttpRequest, org: Connection, session: Session) -> HttpResponse:
    """The answer to one request; a refused step shows the form as Salesforce is now."""
    step = request.POST.get("step") if request.method == "POST" else None
    try:
        if step == "install":
            return installed(request, org, session)
        if step == "undo":
            return undo_preview(request, org, session)
        if step == "take-back":
            return taken_back(request, org, session)
    except installing.Moved as error:
        again = undo_preview if step == "take-back" else preview
        return again(request, org, session, status=REFUSED, problem=in_three_parts(error))
    except (Problem, SalesforceError) as error:
        return form(request, org, session, status=REFUSED, problem=in_three_parts(error))
    return preview(request, org, session) if step == "preview" else form(request, org, session)


def form(request: HttpRequest, org: Connection, session: Session, status: int = 200, **context: Any) -> HttpResponse:
    """What is there, and what can be installed."""
    view = look(request, org, session)
    chosen = request.POST.getlist("layout") if request.method == "POST" else None
    rows = [layout_row(layout, view.field, chosen) for layout in view.found.layouts]
    context |= {
        "connected": True,
        "org": org,
        "options": [option_of(view, one) for one in view.fields],
        "field": view.field,
        "makes": view.field == OWN and len(view.found.own_fields) < 2,
        "layouts": rows,
        "lacking": sum(not row["has"] for row in rows),
        "package": view.package,
        "done": done_here(org),
        "said": said_of(request) if request.method != "POST" else "",
        "to_choose": "installed" in request.GET and view.field == OWN != view.chosen,
        **guide_of(base_of(org)),
    }
    return page(request, "install", "settings", status=status, **context)


def preview(request: HttpRequest, org: Connection, session: Session, status: int = 200, **context: Any) -> HttpResponse:
    """What would change; nothing does."""
    view = look(request, org, session)
    wish = wish_of(request, view)
    planned = plan(view.found, wish)
    context |= {
        "connected": True,
        "org": org,
        "plan": {"steps": told_of(planned.steps), "by_hand": planned.by_hand, "digest": planned.digest},
        "wanted": {"field": view.field.lead_name, "grant": "on" if wish.grant else ""},
        "wanted_layouts": sorted(wish.layouts),
    }
    return page(request, "install", "settings", status=status, **context)


def installed(request: HttpRequest, org: Connection, session: Session) -> HttpResponse:
    """Does what was agreed to."""
    view = look(request, org, session)
    wish, digest = wish_of(request, view), request.POST.get("digest", "")
    result = installing.install(desk().connection(), session, org.org_id, wish, digest, actor=actor_of(request))
    forget_look(org.org_id)
    if result.left or result.findings:
        missing = [*(step.told for step in result.left), *(finding.told for finding in result.findings)]
        problem = {
            "what": _("Salesforce took the changes, but reading it again does not find everything."),
            "means": "; ".join(in_language(one, _) for one in missing),
            "next": _("Look again in a minute; if it stays so, follow the guide below."),
        }
        return form(request, org, session, status=REFUSED, problem=problem)
    return redirect(f"{reverse('web:install')}?org={org.salesforce_id}&field={wish.field.lead_name}"
                    f"&installed={len(result.done)}")  # fmt: skip


def undo_preview(
    request: HttpRequest, org: Connection, session: Session, status: int = 200, **context: Any
) -> HttpResponse:
    """What can be taken back, and what stays and why."""
    planned = installing.look_for_undo(desk().connection(), session, org.org_id)
    kept = [(sentence(one.step), capitalised(in_language(one.why, _))) for one in planned.kept]
    undo = {"steps": told_of(planned.steps), "kept": kept, "digest": planned.digest, "gone": len(planned.gone)}
    undo["loses_right"] = any(step.kind in ("grant", "assignment") for step in planned.steps)
    return page(request, "install", "settings", status=status, connected=True, org=org, undo=undo, **context)


def taken_back(request: HttpRequest, org: Connection, session: Session) -> HttpResponse:
    """Takes back what was agreed to."""
    digest = request.POST.get("digest", "")
    planned = installing.undo(desk().connection(), session, org.org_id, digest, actor=actor_of(request))
    count = len(planned.steps) + len(planned.gone)
    return redirect(f"{reverse('web:install')}?org={org.salesforce_id}&taken_back={count}")


def look(request: HttpRequest, org: Connection, session: Session) -> View:
    """The org now. Raises Problem for a field that is none of those to choose from, and as `installing.look`."""
    found, described = installing.look(session), fields.look_at(session)
    chosen = org_settings.load(desk().connection(), org.org_id).custom
    known = [EMAIL, *described.custom_fields()]
    known += [one for one in (chosen, OWN) if one and one.lead_name not in [k.lead_name for k in known]]
    asked = (request.POST if request.method == "POST" else request.GET).get("field") or EMAIL.lead_name
    field = next((one for one in known if one.lead_name == asked), None)
    if field is None:
        raise Problem(
            _("There is no such opt-out field."), _("Nothing was changed."), _("Choose one of the fields in the list.")
        )
    return View(org, found, described, known, field, chosen, has_package(session))


def has_package(session: Session) -> bool | None:
    """Whether the Marketo Sales Insight package is installed; None when Salesforce does not let us look."""
    try:
        return guide.PACKAGE_NAMESPACE in tooling.package_versions(session)
    except SalesforceError:
        return None


def wish_of(request: HttpRequest, view: View) -> Wish:
    """What the form asks for; a layout that is not there any more is left out."""
    known = {layout.id for layout in view.found.layouts}
    return Wish(view.field, frozenset(known) & set(request.POST.getlist("layout")), request.POST.get("grant") == "on")


def option_of(view: View, field: OptOutField) -> dict[str, Any]:
    """One field to choose, with its live state."""
    state = state_of(view.described, field)
    if field == OWN and not view.found.own_fields:
        state = {"state": _("Not there yet"), "tone": "idle"}
    return {"name": field.lead_name, "label": field.label, "chosen": field == view.field, **state}


def layout_row(layout: tooling.Layout, field: OptOutField, chosen: list[str] | None) -> dict[str, Any]:
    """One page layout: whether it shows the field, and whether its box is ticked in the form."""
    place = place_of(layout.metadata, field.name_on(layout.object_name))
    return {
        "id": layout.id,
        "object": layout.object_name,
        "name": layout.name,
        "has": place is not None,
        "section": place.section if place else "",
        "ticked": place is None and (chosen is None or layout.id in chosen),
    }


def done_here(org: Connection) -> list[dict[str, Any]]:
    """What was installed and not taken back."""
    return [
        {"what": sentence(one.step), "at": one.begun_at, "by": one.begun_by}
        for one in installing.remembered(desk().connection(), org.org_id)
    ]


def told_of(steps: tuple[Step, ...]) -> list[str]:
    """The steps in the reader's language."""
    return [sentence(step) for step in steps]


def sentence(step: Step) -> str:
    """One step in the reader's language."""
    return capitalised(in_language(step.told, _))


def said_of(request: HttpRequest) -> str:
    """What the last button did; empty when none led here."""
    count = request.GET.get("installed", "")
    if count.isdecimal():
        return _("Done, and read back from Salesforce. Changes: %(count)s.") % {"count": count[:6]}
    count = request.GET.get("taken_back", "")
    return _("Taken back. Changes: %(count)s.") % {"count": count[:6]} if count.isdecimal() else ""


def base_of(org: Connection) -> str:
    """Where the org's Setup is; "" for a practice org, which has none, and where it is not known."""
    return "" if org.is_practice else org.instance_url


def guide_of(base: str) -> dict[str, Any]:
    """The guide in the reader's language, with links into the org's own Setup."""
    link = partial(setup_link, base, not base)
    chapters = [
        {
            "id": chapter.id,
            "title": in_language(chapter.title, _),
            "intro": in_language(chapter.intro, _),
            "steps": [
                {"text": in_language(step.text, _), "link": step.url or (link(step.page) if step.page else "")}
                for step in chapter.steps
            ],
        }
        for chapter in guide.CHAPTERS
    ]
    return {"who": in_language(guide.WHO, _), "chapters": chapters}
