"""Unsubscribe tokens: opaque, one for each person and message, readable by us for ever.

A token is `version (1 byte) || nonce (12) || AES-256-GCM(address NUL message NUL sender NUL campaign)`, base64url
without padding; fields that are missing at the end are empty. Keys come from the vault, newest first: the first makes
tokens, all read them, so a rotation breaks no link in any mailbox. Nothing about the person can be read from a token,
no token can be made without a key, and one token has one spelling: a changed letter never reads as anything.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from optsync.core.problems import Problem

VERSION = b"\x01"
NONCE_BYTES = 12
LONGEST_TOKEN = 4_000
"""Characters. An address of 320 octets and the longest message id of a mail header (998) fit twice over."""
FIELDS = 4


@dataclass(frozen=True, slots=True)
class UnsubscribeLink:
    """What a token says: whose link it is and, if known, the message, the sender and the campaign it stood in."""

    address: str
    message_id: str = ""
    sender: str = ""
    campaign: str = ""


def make_token(
    keys: Sequence[bytes],
    token_bytes: Callable[[int], bytes],
    address: str,
    message_id: str = "",
    sender: str = "",
    campaign: str = "",
) -> str:
    """The token of one person and message; `keys` are 32 bytes each, newest first. Raises Problem above that length."""
    link = UnsubscribeLink(address, message_id, sender, campaign)
    fields = [field.replace("\0", "").encode(errors="replace") for field in astuple(link)]
    plain = b"\0".join(fields).rstrip(b"\0")
    nonce = token_bytes(NONCE_BYTES)
    token = encoded(VERSION + nonce + AESGCM(keys[0]).encrypt(nonce, plain, VERSION))
    if len(token) > LONGEST_TOKEN:
        raise Problem(
            "what the link should carry is too long",
            "no link was made: one that cannot be read would lose an unsubscribe",
            "shorten the address, the message id, the sender or the campaign",
            2,
        )
    return token


def read_token(keys: Sequence[bytes], token: str) -> UnsubscribeLink | None:
    """What a token says, or None when it is damaged or not ours."""
    raw = decoded(token)
    if raw is None or raw[:1] != VERSION:
        return None
    nonce, sealed = raw[1 : 1 + NONCE_BYTES], raw[1 + NONCE_BYTES :]
    for key in keys:
        try:
            fields = _cipher(key).decrypt(nonce, sealed, VERSION).decode().split("\0")
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce or a tag
            continue
        return UnsubscribeLink(*fields[:FIELDS])
    return None


@lru_cache(maxsize=32)
def _cipher(key: bytes) -> AESGCM:
    """Made once for each key."""
    return AESGCM(key)


def encoded(raw: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(token: str) -> bytes | None:
    """The bytes of a token; None when it is none, absurdly long, or another spelling of one.

    Python's decoder skips foreign letters and the last letter's spare bits; both would make a damaged link look whole.
    """
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except NotBase64:
        return None
    return raw if encoded(raw) == token else None
