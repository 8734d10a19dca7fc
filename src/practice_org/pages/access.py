"""Field-level security of the integration user, its rights to objects, the package, and the app that lets it in."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from practice_org.access import checked_level
from practice_org.catalog import LEVELS
from practice_org.org import Org
from practice_org.pages.site import Form, Site
from practice_org.schema import PACKAGE_LABEL, PEOPLE


def routes(site: Site) -> list[Route]:
    """One page with a form per object, one for the package and one for the app's certificate."""
    org = site.org

    def show(request: Request, problem: str) -> Response:
        return site.render(
            request,
            "access",
            "access",
            problem=problem,
            objects=[_rights(org, name) for name in PEOPLE],
            levels=LEVELS,
            installed=org.access.package_installed,
            package_label=PACKAGE_LABEL,
            package_fields=org.access.package_fields,
            client_id=org.identity.client_id,
            username=org.identity.username,
        )

    def act(_: Request, form: Form) -> str:
        if form.get("do") == "package":
            org.install_package(installed=form.get("installed") == "yes")
            return "/practice/access?done=package"
        if form.get("do") == "app":
            org.take_certificate(form.get("certificate", ""))
            return "/practice/access?done=app"
        _grant(org, form)
        return f"/practice/access?done=access#{form.get('object')}"

    return [site.route("/practice/access", show, act)]


def _rights(org: Org, object_name: str) -> dict[str, object]:
    """What the page says of one object: its opt-out boxes first, the other fields behind them."""
    boxes = set(org.opt_out_fields(object_name))
    fields = [
        {"name": known.name, "label": known.label, "level": org.access.level(object_name, known.name)}
        for known in org.access.fields[object_name].values()
        if known.permissionable
    ]
    return {
        "name": object_name,
        "level": org.access.objects[object_name],
        "boxes": [one for one in fields if one["name"] in boxes],
        "others": [one for one in fields if one["name"] not in boxes],
    }


def _grant(org: Org, form: Form) -> None:
    """All levels of one object; nothing is changed when one of them is wrong."""
    name = form.get("object", "")
    if name not in PEOPLE:
        raise ValueError("object must be Lead or Contact")
    known = org.access.fields[name]
    levels = {
        field.name: checked_level(form[field.name])
        for field in known.values()
        if field.permissionable and field.name in form
    }
    org.access.grant_object(name, checked_level(form.get("level")))
    for field_name, level in levels.items():
        org.access.grant(name, field_name, level)
