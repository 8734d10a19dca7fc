"""What mail providers post when somebody unsubscribes, complains or bounces, in the shape of its documents."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

AT = 1_790_000_000
ISO = "2026-09-21T14:13:20Z"


@dataclass(frozen=True)
class Post:
    """One call of a provider."""

    body: str
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


MakePost = Callable[[str], Post]


def brevo(event: str, address: str) -> Post:
    told = {"event": event, "email": address, "id": 26224, "ts_epoch": AT * 1000, "message-id": "<m1@relay.example>"}
    return Post(json.dumps(told | {"subject": "Autumn", "tag": "autumn", "sending_ip": "192.0.2.1"}))


def mailersend(event: str, address: str) -> Post:
    data = {
        "object": "activity",
        "id": f"ms-{event}-{address}",
        "type": event,
        "created_at": ISO,
        "email": {"object": "email", "tags": ["autumn"], "message": {"id": "m1"}, "recipient": {"email": address}},
        "morph": None,
    }
    return Post(json.dumps({"type": f"activity.{event}", "created_at": ISO, "data": data}))


def mailgun(event: str, address: str, **more: Any) -> Post:
    signature = {
        "timestamp": str(AT),
        "token": hashlib.sha256(f"{event}{address}".encode()).hexdigest(),
        "signature": "",
    }
    data = {"event": event, "recipient": address, "timestamp": AT + 0.5, "tags": ["autumn"], "log-level": "warn"}
    data |= {"message": {"headers": {"message-id": "m1@mg.example"}}} | more
    return Post(json.dumps({"signature": signature, "event-data": data}))


def mailjet(event: str, address: str, **more: Any) -> Post:
    told = {"event": event, "time": AT, "MessageID": 19421777835146490, "email": address, "customcampaign": "autumn"}
    return Post(json.dumps([told | {"mj_list_id": 1, "ip": "192.0.2.1"} | more]))


def mailtrap(event: str, address: str) -> Post:
    told = {"event": event, "message_id": "m1", "sending_stream": "bulk", "email": address, "timestamp": AT}
    return Post(json.dumps({"events": [told | {"event_id": f"mt-{event}-{address}", "category": "autumn"}]}))


def mandrill(event: str, address: str) -> Post:
    told = {"event": event, "_id": "m1", "ts": AT, "msg": {"email": address, "tags": ["autumn"], "_id": "m1"}}
    return Post(
        urlencode({"mandrill_events": json.dumps([told])}), {"Content-Type": "application/x-www-form-urlencoded"}
    )


def postmark(record: str, address: str, **more: Any) -> Post:
    told = {"RecordType": record, "MessageStream": "broadcast", "MessageID": "m1", "Tag": "autumn", "Metadata": {}}
    return Post(json.dumps(told | more | {"Recipient" if record == "SubscriptionChange" else "Email": address}))


def sendgrid(*events: Any) -> Post:
    return Post(json.dumps(events))


def sendgrid_event(event: str, address: str, number: int = 1, **more: Any) -> dict[str, Any]:
    told = {"email": address, "timestamp": AT, "event": event, "sg_event_id": f"sg-{event}-{address}-{number}"}
    return told | {"sg_message_id": "m1.filter", "category": ["autumn"], "smtp-id": "<m1@sg.example>"} | more


def sparkpost(event: str, address: str, **more: Any) -> Post:
    kind = "unsubscribe_event" if "unsubscribe" in event else "message_event"
    told = {"type": event, "event_id": f"sp-{event}-{address}", "timestamp": str(AT), "raw_rcpt_to": address}
    return Post(json.dumps([{"msys": {}}, {"msys": {kind: told | {"campaign_id": "autumn"} | more}}]))


def unisender_go(status: str, address: str) -> Post:
    data = {"job_id": "j1", "email": address, "status": status, "event_time": "2026-09-21 14:13:20", "metadata": {}}
    events = [{"event_name": "transactional_email_status", "event_data": data}]
    users = [{"user_id": 1, "project_id": "p1", "events": [*events, {"event_name": "transactional_spam_block"}]}]
    return Post(json.dumps({"auth": "a" * 32, "events_by_user": users}))


def resend(event: str, address: str, **more: Any) -> Post:
    data = {
        "email_id": "m1",
        "to": [f"Ann <{address}>"],
        "from": "us@example.com",
        "created_at": ISO,
        "tags": [],
    } | more
    headers = {"Content-Type": "application/json", "svix-id": f"msg_{event}_{address}", "svix-timestamp": str(AT)}
    return Post(json.dumps({"type": event, "created_at": ISO, "data": data}), headers)


UNSUBSCRIBES: dict[str, MakePost] = {
    "brevo": lambda address: brevo("unsubscribe", address),
    "mailersend": lambda address: mailersend("unsubscribed", address),
    "mailgun": lambda address: mailgun("unsubscribed", address),
    "mailjet": lambda address: mailjet("unsub", address),
    "mailtrap": lambda address: mailtrap("unsubscribe", address),
    "mandrill": lambda address: mandrill("unsub", address),
    "postmark": lambda address: postmark(
        "SubscriptionChange", address, SuppressSending=True, SuppressionReason="ManualSuppression", ChangedAt=ISO
    ),
    "sendgrid": lambda address: sendgrid(sendgrid_event("unsubscribe", address)),
    "sparkpost": lambda address: sparkpost("list_unsubscribe", address),
    "unisender_go": lambda address: unisender_go("unsubscribed", address),
}
COMPLAINTS: dict[str, MakePost] = {
    "brevo": lambda address: brevo("spam", address),
    "mailersend": lambda address: mailersend("spam_complaint", address),
    "mailgun": lambda address: mailgun("complained", address),
    "mailjet": lambda address: mailjet("spam", address, source="JMRPP"),
    "mailtrap": lambda address: mailtrap("spam", address),
    "mandrill": lambda address: mandrill("spam", address),
    "postmark": lambda address: postmark("SpamComplaint", address, ID=42, Type="SpamComplaint", BouncedAt=ISO),
    "resend": lambda address: resend("email.complained", address),
    "sendgrid": lambda address: sendgrid(sendgrid_event("spamreport", address)),
    "sparkpost": lambda address: sparkpost("spam_complaint", address),
    "unisender_go": lambda address: unisender_go("spam", address),
}
BOUNCES: dict[str, MakePost] = {
    "brevo": lambda address: brevo("hard_bounce", address),
    "mailersend": lambda address: mailersend("hard_bounced", address),
    "mailgun": lambda address: mailgun("failed", address, severity="permanent", reason="bounce"),
    "mailjet": lambda address: mailjet("bounce", address, hard_bounce=True, error="user unknown"),
    "mailtrap": lambda address: mailtrap("bounce", address),
    "mandrill": lambda address: mandrill("hard_bounce", address),
    "postmark": lambda address: postmark("Bounce", address, ID=43, Type="HardBounce", BouncedAt=ISO),
    "resend": lambda address: resend(
        "email.bounced", address, bounce={"message": "bounce message", "type": "Permanent"}
    ),
    "sendgrid": lambda address: sendgrid(sendgrid_event("bounce", address, type="bounce", reason="550 5.1.1 unknown")),
    "sparkpost": lambda address: sparkpost("bounce", address, bounce_class="10", raw_reason="550 unknown"),
    "unisender_go": lambda address: unisender_go("hard_bounced", address),
}
PASSING: dict[str, MakePost] = {
    "brevo": lambda address: brevo("soft_bounce", address),
    "mailersend": lambda address: mailersend("soft_bounced", address),
    "mailgun": lambda address: mailgun("failed", address, severity="temporary", reason="generic"),
    "mailjet": lambda address: mailjet("bounce", address, hard_bounce=False, error="quota exceeded"),
    "mailtrap": lambda address: mailtrap("soft bounce", address),
    "mandrill": lambda address: mandrill("soft_bounce", address),
    "postmark": lambda address: postmark("Bounce", address, ID=44, Type="SoftBounce", BouncedAt=ISO),
    "resend": lambda address: resend("email.bounced", address, bounce={"message": "full", "type": "Transient"}),
    "sendgrid": lambda address: sendgrid(sendgrid_event("bounce", address, type="blocked", reason="busy")),
    "sparkpost": lambda address: sparkpost("bounce", address, bounce_class="22"),
    "unisender_go": lambda address: unisender_go("soft_bounced", address),
}
"""Bounces of a mailbox that is full or busy: they never opt out."""


def signed(provider: str, post: Post, key: str, url: str = "", at: int | None = None) -> Post:
    """The post with the provider's own signature, made just now; Mailgun's at some other time if wanted."""
    if provider == "mailgun":
        told = json.loads(post.body)
        told["signature"]["timestamp"] = str(int(time.time()) if at is None else at)
        text = f"{told['signature']['timestamp']}{told['signature']['token']}"
        told["signature"]["signature"] = hmac.new(key.encode(), text.encode(), "sha256").hexdigest()
        return Post(json.dumps(told), post.headers)
    if provider == "unisender_go":
        told = json.loads(post.body)
        body = post.body.replace(told["auth"], key)
        return Post(post.body.replace(told["auth"], hashlib.md5(body.encode()).hexdigest()), post.headers)
    if provider == "mandrill":
        text = url + "".join(name + value for name, value in sorted(parse_qsl(post.body)))
        seal = base64.b64encode(hmac.new(key.encode(), text.encode(), "sha1").digest()).decode()
        return Post(post.body, post.headers | {"X-Mandrill-Signature": seal})
    name = {"mailersend": "Signature", "mailtrap": "Mailtrap-Signature"}[provider]
    seal = hmac.new(key.encode(), post.body.encode(), "sha256").hexdigest()
    return Post(post.body, post.headers | {name: seal})
