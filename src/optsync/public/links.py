"""A person's own link and what goes with it into a message: the two mail headers, ready to paste."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from optsync.public.tokens import UnsubscribeLink, make_token

if TYPE_CHECKING:
    from django.http import HttpRequest

ONE_CLICK = ("List-Unsubscribe", "One-Click")  # RFC 8058, section 3.1
SUBJECT = "unsubscribe"
"""How the subject of an unsubscribe mail begins; the token follows."""


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A link and its headers."""

    url: str
    headers: dict[str, str]


def make_link(
    keys: Sequence[bytes], token_bytes: Callable[[int], bytes], public_url: str, mailbox: str, link: UnsubscribeLink
) -> MadeLink:
    """The link of one person and message. Without a mailbox the header names the link only. Raises Problem."""
    token = make_token(keys, token_bytes, link.address, link.message_id, link.sender, link.campaign)
    url = f"{public_url}/u/{token}"
    ways = f"<{url}>"
    if mailbox:
        ways += f", <mailto:{quote(mailbox, safe='@')}?subject={SUBJECT}%20{token}>"
    return MadeLink(url, {"List-Unsubscribe": ways, "List-Unsubscribe-Post": "=".join(ONE_CLICK)})


def own_url(request: "HttpRequest") -> str:
    """The address under which recipients reach us, without a slash at its end; without one, where we were asked."""
    from optsync.config.django_start import handed_over

    return handed_over().public_url or f"{request.scheme}://{request.get_host()}"
