"""Settings > Unsubscribes: Messaging, Unsubscribe page, Sources; what looks like a link scanner on the issues page."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from optsync.config.database import Connection
from optsync.ledger import holds
from optsync.ledger.check import may_mail
from optsync.ledger.record import opt_out
from optsync.public import brand, messages, scanners
from optsync.public.brand import Brand
from optsync.public.messages import MessageText
from tests.installation import Site
from tests.networks import network_of, stranger
from tests.web.conftest import press, read, submit

ROOT = "/settings/unsubscribes"
TABS = ("messaging", "page", "sources", "integrations")


@pytest.fixture
def conn(site: Site) -> Iterator[Connection]:
    """A session on the site's database; brand and texts are as shipped again afterwards."""
    with site.installation.database.connect() as session:
        yield session
        brand.save(session, Brand(), "test")
        session.execute("DELETE FROM message_text")


def scanned(site: Site, conn: Connection, network: str) -> list[str]:
    """As many people as are suspicious, unsubscribed from one network."""
    people = [f"{n}.{network.partition('/')[0]}@scanned.example.com" for n in range(scanners.PEOPLE)]
    for address in people:
        scanners.note(conn, network, opt_out(conn, site.installation.vault.subject_key, address, "clicked link"))
    return people


@pytest.fixture
def network() -> str:
    """A network of this test's own."""
    return network_of(stranger())


def number_of(conn: Connection, network: str) -> int:
    """The number of the list of a network."""
    return next(one.hold_id for one in scanners.waiting(conn) if one.network == network)


def blocked(site: Site, conn: Connection, people: list[str]) -> int:
    """How many of them must not be mailed."""
    return sum(not verdict.allowed for verdict in may_mail(conn, site.installation.vault.subject_key, people))


@pytest.mark.parametrize("tab", TABS)
def test_r24_each_tab_leads_to_the_others_and_says_which_one_it_is(site: Site, cookie: str, tab: str) -> None:
    text = read(site, cookie, f"{ROOT}/{tab}")
    tabs = text.partition('<nav class="tabs"')[2].partition("</nav>")[0]
    assert [f'href="{ROOT}/{one}"' in tabs for one in TABS] == [True] * 4
    assert tabs.count("aria-current") == 1
    assert f'href="{ROOT}/{tab}" aria-current="page"' in tabs


def test_the_gear_still_opens_the_integrations(site: Site, cookie: str) -> None:
    answer, _ = site.request("GET", ROOT, headers={"Cookie": cookie})
    assert answer.getheader("Location") == f"{ROOT}/integrations"


def test_r38_a_team_s_text_is_previewed_saved_and_removed(site: Site, cookie: str, conn: Connection) -> None:
    path = f"{ROOT}/messaging"
    typed = {"kind": "team", "name": " Sales ", "words": "Enough? [Say so](https://old.example/<x>)", "appends": "on"}
    answer, text = submit(site, cookie, path, step="preview", **typed)
    assert answer.status == 200
    assert f"Enough? Say so: {site.url}/u/…" in text
    assert f'Enough? <a href="{site.url}/u/…">Say so</a>' in text
    assert messages.every(conn) == []
    status, text = press(site, cookie, path, step="save", **typed)
    assert (status, "Saved." in text) == (302, True)
    assert messages.every(conn) == [MessageText("team", "Sales", typed["words"], True)]
    assert press(site, cookie, path, step="drop", kind="team", name="Sales")[0] == 302
    assert messages.every(conn) == []


def test_a_text_that_will_not_do_is_shown_again_and_nothing_is_saved(site: Site, cookie: str, conn: Connection) -> None:
    hostile = '<script>alert(1)</script>"><img src=x> {{link}}'
    answer, text = submit(site, cookie, f"{ROOT}/messaging", step="save", kind="team", name="", words=hostile)
    assert answer.status == 422
    assert "This name will not do." in text
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert messages.every(conn) == []


def test_the_brand_is_checked_saved_and_kept_in_the_form_when_refused(
    site: Site, cookie: str, conn: Connection
) -> None:
    path = f"{ROOT}/page"
    typed = {"organisation": "Acme", "light_colour": "#999999", "mailbox": "unsubscribe@acme.example"}
    answer, text = submit(site, cookie, path, **typed)
    assert answer.status == 422
    assert "The colour #999999 cannot be read on #ffffff." in text
    assert 'value="Acme"' in text
    assert brand.load(conn) == Brand()
    assert press(site, cookie, path, **typed | {"light_colour": "#7A0019"})[0] == 302
    assert brand.load(conn) == Brand("Acme", "#7a0019", "", "", "unsubscribe@acme.example")
    assert "&lt;mailto:unsubscribe@acme.example?subject=unsubscribe%20" in read(site, cookie, path)


@pytest.mark.parametrize("card", ["ask", "done", "damaged", "later", "thanks", "nonsense"])
def test_every_card_can_be_seen_in_every_theme_and_pressed_in_none(site: Site, cookie: str, card: str) -> None:
    query = urlencode({"card": card, "lang": "ar", "theme": "dark"})
    text = read(site, cookie, f"{ROOT}/page/preview?{query}")
    assert '<html lang="ar" dir="rtl" data-theme="dark">' in text
    assert text.count("<button") == text.count(" disabled>")


def test_sources_show_when_each_last_unsubscribed_somebody(site: Site, cookie: str, conn: Connection) -> None:
    assert "optsync receive-mail" in read(site, cookie, f"{ROOT}/sources")
    opt_out(conn, site.installation.vault.subject_key, "by.mail@example.com", "mail")
    (at,) = conn.execute("SELECT max(since) FROM opt_out WHERE source = 'mail'").fetchone() or (None,)
    row = read(site, cookie, f"{ROOT}/sources").partition("<strong>By e-mail</strong>")[2].partition("</tr>")[0]
    assert f'datetime="{at:%Y-%m-%dT%H:%M:%S}' in row


def test_a_burst_is_shown_and_kept_by_one_click(site: Site, cookie: str, conn: Connection, network: str) -> None:
    people = scanned(site, conn, network)
    text = read(site, cookie, "/issues")
    said = rf"Looks like a link scanner: {scanners.PEOPLE} people in \d+ s from {re.escape(network)}"
    assert re.search(said, text)
    assert network not in read(site, cookie, "/holds")
    number = number_of(conn, network)
    status, text = press(site, cookie, f"/issues/scanner/{number}", decide="keep")
    assert (status, "Kept. These people stay unsubscribed." in text) == (302, True)
    assert network not in text
    assert blocked(site, conn, people) == len(people)


def test_a_burst_is_undone_by_one_click_but_for_who_repeated_it(
    site: Site, cookie: str, conn: Connection, network: str
) -> None:
    people = scanned(site, conn, network)
    opt_out(conn, site.installation.vault.subject_key, people[3], "manual")
    number = number_of(conn, network)
    assert read(site, cookie, f"/issues?scanner={number}")
    status, text = press(site, cookie, f"/issues/scanner/{number}", decide="undo")
    assert (status, "Undone." in text) == (302, True)
    assert blocked(site, conn, people) == 1
    lifted = "SELECT DISTINCT actor, reason FROM event WHERE kind = 'lifted' AND evidence @> %s::jsonb"
    told = conn.execute(lifted, [f'{{"hold": {number}}}'])
    assert told.fetchall() == [("admin", "looked like a scanner")]


def test_a_review_needs_a_decision_and_a_list_that_waits(
    site: Site, cookie: str, conn: Connection, network: str
) -> None:
    people = scanned(site, conn, network)
    number = number_of(conn, network)
    assert site.request("GET", f"/issues/scanner/{number}?decide=undo", headers={"Cookie": cookie})[0].status == 302
    for path, decide in ((number, "nonsense"), (10**6, "undo")):
        assert press(site, cookie, f"/issues/scanner/{path}", decide=decide)[0] == 302
    assert blocked(site, conn, people) == len(people)
    assert holds.apply(conn, site.installation.vault.subject_key, number, "test") == len(people)
    assert press(site, cookie, f"/issues/scanner/{number}", decide="undo")[0] == 302
    assert blocked(site, conn, people) == len(people)
