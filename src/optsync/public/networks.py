"""Which network and program a request came from, kept as proof; never the address, which would name a household."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from optsync.core.addresses import without_addresses
from optsync.core.proxies import INSIDE, Network, client_of, is_among
from optsync.core.texts import storable

AGENT_CHARACTERS_MAX = 200


def network_of(meta: Mapping[str, Any], proxies: Sequence[Network] = INSIDE) -> str:
    """The /24 (IPv4) or /48 (IPv6) network of whoever asks, from a request's META or environ; empty when not known.

    Behind proxies of our own the client is the one they name (`core.proxies`); a stranger's header counts nothing.
    """
    client = client_of(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", ""), proxies)
    if client is None:
        return ""
    return str(ipaddress.ip_network(f"{client}/{24 if client.version == 4 else 48}", strict=False))


def agent_of(meta: Mapping[str, Any]) -> str:
    """What the program calls itself (User-Agent), fit for an event: printable, short, without e-mail addresses."""
    said = storable(str(meta.get("HTTP_USER_AGENT", ""))[: 4 * AGENT_CHARACTERS_MAX])
    if not said.isprintable():
        said = "".join(character if character.isprintable() else " " for character in said)
    return without_addresses(" ".join(said.split()))[:AGENT_CHARACTERS_MAX]


def is_public(network: str, proxies: Sequence[Network] = INSIDE) -> bool:
    """Whether a network of `network_of` says anything about who asked: one of our own proxies' does not."""
    return network != "" and not is_among(ipaddress.ip_network(network).network_address, proxies)
