"""Settings > Salesforce > Connect: from an address to a running sync, and every way in which it is refused."""

from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from optsync import seams
from optsync.connection import drafts
from optsync.connection.connect import connections, encrypt_again
from optsync.connection.settings import load
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.conftest import sign_in, submit
from tests.web.test_safe_methods import contents
from tests.web.test_sync_now import work

BASE = "/settings/salesforce/connect"
STEPS = [BASE, f"{BASE}/sign-in", f"{BASE}/certificate", f"{BASE}/org", f"{BASE}/doctor", f"{BASE}/first-sync"]


def page(site: Site, cookie: str, path: str, language: str = "en") -> tuple[int, str]:
    """A page as it reads."""
    answer, text = site.request("GET", path, headers={"Cookie": cookie, "Accept-Language": language})
    return answer.status, unescape(text)


def go(site: Site, cookie: str, at: str, /, **values: str) -> str:
    """Does a step; returns where it leads."""
    answer, text = submit(site, cookie, BASE + at, **values)
    assert answer.status == 302, unescape(text.partition('role="alert"')[2][:600])
    return (answer.getheader("location") or "").removeprefix(BASE)


def refused(site: Site, cookie: str, at: str, language: str = "en", /, **values: str) -> str:
    """Does a step that is refused; returns the page."""
    answer, text = submit(site, cookie, BASE + at, language=language, **values)
    assert answer.status == 422, answer.getheader("location")
    assert 'role="alert"' in text
    return unescape(text)


def by_secret(site: Site, cookie: str, org: PracticeOrg) -> None:
    """Up to the page that names the org."""
    go(site, cookie, "", place="practice", address=org.url)
    go(site, cookie, "/sign-in", step="way", way="client_credentials")
    typed = {"client_id": org.credentials["client_id"], "client_secret": org.credentials["client_secret"]}
    assert go(site, cookie, "/sign-in", step="try", **typed) == "/org"


def test_an_org_is_connected_from_its_address_to_the_nightly_sync(
    new_site: Site, admin: str, own_org: PracticeOrg
) -> None:
    own_org.clear_spy()
    with new_site.installation.database.connect() as conn:
        (before,) = conn.execute("SELECT coalesce(max(event_id), 0) FROM event").fetchone() or (0,)
    assert go(new_site, admin, "", place="practice", address=own_org.url + "/practice") == "/sign-in"
    by_secret(new_site, admin, own_org)
    _, text = page(new_site, admin, f"{BASE}/org")
    assert own_org.credentials["org_id"] in text
    assert "Enterprise Edition" in text
    with new_site.installation.database.connect() as conn:
        assert connections(conn) == [], "nothing is stored before somebody has said yes"
    led_to = go(new_site, admin, "/org", org=own_org.credentials["org_id"])
    assert led_to == f"/doctor?org={own_org.credentials['org_id']}"
    assert "Next: dry run" in page(new_site, admin, BASE + led_to)[1]
    assert "No dry run has told yet" in refused(new_site, admin, "/first-sync", step="on")
    assert go(new_site, admin, "/first-sync", step="look") == f"/first-sync?org={own_org.credentials['org_id']}"
    assert "Waits for the worker" in page(new_site, admin, f"{BASE}/first-sync")[1]
    assert "going on already" in refused(new_site, admin, "/first-sync", step="look")
    work(new_site)
    text = page(new_site, sign_in(new_site), f"{BASE}/first-sync")[1]
    assert "People who would be unsubscribed here" in text, "it is there for whoever comes back"
    assert "Nothing was written, here or in Salesforce." in text
    assert own_org.spy()["records_written"] == 0
    with new_site.installation.database.connect() as conn:
        (org,) = connections(conn)
        assert not load(conn, org.org_id).sync_on
        answer, _ = submit(new_site, admin, f"{BASE}/first-sync", step="on")
        assert (answer.status, answer.getheader("location")) == (302, "/")
        chosen = load(conn, org.org_id)
        assert chosen.sync_on
        assert chosen.first_run_approved_at is not None
        assert drafts.load(conn) is None
        kinds = "kind IN ('connected', 'settings changed') AND event_id > %s"
        actors = conn.execute(f"SELECT DISTINCT actor FROM event WHERE {kinds}", [before])
        assert actors.fetchall() == [("admin",)]
    assert "The nightly sync is on already." in page(new_site, admin, f"{BASE}/first-sync")[1]


@pytest.mark.parametrize("named", [{}, {"step": "nonsense"}])
def test_a_press_that_names_no_step_switches_nothing_on(
    new_site: Site, admin: str, own_org: PracticeOrg, named: dict[str, str]
) -> None:
    by_secret(new_site, admin, own_org)
    go(new_site, admin, "/org", org=own_org.credentials["org_id"])
    go(new_site, admin, "/first-sync", step="look")
    work(new_site)
    answer, _ = submit(new_site, admin, f"{BASE}/first-sync", **named)
    assert answer.status == 200
    with new_site.installation.database.connect() as conn:
        assert not load(conn, connections(conn)[0].org_id).sync_on


def test_switched_on_without_a_look_the_first_night_only_looks(
    new_site: Site, admin: str, own_org: PracticeOrg
) -> None:
    by_secret(new_site, admin, own_org)
    go(new_site, admin, "/org", org=own_org.credentials["org_id"])
    assert go(new_site, admin, "/first-sync", step="unseen") == "/"
    with new_site.installation.database.connect() as conn:
        chosen = load(conn, connections(conn)[0].org_id)
    assert chosen.sync_on
    assert chosen.first_run_approved_at is None


def test_an_org_that_is_connected_already_is_not_told_what_connecting_brings(
    new_site: Site, admin: str, own_org: PracticeOrg
) -> None:
    brings = "The nightly sync stays off until you switch it on."
    by_secret(new_site, admin, own_org)
    assert brings in page(new_site, admin, f"{BASE}/org")[1]
    go(new_site, admin, "/org", org=own_org.credentials["org_id"])
    by_secret(new_site, admin, own_org)
    _, text = page(new_site, admin, f"{BASE}/org")
    assert "its sign-in is renewed, everything else stays." in text
    assert brings not in text


def test_a_key_pair_is_made_here_and_only_its_certificate_leaves(
    new_site: Site, admin: str, own_org: PracticeOrg
) -> None:
    go(new_site, admin, "", place="practice", address=own_org.url)
    assert page(new_site, admin, f"{BASE}/certificate")[0] == 404
    go(new_site, admin, "/sign-in", step="way", way="jwt")
    answer, certificate = new_site.request("GET", f"{BASE}/certificate", headers={"Cookie": admin})
    assert certificate.startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE KEY" not in certificate  # the blank: base64 may hold any word by chance
    assert 'filename="optsync.crt"' in (answer.getheader("content-disposition") or "")
    go(new_site, admin, "/sign-in", step="way", way="jwt")
    assert new_site.request("GET", f"{BASE}/certificate", headers={"Cookie": admin})[1] == certificate
    typed = {"client_id": own_org.credentials["client_id"], "username": own_org.credentials["username"]}
    assert "invalid assertion" in refused(new_site, admin, "/sign-in", step="try", **typed)
    own_org.upload_certificate(certificate)
    assert go(new_site, admin, "/sign-in", step="try", **typed) == "/org"
    with new_site.installation.database.connect() as conn:
        (stored,) = conn.execute("SELECT d::text FROM draft_connection d").fetchone() or ("",)
    pages = [page(new_site, admin, path)[1] for path in STEPS]
    assert all("PRIVATE KEY" not in text for text in (stored, *pages))
    go(new_site, admin, "/org", org=own_org.credentials["org_id"])


def test_a_practice_org_takes_the_certificate_on_its_page(new_site: Site, admin: str, own_org: PracticeOrg) -> None:
    go(new_site, admin, "", place="practice", address=own_org.url)
    go(new_site, admin, "/sign-in", step="way", way="jwt")
    its_page = f"{own_org.url}/practice/access"
    assert f'<a href="{its_page}#app">' in page(new_site, admin, f"{BASE}/sign-in")[1]
    certificate = new_site.request("GET", f"{BASE}/certificate", headers={"Cookie": admin})[1]
    with urlopen(its_page) as shown:
        text = shown.read().decode()
    typed = {name: own_org.credentials[name] for name in ("client_id", "username")}
    assert all(f"<code>{value}</code>" in text for value in typed.values())
    token = text.partition('name="token" value="')[2].partition('"')[0]
    with urlopen(its_page, urlencode({"do": "app", "token": token, "certificate": certificate}).encode()) as taken:
        assert "The app has this certificate now." in taken.read().decode()
    assert go(new_site, admin, "/sign-in", step="try", **typed) == "/org"


def test_a_step_can_be_left_and_resumed_and_no_page_shows_the_secret(
    new_site: Site, admin: str, own_org: PracticeOrg
) -> None:
    by_secret(new_site, admin, own_org)
    somebody_else = sign_in(new_site)
    assert f'value="{own_org.url}"' in page(new_site, somebody_else, BASE)[1]
    _, text = page(new_site, somebody_else, f"{BASE}/sign-in")
    assert f'value="{own_org.credentials["client_id"]}"' in text
    pages = [page(new_site, somebody_else, path)[1] for path in STEPS]
    assert all(own_org.credentials["client_secret"] not in text for text in pages)
    go(new_site, somebody_else, "/sign-in", step="try", client_id=own_org.credentials["client_id"])
    assert go(new_site, somebody_else, "", step="start over") == ""
    with new_site.installation.database.connect() as conn:
        assert drafts.load(conn) is None


def test_a_secret_and_a_key_are_never_carried_to_another_place(
    new_site: Site, admin: str, own_org: PracticeOrg
) -> None:
    by_secret(new_site, admin, own_org)
    go(new_site, admin, "/sign-in", step="way", way="jwt")
    go(new_site, admin, "", place="my domain", address="acme.my.salesforce.com")
    with new_site.installation.database.connect() as conn:
        draft = drafts.load(conn)
        assert draft is not None
        assert (draft.way, draft.certificate, draft.has_secret) == (None, "", False)
        assert draft.client_id == own_org.credentials["client_id"], "what is no secret need not be typed twice"
        go(new_site, admin, "/sign-in", step="way", way="jwt")
        real = drafts.load(conn)
        go(new_site, admin, "", place="production", address="")
        moved = drafts.load(conn)
        assert real is not None
        assert moved is not None
        assert moved.certificate == real.certificate != "", "one certificate serves every address of Salesforce"


def test_opening_a_step_changes_nothing(new_site: Site, admin: str, own_org: PracticeOrg) -> None:
    by_secret(new_site, admin, own_org)
    with new_site.installation.database.connect() as conn:
        before = contents(conn)
        for path in STEPS:
            for method in ("GET", "HEAD", "OPTIONS"):
                answer, _ = new_site.request(method, path, headers={"Cookie": admin})
                assert answer.status < 500, path
        assert contents(conn) == before


def test_another_org_than_the_one_seen_is_not_connected(new_site: Site, admin: str, own_org: PracticeOrg) -> None:
    by_secret(new_site, admin, own_org)
    text = refused(new_site, admin, "/org", org="00D000000000009EAA")
    assert "nothing was connected" in text.lower()
    with new_site.installation.database.connect() as conn:
        assert connections(conn) == []


def test_a_second_org_and_one_of_another_kind_are_told_before_they_are_connected(
    new_site: Site, admin: str, own_org: PracticeOrg
) -> None:
    by_secret(new_site, admin, own_org)
    go(new_site, admin, "/org", org=own_org.credentials["org_id"])
    by_secret(new_site, admin, own_org)
    assert "connected already" in page(new_site, admin, f"{BASE}/org")[1]
    with new_site.installation.database.connect() as conn:
        conn.execute(
            "UPDATE draft_connection SET place = 'sandbox', found = found || '{\"id\": \"00D000000000009EAA\"}'"
        )
    _, text = page(new_site, admin, f"{BASE}/org", "de")
    assert "Das ist eine andere Org als die verbundene." in text
    assert "Sie haben Sandbox gewählt, und das ist eine Produktions-Org." in text


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("my domain", "https://acme.my.salesforce.com.evil.tld/"),
        ("my domain", "https://evil.tld/acme.my.salesforce.com"),
        ("my domain", "http://127.0.0.1:8200"),
        ("my domain", "<script>alert(1)</script>"),
        ("my domain", "x" * 10_000),
        ("my domain", "a\0b"),
        ("my domain", ""),
        ("practice", "https://acme.my.salesforce.com"),
        ("practice", "http://169.254.169.254/latest"),
        ("practice", "http://127.0.0.1@evil.tld:80/"),
        ("nowhere", ""),
        ("", ""),
    ],
)
def test_an_address_of_anybody_else_is_refused_in_both_languages(
    new_site: Site, admin: str, place: str, address: str
) -> None:
    answer, raw = submit(new_site, admin, BASE, place=place, address=address)
    assert answer.status == 422
    assert "<script>alert" not in raw
    refused(new_site, admin, "", "de", place=place, address=address)
    with new_site.installation.database.connect() as conn:
        assert drafts.load(conn) is None


def test_client_credentials_at_the_general_login_are_refused_with_the_way_out(new_site: Site, admin: str) -> None:
    go(new_site, admin, "", place="production", address="")
    assert "disabled" in page(new_site, admin, f"{BASE}/sign-in")[1]
    text = refused(new_site, admin, "/sign-in", "de", step="way", way="client_credentials")
    assert "Client Credentials gehen nicht bei https://login.salesforce.com" in text
    assert "wählen Sie My Domain" in text


@pytest.mark.parametrize(
    "typed",
    [
        {"client_id": "", "client_secret": "s"},
        {"client_id": "a b", "client_secret": "s"},
        {"client_id": "a\0b", "client_secret": "s"},
        {"client_id": "x" * 10_000, "client_secret": "s"},
        {"client_id": "\u202e\U0001f469", "client_secret": "s"},
        {"client_id": "a", "client_secret": ""},
        {"client_id": "a", "client_secret": "a\nb"},
    ],
)
def test_odd_keys_are_refused_and_nothing_is_sent(
    new_site: Site, admin: str, own_org: PracticeOrg, typed: dict[str, str]
) -> None:
    go(new_site, admin, "", place="practice", address=own_org.url)
    go(new_site, admin, "/sign-in", step="way", way="client_credentials")
    own_org.clear_spy()
    assert "Nothing was sent to Salesforce" in refused(new_site, admin, "/sign-in", step="try", **typed)
    assert own_org.spy()["requests"] == []


def test_what_salesforce_refuses_is_told_with_what_it_means_and_what_to_do(
    new_site: Site, admin: str, own_org: PracticeOrg
) -> None:
    go(new_site, admin, "", place="practice", address=own_org.url)
    go(new_site, admin, "/sign-in", step="way", way="client_credentials")
    wrong = {"client_id": own_org.credentials["client_id"], "client_secret": "wrong"}
    text = refused(new_site, admin, "/sign-in", "de", step="try", **wrong)
    assert "Salesforce lehnte die Anmeldung ab" in text
    assert "Kopieren Sie Consumer Key und Secret noch einmal" in text


def test_steps_that_are_not_due_lead_back_to_the_first(new_site: Site, admin: str) -> None:
    for path in (f"{BASE}/sign-in", f"{BASE}/org", f"{BASE}/first-sync"):
        answer, _ = new_site.request("GET", path, headers={"Cookie": admin})
        assert (answer.status, answer.getheader("location")) == (302, BASE)
    answer, _ = new_site.request("POST", f"{BASE}/org", "org=x", {"Cookie": admin})
    assert answer.status == 403, "without the form's token nothing happens"


def test_a_draft_outlives_a_rotation_of_the_keys(
    new_site: Site, admin: str, own_org: PracticeOrg, tmp_path: Path
) -> None:
    by_secret(new_site, admin, own_org)
    with new_site.installation.database.connect() as conn:
        rotated = new_site.installation.vault.rotate(seams.real())
        encrypt_again(conn, rotated)
        (sealed,) = conn.execute("SELECT client_secret FROM draft_connection").fetchone() or (b"",)
    only_new = replace(rotated, path=tmp_path / "none", credential_keys=rotated.credential_keys[:1])
    assert only_new.decrypt(sealed).decode() == own_org.credentials["client_secret"]
