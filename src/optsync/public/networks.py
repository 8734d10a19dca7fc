"""Which network a request came from: kept as proof instead of the address, which would name a household."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

REMEMBERED = 1_024
"""How many answers are kept: working one out costs as much as reading a token."""


def network_of(meta: Mapping[str, Any]) -> str:
    """The /24 (IPv4) or /48 (IPv6) network of whoever asks, from a request's META or environ; empty when not known.

    When the peer is on this machine or in a private network it is a proxy of our own: then the last public address that
    proxies wrote into X-Forwarded-For counts. A stranger's header counts nothing, because a stranger's peer is public.
    """
    return _network_of(meta.get("REMOTE_ADDR", ""), meta.get("HTTP_X_FORWARDED_FOR", "")[-1_000:])


@lru_cache(REMEMBERED)
def _network_of(remote: str, forwarded: str) -> str:
    peer = address_of(remote)
    if peer is not None and is_inside(peer):
        hops = [address_of(hop) for hop in forwarded.split(",")]
        peer = next((hop for hop in reversed(hops) if hop is not None and not is_inside(hop)), peer)
    if peer is None:
        return ""
    return str(ipaddress.ip_network(f"{peer}/{24 if peer.version == 4 else 48}", strict=False))


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, an IPv4 one in IPv6's clothes as what it is; None for anything else."""
    try:
        found = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if found.version == 6 else None
    return mapped or found


INSIDE = [
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
]


def is_inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it is this machine or a private network (RFC 1918, RFC 4193)."""
    return any(address in network for network in INSIDE)


@lru_cache(REMEMBERED)
def is_public(network: str) -> bool:
    """Whether a network of `network_of` says anything about who asked: one of our own proxies' does not."""
    return network != "" and not is_inside(ipaddress.ip_network(network).network_address)
