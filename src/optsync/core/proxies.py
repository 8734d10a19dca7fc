"""Who asks, when proxies stand in between: the last address in X-Forwarded-For that is not one of ours.

Every proxy adds whom it was asked by at the end. What stands before the first stranger (from the right) anybody may
have written, so it counts nothing, and the header of a peer that is no proxy of ours counts nothing at all.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HOPS_MAX: Final = 20
HOP_CHARACTERS_MAX: Final = 64


@dataclass(frozen=True, eq=False, slots=True)
class Networks:
    """Some networks. Equal to none but itself, so that answers about it can be remembered without comparing each."""

    of: tuple[Network, ...]

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self.of)


def networks_in(text: str) -> Networks:
    """Addresses and networks, separated by commas or spaces. Raises ValueError, naming the first that is none."""
    return Networks(tuple(ipaddress.ip_network(word) for word in text.replace(",", " ").split()))


INSIDE: Final = networks_in("127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 ::1 fc00::/7 fe80::/10")
"""This machine and private networks (RFC 1918, RFC 4193): the proxies of who has named none."""


def client_of(peer: str, forwarded: str, proxies: Networks = INSIDE) -> Address | None:
    """Who asks: `peer` is the other end of the connection, `forwarded` the header's text. None when nobody knows.

    Without a header, or with proxies of ours only in it, it is the peer.
    """
    found = address_of(peer)
    if found is None or found not in proxies or not forwarded.strip():
        return found
    for hop in reversed(forwarded.rsplit(",", HOPS_MAX)[-HOPS_MAX:]):
        named = address_of(hop)
        if named is None or named not in proxies:
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
