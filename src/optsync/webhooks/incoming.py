"""The door of mail providers: unsubscribes, complaints and bounces, each stored before it is acknowledged.

A call needs the secret of its address, or the provider's signature where its key is stored. What is refused leaves no
trace but the time and the reason on the provider's page. Amazon's messages are believed only when Amazon signed them
for the topic that an admin entered (`optsync.webhooks.sns`).
"""

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any, Final

import psycopg
from anymail.exceptions import AnymailWebhookValidationFailure
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from optsync.config.desk import Desk, desk
from optsync.core.problems import Problem
from optsync.ledger.queries import sql
from optsync.public.mail import unsubscribe_by_mail
from optsync.webhooks import inbound, inbox, once, posts, sns, sources
from optsync.webhooks.egress import Egress
from optsync.webhooks.inbound import INBOUND
from optsync.webhooks.once import NotFresh
from optsync.webhooks.posts import NO_EVENTS, NoPost, Posted
from optsync.webhooks.providers import PROVIDERS
from optsync.webhooks.sns import NotSigned
from optsync.webhooks.sources import PACKAGE, Source

BODY_MAX: Final = 4 * 1024 * 1024
"""Ten thousand events of SendGrid; its own posts are smaller than 1 MB."""
SEVERAL: Final = 16
"""How often BODY_MAX is read away of a body that is refused, so that the caller sees the answer."""
KEY_UNREADABLE: Final = "a signing key that cannot be decrypted here"
NAMES_NOBODY: Final = "a mail that names nobody"
CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="optsync"'}


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
    return answered(request, provider, take_events)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
def receive_mail(request: HttpRequest, provider: str) -> HttpResponse:
    """POST takes a mail that a provider received for the mailbox of List-Unsubscribe."""
    if provider not in INBOUND:
        raise Http404
    return answered(request, provider, take_mail)


def answered(request: HttpRequest, slug: str, take: Callable[[Desk, Source, Posted], str]) -> HttpResponse:
    """What a call comes to, in plain words. Nothing is acknowledged that is not committed."""
    if slug not in PROVIDERS:
        raise Http404
    if request.method != "POST":
        return said("optsync listens here for a mail provider.")
    try:
        source = sources.find(desk().connection(), slug)
        if source is None:
            raise Http404
        try:
            return said(take(desk(), source, Posted(request.META, body_of(request))))
        except Refused as refused:
            sources.rejected(desk().connection(), source, refused.why)
            return said(f"Refused: {refused.why}.", refused.status)
        except NoPost as nothing:
            sources.rejected(desk().connection(), source, str(nothing))
            return said(f"Nothing was taken: {nothing}.", 400)
        except Problem:
            sources.rejected(desk().connection(), source, KEY_UNREADABLE)
            return said("The provider's signing key cannot be read here; nothing was taken. Send it again.", 503)
    except (psycopg.OperationalError, psycopg.InterfaceError):
        return said("The database is away; nothing was taken. Send it again.", 503)


def take_events(here: Desk, source: Source, posted: Posted) -> str:
    """Checks who calls, stores what is said, records it. Raises Refused, NoPost."""
    conn = here.connection()
    believe(here, conn, source, posted)
    if source.provider.needs_topic and confirms(here, conn, source, posted):
        return "The subscription is confirmed."
    events = posts.read(source.provider, posted, source.policy)
    stored = inbox.put(conn, here.subject_key, source.provider, events)
    sources.heard(conn, source)
    own = stored.waiting[: inbox.TAKEN_BY_THE_CALL]  # the rest is a worker's, within seconds
    inbox.take_these(conn, here.subject_key, own)
    inbox.take_waiting(conn, here.subject_key, inbox.TAKEN_BY_THE_CALL - len(own))
    return f"Taken: {stored.new}."


def take_mail(here: Desk, source: Source, posted: Posted) -> str:
    """Opts out whom each mail of a call names, as `optsync receive-mail` does. Raises Refused, NoPost.

    The secret alone opens this door: providers sign incoming mail with other keys, or not at all.
    """
    conn = here.connection()
    given = password_of(posted)
    if given is None or not sources.opens(conn, source, given, here.subject_key):
        raise Refused("wrong secret" if given is not None else "no secret")
    came_to = [unsubscribe_by_mail(conn, here.subject_key, here.link_keys, head) for head in heads_of(source, posted)]
    sources.heard(conn, source)
    if any(one.outcome == "nobody" for one in came_to):  # no provider bounces it, as a mail server would
        sources.rejected(conn, source, NAMES_NOBODY)
    return f"Taken: {sum(one.outcome == 'recorded' for one in came_to)}."


def heads_of(source: Source, posted: Posted) -> list[bytes]:
    """The heads of the mails in a call. Raises NoPost."""
    try:
        return inbound.heads(source.provider, posted)
    except Exception as error:  # whatever an odd mail makes Anymail raise, the provider is told and sends it again
        raise NoPost("a body that is no mail of this provider") from error


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
    if given is None and (source.signing_key is None or not source.provider.signs_body):
        raise Refused("no secret")
    if source.signing_key is not None:
        check_signature(here, source, posted, given or "")
        if not source.provider.signs_body:
            check_first_use(here, conn, posted)


def check_first_use(here: Desk, conn: psycopg.Connection, posted: Posted) -> None:
    """Raises Refused for a signature that is old or stood under other words, NoPost for a body without one."""
    try:
        once.demand_first_use(conn, here.subject_key, posted.body, here.seams.now())
    except NotFresh as wrong:
        raise Refused(str(wrong)) from None
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        raise NoPost(NO_EVENTS) from None


def check_signature(here: Desk, source: Source, posted: Posted, secret: str) -> None:
    """Raises Refused unless the provider's own signature is right, Problem when our copy of its key is unreadable."""
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
        if not sns.is_amazons(message["SubscribeURL"], source.topic or ""):
            raise NotSigned("an address to confirm that is not Amazon's")
    except NotSigned as wrong:
        raise Refused(str(wrong)) from None
    except (ValueError, AttributeError, KeyError, RecursionError):
        raise NoPost(NO_EVENTS) from None
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
    answer = Egress(here.seams).get(url)
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
