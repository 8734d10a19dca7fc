"""Unsubscribe tokens: opaque, one for each person and message, readable by us for ever.

A token is `version (1 byte) || nonce (12) || AES-256-GCM(address NUL message)`, base64url without padding. Keys come
from the vault, newest first: the first makes tokens, all read them, so a rotation breaks no link in any mailbox.
Nothing about the person can be read from a token, and no token can be made without a key.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
NONCE_BYTES = 12
LONGEST_TOKEN = 2_000  # an address of 320 octets and a message id of a long mail header fit many times over


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """What a token says: whose link it is and, if known, the message it stood in."""

    address: str
    message_id: str


def make_token(keys: Sequence[bytes], token_bytes: Callable[[int], bytes], address: str, message_id: str = "") -> str:
    """The token of one person and message; `keys` are 32 bytes each, newest first."""
    nonce = token_bytes(NONCE_BYTES)
    sealed = AESGCM(keys[0]).encrypt(nonce, f"{address}\0{message_id}".encode(), VERSION)
    return urlsafe_b64encode(VERSION + nonce + sealed).rstrip(b"=").decode()


def read_token(keys: Sequence[bytes], token: str) -> UnsubscribeLink | None:
    """What a token says, or None when it is damaged or not ours."""
    raw = decoded(token)
    if raw is None or raw[:1] != VERSION:
        return None
    nonce, sealed = raw[1 : 1 + NONCE_BYTES], raw[1 + NONCE_BYTES :]
    for key in keys:
        try:
            address, _, message_id = AESGCM(key).decrypt(nonce, sealed, VERSION).decode().partition("\0")
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce or a tag
            continue
        return UnsubscribeLink(address, message_id)
    return None


def decoded(token: str) -> bytes | None:
    """The bytes of a base64url token; None when it is none or absurdly long."""
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    try:
        return urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except NotBase64:
        return None
