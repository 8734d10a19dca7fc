"""The mail providers that can tell us of unsubscribes, and what each event of theirs means here.

Anymail brings the events of all of them into one shape (`optsync.webhooks.posts`). What Anymail leaves to its users
is decided here: which bounces are final, what a provider's own suppression list says, what counts as an opt-out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Signal = Literal["unsubscribe", "complaint", "bounce"]
Deed = Literal["unsubscribe", "complaint", "bounce", "group", "resubscribed", "unreadable"]
"""What an event comes to. `group`: left one group or topic only, and the policy says that this is not everything."""


ALL: Final[frozenset[Signal]] = frozenset(("unsubscribe", "complaint", "bounce"))


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. `key_name` is Anymail's name for the key with which it signs its calls; empty when it does not.

    `where`: the way through the provider's own menus, in its own words, to the place where the address is pasted.
    """

    slug: str
    name: str
    where: str
    tells: frozenset[Signal] = ALL
    key_name: str = ""
    has_groups: bool = False
    signs_body: bool = True
    """False where the signature does not cover what is said: whoever saw one call could say anything."""

    @property
    def needs_topic(self) -> bool:
        """Whether only one Amazon SNS topic may speak for it."""
        return self.slug == "amazon_ses"


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts as an opt-out besides an unsubscribe, which always does."""

    complaints: bool = True
    bounces: bool = False
    groups: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """A provider's event as Anymail tells it; `raw` is the provider's own."""

    kind: str
    reject_reason: str | None
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What one event comes to. `event_id` is the provider's own, empty when it has none.

    `deed` None: it says nothing of an opt-out. An unreadable one carries its text in `raw`, for a person to look at.
    """

    deed: Deed | None
    address: str
    event_id: str
    evidence: Mapping[str, Any]
    raw: str = ""


PROVIDERS: Final = {
    one.slug: one
    for one in (
        Provider(
            "amazon_ses",
            "Amazon SES",
            "Amazon SNS > Topics > Create subscription (HTTPS). Amazon SES > Configuration sets > Event destinations",
            has_groups=True,
        ),
        Provider("brevo", "Brevo", "Transactional > Settings > Webhook"),
        Provider("mailersend", "MailerSend", "Domains > Manage > Webhooks", key_name="signing_secret"),
        Provider("mailgun", "Mailgun", "Sending > Webhooks", key_name="webhook_signing_key", signs_body=False),
        Provider("mailjet", "Mailjet", "Account settings > Event notifications (webhooks)"),
        Provider("mailtrap", "Mailtrap", "Settings > Webhooks", key_name="tracking_secret"),
        Provider("mandrill", "Mandrill", "Settings > Webhooks", key_name="webhook_key"),
        Provider("postmark", "Postmark", "Servers > Message Streams > Webhooks"),
        Provider("resend", "Resend", "Webhooks > Add webhook", frozenset(("complaint", "bounce"))),
        Provider(
            "sendgrid",
            "SendGrid",
            "Settings > Mail Settings > Event Webhooks",
            key_name="tracking_webhook_verification_key",
            has_groups=True,
        ),
        Provider("sparkpost", "SparkPost", "Configuration > Webhooks"),
        Provider("unisender_go", "Unisender Go", "Settings > Webhooks", key_name="api_key"),
    )
}
SILENT: Final = ("Postal",)
"""Providers that Anymail knows and that tell neither unsubscribes nor complaints."""

LEFT: Final = (("brevo", "unsubscribed"),)
"""A provider's own word for an unsubscribe that Anymail does not know: it reads the "unsubscribe" of Brevo's campaigns
only. Source: Brevo, "Transactional webhooks", Unsubscribed."""

SUPPRESSED: Final[Mapping[tuple[str, str], Deed]] = {
    ("mailgun", "suppress-unsubscribe"): "unsubscribe",
    ("mailgun", "suppress-complaint"): "complaint",
    ("mailjet", "spam reporter"): "complaint",
}
"""A mail was not sent because the provider's own list says so, in words that Anymail folds into others."""


def deed_of(provider: Provider, event: Event, policy: Policy) -> Deed | None:
    """What an event comes to under a policy; None when it says nothing of an opt-out or the policy leaves it out."""
    if event.kind == "subscribed":
        return "resubscribed"
    if event.kind == "unsubscribed" or (provider.slug, event.raw.get("event")) in LEFT:
        is_group = is_group_of(provider, event.raw)
        return "group" if is_group and not policy.groups else "unsubscribe"
    if event.kind == "complained":
        return "complaint" if policy.complaints else None
    if event.kind in ("rejected", "bounced"):
        return deed_of_unsent(provider, event, policy)
    return None


def deed_of_unsent(provider: Provider, event: Event, policy: Policy) -> Deed | None:
    """What a mail that did not arrive says: the person had unsubscribed there before, or the mailbox is gone."""
    if event.reject_reason == "unsubscribed":
        return "unsubscribe"
    suppressed = SUPPRESSED.get((provider.slug, reason_of(provider, event.raw)))
    if suppressed == "complaint" and not policy.complaints:
        return None
    if suppressed:
        return suppressed
    is_final = event.kind == "bounced" and policy.bounces and IS_FINAL[provider.slug](event.raw)
    return "bounce" if is_final else None


def is_group_of(provider: Provider, raw: Mapping[str, Any]) -> bool:
    """Whether somebody left one group (SendGrid) or topic (Amazon SES) and not the whole account."""
    if provider.slug == "amazon_ses":
        return not inside(raw, "subscription", "newTopicPreferences").get("unsubscribeAll")
    return provider.slug == "sendgrid" and raw.get("event") == "group_unsubscribe"


def reason_of(provider: Provider, raw: Mapping[str, Any]) -> str:
    """The provider's own word for why a mail was not sent; empty when it gives none."""
    found = inside(raw, "event-data").get("reason") if provider.slug == "mailgun" else raw.get("error")
    return found if isinstance(found, str) else ""


def inside(raw: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """An object within an object; empty where there is none."""
    found: Any = raw
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def sparkpost_class(raw: Mapping[str, Any]) -> object:
    """SparkPost's bounce class, which stands in the one object below `msys`."""
    return next((one.get("bounce_class") for one in inside(raw, "msys").values() if isinstance(one, Mapping)), None)


IS_FINAL: Final[Mapping[str, Callable[[Mapping[str, Any]], bool]]] = {
    "amazon_ses": lambda raw: inside(raw, "bounce").get("bounceType") == "Permanent",
    "brevo": lambda raw: raw.get("event") in ("hard_bounce", "invalid_email"),
    "mailersend": lambda raw: inside(raw, "data").get("type") == "hard_bounced",
    "mailgun": lambda raw: inside(raw, "event-data").get("severity") == "permanent",
    "mailjet": lambda raw: raw.get("hard_bounce") is True,
    "mailtrap": lambda raw: raw.get("event") == "bounce",
    "mandrill": lambda raw: raw.get("event") == "hard_bounce",
    "postmark": lambda raw: "HardBounce" in (raw.get("Type"), raw.get("SuppressionReason")),
    "resend": lambda raw: inside(raw, "data", "bounce").get("type") == "Permanent",
    "sendgrid": lambda raw: raw.get("event") == "bounce" and raw.get("type") != "blocked",
    "sparkpost": lambda raw: str(sparkpost_class(raw)) in ("10", "30"),
    "unisender_go": lambda raw: raw.get("status") == "hard_bounced",
}
"""Whether a bounce says that the mailbox is gone, and not that it is full or busy."""
