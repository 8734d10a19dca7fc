"""Signatures by Standard Webhooks 1.0.0. Ten lines of our own: the package of that name takes whatever zone an instant
has for UTC. Tests hold these lines to it."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def new_secret(token_bytes: Callable[[int], bytes]) -> str:
    """A secret to be shown once."""
    return PREFIX + b64encode(token_bytes(SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """v1: HMAC-SHA256 over id, seconds and body."""
    key = b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()


def headers(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one delivery; each secret in use signs, so that a receiver may change over while both do."""
    signatures = " ".join(signature(secret, message_id, timestamp, body) for secret in secrets)
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures,
    }
