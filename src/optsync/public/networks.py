"""Which network and program a request came from, kept as proof; never the address, which would name a household."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from optsync.core.addresses import without_addresses
from optsync.core.proxies import INSIDE, Networks, client_of
from optsync.core.texts import storable

AGENT_CHARACTERS_MAX = 200
FORWARDED_CHARS = 20 * 64
"""How much of X-Forwarded-For counts, from its end."""
REMEMBERED = 1_024
"""How many answers are kept: working one out costs as much as reading a token."""


def network_of(meta: Mapping[str, Any], proxies: Networks = INSIDE) -> str:
    """The /24 (IPv4) or /48 (IPv6) network of whoever asks, from a request's META or environ; empty when not known.

    Behind proxies of our own the client is the one they name (`core.proxies`); a stranger's header counts nothing.
    """
    return _network_of(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", "")[-FORWARDED_CHARS:], proxies)


@lru_cache(REMEMBERED)
def _network_of(peer: str, forwarded: str, proxies: Networks) -> str:
    client = client_of(peer, forwarded, proxies)
    if client is None:
        return ""
    return str(ipaddress.ip_network(f"{client}/{24 if client.version == 4 else 48}", strict=False))


def agent_of(meta: Mapping[str, Any]) -> str:
    """What the program calls itself (User-Agent), fit for an event: printable, short, without e-mail addresses."""
    said = storable(str(meta.get("HTTP_USER_AGENT", ""))[: 4 * AGENT_CHARACTERS_MAX])
    if not said.isprintable():
        said = "".join(character if character.isprintable() else " " for character in said)
    return without_addresses(" ".join(said.split()))[:AGENT_CHARACTERS_MAX]


@lru_cache(REMEMBERED)
def is_public(network: str, proxies: Networks = INSIDE) -> bool:
    """Whether a network of `network_of` says anything about who asked: one of our own proxies' does not."""
    return network != "" and ipaddress.ip_network(network).network_address not in proxies
