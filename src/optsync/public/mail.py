"""Unsubscribing by mail: the `mailto:` of List-Unsubscribe (RFC 2369), for a pipe of any mail server.

The subject carries the token, as our header writes it; a token in a recipient's address (name+token@) counts, too.
Without one, whoever writes a mail that asks for it is taken at their word, as with the form for damaged links; what
machines answer by themselves (vacation notes, bounces) is not. Many such are bounded (`acts`), a token never is.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from typing import Literal

import psycopg

from optsync.ledger.batches import Wanted
from optsync.ledger.record import Recorded, opt_out
from optsync.public import unproved
from optsync.public.languages import languages
from optsync.public.tokens import LONGEST_TOKEN, UnsubscribeLink, read_token

HEAD_BYTES_MAX = 256 * 1024
"""Only the head of a message is read; so much of it."""
TOKENS_MAX = 20
TOKEN = re.compile(rf"[A-Za-z0-9_-]{{40,{LONGEST_TOKEN}}}")
BY_WRITER = "mails without a link"
"""What their hold says it came from."""
RECIPIENTS = ("To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To")
Outcome = Literal["recorded", "automatic", "nobody"]


@dataclass(frozen=True, slots=True)
class Mail:
    """What a message says: tokens that may stand in it, who wrote it ('' when not one), and what kind it is."""

    tokens: tuple[str, ...]
    writer: str
    asks: bool
    is_automatic: bool
    message_id: str


@dataclass(frozen=True, slots=True)
class Received:
    """What came of a message. 'automatic': a machine's, passed over; 'nobody': it names nobody."""

    outcome: Outcome
    recorded: Recorded | None = None


def unsubscribe_by_mail(
    conn: psycopg.Connection, subject_key: bytes, link_keys: Sequence[bytes], raw: bytes
) -> Received:
    """Opts out whom a message names, for the whole account; committed when this returns.

    Raises psycopg.Error when it is not recorded: the mail server must keep the message and try again.
    """
    mail = parsed(raw)
    link = next((found for token in mail.tokens if (found := read_token(link_keys, token))), None)
    if link is None and mail.is_automatic:
        return Received("automatic")
    if link is None and not (mail.asks and mail.writer):
        return Received("nobody")
    evidence = {"mail": mail.message_id, "named by": "link" if link else "sender of the mail"}
    link = link or UnsubscribeLink(mail.writer)
    evidence |= {"message": link.message_id, "sender": link.sender, "campaign": link.campaign}
    kept = {name: value for name, value in evidence.items() if value}
    if evidence["named by"] == "link":
        return Received("recorded", opt_out(conn, subject_key, link.address, "mail", evidence=kept))
    wanted = Wanted(link.address, "mail", None, kept)
    return Received("recorded", unproved.opt_out(conn, subject_key, wanted, BY_WRITER))


def parsed(raw: bytes) -> Mail:
    """What the head of an RFC 5322 message says, however odd it is; never raises."""
    head = BytesHeaderParser().parsebytes(raw[:HEAD_BYTES_MAX])
    subject = " ".join(texts_of(head, "Subject"))
    writers = [address for address in addresses_in(texts_of(head, "From")) if "@" in address]
    return Mail(
        tokens=tuple(dict.fromkeys(tokens_in(subject, texts_of(head, *RECIPIENTS))))[:TOKENS_MAX],
        writer=writers[0] if len(writers) == 1 else "",
        asks=any(word in subject.casefold() for word in words_for_it()),
        is_automatic=is_automatic(head),
        message_id=" ".join(texts_of(head, "Message-ID"))[:998],
    )


def tokens_in(subject: str, recipients: Sequence[str]) -> Iterator[str]:
    """What may be a token: words of the subject (also one that was broken over lines), tags of recipients' names."""
    yield from TOKEN.findall(subject)
    yield from TOKEN.findall("".join(subject.split()).rpartition("unsubscribe")[2])
    for address in addresses_in(recipients):
        yield from TOKEN.findall(address.partition("@")[0].rpartition("+")[2])


def addresses_in(texts: Sequence[str]) -> list[str]:
    """The addresses of some headers; none of one that nests comments to break its reader."""
    try:
        return [address for _, address in getaddresses(texts)]
    except RecursionError:
        return []


def is_automatic(head: Message) -> bool:
    """Whether a machine wrote it by itself: RFC 3834, a bounce, a list."""
    submitted = "".join(texts_of(head, "Auto-Submitted")).partition(";")[0].strip().lower()
    precedence = "".join(texts_of(head, "Precedence")).strip().lower()
    return (
        submitted not in ("", "no")
        or precedence in ("bulk", "junk", "list")
        or "<>" in texts_of(head, "Return-Path")
        or head.get_content_type() == "multipart/report"
    )


def words_for_it() -> list[str]:
    """How people say it, in every language of the page."""
    return ["unsubscribe", *(one.texts["unsubscribe"].casefold() for one in languages().values())]


def texts_of(head: Message, *names: str) -> list[str]:
    """The values of headers as they are meant; one that cannot be decoded as it stands."""
    return [text_of(value) for name in names for value in head.get_all(name, [])]


def text_of(value: object) -> str:
    """A header's text without encoded words (RFC 2047) and line breaks."""
    text = str(value)
    with suppress(HeaderParseError, LookupError, ValueError):  # an unknown charset, bytes that are not in it
        text = str(make_header(decode_header(text)))
    return text.replace("\r", "").replace("\n", "")
