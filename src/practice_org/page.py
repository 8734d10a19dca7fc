"""One small page for people: find a Lead or Contact, see its opt-out boxes, tick them."""

import html
from collections.abc import Mapping
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from practice_org import human
from practice_org.errors import RefusalError
from practice_org.org import Org
from practice_org.schema import EMAIL_OPT_OUT, PACKAGE_LABEL, Value

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 46rem; padding: 0 1rem 3rem }
.banner { background: #b45309; color: #fff; margin: 0 -1rem; padding: .5rem 1rem; font-weight: 600 }
form.find { display: flex; gap: .5rem; margin: 1.5rem 0 }
input[type=search] { flex: 1; padding: .5rem; font: inherit }
button { padding: .5rem 1rem; font: inherit; min-block-size: 2rem }
article { border: 1px solid light-dark(#d4d4d4, #525252); border-radius: .5rem; padding: 1rem; margin: 1rem 0 }
h2 { margin: 0 0 .5rem; font-size: 1.1rem } .dim { color: light-dark(#525252, #a3a3a3); margin: .25rem 0 }
label { display: flex; gap: .5rem; align-items: center; margin: .5rem 0 }
input[type=checkbox] { inline-size: 1.25rem; block-size: 1.25rem }
"""


def routes(org: Org) -> list[Route]:
    """The page, and the form on it."""

    async def endpoint(request: Request) -> Response:
        if request.method == "POST":
            return _save(org, (await request.body()).decode("utf-8", "replace"))
        return HTMLResponse(render(org, str(request.query_params.get("q", "")).strip()))

    return [Route("/practice", endpoint, methods=["GET", "POST"])]


def render(org: Org, asked: str) -> str:
    """The page for a search by e-mail address or record id."""
    records = _find(org, asked) if asked else []
    found = "".join(_article(org, record, asked) for record in records)
    note = "<p>No Lead or Contact has that address or id.</p>" if asked and not records else ""
    title = f"{asked} · Practice org" if asked else "Practice org"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
        '<p class="banner">Practice org: this is not Salesforce. Nothing here leaves this machine.</p>'
        "<h1>Leads and Contacts</h1>"
        '<form class="find" role="search"><input type="search" name="q" aria-label="E-mail address or record id" '
        f'placeholder="anna.berg@example.com or a record id" value="{html.escape(asked)}"><button>Find</button></form>'
        f"{note}{found}"
    )


def _find(org: Org, asked: str) -> list[dict[str, Value]]:
    if "@" in asked:
        return human.find(org, asked)
    try:
        return [human.show(*human.locate(org, asked))]
    except RefusalError:
        return []


def _article(org: Org, record: Mapping[str, Value], asked: str) -> str:
    def text(name: str) -> str:
        return html.escape(str(record.get(name) or "—"))

    state = " · in the recycle bin" if record["IsDeleted"] else " · converted" if record.get("IsConverted") else ""
    boxes = "".join(
        f'<label><input type="checkbox" name="{html.escape(name)}"{" checked" if record.get(name) else ""}>'
        f"{'Email Opt Out' if name == EMAIL_OPT_OUT else PACKAGE_LABEL}</label>"
        for name in org.opt_out_fields(str(record["type"]))
    )
    return (
        f"<article><h2>{text('Name')}</h2><p class=dim>{text('type')}{state} · {text('Id')}</p><p>{text('Email')}</p>"
        f'<form method="post"><input type="hidden" name="id" value="{text("Id")}">'
        f'<input type="hidden" name="q" value="{html.escape(asked)}">{boxes}<button>Save</button></form>'
        f"<p class=dim>Last changed {text('SystemModstamp')}</p></article>"
    )


def _save(org: Org, body: str) -> Response:
    """A person's edit of the boxes; an unticked box is missing from the form, as forms go."""
    form = {name: values[0] for name, values in parse_qs(body).items()}
    try:
        table, _ = human.locate(org, form.get("id", ""))
        boxes = {name: name in form for name in org.opt_out_fields(table.name)}
        human.edit(org, form["id"], boxes)
    except RefusalError as refusal:
        return HTMLResponse(f"<p>{html.escape(refusal.message)}</p>", status_code=refusal.status)
    return RedirectResponse(f"/practice?q={quote(form.get('q', ''))}", status_code=303)
