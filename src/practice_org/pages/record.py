"""One record, and what people do to it: convert, merge, delete, undelete."""

from collections.abc import Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from practice_org import human
from practice_org.errors import RefusalError
from practice_org.org import Org
from practice_org.pages.people import card_of, save_boxes
from practice_org.pages.site import Form, Site

CHOICES = {"": None, "yes": True, "no": False}


def routes(site: Site) -> list[Route]:
    """A page per record."""

    def show(request: Request, problem: str) -> Response:
        try:
            table, number = human.locate(site.org, request.path_params["id"])
        except RefusalError:
            return site.render(request, "missing", "people", status=404)
        fields = [(name, value) for name, value in human.show(table, number).items() if value is not None]
        card = card_of(site.org, table, number)
        return site.render(request, "record", "people", problem=problem, card=card, fields=sorted(fields))

    def act(request: Request, form: Form) -> str:
        record_id, deed = request.path_params["id"], form.get("do", "")
        if deed not in DEEDS:
            raise ValueError("the form does not say what to do")
        DEEDS[deed](site.org, record_id, form)
        return f"/practice/records/{quote(record_id)}?done={deed}"

    return [site.route("/practice/records/{id}", show, act)]


def _save(org: Org, record_id: str, form: Form) -> None:
    save_boxes(org, {**form, "id": record_id})


def _convert(org: Org, record_id: str, form: Form) -> None:
    human.convert(
        org, record_id, form.get("contact_id", "").strip() or None, copy_opt_out=CHOICES.get(form.get("copy", ""))
    )


def _merge(org: Org, record_id: str, form: Form) -> None:
    human.merge(org, record_id, form.get("into", "").strip(), keep_opt_out=CHOICES.get(form.get("keep", "")))


def _delete(org: Org, record_id: str, _: Form) -> None:
    human.delete(org, record_id)


def _undelete(org: Org, record_id: str, _: Form) -> None:
    human.undelete(org, record_id)


DEEDS: dict[str, Callable[[Org, str, Form], None]] = {
    "save": _save,
    "convert": _convert,
    "merge": _merge,
    "delete": _delete,
    "undelete": _undelete,
}
