"""Who asks, when proxies stand in between: the last address in X-Forwarded-For that is not one of ours.

Every proxy adds whom it was asked by at the end. What stands before the first stranger (from the right) anybody may
have written, so it counts nothing, and the header of a peer that is no proxy of ours counts nothing at all.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HOPS_MAX: Final = 20
HOP_CHARACTERS_MAX: Final = 64
INSIDE: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1",
        "fc00::/7",
        "fe80::/10",
    )
)
"""This machine and private networks (RFC 1918, RFC 4193): the proxies of who has named none."""


def client_of(peer: str, forwarded: str, proxies: Sequence[Network] = INSIDE) -> Address | None:
    """Who asks: `peer` is the other end of the connection, `forwarded` the header's text. None when nobody knows.

    Without a header, or with proxies of ours only in it, it is the peer.
    """
    found = address_of(peer)
    if found is None or not is_among(found, proxies) or not forwarded.strip():
        return found
    for hop in reversed(forwarded.rsplit(",", HOPS_MAX)[-HOPS_MAX:]):
        named = address_of(hop)
        if named is None or not is_among(named, proxies):
            return named
    return found


def address_of(text: str) -> Address | None:
    """An address, with or without a port, an IPv4 one in IPv6's clothes as what it is; None for anything else."""
    text = text.strip().strip('"')
    if len(text) > HOP_CHARACTERS_MAX:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if found.version == 6 else None
    return mapped or found


def is_among(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of some networks."""
    return any(address in network for network in networks)


def networks_in(text: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas or spaces. Raises ValueError, naming the first that is none."""
    return tuple(ipaddress.ip_network(word) for word in text.replace(",", " ").split())
