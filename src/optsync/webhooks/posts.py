"""Reads what a mail provider posts, through Anymail: each event on its own, so that a broken one costs no other.

Anymail reads a whole post or raises. Here a post is taken apart first (`Shape.apart`), and each part is handed to
Anymail as a post of one event (`Shape.together`).
"""

import importlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from io import BytesIO
from typing import Any, Final
from urllib.parse import urlencode

from anymail.exceptions import AnymailNotSupportedWarning, AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent, EventType
from anymail.webhooks.amazon_ses import AmazonSESTrackingWebhookView
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from optsync.core.addresses import without_addresses
from optsync.webhooks.providers import Event, Policy, Provider, Said, deed_of, inside

TEXT_MAX: Final = 200
TAGS_MAX: Final = 10
RAW_MAX: Final = 16 * 1024
"""How much of an unreadable event is kept for a person to look at."""
VIEWS: Final = {
    "brevo": "brevo:BrevoTrackingWebhookView",
    "mailersend": "mailersend:MailerSendTrackingWebhookView",
    "mailgun": "mailgun:MailgunTrackingWebhookView",
    "mailjet": "mailjet:MailjetTrackingWebhookView",
    "mailtrap": "mailtrap:MailtrapTrackingWebhookView",
    "mandrill": "mandrill:MandrillCombinedWebhookView",
    "postmark": "postmark:PostmarkTrackingWebhookView",
    "resend": "resend:ResendTrackingWebhookView",
    "sendgrid": "sendgrid:SendGridTrackingWebhookView",
    "sparkpost": "sparkpost:SparkPostTrackingWebhookView",
    "unisender_go": "unisender_go:UnisenderGoTrackingWebhookView",
}
NO_EVENTS: Final = "a body that is not the JSON of this provider's events"
CHECKED_BEFORE: Final = "checked before"
"""Anymail warns of a reader without a secret; ours is checked before the reader is made."""

warnings.filterwarnings(
    "ignore", category=AnymailNotSupportedWarning
)  # SendGrid: Anymail has no account to try it with


class NoPost(Exception):  # noqa: N818 - it says what is wrong with a post, not with the program
    """A post that holds no events at all; the text says why, in words for the provider's page."""


class Posted(WSGIRequest):
    """A request whose body was read before, under a cap of our own."""

    def __init__(self, meta: Mapping[str, Any], body: bytes) -> None:
        super().__init__({**meta, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        self._body = body


class SesEvents(AmazonSESTrackingWebhookView):  # type: ignore[misc]  # Anymail has no types
    """Anymail's reading of Amazon SES, with the events it does not know: somebody left a list or one of its topics.

    Made without Anymail's own set-up, which wants Amazon's client library for what is not done here.
    Source: Amazon SES Developer Guide, "Contents of event data that Amazon SES publishes", Subscription object.
    """

    def __init__(self) -> None:
        self.validators: list[object] = []

    def parse_events(self, request: HttpRequest) -> list[AnymailTrackingEvent]:
        """The events of one SNS message, one for each recipient."""
        message = json.loads(request.body)
        try:
            told = json.loads(message["Message"])
        except ValueError:
            return []  # SNS says in plain words that the topic is set up
        events: list[AnymailTrackingEvent] = self.esp_to_anymail_events(told, message)
        if told.get("eventType") == "Subscription":
            for event in events:
                event.event_type = EventType.UNSUBSCRIBED if has_left(told) else EventType.SUBSCRIBED
        return events


def has_left(told: Mapping[str, Any]) -> bool:
    """Whether an SES Subscription event is somebody leaving: everything, or at least one topic."""
    new, old = (inside(told, "subscription", name) for name in ("newTopicPreferences", "oldTopicPreferences"))
    return bool(new.get("unsubscribeAll")) or bool(topics_left(new) - topics_left(old))


def topics_left(preferences: Mapping[str, Any]) -> set[str]:
    """The topics of a contact list that somebody does not want."""
    topics = preferences.get("topicSubscriptionStatus")
    named = [one for one in topics if isinstance(one, Mapping)] if isinstance(topics, list) else []
    return {str(one.get("topicName")) for one in named if str(one.get("subscriptionStatus")).lower() == "optout"}


@dataclass(frozen=True, slots=True)
class Shape:
    """How a provider packs events into a post."""

    apart: Callable[[Any], list[Any]] = lambda payload: payload if isinstance(payload, list) else [payload]
    together: Callable[[Any], Any] = lambda item: item
    form_field: str = ""
    """The field of a form that holds the JSON; empty when the body itself is JSON."""


def events_of_users(payload: Any) -> list[Any]:
    """Unisender Go's posts: events by user, or one event alone."""
    users = inside({"": payload}, "").get("events_by_user")
    if users is None:
        return [payload]
    return [event for user in users for event in user["events"]]


def one_user(item: Any) -> Any:
    """One event of Unisender Go as a post."""
    return {"events_by_user": [{"events": [item]}]} if "event_data" in item else item


MANY: Final = Shape(together=lambda item: [item])
SHAPES: Final = {
    "sendgrid": MANY,
    "sparkpost": MANY,
    "mailtrap": Shape(lambda payload: payload["events"], lambda item: {"events": [item]}),
    "mandrill": Shape(together=lambda item: [item], form_field="mandrill_events"),
    "unisender_go": Shape(events_of_users, one_user),
}


def check_signature(provider: Provider, request: Posted, key: str, url: str) -> None:
    """Raises AnymailWebhookValidationFailure unless the provider signed this post with its key.

    `url` is the address that the provider was given: Mandrill signs it too.
    """
    try:
        view = view_of(provider, key)
        view.webhook_url = url
        view.run_validators(request)
    except (ValueError, TypeError, AttributeError, LookupError) as error:  # no signature at all, or of another form
        raise AnymailWebhookValidationFailure("no signature") from error


def read(provider: Provider, request: Posted, policy: Policy) -> list[Said]:
    """Everything in a post, in its order; what cannot be read is there with its text. Raises NoPost."""
    shape = SHAPES.get(provider.slug, Shape())
    try:
        items = shape.apart(json.loads(text_of(request, shape)))
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise NoPost(NO_EVENTS) from error
    view = view_of(provider)
    return [said for item in items for said in read_one(provider, view, shape, item, request, policy)]


def text_of(request: Posted, shape: Shape) -> str:
    """The JSON of a post. A byte that is not UTF-8 damages the word it stands in, not the whole post."""
    if shape.form_field:
        return str(request.POST[shape.form_field])
    return request.body.decode(errors="replace")


def read_one(provider: Provider, view: Any, shape: Shape, item: Any, request: Posted, policy: Policy) -> Iterator[Said]:
    """What one event says: mostly one thing, with Amazon SES one for each recipient."""
    try:
        text = json.dumps(shape.together(item))
        body = urlencode({shape.form_field: text}).encode() if shape.form_field else text.encode()
        found = [said_by(provider, event, policy) for event in view.parse_events(Posted(request.META, body))]
    except Exception as error:  # noqa: BLE001 - whatever an odd event makes Anymail raise, the others must go on
        yield unreadable(item, f"{type(error).__name__}: {clean(str(error))}")
        return
    for said in found:
        is_lost = said.deed is not None and ("@" not in said.address or "\ufffd" in said.address)
        yield unreadable(item, "no e-mail address") if is_lost else said


def said_by(provider: Provider, event: AnymailTrackingEvent, policy: Policy) -> Said:
    """What an event that Anymail has read comes to."""
    raw = event.esp_event if isinstance(event.esp_event, Mapping) else {}
    deed = deed_of(provider, Event(event.event_type, event.reject_reason, raw), policy)
    address = event.recipient if isinstance(event.recipient, str) else ""
    return Said(deed, address, id_of(event, raw), evidence_of(provider, event, raw) if deed else {})


def id_of(event: AnymailTrackingEvent, raw: Mapping[str, Any]) -> str:
    """The provider's number of an event, or one made of all that it says: it may tell the time where Anymail does not
    look, and leaving again after a removal is another event."""
    return str(event.event_id or "") or sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()


def evidence_of(provider: Provider, event: AnymailTrackingEvent, raw: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept as proof: which event of which provider, when, and the mail it is about; never an address."""
    found = {
        "provider": provider.name,
        "event": storable(str(event.event_id or ""))[:TEXT_MAX],
        "type": clean(own_word(raw)),
        "at": event.timestamp.isoformat() if isinstance(event.timestamp, datetime) else "",
        "message": storable(str(event.message_id or ""))[:TEXT_MAX],
        "tags": tags_of(event.tags),
        "campaign": clean(str(raw.get("marketing_campaign_name") or "")),
        "group": clean(str(raw.get("asm_group_id") or "")),
        "said": clean(str(event.mta_response or event.description or "")),
    }
    return {name: value for name, value in found.items() if value}


def tags_of(tags: object) -> list[str]:
    """A mail's tags; SendGrid gives a single one without a list."""
    listed = tags if isinstance(tags, list) else [tags]
    return [clean(str(tag)) for tag in listed[:TAGS_MAX] if tag]


def own_word(raw: Mapping[str, Any]) -> str:
    """The provider's own word for the event."""
    places = (raw, inside(raw, "event-data"), inside(raw, "data"), *(one for one in inside(raw, "msys").values()))
    names = ("event", "eventType", "notificationType", "RecordType", "type", "status")
    words = (place.get(name) for place in places if isinstance(place, Mapping) for name in names)
    return next((word for word in words if isinstance(word, str)), "")


def unreadable(item: Any, why: str) -> Said:
    """An event for a person to look at."""
    try:
        raw = storable(json.dumps(item, ensure_ascii=False, sort_keys=True))
    except RecursionError:
        raw = "(nested too deeply to be shown)"
    return Said("unreadable", "", "", {"why": why}, raw[:RAW_MAX])


def clean(text: str) -> str:
    """Foreign words fit for an event, which is kept for ever."""
    return without_addresses(storable(text))[:TEXT_MAX]


def storable(text: str) -> str:
    """Without NUL and lone surrogates, which a UTF-8 column cannot hold."""
    return text.replace("\0", "").encode(errors="replace").decode()


def view_of(provider: Provider, key: str = "") -> Any:
    """Anymail's reader of a provider; with a key it can also check signatures."""
    if provider.slug == "amazon_ses":
        return SesEvents()
    signs = {provider.key_name: key} if provider.key_name else {}
    view = view_class(provider.slug)(webhook_secret=CHECKED_BEFORE, **signs)
    view.basic_auth = []
    return view


@cache
def view_class(slug: str) -> Any:
    """Loaded when the provider first calls: each costs memory that most installations do not need."""
    module, _colon, name = VIEWS[slug].partition(":")
    return getattr(importlib.import_module(f"anymail.webhooks.{module}"), name)
