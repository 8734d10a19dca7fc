"""The unsubscribe page. GET writes nothing, whoever asks; POST opts out and says so only once that is committed.

Mail scanners open every link, so nothing may follow from opening one. The one-click POST of RFC 8058 comes from a mail
program: without cookie, without confirmation, answered 200 without a redirect however often it comes.
"""

import ipaddress
from collections.abc import Callable
from functools import wraps

import psycopg
from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.core.addresses import mask, normalize
from optsync.ledger.record import Source, opt_out
from optsync.public.tokens import UnsubscribeLink, read_token

ONE_CLICK = ("List-Unsubscribe", "One-Click")  # RFC 8058, section 3.1
UNREADABLE = (MultiPartParserError, SuspiciousOperation, BadRequest, UnreadablePostError)
"""What a body that is no form makes Django raise: a broken boundary, too many fields, too many bytes."""
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, DatabaseError)
View = Callable[..., HttpResponse]


def public_page(view: View) -> View:
    """A page in the reader's language (?lang, else Accept-Language) that no cache keeps and no cookie comes with.

    CSRF-exempt: the token is the authority; there is no session that a foreign page could ride on.
    """

    @csrf_exempt
    @require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
    @wraps(view)
    def wrapped(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": "GET, HEAD, POST, OPTIONS"})
        with translation.override(language_of(request)):
            response = view(request, *args, **kwargs)
            response["Content-Language"] = translation.get_language() or "en"
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex, nofollow"
        response["Cache-Control"] = "no-store"
        return response

    return wrapped


@public_page
def by_token(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind an unsubscribe link: a question on GET, the deed on POST, a form when the link is damaged.

    The token says who; whatever the body of the POST looks like, the person is opted out.
    """
    link = read_token(desk().link_keys, token)
    if link is None:
        return page(request, "damaged", status=404)
    if request.method != "POST":
        return page(request, "ask", masked=mask(normalize(link.address)))
    return record(request, link, "one-click" if is_one_click(request) else "clicked link")


def is_one_click(request: HttpRequest) -> bool:
    """Whether a mail program sent this POST (RFC 8058), and not our page's button; False for an unreadable body."""
    try:
        return request.POST.get(ONE_CLICK[0]) == ONE_CLICK[1]
    except UNREADABLE:
        return False


@public_page
def by_address(request: HttpRequest) -> HttpResponse:
    """The form for damaged links; it answers alike whether we know the address or not."""
    if request.method != "POST":
        return page(request, "damaged")
    address = request.POST.get("address", "")
    if not all(address.strip().rpartition("@")[::2]):
        return page(request, "damaged", status=400, wrong=address)
    return record(request, UnsubscribeLink(address, ""), "clicked link", typed=address)


def record(request: HttpRequest, link: UnsubscribeLink, source: Source, typed: str = "") -> HttpResponse:
    """Opts out and says so; 503 without a promise, and with what was typed, when the database is away."""
    try:
        opt_out(desk().connection(), desk().subject_key, link.address, source, evidence=evidence_of(request, link))
    except AWAY:
        return page(request, "later", status=503, typed=typed)
    return page(request, "done")


def evidence_of(request: HttpRequest, link: UnsubscribeLink) -> dict[str, str]:
    """What we keep as proof: the message and the network the request came from, never a whole address."""
    evidence = {"message": link.message_id, "network": network_of(request.META.get("REMOTE_ADDR", ""))}
    return {name: value for name, value in evidence.items() if value}


def network_of(address: str) -> str:
    """The /16 (IPv4) or /32 (IPv6) network of an address; empty for anything else."""
    try:
        bits = 16 if ipaddress.ip_address(address).version == 4 else 32
        return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))
    except ValueError:
        return ""


def language_of(request: HttpRequest) -> str:
    """?lang when it names one of our languages, else what the browser prefers."""
    asked = request.GET.get("lang", "")
    return asked if asked in dict(settings.LANGUAGES) else translation.get_language_from_request(request)


def page(request: HttpRequest, name: str, status: int = 200, **context: object) -> HttpResponse:
    """One of the five cards."""
    lang = request.GET.get("lang", "")
    context |= {"languages": settings.LANGUAGES, "lang": lang if lang in dict(settings.LANGUAGES) else ""}
    return render(request, f"public/{name}.html", context, status=status)
