"""A person's own link and what goes with it into a message: the mail headers, ready to paste."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg

from optsync.connection.connect import connections
from optsync.core.public_address import has_one_click, trouble_with
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
    """The link of one person and message. Without a mailbox the header names the link only. Raises Problem.

    Only a link with https comes with the header for one click.
    """
    token = make_token(keys, token_bytes, link.address, link.message_id, link.sender, link.campaign)
    url = f"{public_url}/u/{token}"
    ways = f"<{url}>"
    if mailbox:
        ways += f", <mailto:{quote(mailbox, safe='@')}?subject={SUBJECT}%20{token}>"
    one_click = {"List-Unsubscribe-Post": "=".join(ONE_CLICK)} if has_one_click(url) else {}
    return MadeLink(url, {"List-Unsubscribe": ways} | one_click)


def demand_address(conn: psycopg.Connection, public_url: str | None) -> list[str]:
    """What is wrong with the address that links are about to carry, a sentence each; empty when nothing is.

    Raises Problem while there is none: such a link would be a lost unsubscribe. Only where nothing but a practice org
    is connected there are no recipients who could lose one.
    """
    trouble = trouble_with(public_url)
    if trouble is None:
        return []
    if public_url is None and not is_rehearsal(conn):
        raise trouble
    return [f"{trouble.what}: {trouble.means}; {trouble.next}"]


def is_rehearsal(conn: psycopg.Connection) -> bool:
    """Whether everything that is connected is a practice org."""
    orgs = connections(conn)
    return bool(orgs) and all(org.is_practice for org in orgs)


def own_url(request: "HttpRequest") -> str:
    """The address under which recipients reach us, without a slash at its end; without one, where we were asked."""
    from optsync.config.django_start import handed_over

    return handed_over().public_url or f"{request.scheme}://{request.get_host()}"
