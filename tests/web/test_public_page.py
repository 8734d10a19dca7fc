"""The unsubscribe page: GET writes nothing, POST opts out, and a mail program's one click is enough (RFC 8058)."""

import json

import pytest

from optsync import seams
from optsync.config.vault import Vault
from optsync.ledger.check import may_mail
from optsync.ledger.people import timeline
from optsync.public.tokens import make_token, read_token
from tests.installation import FORM, Site
from tests.networks import stranger

PAGE_BYTES_MAX = 10_000


def somewhere() -> dict[str, str]:
    """A header: what is typed into the form is bounded by network, and this post is the first of its own."""
    return {"X-Forwarded-For": stranger()}


def link_of(site: Site, address: str, message: str = "") -> str:
    """The path of a person's own link."""
    return "/u/" + make_token(site.installation.vault.link_keys, seams.real().token_bytes, address, message)


def is_blocked(site: Site, address: str) -> bool:
    """The answer of the check before sending."""
    with site.installation.database.connect() as conn:
        (verdict,) = may_mail(conn, site.installation.vault.subject_key, [address])
    return not verdict.allowed


def test_r11_the_page_asks_and_the_button_opts_out_before_it_says_so(site: Site) -> None:
    path = link_of(site, "ann.page@example.com", "mail-17")
    page, text = site.request("GET", path)
    assert page.status == 200
    assert "a…e@example.com" in text
    assert "ann.page" not in text
    assert not is_blocked(site, "ann.page@example.com")
    done, text = site.request("POST", path, "", FORM)
    assert done.status == 200
    assert "unsubscribed" in text
    assert is_blocked(site, "ann.page@example.com")
    with site.installation.database.connect() as conn:
        (event,) = timeline(conn, site.installation.vault.subject_key, "ann.page@example.com")
    assert event.source == "clicked link"
    assert event.evidence == {"message": "mail-17", "network": "127.0.0.0/24"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (
            '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
    ],
)
def test_rfc_8058_one_click_needs_no_cookie_is_answered_200_and_may_come_twice(
    site: Site, body: str, kind: str
) -> None:
    address = f"one.{len(body)}@example.com"
    path = link_of(site, address)
    for _ in range(2):
        answer, _ = site.request("POST", path, body, {"Content-Type": kind})
        assert answer.status == 200
        assert answer.getheader("Set-Cookie") is None
    with site.installation.database.connect() as conn:
        events = timeline(conn, site.installation.vault.subject_key, address)
    assert [event.source for event in events] == ["one-click"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", "List-Unsubscribe=One-Click"),
        ("multipart/form-data; boundary=b", "List-Unsubscribe=One-Click"),
        ("text/plain", "List-Unsubscribe=One-Click"),
        ("application/x-www-form-urlencoded", "x=" + "a" * 70_000),
        ("application/x-www-form-urlencoded", "&".join(["x=1"] * 2_000)),
        ("application/x-www-form-urlencoded; charset=nope", ""),
    ],
    ids=["no boundary", "no parts", "plain text", "too long", "too many fields", "unknown charset"],
)
def test_a_post_with_a_good_token_opts_out_whatever_its_body_looks_like(site: Site, kind: str, body: str) -> None:
    address = f"odd.{len(kind)}.{len(body)}@example.com"
    assert site.request("POST", link_of(site, address), body, {"Content-Type": kind})[0].status == 200
    assert is_blocked(site, address)


def form_with(*parts: tuple[str, str, str]) -> str:
    """A multipart body of (name, file name, content)."""
    lines = []
    for name, file, content in parts:
        named = f'name="{name}"' + (f'; filename="{file}"' if file else "")
        lines.append(f"--b\r\nContent-Disposition: form-data; {named}\r\n\r\n{content}\r\n")
    return "".join(lines) + "--b--\r\n"


@pytest.mark.parametrize(
    "body",
    [
        form_with(("file", "x.bin", "x" * 8_000_000), ("stop", "", "sender")),
        form_with(*[("file", "x.bin", "x")] * 300, ("stop", "", "sender")),
        form_with(*[("field", "", "x")] * 1_100, ("stop", "", "sender")),
    ],
    ids=["one big file", "many files", "many fields"],
)
def test_a_form_of_many_or_big_parts_is_passed_over_and_the_opt_out_stands(site: Site, body: str) -> None:
    address = f"parts{len(body)}@example.com"
    keys = site.installation.vault.link_keys
    path = "/u/" + make_token(keys, seams.real().token_bytes, address, sender="Jane")
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    assert site.request("POST", path, body, form)[0].status == 200
    assert is_blocked(site, address), "everything, since what was asked could not be read"
    assert site.request("POST", "/u/", body, form | somewhere())[0].status == 400


def test_head_answers_like_get_without_a_body_and_other_methods_are_refused(site: Site) -> None:
    path = link_of(site, "methods@example.com")
    answer, text = site.request("HEAD", path)
    assert (answer.status, text) == (200, "")
    for method in ("PUT", "PATCH", "DELETE"):
        assert site.request(method, path, "")[0].status == 405
    assert not is_blocked(site, "methods@example.com")


@pytest.mark.parametrize("damage", ["", "x", "AAAA", "AAAA/", "a/b/c", "%00", "ä", "A" * 3000])
def test_a_damaged_link_offers_a_form_and_never_opts_out(site: Site, damage: str) -> None:
    from urllib.parse import quote

    path = "/u/" + (quote(damage) or link_of(site, "cut@example.com")[3:-4])
    for method in ("GET", "POST"):
        answer, text = site.request(method, path, "" if method == "POST" else None, FORM)
        assert answer.status == 404
        assert 'name="address"' in text


def test_two_addresses_in_the_form_are_asked_for_one_by_one(site: Site) -> None:
    answer, text = site.request("POST", "/u/", "address=both1%40example.com%2C+both2%40example.com", FORM)
    assert answer.status == 400
    assert 'aria-invalid="true"' in text


def test_the_form_answers_alike_for_known_and_unknown_people(site: Site) -> None:
    site.request("POST", link_of(site, "known@example.com"), "", FORM)
    form = FORM | somewhere()
    answers = [site.request("POST", "/u/", f"address={who}%40example.com", form) for who in ("known", "unknown")]
    assert [answer.status for answer, _ in answers] == [200, 200]
    assert answers[0][1] == answers[1][1]
    assert is_blocked(site, "unknown@example.com")


def test_the_form_refuses_a_text_that_is_no_address(site: Site) -> None:
    for wrong in ("nobody", "@", "nobody%40", "%40example.com", "%20%40%20", ""):
        answer, text = site.request("POST", "/u/", f"address={wrong}", FORM | somewhere())
        assert answer.status == 400
        assert "This is not an e-mail address." in text


def test_a_request_that_cannot_be_read_gets_a_page_of_ours_in_the_readers_language(site: Site) -> None:
    form = FORM | somewhere() | {"Accept-Language": "de"}
    answer, text = site.request("POST", "/u/", "address=" + "a" * 70_000, form)
    assert answer.status == 400
    assert "Das ist keine E-Mail-Adresse." in text


def test_the_page_is_small_without_script_cookie_or_referrer_and_not_indexed(site: Site) -> None:
    page, text = site.request("GET", link_of(site, "small@example.com"))
    _, style = site.request("GET", "/static/public/page.css")
    assert len(text.encode()) + len(style.encode()) < PAGE_BYTES_MAX
    assert "<script" not in text
    assert page.getheader("Set-Cookie") is None
    assert page.getheader("Referrer-Policy") == "no-referrer"
    assert "noindex" in (page.getheader("X-Robots-Tag") or "")
    assert page.getheader("Cache-Control") == "no-store"
    assert "default-src 'none'" in (page.getheader("Content-Security-Policy") or "")


def test_the_page_speaks_the_language_of_the_reader_or_the_one_asked_for(site: Site) -> None:
    path = link_of(site, "sprache@example.com")
    assert "Keine E-Mails mehr?" in site.request("GET", path, headers={"Accept-Language": "de-AT,de;q=0.9"})[1]
    assert "Keine E-Mails mehr?" in site.request("GET", f"{path}?lang=de", headers={"Accept-Language": "en"})[1]
    assert "Plus d’e-mails ?" in site.request("GET", f"{path}?lang=xx", headers={"Accept-Language": "fr"})[1]
    assert "No more e-mails?" in site.request("GET", path, headers={"Accept-Language": "eo"})[1]


def test_options_says_what_is_allowed_and_does_nothing(site: Site) -> None:
    answer, _ = site.request("OPTIONS", link_of(site, "options@example.com"))
    assert answer.status == 204
    assert not is_blocked(site, "options@example.com")


def test_a_token_is_opaque_and_outlives_a_rotation_of_the_keys(site: Site) -> None:
    vault = site.installation.vault
    token = make_token(vault.link_keys, seams.real().token_bytes, "rotated@example.com", "m")
    assert "rotated" not in token
    assert make_token(vault.link_keys, seams.real().token_bytes, "rotated@example.com", "m") != token
    newer = (b"n" * 32, *vault.link_keys)
    found = read_token(newer, token)
    assert found is not None
    assert found.address == "rotated@example.com"
    assert read_token((b"n" * 32,), token) is None


def test_the_key_file_holds_the_link_keys(site: Site) -> None:
    assert isinstance(site.installation.vault, Vault)
    assert json.loads(site.installation.vault.path.read_text())["link_keys"]
