"""The unsubscribe page. GET writes nothing, whoever asks; POST opts out and says so only once that is committed.

Mail scanners open every link, so nothing may follow from opening one. The one-click POST of RFC 8058 comes from a mail
program: without cookie, without confirmation, answered 200 without a redirect however often it comes.
"""

from collections.abc import Callable
from functools import wraps

import psycopg
from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from optsync.api.frame import drain
from optsync.config.desk import desk
from optsync.core.addresses import mask, names_several, normalize
from optsync.ledger.record import Source
from optsync.public import reasons, recording
from optsync.public.flood import Flood, rest_of_the_slot
from optsync.public.links import ONE_CLICK
from optsync.public.look import Look, look_for
from optsync.public.networks import agent_of, network_of
from optsync.public.tokens import UnsubscribeLink, read_token

UNREADABLE = (MultiPartParserError, SuspiciousOperation, BadRequest, UnreadablePostError, ValueError)
"""What a body that is no form makes Django raise: a broken boundary, too many fields, too many bytes."""
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, DatabaseError)
FLOOD = Flood()
View = Callable[..., HttpResponse]


def public_page(view: View) -> View:
    """A page that no cache keeps and no cookie comes with.

    CSRF-exempt: the token is the authority; there is no session that a foreign page could ride on.
    """

    @csrf_exempt
    @require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
    @wraps(view)
    def wrapped(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": "GET, HEAD, POST, OPTIONS"})
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex, nofollow"
        response["Cache-Control"] = "no-store"
        return response

    return wrapped


@public_page
def by_token(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind an unsubscribe link: a question on GET, the deed on POST, a form when the link is damaged.

    The token says who. Only our own button can ask for less than everything; whatever else the body of the POST looks
    like, the person is opted out of the whole account.
    """
    link = read_token(desk().link_keys, token)
    if link is None:
        return page(request, "damaged", status=404)
    if request.method != "POST":
        return ask(request, link, token)
    posted = fields_of(request)
    source: Source = "one-click" if posted.get(ONE_CLICK[0]) == ONE_CLICK[1] else "clicked link"
    only_sender = source != "one-click" and bool(link.sender) and posted.get("stop") == "sender"
    return record(request, link, source, token=token, only_sender=only_sender)


@public_page
def why(request: HttpRequest, token: str) -> HttpResponse:
    """What a person answers to "why?" once everything is done; GET shows the question before it."""
    link = read_token(desk().link_keys, token)
    if link is None:
        return page(request, "damaged", status=404)
    if request.method != "POST":
        return ask(request, link, token)
    posted = fields_of(request)
    said = (posted.get("why", ""), posted.get("comment", ""))
    try:
        reasons.keep(desk().connection(), desk().subject_key, link, *said)
    except AWAY:
        return later(request, 503, {"why": said[0], "comment": said[1]})
    return page(request, "thanks")


@public_page
def by_address(request: HttpRequest) -> HttpResponse:
    """The form for damaged links; it answers alike whether we know the address or not, also in time."""
    if request.method != "POST":
        return page(request, "damaged")
    seams, began = desk().seams, desk().seams.monotonic()
    address = fields_of(request).get("address", "")
    if not all(address.strip().rpartition("@")[::2]) or names_several(address):
        return page(request, "damaged", status=400, wrong=address)
    wait = FLOOD.wait_seconds(network_of(request.META, desk().proxies), began)
    if wait:
        return later(request, 429, {"address": address}, retry_seconds=int(wait) + 1)
    answer = record(request, UnsubscribeLink(address), "clicked link")
    seams.sleep(rest_of_the_slot(seams.monotonic() - began))
    return answer


def ask(request: HttpRequest, link: UnsubscribeLink, token: str) -> HttpResponse:
    """The question."""
    return page(request, "ask", token=token, masked=mask(normalize(link.address)), sender=link.sender)


def record(
    request: HttpRequest, link: UnsubscribeLink, source: Source, *, token: str = "", only_sender: bool = False
) -> HttpResponse:
    """Opts out and says so; 503 without a promise, and with what was asked, when the database is away.

    Without a token the person typed the address.
    """
    try:
        came_from = (network_of(request.META, desk().proxies), agent_of(request.META))
        if token:
            recording.record(link, source, *came_from, only_sender=only_sender)
        else:
            recording.record_typed(link.address, *came_from)
    except AWAY:
        asked = {"stop": "sender"} if only_sender else {} if token else {"address": link.address}
        return later(request, 503, asked)
    if source == "one-click":
        return HttpResponse("unsubscribed\n", content_type="text/plain")  # a mail program reads no page
    return page(request, "done", token=token, sender=link.sender if only_sender else "")


def later(request: HttpRequest, status: int, fields: dict[str, str], retry_seconds: int = 60) -> HttpResponse:
    """No promise: what was asked stands in a form that asks it again; a mail program sees when to come back."""
    answer = page(request, "later", status=status, fields=fields)
    answer["Retry-After"] = str(retry_seconds)
    return answer


def fields_of(request: HttpRequest) -> dict[str, str]:
    """The fields of a form; none of a body that is no form, whatever it is instead, or too long for one.

    Django counts only the fields: files of any size could keep it busy, and then not be kept.
    """
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise BadRequest("too long for a form")
        return {name: str(value) for name, value in request.POST.items()}
    except UNREADABLE:
        drain(request)
        return {}


def page(request: HttpRequest, name: str, status: int = 200, **context: object) -> HttpResponse:
    """One of the cards, in the reader's language and the organisation's colours."""
    look: Look = look_for(request)
    response = render(request, f"public/{name}.html", context | {"look": look, "t": look.texts}, status=status)
    response["Content-Language"] = look.language.code
    return response
