"""Settings > Alerts: to whom the product speaks by itself, when, and what it has said."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.alerts import channels, watching
from optsync.alerts.channels import KINDS, Channel, Kind
from optsync.alerts.rules import RULES, SAFE, Alert
from optsync.config.desk import desk
from optsync.config.environment import read_environment
from optsync.core.problems import Problem
from optsync.core.told import in_language
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, page
from optsync.web.troubles import in_three_parts
from optsync.web.webhooks import number_in
from optsync.webhooks.egress import egress_of


@needs("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def alerts(request: HttpRequest) -> HttpResponse:
    """GET shows channels, rules and problems; POST adds or removes a channel, or tests all."""
    if request.method != "POST":
        return shown(request)
    deed, house = request.POST.get("deed", ""), desk()
    if deed == "test":
        watching.send_tests(house.connection(), house.seams.new_id())
    elif deed == "remove":
        channels.remove(house.connection(), number_in(request.POST.get("channel", "")), actor=actor_of(request))
    elif deed == "add":
        try:
            add(request)
        except Problem as problem:
            typed = {"kind": request.POST.get("kind"), "target": request.POST.get("target")}
            return shown(request, REFUSED, problem=in_three_parts(problem), typed=typed)
    return redirect(f"{reverse('web:alerts')}?done={deed}")


def add(request: HttpRequest) -> None:
    """Adds the channel that the form names. Raises Problem."""
    house, kind = desk(), request.POST.get("kind", "")
    target = request.POST.get("target", "").strip()
    known: Kind = kind if kind in KINDS else "email"
    egress = egress_of(house.seams, read_environment())
    channels.add(house.connection(), house.vault, egress, known, target, actor=actor_of(request))


def shown(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    """The page."""
    conn = desk().connection()
    context |= {
        "channels": [{"one": one, "kind": kind_of(one.kind)} | state_of(one) for one in channels.listing(conn)],
        "kinds": [(kind, kind_of(kind)) for kind in KINDS],
        "rules": [(_(rule.title), _(rule.when)) for rule in RULES.values() if rule.is_mailed],
        "alerts": [alert_of(one) for one in watching.history(conn)],
        "safe": _(SAFE),
        "has_mail_server": read_environment().smtp is not None,
        "done": said_of(request.GET.get("done", "")),
    }
    return page(request, "alerts", "settings", status=status, **context)


def alert_of(one: Alert) -> dict[str, Any]:
    """A problem in the reader's language."""
    return {"one": one, "title": _(one.title), "sentence": in_language(one.sentence, _)}


def kind_of(kind: str) -> str:
    """What kind of channel."""
    return {"email": _("E-mail"), "webhook": _("Chat webhook"), "heartbeat": _("Heartbeat address")}[kind]


def state_of(one: Channel) -> dict[str, str]:
    """What became of a channel's newest message, as tone, sign and words."""
    if one.sent_at is not None:
        return {"tone": "ok", "sign": "✓", "word": _("Sent")}
    if one.due_at is not None and not one.said:
        return {"tone": "info", "sign": "…", "word": _("On its way")}
    if one.due_at is not None:
        return {"tone": "warn", "sign": "!", "word": _("Tried again")}
    return {"tone": "bad", "sign": "✕", "word": _("Given up")} if one.said else {"word": _("Nothing sent yet")}


def said_of(deed: str) -> str:
    """What a deed did; empty when none led here."""
    return {
        "add": _("Added. Send a test to see that it arrives."),
        "remove": _("Removed."),
        "test": _("A test message for every channel is on its way. Reload this page in a few seconds."),
    }.get(deed, "")
