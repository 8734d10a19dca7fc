"""Strangers on the network, each from a network of their own: what is counted by network counts for one test alone."""

from itertools import count

_numbers = count()


def stranger() -> str:
    """An address that a proxy of ours may name (X-Forwarded-For), in a /24 that nobody else in this test run has.

    100.64.0.0/10 (RFC 6598) leads nowhere, and none of it is taken for a proxy of ours.
    """
    number = next(_numbers)
    assert number < 1 << 14, "these networks are all used up"
    return f"100.{64 + number // 256}.{number % 256}.9"


def network_of(address: str) -> str:
    """The network that is kept as evidence."""
    return address.rpartition(".")[0] + ".0/24"
