"""Page layouts: which has the opt-out boxes, and a form to put them there; permission sets and who has them."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from practice_org.layouts import Layout
from practice_org.org import Org
from practice_org.pages.site import Form, Site
from practice_org.permission_sets import PROFILES
from practice_org.users import USERS

BEHAVIOURS = {"Edit": "on it", "Readonly": "read-only", "": "not on it"}
"""What a person can choose for a box, and how the page calls it."""


def routes(site: Site) -> list[Route]:
    """One page; each box of each layout is a form of its own."""
    org = site.org

    def show(request: Request, problem: str) -> Response:
        return site.render(
            request,
            "layouts",
            "layouts",
            problem=problem,
            layouts=[_shown(org, layout) for layout in org.layouts.ordered],
            behaviours=BEHAVIOURS,
            decides=org.access.by_layout is not None,
            sets=_sets(org),
        )

    def act(_: Request, form: Form) -> str:
        layout = org.layouts.named(form.get("layout", ""))
        if layout is None or form.get("behavior") not in BEHAVIOURS:
            raise ValueError("there is no such layout, or a box cannot stand on it in that way")
        layout.put(form.get("field", ""), form["behavior"] or None, org.access.fields[layout.object_name])
        org.settle()
        return "/practice/layouts?done=layout"

    return [site.route("/practice/layouts", show, act)]


def _shown(org: Org, layout: Layout) -> dict[str, object]:
    """What the page says of one layout: its checkboxes that people opt out by, those of the org's own among them."""
    standing = dict(layout.items())
    names = [*org.opt_out_fields(layout.object_name), *_own_boxes(org, layout.object_name)]
    boxes = [{"name": name, "behavior": standing.get(name, "")} for name in dict.fromkeys(names)]
    return {"full_name": layout.full_name, "boxes": boxes, "count": len(standing)}


def _own_boxes(org: Org, object_name: str) -> list[str]:
    return [known.name for known in org.access.fields[object_name].values() if known.custom]


def _sets(org: Org) -> list[dict[str, object]]:
    """Every set, a profile's by the profile's name, with what it grants of opt-out boxes and to whom."""
    users: dict[str, list[str]] = {}
    for user_id, set_id in org.permission_sets.assignments.values():
        users.setdefault(set_id, []).append(str(USERS[user_id]["Name"]))
    return [
        {
            "label": f"Profile {PROFILES[one.profile_id]}" if one.profile_id else one.label,
            "name": "" if one.profile_id else one.name,
            "boxes": sorted(
                f"{object_name}.{name}: {level}"
                for (object_name, name), level in one.fields.items()
                if level != "absent" and name in (*org.opt_out_fields(object_name), *_own_boxes(org, object_name))
            ),
            "users": users.get(one.id, []),
        }
        for one in org.permission_sets.sets.values()
    ]
