"""Faults: what is on order, what there is, and a form for each kind."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from practice_org.errors import RefusalError
from practice_org.faults.base import AnswerFault, Fault, JobFault, RecordFault, RequestFault, ResultFault, make_fault
from practice_org.faults.registry import KINDS, what_happens
from practice_org.faults.transport import Outage
from practice_org.pages.site import Form, Site

FAMILIES: tuple[type[Fault], ...] = (RequestFault, AnswerFault, Outage, RecordFault, JobFault, ResultFault)
"""In the order in which the page shows them."""


def routes(site: Site) -> list[Route]:
    """The overview, and a page per kind."""
    org = site.org

    def show(request: Request, problem: str) -> Response:
        ordered = [_on_order(fault) for fault in org.faults.ordered]
        return site.render(request, "faults", "faults", problem=problem, ordered=ordered, groups=_groups())

    def act(_: Request, form: Form) -> str:
        if form.get("do") == "clear":
            org.faults.clear()
        elif not org.faults.remove(form.get("id", "")):
            raise RefusalError("NOT_FOUND", "that fault was taken back already")
        return "/practice/faults?done=cleared"

    def show_kind(request: Request, problem: str) -> Response:
        kind = KINDS.get(request.path_params["kind"])
        if kind is None:
            return site.render(request, "missing", "faults", status=404)
        return site.render(
            request,
            "fault",
            "faults",
            problem=problem,
            kind=kind,
            happens=what_happens(kind),
            options=[(one, one.show(one.default)) for one in kind.options()],
            routes=sorted(org.spy.routes),
        )

    def order(request: Request, form: Form) -> str:
        kind = KINDS.get(request.path_params["kind"])
        if kind is None:
            raise RefusalError("NOT_FOUND", "there is no such kind of fault")
        typed = {one.name: one.parse(form[one.name]) for one in kind.options() if one.name in form}
        org.faults.add(make_fault(KINDS, {"kind": kind.kind} | typed))
        return "/practice/faults?done=ordered"

    return [site.route("/practice/faults", show, act), site.route("/practice/faults/{kind}", show_kind, order)]


def _groups() -> list[tuple[str, list[tuple[str, str]]]]:
    """What can be struck, with the kinds that strike it."""
    names: dict[str, list[str]] = {family.strikes_what: [] for family in FAMILIES}
    for name, kind in KINDS.items():
        names[kind.strikes_what].append(name)
    return [(struck, [(name, what_happens(KINDS[name])) for name in kinds]) for struck, kinds in names.items()]


def _on_order(fault: Fault) -> dict[str, object]:
    """One row: what differs from the kind's defaults is told."""
    chosen = [
        f"{one.name} {one.show(getattr(fault, one.name))}"
        for one in fault.options()
        if one.name not in ("route", "times") and getattr(fault, one.name) != one.default
    ]
    return {
        "fault": fault,
        "chosen": ", ".join(chosen),
        "spent": fault.times is not None and fault.struck >= fault.times,
    }
