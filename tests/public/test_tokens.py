"""Unsubscribe tokens: readable by us for ever, by nobody else at all, and never by accident."""

import string
from random import Random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from optsync.core.problems import Problem
from optsync.public.tokens import UnsubscribeLink, decoded, encoded, make_token, read_token

OLD, NEW = b"o" * 32, b"n" * 32
TRIES = 100_000
LETTERS = string.ascii_letters + string.digits + "-_"


def old_token(address: str, message: str) -> str:
    """A token as it was made when links knew no sender and no campaign."""
    nonce = b"b" * 12
    return encoded(b"\x01" + nonce + AESGCM(OLD).encrypt(nonce, f"{address}\0{message}".encode(), b"\x01"))


def test_a_token_carries_person_message_sender_and_campaign_and_shows_none_of_them() -> None:
    link = UnsubscribeLink("ann@example.com", "<17@crm.example>", "Jane Doe", "spring")
    token = make_token([NEW], Random(1).randbytes, link.address, link.message_id, link.sender, link.campaign)
    assert read_token([NEW], token) == link
    for secret in ("ann", "crm", "Jane", "spring"):
        assert secret not in token
        assert secret.encode() not in (decoded(token) or b"")
    assert make_token([NEW], Random(2).randbytes, "ann@example.com") != make_token(
        [NEW], Random(3).randbytes, "ann@example.com"
    )


def test_a_new_key_breaks_no_old_link_and_neither_does_a_new_version_of_the_product() -> None:
    assert read_token([NEW, OLD], old_token("ann@example.com", "m-1")) == UnsubscribeLink("ann@example.com", "m-1")
    assert read_token([NEW, OLD], old_token("ann@example.com", "")) == UnsubscribeLink("ann@example.com")
    assert read_token([NEW], old_token("ann@example.com", "m-1")) is None


def test_no_forged_token_of_a_hundred_thousand_is_accepted() -> None:
    chance, whole = Random(4), make_token([OLD], Random(5).randbytes, "ann@example.com", "m-1")
    accepted = 0
    for attempt in range(TRIES):
        match attempt % 5:
            case 0:  # one letter changed; the last one's spare bits count, too
                at = chance.randrange(len(whole))
                forged = whole[:at] + chance.choice(LETTERS.replace(whole[at], "")) + whole[at + 1 :]
            case 1:  # one bit flipped
                raw = bytearray(decoded(whole) or b"")
                raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
                forged = encoded(bytes(raw))
            case 2:  # cut
                forged = whole[: chance.randrange(len(whole))]
            case 3:  # something put in
                at = chance.randrange(len(whole) + 1)
                forged = whole[:at] + chance.choice(LETTERS + "=.!%+/ \n\0") + whole[at:]
            case _:  # made up
                forged = encoded(b"\x01" + chance.randbytes(chance.randrange(12, 120)))
        accepted += read_token([NEW, OLD], forged) is not None
    assert accepted == 0
    assert read_token([NEW, OLD], whole) is not None


@pytest.mark.parametrize(
    "address", ["", "\0", "a\0b@example.com", "ü@exämple.com", "\ud800@x.y", "x" * 1000 + "@example.com"]
)
def test_an_odd_address_comes_out_as_it_went_in_but_for_what_no_text_can_hold(address: str) -> None:
    found = read_token([NEW], make_token([NEW], Random(6).randbytes, address, "m", "s", "c"))
    assert found is not None
    assert found.address == address.replace("\0", "").replace("\ud800", "?")
    assert (found.message_id, found.sender, found.campaign) == ("m", "s", "c")


def test_a_link_that_nobody_could_read_is_not_made() -> None:
    with pytest.raises(Problem, match="too long"):
        make_token([NEW], Random(7).randbytes, "ann@example.com", "m" * 4_000)
