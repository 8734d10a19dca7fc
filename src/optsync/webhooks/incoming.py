"""The door of mail providers: unsubscribes, complaints and bounces, each stored before it is acknowledged.

A call needs the secret of its address, or the provider's signature where its key is stored. What is refused leaves no
trace but the time and the reason on the provider's page. Amazon's messages are believed only when Amazon signed them
for the topic that an admin entered (`optsync.webhooks.sns`).
"""

import json
from base64 import b64decode
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from anymail.exceptions import AnymailWebhookValidationFailure
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from optsync.config.desk import Desk, desk
from optsync.ledger.queries import sql
from optsync.salesforce.errors import SalesforceError
from optsync.salesforce.hosts import Origin
from optsync.salesforce.http import Http, Request
from optsync.webhooks import inbox, posts, sns, sources
from optsync.webhooks.posts import NoPost, Posted
from optsync.webhooks.providers import PROVIDERS
from optsync.webhooks.sns import NotSigned
from optsync.webhooks.sources import PACKAGE, Source

BODY_MAX: Final = 4 * 1024 * 1024
"""Ten thousand events of SendGrid; its own posts are smaller than 1 MB."""
SEVERAL: Final = 16
"""How often BODY_MAX is read away of a body that is refused, so that the caller sees the answer."""
CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="optsync"'}
FETCH_SECONDS: Final = 10.0


class Refused(Exception):  # noqa: N818 - it says why a call is refused
    """A call that is not believed. `optsync.web.words.REFUSED_CALLS` says more to each text."""

    def __init__(self, why: str, status: int = 403) -> None:
        super().__init__(why)
        self.why = why
        self.status = status


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
def receive(request: HttpRequest, provider: str) -> HttpResponse:
    """POST takes a provider's events; anything else says that somebody is here: some providers ask before they save."""
    if provider not in PROVIDERS:
        raise Http404
    if request.method != "POST":
        return said("optsync listens here for the events of a mail provider.")
    try:
        return post(request, desk(), provider)
    except (psycopg.OperationalError, psycopg.InterfaceError):
        return said("The database is away; nothing was taken. Send it again.", 503)


def post(request: HttpRequest, here: Desk, provider: str) -> HttpResponse:
    """Checks who calls, stores what is said, records it. Nothing is acknowledged that is not committed."""
    conn = here.connection()
    source = sources.find(conn, provider)
    if source is None:
        raise Http404
    try:
        posted = Posted(request.META, body_of(request))
        believe(here, conn, source, posted)
        if source.provider.needs_topic and confirms(here, conn, source, posted):
            return said("The subscription is confirmed.")
        events = posts.read(source.provider, posted, source.policy)
    except Refused as refused:
        sources.rejected(conn, source, refused.why)
        return said(f"Refused: {refused.why}.", refused.status)
    except NoPost as nothing:
        sources.rejected(conn, source, str(nothing))
        return said(f"Nothing was taken: {nothing}.", 400)
    new = inbox.put(conn, here.subject_key, source.provider, events)
    sources.heard(conn, source)
    inbox.take_waiting(conn, here.subject_key)
    return said(f"Taken: {new}.")


def body_of(request: HttpRequest) -> bytes:
    """The whole body. Raises Refused above the cap, or when it breaks off."""
    try:
        body: bytes = request.read(BODY_MAX + 1)
        if len(body) <= BODY_MAX:
            return body
        for _ in range(SEVERAL):
            if not request.read(BODY_MAX):
                break
    except UnreadablePostError:
        raise Refused("a body that breaks off", 400) from None
    raise Refused("a body of more than 4 MB", 413)


def believe(here: Desk, conn: psycopg.Connection, source: Source, posted: Posted) -> None:
    """Raises Refused unless the call is the provider's: by the secret in its address, by its signature, or both."""
    given = password_of(posted)
    if given is not None and not sources.opens(conn, source, given, here.subject_key):
        raise Refused("wrong secret")
    if source.provider.needs_topic and given is None:
        raise Refused("no secret", 401)  # Amazon SNS sends the secret once it was asked for it
    if source.signing_key is None and given is None:
        raise Refused("no secret")
    if source.signing_key is not None:
        check_signature(here, source, posted, given or "")


def check_signature(here: Desk, source: Source, posted: Posted, secret: str) -> None:
    """Raises Refused unless the provider's own signature is right."""
    assert source.signing_key is not None
    key = here.vault.decrypt(source.signing_key).decode()
    url = sources.address_of(public_url_of(posted), source.provider, secret)
    try:
        posts.check_signature(source.provider, posted, key, url)
    except AnymailWebhookValidationFailure:
        raise Refused("wrong signature") from None


def password_of(request: HttpRequest) -> str | None:
    """The password of basic authentication; None without one. What cannot be read is a wrong one."""
    kind, _space, sealed = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if not kind:
        return None
    try:
        return b64decode(sealed.strip(), validate=True).decode().partition(":")[2] if kind.lower() == "basic" else ""
    except ValueError:
        return ""


def confirms(here: Desk, conn: psycopg.Connection, source: Source, posted: Posted) -> bool:
    """Checks a message of Amazon SNS; whether it asked to confirm the subscription, which was done. Raises Refused."""
    try:
        message: dict[str, Any] = json.loads(posted.body)
        sns.check(message, source.topic or "", lambda url: certificate(here, conn, url))
        if message["Type"] != "SubscriptionConfirmation":
            return False
        if not sns.is_amazons(message["SubscribeURL"]):
            raise NotSigned("an address to confirm that is not Amazon's")
    except NotSigned as wrong:
        raise Refused(str(wrong)) from None
    except (ValueError, AttributeError, KeyError, RecursionError):
        raise NoPost("a body that is not the JSON of this provider's events") from None
    fetch(here, message["SubscribeURL"])
    return True


def certificate(here: Desk, conn: psycopg.Connection, url: str) -> bytes:
    """Amazon's certificate, fetched once from Amazon's own host and kept."""
    row = conn.execute(sql(PACKAGE, "sns_certificate"), [url]).fetchone()
    if row is not None:
        return bytes(row[0])
    pem = fetch(here, url)
    conn.execute(sql(PACKAGE, "keep_sns_certificate"), [url, pem])
    return pem


def fetch(here: Desk, url: str) -> bytes:
    """What an address of Amazon's answers. Raises Refused when it does not: Amazon sends its message again."""
    parts = urlsplit(url)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    wanted = Request("GET", Origin(f"https://{parts.netloc}"), path, {}, deadline_seconds=FETCH_SECONDS)
    try:
        with Http(here.seams, connections=1) as http:
            answer = http.send(wanted)
    except SalesforceError:
        raise Refused("Amazon did not answer", 503) from None
    if answer.status != 200:
        raise Refused("Amazon did not answer", 503)
    return answer.body


def public_url_of(request: HttpRequest) -> str:
    """The address that the provider knows, without a slash at its end."""
    return str(settings.RUNNING.public_url or request.build_absolute_uri("/").rstrip("/"))


def said(text: str, status: int = 200) -> HttpResponse:
    """An answer in plain words, for whoever looks into the provider's log."""
    headers = {"Cache-Control": "no-store"} | (CHALLENGE if status == 401 else {})
    return HttpResponse(f"{text}\n", content_type="text/plain; charset=utf-8", status=status, headers=headers)
