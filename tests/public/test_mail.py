"""Unsubscribing by mail: the token in the subject, or whoever asks; never a machine that answers by itself."""

import pytest

from optsync import seams
from optsync.config.database import Connection, Database
from optsync.ledger import holds
from optsync.ledger.check import may_mail
from optsync.ledger.people import timeline
from optsync.public.mail import parsed, unsubscribe_by_mail
from optsync.public.tokens import make_token
from optsync.public.unproved import AN_HOUR_MAX

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


def test_a_flood_of_forged_writers_is_blocked_and_kept_from_salesforce_and_a_token_always_counts(
    conn: Connection, database: Database
) -> None:
    make_linked(conn, "last@example.com", "token@example.com")
    for number in range(AN_HOUR_MAX):
        assert unsubscribe_by_mail(conn, KEY, LINK_KEYS, mail("unsubscribe", f"p{number}@example.com")).recorded
    assert holds.undecided(conn) == []
    for who in ("one", "last"):
        done = unsubscribe_by_mail(conn, KEY, LINK_KEYS, mail("unsubscribe", f"{who}@example.com"))
        assert (done.outcome, is_blocked(conn, f"{who}@example.com")) == ("recorded", True)
    unsubscribe_by_mail(conn, KEY, LINK_KEYS, mail(f"unsubscribe {token_of('token@example.com')}"))
    (held,) = holds.undecided(conn)
    assert (held.origin, held.addresses) == ("mails without a link", 2)
    assert states(conn) == {"last@example.com": "h", "token@example.com": "o"}
    holds.apply(conn, KEY, held.hold_id, "admin")
    assert states(conn) == {"last@example.com": "o", "token@example.com": "o"}
    unsubscribe_by_mail(conn, KEY, LINK_KEYS, mail("unsubscribe", "next@example.com"))
    assert holds.undecided(conn) == [], "somebody has looked: the count begins anew"


def make_linked(conn: Connection, *addresses: str) -> None:
    """A Contact of each in a connected org."""
    conn.execute("INSERT INTO org (salesforce_id) VALUES ('00D000000000001AAA')")
    conn.execute("INSERT INTO due (epoch, org_id, field) SELECT epoch, 1, 1 FROM target")
    for number, address in enumerate(addresses):
        conn.execute("INSERT INTO address (normal) VALUES (%s)", [address])
        conn.execute(
            """INSERT INTO record (org_id, record_id, kind, address_id, provenance)
            SELECT 1, '003' || lpad(%s::text, 12, '0') || 'AAA', 'C', address_id, 'g' FROM address WHERE normal = %s""",
            [number, address],
        )


def states(conn: Connection) -> dict[str, str]:
    """The state of the box of each linked address."""
    rows = conn.execute(
        """SELECT a.normal, m.state FROM mark m JOIN record r USING (org_id, record_id)
        JOIN address a ON a.address_id = r.address_id"""
    )
    return dict(rows.fetchall())


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
