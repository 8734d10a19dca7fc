"""Mail that a provider receives for the mailbox of List-Unsubscribe, read through Anymail.

Only providers whose call holds the mail itself: others would have us fetch it, or store it elsewhere first.
"""

from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from importlib import import_module
from typing import Any, Final

from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict

from optsync.webhooks.posts import CHECKED_BEFORE, Posted
from optsync.webhooks.providers import Provider

INBOUND: Final = {
    "mailersend": ("mailersend:MailerSendInboundWebhookView", "inbound_secret"),
    "mailgun": ("mailgun:MailgunInboundWebhookView", "webhook_signing_key"),
    "mailjet": ("mailjet:MailjetInboundWebhookView", ""),
    "mandrill": ("mandrill:MandrillCombinedWebhookView", "webhook_key"),
    "postmark": ("postmark:PostmarkInboundWebhookView", ""),
    "sendgrid": ("sendgrid:SendGridInboundWebhookView", ""),
    "sparkpost": ("sparkpost:SparkPostInboundWebhookView", ""),
}
"""Anymail's reader of each, and the key that it wants to be made with; it is not asked to check it."""
FORM: Final = "multipart/form-data"
PARTS_MAX: Final = 200
"""Fields and attachments of one mail. Reading 4 MB of tiny ones would take half a minute."""


class PostedMail(Posted):
    """A call whose form may be as long as its body. Django's own limit is made for people's forms."""

    def __init__(self, posted: Posted) -> None:
        super().__init__(posted.META, posted.body)
        if self.content_type == FORM:
            self._post = fields_of(posted)
            self._files: MultiValueDict[str, Any] = MultiValueDict()


def fields_of(posted: Posted) -> QueryDict:
    """The fields of a form; files are left out, since only the head of a mail is read.

    Raises ValueError for a form of too many parts.
    """
    boundary = posted.content_params.get("boundary", "") if posted.content_params else ""
    if boundary and posted.body.count(f"--{boundary}".encode()) > PARTS_MAX + 1:
        raise ValueError("too many parts")
    head = f"Content-Type: {posted.META.get('CONTENT_TYPE', '')}\r\n\r\n".encode()
    form = BytesParser(policy=HTTP).parsebytes(head + posted.body)
    fields = QueryDict(mutable=True)
    for part in form.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str) and part.get_filename() is None:
            payload = part.get_payload(decode=True)
            fields.appendlist(name, payload.decode(errors="replace") if isinstance(payload, bytes) else "")
    return fields


def heads(provider: Provider, posted: Posted) -> list[bytes]:
    """The head of each mail in a call. Raises whatever Anymail raises for one that it cannot read."""
    where, key_name = INBOUND[provider.slug]
    module, _colon, name = where.partition(":")
    view_class: Any = getattr(import_module(f"anymail.webhooks.{module}"), name)
    view = view_class(webhook_secret=CHECKED_BEFORE, **({key_name: CHECKED_BEFORE} if key_name else {}))
    request: HttpRequest = PostedMail(posted)
    return [head_of(event.message) for event in view.parse_events(request)]


def head_of(message: Message) -> bytes:
    """The head of a mail, with the recipient of its envelope: that is where a token may stand, too."""
    envelope = getattr(message, "envelope_recipient", None)
    named = [*message.items(), *([("X-Envelope-To", envelope)] if envelope else [])]
    lines = [f"{name}: {' '.join(str(value).split())}" for name, value in named]
    return "\r\n".join([*lines, "", ""]).encode(errors="replace")
