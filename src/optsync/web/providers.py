"""Settings > Unsubscribes > Sources: the mail providers that tell of unsubscribes, complaints and bounces.

The address with its secret is shown once, in the answer to the button that made it. When each provider was last
heard, and why a call of it was refused, comes by itself while the first event is waited for.
"""

from datetime import datetime, timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from optsync.config.desk import desk
from optsync.core.problems import Problem
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, page
from optsync.web.troubles import in_three_parts
from optsync.web.words import REFUSED_CALLS
from optsync.webhooks import inbox, sources
from optsync.webhooks.inbound import INBOUND
from optsync.webhooks.incoming import public_url_of
from optsync.webhooks.providers import PROVIDERS, SILENT, Policy, Provider
from optsync.webhooks.sources import Source

LOCAL = ("http://127.", "http://localhost", "http://[::1]")


@needs("viewer")
@require_safe
def providers(request: HttpRequest) -> HttpResponse:
    """Every provider that we understand, those that may call first."""
    return page(request, "providers", "settings", done=said_of(request.GET.get("done", "")), **listed())


def listed() -> dict[str, Any]:
    """What the list of providers shows."""
    found = {source.provider.slug: source for source in sources.listing(desk().connection())}
    rows = [
        {"provider": one, "tells": tells_of(one), "state": state_of(found.get(one.slug))} for one in PROVIDERS.values()
    ]
    return {"providers": sorted(rows, key=lambda row: not row["state"]["source"]), "silent": ", ".join(SILENT)}


@needs("viewer", to_change="admin")
@require_http_methods(["GET", "HEAD", "POST"])
def provider(request: HttpRequest, provider: str) -> HttpResponse:
    """One provider. POST `add` and `rotate` make an address and show it, `save` sets what counts, `remove` ends it."""
    one = PROVIDERS.get(provider)
    if one is None:
        raise Http404
    if request.method != "POST":
        return shown(request, one, done=said_of(request.GET.get("done", "")))
    try:
        return DEEDS.get(request.POST.get("step", ""), shown)(request, one)
    except Problem as problem:
        return shown(request, one, REFUSED, problem=in_three_parts(problem))


def add(request: HttpRequest, one: Provider) -> HttpResponse:
    """Lets it call and shows the address, once."""
    asked, desk_ = request.POST, desk()
    secret = sources.add(
        desk_.connection(),
        desk_.vault,
        desk_.seams.token_bytes,
        one,
        policy_of(asked),
        signing_key=asked.get("key", ""),
        topic=asked.get("topic", ""),
        actor=actor_of(request),
    )
    return shown(request, one, url=sources.address_of(public_url_of(request), one, secret))


def save(request: HttpRequest, one: Provider) -> HttpResponse:
    """Sets what counts as an unsubscribe."""
    asked, desk_ = request.POST, desk()
    key, topic = asked.get("key", ""), asked.get("topic", "")
    sources.change(
        desk_.connection(),
        desk_.vault,
        one,
        policy_of(asked),
        signing_key=key,
        topic=topic,
        actor=actor_of(request),
    )
    return redirect(f"{reverse('web:provider', args=[one.slug])}?done=saved")


def rotate(request: HttpRequest, one: Provider) -> HttpResponse:
    """A new address, shown once."""
    desk_ = desk()
    secret = sources.rotate(desk_.connection(), desk_.vault, desk_.seams.token_bytes, one, actor=actor_of(request))
    return shown(request, one, url=sources.address_of(public_url_of(request), one, secret), rotated=True)


def remove(request: HttpRequest, one: Provider) -> HttpResponse:
    """Takes nothing from it any more."""
    sources.remove(desk().connection(), one, actor=actor_of(request))
    return redirect(f"{reverse('web:providers')}?done=removed")


def put_aside(request: HttpRequest, one: Provider) -> HttpResponse:
    """A person has looked at an event that could not be read."""
    number = request.POST.get("event", "")
    is_number = number.isascii() and number.isdecimal() and len(number) < 19
    done = is_number and inbox.put_aside(desk().connection(), one, int(number))
    return redirect(f"{reverse('web:provider', args=[one.slug])}?done={'aside' if done else 'gone'}")


DEEDS = {"add": add, "save": save, "rotate": rotate, "remove": remove, "aside": put_aside}


@needs("viewer")
@require_safe
def heard(request: HttpRequest, provider: str) -> HttpResponse:
    """The fragment that is asked for while the first event is waited for; its last answer asks no more."""
    source = sources.find(desk().connection(), provider)
    if source is None:
        return HttpResponse(headers={"HX-Refresh": "true", "Cache-Control": "no-store"})
    response = render(request, "web/_provider_heard.html", {"one": source.provider, "state": state_of(source)})
    response["Cache-Control"] = "no-store"
    return response


def shown(request: HttpRequest, one: Provider, status: int = 200, **context: Any) -> HttpResponse:
    """The page of one provider; after a refusal with what was typed."""
    conn = desk().connection()
    source = sources.find(conn, one.slug)
    policy = policy_of(request.POST) if status == REFUSED else source.policy if source else Policy()
    context |= {
        "one": one,
        "source": source,
        "state": state_of(source),
        "policy": policy,
        "topic": request.POST.get("topic", "")
        if status == REFUSED
        else source.topic
        if source and source.topic
        else "",
        "tells": tells_of(one),
        "takes_mail": one.slug in INBOUND,
        "unreadable": inbox.unreadable(conn, one) if source else [],
        "is_local": public_url_of(request).startswith(LOCAL),
    }
    return page(request, "provider", "settings", status=status, **context)


def policy_of(asked: QueryDict) -> Policy:
    """What the boxes of a form say."""
    return Policy(asked.get("complaints") == "on", asked.get("bounces") == "on", asked.get("groups") == "on")


def state_of(source: Source | None) -> dict[str, Any]:
    """Whether a provider calls, as word, sign and colour, and why its last call was refused."""
    if source is None:
        return {"source": None, "tone": "idle", "sign": "–", "word": _("Not connected"), "waits": False, "why": ""}
    waits = source.last_event_at is None
    is_refused = source.rejected_at is not None and (
        waits or source.rejected_at > (source.last_event_at or source.rejected_at)
    )
    tone, sign, word = ("info", "…", _("Waiting for the first event")) if waits else ("ok", "✓", _("Connected"))
    if is_refused or source.unreadable or source.put_off:
        tone, sign = "warn", "!"
        word = _("Something could not be read") if source.unreadable else _("Something could not be recorded yet")
        word = _("Last call refused") if is_refused else word
    why = _(REFUSED_CALLS.get(source.rejected_why or "", source.rejected_why or "")) if is_refused else ""
    state = {"source": source, "tone": tone, "sign": sign, "word": word, "waits": waits, "why": why}
    return state | {"heard_ago": ago(source.last_event_at), "refused_ago": ago(source.rejected_at)}


def ago(at: datetime | None) -> str:
    """How long ago, in the reader's language; empty for less than a minute."""
    now = desk().seams.now()
    return timesince(at, now) if at is not None and now - at >= timedelta(minutes=1) else ""


def tells_of(one: Provider) -> str:
    """What a provider tells, in the reader's language."""
    words = {"unsubscribe": _("unsubscribes"), "complaint": _("spam complaints"), "bounce": _("bounces")}
    return ", ".join(word for signal, word in words.items() if signal in one.tells)


def said_of(word: str) -> str:
    """What a button did, in the reader's language; empty when none led here."""
    return {
        "saved": _("Saved."),
        "removed": _("Removed: its calls are refused from now on. What it told stays."),
        "aside": _("Put aside."),
        "gone": _("Somebody put it aside before; nothing was changed now."),
    }.get(word, "")
