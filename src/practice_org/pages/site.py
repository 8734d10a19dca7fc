"""What all pages share: who may ask, the token in each form, redirect after post, rendering with everything escaped."""

import hmac
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs

from django.template import Context, Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from practice_org import clock
from practice_org.errors import RefusalError
from practice_org.here import is_from_here
from practice_org.org import Org

FORM_BYTES_MAX = 65_536
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # no-referrer would have browsers call our own forms foreign: Origin: null
    "X-Content-Type-Options": "nosniff",
}
NOT_FROM_HERE = "Refused: these pages answer to 127.0.0.1 and localhost only, and to no other site's forms.\n"
OLD_FORM = "The form is older than this org, which was started afresh: nothing was changed. Do it again."

Form = Mapping[str, str]
Show = Callable[[Request, str], Response]
"""Renders a page; the text says what went wrong, empty when nothing did."""
Act = Callable[[Request, Form], str]
"""Does what a form asks; returns the address to go on to. Raises RefusalError or ValueError."""


class Site:
    """The pages of one org."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self._token = clock.token_hex(32)
        self._engine = Engine(dirs=[str(Path(__file__).parent / "templates")], autoescape=True)

    def render(
        self, request: Request, template: str, here: str, *, problem: str = "", status: int = 200, **values: object
    ) -> Response:
        """A page in the frame. `here` names the entry of the bar; a problem makes the status 400."""
        frame = {"token": self._token, "here": here, "problem": problem, "done": request.query_params.get("done", "")}
        context = Context(frame | values, use_l10n=False, use_tz=False)
        content = self._engine.get_template(f"{template}.html").render(context)
        return HTMLResponse(content, status_code=400 if problem and status == 200 else status, headers=HEADERS)

    def route(self, path: str, show: Show, act: Act | None = None) -> Route:
        """A page that can be seen and, with `act`, be posted to."""

        async def endpoint(request: Request) -> Response:
            if not is_from_here(request, self.org):
                return PlainTextResponse(NOT_FROM_HERE, status_code=403)
            if request.method != "POST":
                return show(request, "")
            body = await request.body()
            form = parse_form(body) if len(body) <= FORM_BYTES_MAX else {}
            if act is None or not hmac.compare_digest(form.pop("token", "").encode(), self._token.encode()):
                return show(request, OLD_FORM)
            try:
                return RedirectResponse(act(request, form), status_code=303)
            except RefusalError as refusal:
                return show(request, f"{refusal.code}: {refusal.message}")
            except ValueError as error:
                return show(request, str(error))

        return Route(path, endpoint, methods=["GET", "POST"] if act else ["GET"])


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form, the first value of each; empty ones are kept, unticked boxes are missing, as forms go."""
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}
