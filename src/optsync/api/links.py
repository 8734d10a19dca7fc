"""/v1/unsubscribe-links: what goes into a message so that its reader can leave with one click."""

from typing import Any, Final, Literal

from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from optsync.api.door import ApiKey
from optsync.api.limits import SENDING
from optsync.api.problems import Refusal
from optsync.api.shapes import Address, Asked, Told
from optsync.config.desk import desk
from optsync.config.django_start import handed_over
from optsync.core.problems import Problem
from optsync.public import brand, messages
from optsync.public.links import MadeLink, demand_address, make_link, own_url
from optsync.public.messages import MessageText
from optsync.public.tokens import UnsubscribeLink

router = Router()
ASKED_MAX: Final = 1_000
BODY_BYTES_MAX: Final = 2 * 1024 * 1024
"""1,000 addresses of 1,000 bytes and a message, with room for escapes."""
MESSAGE_LENGTH_MAX: Final = 200_000
FILLED_LENGTH_MAX: Final = 20_000_000
FIELDS_MAX: Final = 10


class WantedLinks(Asked):
    """For whom, and in which message; without addresses in clear anywhere but here."""

    addresses: list[Address] = Field(min_length=1, max_length=ASKED_MAX, examples=[["ann@example.com"]])
    message_id: str = Field("", max_length=998, description="The message they stand in; kept as evidence.")
    sender: str = Field("", max_length=255, description="Who writes: the page offers to stop only this sender, too.")
    campaign: str = Field("", max_length=255, description="What the message belongs to; kept as evidence.")
    team: str = Field("", max_length=255, description="Whose words, unless the user has some.")
    user: str = Field("", max_length=255, description="Whose words.")
    body: str | None = Field(
        None, max_length=MESSAGE_LENGTH_MAX, description="A message to fill in: {{team_unsubscribe}} becomes the words."
    )
    body_type: Literal["text", "html"] = Field("text", description="What `body` is.")


class PersonalLink(Told):
    """One person's."""

    address: str = Field(description="As it was asked.")
    url: str = Field(description="Opaque, and works for ever.")
    headers: dict[str, str] = Field(
        description="List-Unsubscribe and, for a link with https, List-Unsubscribe-Post; DKIM must sign both."
    )
    text: str = Field(description="The words with the real link, for a plain message.")
    html: str = Field(description="The same for HTML.")
    body: str | None = Field(description="The message, filled in; null when none was sent.")


class MadeLinks(Told):
    """One for each that was asked, in the same order."""

    links: list[PersonalLink]
    appends: bool = Field(description="Whether messages without {{team_unsubscribe}} get the words at their end.")
    warnings: list[str] = Field(description="What keeps recipients from using these links; empty when nothing does.")


@router.post("", auth=ApiKey("write", SENDING, BODY_BYTES_MAX), response=MadeLinks)
def make_unsubscribe_links(request: HttpRequest, wanted: WantedLinks) -> MadeLinks:
    """A link and two mail headers for each person, and the words that the team or user has for it. Writes nothing."""
    body = wanted.body or ""
    if len(wanted.addresses) * len(body) > FILLED_LENGTH_MAX:
        raise Refusal("too-large", f"people times length of the message may be {FILLED_LENGTH_MAX:,} at most")
    if len(messages.FIELD.findall(body)) > FIELDS_MAX:
        raise Refusal("too-large", f"a message may hold {{{{team_unsubscribe}}}} {FIELDS_MAX} times at most")
    desk_, conn = desk(), desk().connection()
    try:
        warnings = demand_address(conn, handed_over().public_url)
    except Problem as problem:
        raise Refusal("refused", problem.what, means=problem.means, next=problem.next) from None
    words, mailbox = messages.text_for(conn, wanted.team, wanted.user), brand.load(conn).mailbox
    links = []
    for address in wanted.addresses:
        link = UnsubscribeLink(address, wanted.message_id, wanted.sender, wanted.campaign)
        made = make_link(desk_.link_keys, desk_.seams.token_bytes, own_url(request), mailbox, link)
        links.append(PersonalLink(address=address, **shown(made, words, wanted)))
    return MadeLinks(links=links, appends=words.appends, warnings=warnings)


def shown(made: MadeLink, words: MessageText, wanted: WantedLinks) -> dict[str, Any]:
    """A link with the words around it and, when one was sent, the message around those."""
    html = wanted.body_type == "html"
    body = wanted.body
    if body is not None:
        body = messages.filled(body, words.words, made.url, appends=words.appends, html=html)
    return {
        "url": made.url,
        "headers": made.headers,
        "text": messages.as_text(words.words, made.url),
        "html": messages.as_html(words.words, made.url),
        "body": body,
    }
