"""One-time sign-in links: a scanner cannot burn them, nobody can use one twice, nothing is stored in clear."""

from functools import partial
from urllib.parse import urlencode

from optsync import seams
from optsync.web.sign_in import make_link, use_link
from tests.installation import FORM, Site
from tests.web.conftest import form_of, post, send_form


def test_without_signing_in_every_page_leads_to_the_sign_in_page(site: Site) -> None:
    for path in ("/people", "/runs?page=2", "/settings/unsubscribes/integrations"):
        answer, _ = site.request("GET", path)
        assert (answer.status, answer.getheader("Location")) == (302, f"/sign-in?{urlencode({'next': path})}")
    assert site.request("GET", "/")[0].getheader("Location") == "/sign-in"


def test_opening_a_link_does_not_use_it_up_and_posting_does(site: Site, cookie: str) -> None:
    answer, _ = site.request("GET", "/", headers={"Cookie": cookie})
    assert answer.status == 200


def test_a_link_works_once_and_is_stored_as_a_hash_only(site: Site) -> None:
    with site.installation.database.connect() as conn:
        secret = make_link(conn, seams.real().token_bytes)
        stored = conn.execute("SELECT * FROM sign_in_link").fetchall()
        assert secret not in str(stored)
        assert use_link(conn, secret) is not None
        assert use_link(conn, secret) is None


def test_a_link_ends(site: Site) -> None:
    with site.installation.database.connect() as conn:
        assert not use_link(conn, make_link(conn, seams.real().token_bytes, seconds=-1))


def test_a_wrong_link_is_refused_without_a_session(site: Site) -> None:
    answer, _ = site.request("POST", "/sign-in/wrong", "")
    assert answer.status == 403
    assert answer.getheader("Set-Cookie") is None or "session=" not in str(answer.headers)


def test_signing_out_ends_the_session(site: Site, cookie: str) -> None:
    answer, _ = post(site, cookie, "/sign-out")
    assert answer.status == 302
    assert site.request("GET", "/", headers={"Cookie": cookie})[0].status == 302


def test_a_form_from_another_site_is_refused(site: Site, cookie: str) -> None:
    answer, _ = site.request("POST", "/sign-out", "", {"Cookie": cookie, "Origin": "https://evil.example"})
    assert answer.status == 403


def test_the_language_can_be_chosen_before_signing_in(site: Site) -> None:
    answer, _ = send_form(site, "", "/sign-in", "/i18n/setlang/", {"language": "de", "next": "/sign-in"})
    chosen = answer.getheader("set-cookie") or ""
    assert answer.getheader("Location") == "/sign-in"
    assert "HttpOnly" in chosen
    assert "SameSite=Lax" in chosen
    assert 'lang="de"' in site.request("GET", "/sign-in", headers={"Cookie": chosen.partition(";")[0]})[1]


def test_the_language_form_leads_to_no_other_site(site: Site) -> None:
    answer, _ = send_form(site, "", "/sign-in", "/i18n/setlang/", {"language": "de", "next": "https://evil.example/"})
    assert "evil" not in (answer.getheader("Location") or "")


def test_pages_of_an_admin_are_kept_by_no_cache_framed_by_nobody_and_run_no_foreign_script(
    site: Site, cookie: str
) -> None:
    for path in ("/", "/people?address=ann@example.com", "/runs", "/settings/unsubscribes/integrations"):
        answer, _ = site.request("GET", path, headers={"Cookie": cookie})
        policy = answer.getheader("Content-Security-Policy") or ""
        assert answer.getheader("Cache-Control") == "no-store"
        assert answer.getheader("X-Frame-Options") == "DENY"
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites_and_ends(site: Site) -> None:
    with site.installation.database.connect() as conn:
        secret = make_link(conn, seams.real().token_bytes)
    headers, token = form_of(site, "", f"/sign-in/{secret}")
    press = partial(site.request, "POST", f"/sign-in/{secret}", f"csrfmiddlewaretoken={token}", headers | FORM)
    answer, _ = press()
    (session,) = [value for value in answer.headers.get_all("set-cookie") or [] if value.startswith("session=")]
    for flag in ("HttpOnly", "SameSite=Lax", "Max-Age=43200", "Path=/"):
        assert flag in session
    again, _ = press()
    assert again.status == 403
