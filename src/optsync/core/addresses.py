"""One normal form per mailbox, its keyed hash and its mask.

Two spellings of one mailbox give one form; two distinct mailboxes never do, so dots and plus signs are left alone.
Nothing is refused: a person who unsubscribes with an odd address is recorded under what they gave (rules 3).
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from optsync.core.texts import storable

PLAIN = r"\A[ \t\r\n\f\v]*[!-9;=?A-~]+@[A-Za-z0-9_.-]*[A-Za-z0-9_-][ \t\r\n\f\v]*\Z"
"""Inputs for which `normalize` is SQL `lower(btrim(email, E' \\t\\r\\n\\f\\x0B'))`, up to KEPT_BYTES_MAX bytes.

Valid in Python and in PostgreSQL (0.5 µs a row; counted repetitions would take 50). Beware: in a PostgreSQL string,
unlike in a pattern, `\\v` is the letter v, and btrim would cut it off victor@example.dev. Left out is what needs more:
names and brackets, `mailto:`, other control characters, a final dot, anything outside ASCII.
"""

KEPT_BYTES_MAX = 1000
"""A longer input is cut and named by its digest, so that an index row can hold it (PostgreSQL's limit: 2,704 bytes)."""

_PLAIN = re.compile(PLAIN)
_PLAIN_LINES = re.compile(r"(?:[!-9;=?A-~]++@[A-Za-z0-9_.-]*+(?<=[A-Za-z0-9_-])\n)*+")
_BRACKETED = re.compile(r"<([^<>]*@[^<>]*)>\Z")
_MAILTO = re.compile(r"(?:mailto:)+", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@'\"<>(]{1,64}@[^\s@'\"<>)]{1,255}")
_EACH = re.compile(r"[^\s@,;:<>()\"']+@[^\s@,;:<>()\"']+")
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_LABEL_ASCII = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_ENDS = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp"))
_SURE = re.compile(r"[a-z0-9._+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*")
_LOCAL = re.compile(r"""[^\s@<>()\[\],;:\\"\x00-\x20\x7f]{1,64}""")
_DOMAIN = re.compile(
    r"[^\s@<>()\[\],;:\\\"'`|=!?*%&#/+\x00-\x20\x7f.]{1,63}(?:\.[^\s@<>()\[\],;:\\\"'`|=!?*%&#/+\x00-\x20\x7f.]{1,63})*"
)


def normalize(raw: str) -> str:
    """The one normal form of a mailbox; idempotent, never raises, always fit for a UTF-8 text column (rules 3).

    White space, zero-width and control characters at the ends go, NUL goes everywhere, `mailto:` and `Name <a@b>` are
    unwrapped; then NFC and lower case; the domain becomes punycode without its final dot. Odd input is kept, stripped
    and lower-cased.
    """
    if len(raw) <= KEPT_BYTES_MAX and _PLAIN.match(raw):
        return raw.strip(" \t\r\n\f\v").lower()  # nearly every address there is: a seventh of the time
    return _normalize_whole(raw)


def normalize_all(raws: Sequence[str]) -> list[str]:
    """`normalize` of each, in order; in a third of the time when all of them are plain, without space around them."""
    lines = "\n".join(raws) + "\n" if raws else ""
    are_short = max(map(len, raws), default=0) <= KEPT_BYTES_MAX
    if are_short and lines.count("\n") == len(raws) and _PLAIN_LINES.fullmatch(lines):
        return lines.lower().split("\n")[:-1]
    return [normalize(raw) for raw in raws]


def _normalize_whole(raw: str) -> str:
    """The long way, which every address may go."""
    text = _shorten(storable(raw))
    while (after := _normalize_once(text)) != text:
        text = after
    return text


def is_address(normal: str) -> bool:
    """Whether a normal form is plausibly a mailbox: something@something of sane length, no spaces. For imports only."""
    sure = len(normal) <= 253 and _SURE.fullmatch(normal)  # nearly every one, in a third of the time
    return bool(sure) or _is_address_whole(normal)


def _is_address_whole(normal: str) -> bool:
    """The long way, which every address may go."""
    local, _, domain = normal.rpartition("@")
    return len(domain) <= 253 and bool(_LOCAL.fullmatch(local)) and bool(_DOMAIN.fullmatch(domain))


def names_several(raw: str) -> bool:
    """Whether a text names more than one mailbox. Kept as one it would be none of theirs, so doors refuse it."""
    if raw.count("@") < 2:
        return False
    return len({one.lower() for one in _EACH.findall(raw)}) > 1 or len(_EACH.findall(normalize(raw))) > 1


def domain_of(normal: str) -> str:
    """What follows the last @ of a normal form; empty where there is none."""
    return normal.rpartition("@")[2] if "@" in normal else ""


def mask(normal: str) -> str:
    """An address fit for a screen that others see: mary@example.com -> m…y@example.com, al@… -> a…@…, x@… -> …@…."""
    local, at, domain = normal.rpartition("@") if "@" in normal else (normal, "", "")
    return (local[:1] if len(local) > 1 else "") + "…" + (local[-1:] if len(local) > 2 else "") + at + domain


def without_addresses(text: str) -> str:
    """Free words fit for an event, which is kept for ever: e-mail addresses in them become `[address]` (rules 3, 4)."""
    return _ADDRESS.sub("[address]", text) if "@" in text else text


def without_person(evidence: Mapping[str, Any], normal: str) -> dict[str, Any]:
    """Evidence fit for an event about a person: their own address goes from its texts, also with the @ encoded or as =.

    Other addresses stay, because most ids of messages look like one (rules 4).
    """
    local, at, domain = normal.rpartition("@")

    def cleaned(said: Any) -> Any:
        if not isinstance(said, str) or local not in said.lower():
            return said
        return re.sub(f"{re.escape(local)}(@|%40|=){re.escape(domain)}", "[address]", said, flags=re.IGNORECASE)

    return {name: cleaned(said) for name, said in evidence.items()} if at else dict(evidence)


def subject_of(normal: str, key: bytes) -> bytes:
    """HMAC-SHA256 of a normal form, 32 bytes: how events and erased rows name a person."""
    begun_inner, begun_outer = _begun(key)
    inner, outer = begun_inner.copy(), begun_outer.copy()
    inner.update(normal.encode())
    outer.update(inner.digest())
    return outer.digest()


def hmac_pads(key: bytes) -> tuple[bytes, bytes]:
    """The inner and outer pad, 64 bytes each, with which SQL computes `subject_of` (RFC 2104).

    sha256(outer || sha256(inner || text)) is the HMAC-SHA256 of the text.
    """
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


@lru_cache(maxsize=8)
def _begun(key: bytes) -> tuple["hashlib._Hash", "hashlib._Hash"]:
    """The inner and the outer hash after their pad: half of an HMAC's time is the same for every text."""
    inner, outer = hmac_pads(key)
    return hashlib.sha256(inner), hashlib.sha256(outer)


def _normalize_once(text: str) -> str:
    text = _strip_ends(unicodedata.normalize("NFC", _unwrap(_strip_ends(text))).lower())
    if "@" not in text:
        return text
    local, _, domain = text.rpartition("@")
    return f"{local}@{_domain_to_ascii(domain)}"


def _shorten(text: str) -> str:
    kept = _strip_ends(text).encode()
    if len(kept) <= KEPT_BYTES_MAX:
        return text
    return f"{kept[:200].decode(errors='ignore')}…{hashlib.sha256(kept).hexdigest()}"


def _strip_ends(text: str) -> str:
    start, end = 0, len(text)
    while start < end and unicodedata.category(text[start]) in _ENDS:
        start += 1
    while end > start and unicodedata.category(text[end - 1]) in _ENDS:
        end -= 1
    return text[start:end]


def _unwrap(text: str) -> str:
    if bracketed := _BRACKETED.search(text):
        text = _strip_ends(bracketed[1])
    if prefix := _MAILTO.match(text):
        text = unquote(text[prefix.end() :].partition("?")[0])
    return storable(text)


def _domain_to_ascii(domain: str) -> str:
    return ".".join(map(_label_to_ascii, _DOTS.split(domain))).rstrip(".")


def _label_to_ascii(label: str) -> str:
    """Punycode of a label. Not the `idna` codec: it writes ß as ss, which IDNA 2008 made another domain."""
    if label.isascii():
        return label
    mapped = unicodedata.normalize("NFKC", label).lower()
    if any(char.isascii() and char not in _LABEL_ASCII for char in mapped):
        return label  # a bracket or a dot in disguise: kept as it is
    return mapped if mapped.isascii() else "xn--" + mapped.encode("punycode").decode("ascii")
