"""Unsubscribing by mail: the token in the subject, or whoever asks; never a machine that answers by itself."""

import pytest

from optsync import seams
from optsync.config.database import Connection
from optsync.ledger.check import may_mail
from optsync.ledger.people import timeline
from optsync.public.mail import parsed, unsubscribe_by_mail
from optsync.public.tokens import make_token

KEY, LINK_KEYS = b"k" * 32, (b"l" * 32,)


def token_of(address: str, message: str = "") -> str:
    """A person's token."""
    return make_token(LINK_KEYS, seams.real().token_bytes, address, message)


def mail(subject: str = "", sender: str = "someone@elsewhere.example", *more: str, body: str = "") -> bytes:
    """A message."""
    lines = [
        f"From: {sender}",
        "To: unsubscribe@acme.example",
        f"Subject: {subject}",
        "Message-ID: <1@elsewhere>",
        *more,
    ]
    return "\r\n".join([*lines, "", body]).encode()


def is_blocked(conn: Connection, address: str) -> bool:
    """The answer of the check before sending."""
    return not may_mail(conn, KEY, [address])[0].allowed


def folded(token: str) -> str:
    """A subject that a mail program has broken into encoded words."""
    return "\r\n ".join(
        f"=?utf-8?Q?{part.replace('_', '=5F')}?=" for part in ("unsubscribe=20", token[:30], token[30:])
    )


@pytest.mark.parametrize("shape", ["unsubscribe {}", "Re: unsubscribe {}", "{}", "folded", "unsubscribe {half} {rest}"])
def test_the_token_in_the_subject_says_who_whoever_wrote(conn: Connection, shape: str) -> None:
    token = token_of("ann@example.com", "<17@crm>")
    subject = folded(token) if shape == "folded" else shape.format(token, half=token[:50], rest=token[50:])
    done = unsubscribe_by_mail(conn, KEY, LINK_KEYS, mail(subject, "Ann <ann.private@elsewhere.example>"))
    assert done.outcome == "recorded"
    assert is_blocked(conn, "ann@example.com")
    assert not is_blocked(conn, "ann.private@elsewhere.example")
    (event,) = timeline(conn, KEY, "ann@example.com")
    assert event.source == "mail"
    assert event.evidence == {"mail": "<1@elsewhere>", "named by": "link", "message": "<17@crm>"}


def test_the_token_in_a_recipient_s_name_counts_also_in_a_machine_s_mail(conn: Connection) -> None:
    raw = mail("", "robot@mail.example", f"Delivered-To: unsubscribe+{token_of('ann@example.com')}@acme.example")
    assert unsubscribe_by_mail(conn, KEY, LINK_KEYS, raw + b"\r\nAuto-Submitted: auto-generated").outcome == "recorded"
    assert is_blocked(conn, "ann@example.com")


@pytest.mark.parametrize(
    "subject", ["unsubscribe", "Please UNSUBSCRIBE me", "Abmelden", "=?utf-8?B?6YWN5L+h5YGc5q2i?="]
)
def test_without_a_token_whoever_asks_is_taken_at_their_word(conn: Connection, subject: str) -> None:
    assert unsubscribe_by_mail(conn, KEY, LINK_KEYS, mail(subject, "Bob B <Bob@Example.com>")).outcome == "recorded"
    assert is_blocked(conn, "bob@example.com")


@pytest.mark.parametrize(
    "more", ["Auto-Submitted: auto-replied", "Precedence: bulk", "Return-Path: <>", "Content-Type: multipart/report"]
)
def test_what_a_machine_answers_by_itself_unsubscribes_nobody(conn: Connection, more: str) -> None:
    raw = mail("Out of office: unsubscribe", "bob@example.com", more)
    assert unsubscribe_by_mail(conn, KEY, LINK_KEYS, raw).outcome == "automatic"
    assert not is_blocked(conn, "bob@example.com")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\xff" * 5_000,
        mail("Hello"),
        mail("unsubscribe", "nobody"),
        mail("unsubscribe", "a@example.com, b@example.com"),
        mail("unsubscribe " + "A" * 3_999, "two@example.com, three@example.com"),
        mail("=?nonsense?Q?=FF?= =?utf-8?B?////?=", "bob@example.com"),
        mail("", "bob@example.com", body="unsubscribe"),
        b"Subject: unsubscribe\r\nFrom: <" + b"(" * 50_000,
    ],
    ids=["empty", "noise", "no wish", "no writer", "two writers", "forged", "broken words", "in the body", "hostile"],
)
def test_a_message_that_names_nobody_changes_nothing_and_breaks_nothing(conn: Connection, raw: bytes) -> None:
    assert unsubscribe_by_mail(conn, KEY, LINK_KEYS, raw).outcome == "nobody"
    assert conn.execute("SELECT count(*) FROM opt_out").fetchone() == (0,)


def test_a_link_quoted_in_the_body_of_an_answer_is_not_taken_for_a_wish() -> None:
    body = f"> https://out.example.com/u/{token_of('ann@example.com')}"
    assert parsed(mail("Re: your offer", body=body)).tokens == ()
