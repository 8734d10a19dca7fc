"""One normal form per mailbox, and the keyed hash that SQL computes too."""

import hashlib
import hmac
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from optsync.core import addresses
from optsync.core.addresses import (
    KEPT_BYTES_MAX,
    PLAIN,
    domain_of,
    hmac_pads,
    is_address,
    mask,
    names_several,
    normalize,
    normalize_all,
    subject_of,
    without_person,
)

BTRIM = " \t\r\n\f\v"
letters = st.sampled_from("aBßÉİﬁ@.。…<>＜＞＠?:; \t\0\u0301\u0338\u200b\ufeff\ud800")
words = st.sampled_from(["mailto:", "%3C", "%40", "xn--", "münchen", "x" * 300])
mailbox_parts = st.text(st.characters(categories=["L", "N"]) | st.sampled_from("-_"), min_size=1, max_size=8)
odd = st.one_of(st.text(), st.lists(letters | words, max_size=12).map("".join))
ascii_text = st.one_of(st.text(st.characters(max_codepoint=127)), st.from_regex(PLAIN))


def folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("Mary@Example.COM", "mary@example.com"),
        ("\ufeff mary@example.com\u200b\r\n", "mary@example.com"),
        ("ma\0ry@example.com", "mary@example.com"),
        ("mailto:Mary%2Bnews@example.com?subject=stop", "mary+news@example.com"),
        ('"Smith, Mary" <Mary@Example.com>', "mary@example.com"),
        ("<mary@example.com>", "mary@example.com"),
        ("mary@example.com.", "mary@example.com"),
        ("e\u0301lodie@example.com", "élodie@example.com"),
        ("mary@MÜNCHEN.example", "mary@xn--mnchen-3ya.example"),
        ("mary@XN--MNCHEN-3YA.example", "mary@xn--mnchen-3ya.example"),
        ("mary@例え。テスト", "mary@xn--r8jz45g.xn--zckzah"),
        ("mary@ｅｘａｍｐｌｅ.com", "mary@example.com"),
        ("none", "none"),
        ("  N/A ", "n/a"),
        ("", ""),
    ],
)
def test_each_spelling_of_a_mailbox_has_its_one_normal_form(raw: str, normal: str) -> None:
    assert normalize(raw) == normal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ma.ry@example.com", "mary@example.com"),
        ("mary+a@example.com", "mary@example.com"),
        ("mary@straße.example", "mary@strasse.example"),
        ("straße@example.com", "strasse@example.com"),
    ],
)
def test_distinct_mailboxes_never_merge(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)


@given(mailbox_parts, mailbox_parts)
@example("ann", "aɴɴ")
@example("straße", "strasse")
def test_two_spellings_merge_only_where_unicode_calls_them_the_same_text(one: str, other: str) -> None:
    """In the name as in the domain: a merge would opt out a stranger, or let the person be mailed under a twin."""
    is_same = unicodedata.normalize("NFC", one).lower() == unicodedata.normalize("NFC", other).lower()
    assert (normalize(f"{one}@example.com") == normalize(f"{other}@example.com")) == is_same
    if folded(one) != folded(other):
        assert normalize(f"mary@{one}.com") != normalize(f"mary@{other}.com")


@given(odd)
@example("x<a@b＞")
@example("mailto:mailto:a%2540b@c..")
@example("a@b.\u00a8")
def test_normalize_takes_anything_and_is_idempotent(raw: str) -> None:
    normal = normalize(raw)
    assert normalize(normal) == normal
    assert normalize(f"  {raw}\n") == normal


@given(odd)
def test_every_normal_form_fits_a_utf8_text_column_and_an_index_row(raw: str) -> None:
    normal = normalize(raw)
    assert "\0" not in normal
    assert len(normal.encode()) <= 2 * KEPT_BYTES_MAX


def test_overlong_inputs_stay_distinct() -> None:
    assert normalize("x" * 5000) != normalize("x" * 5001)


@given(ascii_text)
@example("\x1ca@b")
@example("a@b.")
@example("MAILTO:a@b")
@example("victor@example.dev")
def test_for_plain_addresses_the_normal_form_is_what_sql_computes_by_itself(raw: str) -> None:
    if re.search(PLAIN, raw) and len(raw) <= KEPT_BYTES_MAX:
        assert normalize(raw) == raw.strip(BTRIM).lower()


@given(st.one_of(ascii_text, odd))
@example("\x1ca@b")
@example("a@b.")
@example("MAILTO:a@b")
@example("a" * KEPT_BYTES_MAX + "@b")
@example(" a@b\n")
def test_the_short_way_and_the_long_way_lead_to_the_same_normal_form(raw: str) -> None:
    assert normalize(raw) == addresses._normalize_whole(raw)


@given(st.lists(st.one_of(st.from_regex(PLAIN), ascii_text, odd), max_size=5))
@example(["a@example.com", "B@Example.com"])
@example(["a@example.com\nb@example.com"])
@example(["a@example.com\n", "b@example.com"])
@example(["a@example.com."])
@example([f"{'A' * KEPT_BYTES_MAX}@example.com"])
@example([])
def test_many_addresses_have_the_normal_form_of_each(raws: list[str]) -> None:
    assert normalize_all(raws) == [normalize(raw) for raw in raws]


@pytest.mark.parametrize(
    "raw", ["Mary@Example.com", " o'neil+x@sub.example.co.uk\n", "a@xn--mnchen-3ya.de", "x@localhost"]
)
def test_everyday_addresses_are_plain(raw: str) -> None:
    assert re.search(PLAIN, raw)


@pytest.mark.parametrize(
    "label", ["bücher", "münchen", "faß".replace("ß", "ss") + "é", "пример", "例え", "مثال", "παράδειγμα"]
)
def test_domains_agree_with_the_idna_codec_where_it_is_right(label: str) -> None:
    assert domain_of(normalize(f"a@{label}.com")) == f"{label}.com".encode("idna").decode()


@pytest.mark.parametrize(
    "normal", ["mary@example.com", "none@none", "o'neil+x@sub.example.co.uk", "élodie@xn--mnchen-3ya.de"]
)
def test_a_plausible_address_is_one(normal: str) -> None:
    assert is_address(normal)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "none",
        "n/a",
        "@",
        "a@",
        "@b",
        "a b@c",
        "a@b c",
        "a@b@c",
        "a@b.com;c@d.com",
        "a@b..c",
        "x" * 65 + "@b",
        "a@" + "b" * 254,
        '=hyperlink("http://x","a@b.com")',
        "a@b.com,c@d.com",
        "a@b/c",
    ],
)
def test_what_holds_no_address_is_refused_by_imports_only(raw: str) -> None:
    assert not is_address(normalize(raw))


@given(st.text(st.characters(codec="utf-8")), st.binary(max_size=100))
def test_sql_can_compute_the_subject_from_the_pads(text: str, key: bytes) -> None:
    inner, outer = hmac_pads(key)
    assert len(inner) == len(outer) == 64
    by_pads = hashlib.sha256(outer + hashlib.sha256(inner + text.encode()).digest()).digest()
    assert by_pads == subject_of(text, key) == hmac.new(key, text.encode(), "sha256").digest()


@pytest.mark.parametrize(
    ("normal", "masked"),
    [
        ("mary@example.com", "m…y@example.com"),
        ("al@b.com", "a…@b.com"),
        ("x@b.com", "…@b.com"),
        ("none", "n…e"),
        ("", "…"),
    ],
)
def test_a_mask_shows_the_domain_and_two_letters_at_most(normal: str, masked: str) -> None:
    assert mask(normal) == masked


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<b+Ann=Example.com@mail.example>", "<b+[address]@mail.example>"),
        ("https://x.example/?e=ann%40example.com&c=1", "https://x.example/?e=[address]&c=1"),
        ("<5f1@mail.example>", "<5f1@mail.example>"),
        (12, 12),
    ],
)
def test_evidence_loses_the_address_of_the_person_and_nothing_else(said: object, kept: object) -> None:
    assert without_person({"message": said}, "ann@example.com") == {"message": kept}
    assert without_person({"message": said}, "no address") == {"message": said}


@given(st.from_regex(addresses._SURE, fullmatch=True) | odd.map(normalize))
def test_the_short_way_to_an_address_takes_what_the_long_one_takes(normal: str) -> None:
    assert is_address(normal) == addresses._is_address_whole(normal)


@pytest.mark.parametrize(
    ("text", "several"),
    [
        ("a@x.org, b@x.org", True),
        ("a@x.org;b@x.org", True),
        ("a@x.org a@x.org", True),
        ("<a@x.org>, Bob <b@x.org>", True),
        ("a@x.org\nb@x.org", True),
        ("Ann <a@x.org>", False),
        ('"a@x.org" <A@x.org>', False),
        ("mailto:a@x.org", False),
        ('"a@b"@x.org', False),
        ("a@b@x.org", False),
        ("@@@", False),
        ("", False),
    ],
)
def test_several_mailboxes_in_one_text_are_told_from_one_odd_spelling(text: str, several: bool) -> None:
    assert names_several(text) is several
