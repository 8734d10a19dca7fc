"""Settings > API keys: what programs sign in with at /v1/. The text of a key is shown once, when it is made."""

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.access import keys as store
from optsync.access.keys import DAYS_MAX, NAME_LENGTH_MAX, OVERLAP_HOURS, SCOPES, Key, Scope
from optsync.config.desk import desk
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, page


@needs("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def api_keys(request: HttpRequest) -> HttpResponse:
    """Every key; POST makes one and shows its text."""
    if request.method != "POST":
        return listed(request, done=said_of(request.GET.get("done", "")))
    name = request.POST.get("name", "").strip()
    scopes = [scope for scope in SCOPES if scope in request.POST.getlist("scope")]
    days = request.POST.get("days", "").strip()
    problem = problem_of(name, scopes, days)
    if problem:
        typed = {"name": name, "scopes": scopes, "days": days}
        return listed(request, REFUSED, problem=problem, typed=typed)
    desk_ = desk()
    key, text = store.make(
        desk_.connection(),
        desk_.subject_key,
        desk_.seams.token_bytes,
        name,
        scopes,
        days=int(days) if days else None,
        actor=actor_of(request),
    )
    return listed(request, made=key, text=text)


def problem_of(name: str, scopes: list[Scope], days: str) -> str:
    """What is wrong with the form; empty when nothing is."""
    if not name or len(name) > NAME_LENGTH_MAX:
        return _("A name has 1 to %(most)s characters. No key was made.") % {"most": NAME_LENGTH_MAX}
    if not scopes:
        return _("Choose at least one thing that the key may do. No key was made.")
    if days and not (days.isdecimal() and 1 <= int(days[:9]) <= DAYS_MAX):
        return _(
            "Days are a whole number from 1 to %(most)s, or nothing for a key without an end. No key was made."
        ) % {"most": DAYS_MAX}
    return ""


def listed(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    """The page with the list and the form."""
    context |= {"keys": [shown(key) for key in store.listing(desk().connection())], "scopes": scope_words()}
    context["check_url"] = request.build_absolute_uri("/v1/check")
    return page(request, "api_keys", "settings", status=status, **context)


@needs("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def api_key(request: HttpRequest, handle: str) -> HttpResponse:
    """One key; GET asks, POST ends it, or makes one like it and lets the old one work on for a day."""
    desk_ = desk()
    found = next((key for key in store.listing(desk_.connection()) if key.handle == handle), None)
    if found is None:
        raise Http404
    if request.method != "POST":
        return page(request, "api_key", "settings", one=shown(found), hours=OVERLAP_HOURS)
    if request.POST.get("step") != "rotate":
        ended = store.revoke(desk_.connection(), handle, actor=actor_of(request))
        return redirect(f"{reverse('web:api_keys')}?done={'revoked' if ended else 'gone'}")
    try:
        made = store.rotate(
            desk_.connection(), desk_.subject_key, desk_.seams.token_bytes, handle, actor=actor_of(request)
        )
    except store.Replaced:
        return redirect(f"{reverse('web:api_keys')}?done=replaced")
    if made is None:
        return redirect(f"{reverse('web:api_keys')}?done=gone")
    key, text = made
    return listed(request, made=key, text=text, replaces=found)


def said_of(word: str) -> str:
    """What a button did, in the reader's language; empty when none led here."""
    said = {
        "revoked": _("Revoked: the key opens nothing any more."),
        "replaced": _("This key was replaced before; nothing was changed. Replace its successor."),
        "gone": _("This key opened nothing any more already; nothing was changed."),
    }
    return said.get(word, "")


def scope_words() -> list[tuple[Scope, str]]:
    """What a key may do, in the reader's language."""
    return [
        ("check", _("Ask whether somebody may be mailed; enough for a sender")),
        ("read", _("See everything")),
        ("write", _("Record unsubscribes")),
        ("admin", _("All of it, and operate")),
    ]


def shown(key: Key) -> dict[str, Any]:
    """A key in the reader's language."""
    tone, sign, word = {
        "active": ("ok", "✓", _("Active")),
        "expired": ("warn", "!", _("Expired")),
        "revoked": ("idle", "✕", _("Revoked")),
    }[key.state]
    ends: datetime | None = key.revoked_at or key.expires_at
    return {"key": key, "tone": tone, "sign": sign, "state": word, "ends": ends, "scopes": ", ".join(key.scopes)}
