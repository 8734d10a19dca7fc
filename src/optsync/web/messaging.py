"""Settings > Unsubscribes > Messaging: the words about unsubscribing that go into messages (requirement 38)."""

from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.core.problems import Problem
from optsync.public import messages
from optsync.public.links import own_url
from optsync.public.messages import SHIPPED, Kind, MessageText
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, page
from optsync.web.troubles import address_trouble, in_three_parts


@needs("viewer", to_change="admin")
@require_http_methods(["GET", "HEAD", "POST"])
def messaging(request: HttpRequest) -> HttpResponse:
    """GET shows the texts and one in a form; POST `preview` shows what it makes, `save` saves it, `drop` removes it."""
    if request.method != "POST":
        return form(request, asked_in(request.GET))
    text, step = typed_in(request.POST), request.POST.get("step")
    if step not in ("save", "drop"):
        return form(request, text)
    conn, actor = desk().connection(), actor_of(request)
    try:
        if step == "drop":
            messages.drop(conn, text.kind, text.name, actor)
        else:
            messages.save(conn, text, actor)
    except Problem as error:
        return form(request, text, REFUSED, problem=in_three_parts(error))
    return redirect(f"{reverse('web:messaging')}?{urlencode({'kind': text.kind, 'name': text.name, 'done': step})}")


def typed_in(posted: Mapping[str, str]) -> MessageText:
    """The text of the form as it was typed."""
    kind = kind_of(posted)
    name = "" if kind == "account" else posted.get("name", "").strip()
    return MessageText(kind, name, posted.get("words", "").replace("\r\n", "\n"), posted.get("appends") == "on")


def asked_in(query: Mapping[str, str]) -> MessageText:
    """The text that the address asks for; an owner who has none starts from the text that counts for them now."""
    kind, name = kind_of(query), query.get("name", "").strip()
    if kind == "account":
        name = ""
    conn = desk().connection()
    now = messages.text_for(conn, **({kind: name} if name else {}))
    return MessageText(kind, name, now.words, now.appends)


def kind_of(values: Mapping[str, str]) -> Kind:
    """Whose text; the account's when nothing sensible is said."""
    said = values.get("kind", "")
    return next((kind for kind in get_args(Kind) if kind == said), "account")


def form(request: HttpRequest, text: MessageText, status: int = 200, **context: Any) -> HttpResponse:
    """Every text, one of them in the form, and what it makes of a message."""
    url = f"{own_url(request)}/u/…"
    sample = _("Dear Ann,\nhere is our offer.\n\n{{team_unsubscribe}}")
    context |= {
        "texts": messages.every(desk().connection()) or [SHIPPED],
        "text": text,
        "address_trouble": address_trouble(),
        "kinds": [("account", _("The whole account")), ("team", _("A team")), ("user", _("A user"))],
        "plain": messages.filled(sample, text.words, url, appends=text.appends, html=False),
        "rich": messages.filled("<p>{{team_unsubscribe}}</p>", text.words, url, appends=text.appends, html=True),
        "done": {"save": _("Saved."), "drop": _("Removed; the next wider text counts.")}.get(
            request.GET.get("done", ""), ""
        ),
    }
    return page(request, "messaging", "settings", status=status, **context)
