"""The address under which recipients reach us (OPTSYNC_PUBLIC_URL): what it must be before their mails may carry it."""

from urllib.parse import urlsplit

from optsync.core.problems import Problem
from optsync.core.told import told

OWN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
WRONG_USAGE = 2


def trouble_with(public_url: str | None) -> Problem | None:
    """What keeps recipients from unsubscribing with links of this address; None for a public one with https."""
    if public_url is None:
        return Problem(
            told("recipients cannot reach this optsync: OPTSYNC_PUBLIC_URL is not set"),
            told("a link would lead to this machine, and nobody who gets it could unsubscribe"),
            told("set OPTSYNC_PUBLIC_URL to your own name, such as https://unsubscribe.example.com, and start again"),
            WRONG_USAGE,
        )
    if urlsplit(public_url).hostname in OWN_HOSTS:
        return Problem(
            told("OPTSYNC_PUBLIC_URL leads to this machine only"),
            told("good for trying out here; nobody else who gets such a link could unsubscribe"),
            told("for real mails set it to your own name, such as https://unsubscribe.example.com"),
            WRONG_USAGE,
        )
    if not has_one_click(public_url):
        return Problem(
            told("OPTSYNC_PUBLIC_URL is not https"),
            told("links work, but messages get no one-click header: RFC 8058 wants https"),
            told("put a proxy with TLS in front, and let OPTSYNC_PUBLIC_URL begin with https://"),
            WRONG_USAGE,
        )
    return None


def has_one_click(url: str) -> bool:
    """Whether mail programs may be told that one POST unsubscribes: RFC 8058, 3.1, wants an https address."""
    return url.startswith("https://")
