"""Networks from which the big mailbox providers call for their users: one-click POSTs of many come from few of them.

Only that is concluded from them: a burst of RFC 8058 POSTs from there is no scanner's. Their link scanners live in the
same networks, and open pages and press buttons; those are looked at as anybody's.
"""

import ipaddress
from functools import lru_cache
from typing import Final

KNOWN: Final = [
    ipaddress.ip_network(text)
    for text in (
        # Google: _netblocks.google.com, _netblocks2 and _netblocks3 (support.google.com/a/answer/60764), as of 2026.
        "35.190.247.0/24",
        "64.233.160.0/19",
        "66.102.0.0/20",
        "66.249.80.0/20",
        "72.14.192.0/18",
        "74.125.0.0/16",
        "108.177.8.0/21",
        "108.177.96.0/19",
        "172.217.0.0/16",
        "172.253.0.0/16",
        "173.194.0.0/16",
        "209.85.128.0/17",
        "216.58.192.0/19",
        "216.239.32.0/19",
        "2001:4860::/32",
        "2404:6800::/32",
        "2607:f8b0::/32",
        "2800:3f0::/32",
        "2a00:1450::/32",
        "2c0f:fb50::/32",
        # Microsoft (Outlook.com, Exchange Online): spf.protection.outlook.com.
        "40.92.0.0/15",
        "40.107.0.0/16",
        "52.100.0.0/14",
        "104.47.0.0/17",
        "2a01:111:f400::/48",
        "2a01:111:f403::/48",
        # Yahoo and AOL publish no such list: blocks registered to them.
        "66.163.160.0/19",
        "67.195.0.0/16",
        "68.180.128.0/17",
        "72.30.0.0/16",
        "74.6.0.0/16",
        "98.136.0.0/14",
        "188.125.64.0/19",
        "212.82.96.0/20",
        "2001:4998::/32",
        "2a00:1288::/32",
    )
]


@lru_cache(10_000)
def is_mail_provider(network: str) -> bool:
    """Whether a network of `networks.network_of` belongs to one of them."""
    if not network:
        return False
    first = ipaddress.ip_network(network).network_address
    return any(first in known for known in KNOWN)
