"""Forty hostile names in every list of the pages, in a browser: nothing runs, and nothing overflows a phone."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from optsync import seams
from optsync.connection.connect import connections
from optsync.ledger import holds, people, record
from optsync.ledger.people import Link
from optsync.sync import asking
from optsync.sync.nightly import start_due
from tests.browser import MARKS
from tests.hostile import NAMES
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.test_in_browser import opened, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make install-dev)")
pytestmark = [*MARKS, pytest.mark.slow]
DOMAIN = "@hostile.example.com"
WORDS = re.compile(r"7\*7|title='taken'")
NAMELESS = {"/", "/holds"}
"""The Overview tells causes in our own words when they are many; the list of holds may show other people of the set."""
FIRED = "document.title.includes('taken') || document.querySelector('base, iframe, meta[http-equiv]') !== null"


@pytest.fixture
def lists(site: Site, practice_org: PracticeOrg) -> Iterator[list[str]]:
    """The pages that list people by all these names: as addresses, actors, reasons, causes and records."""
    house, key = site.installation, site.installation.vault.subject_key
    ticked = [practice_org.create("Contact", Email=f"{name[:60]}{DOMAIN}", HasOptedOutOfEmail=True) for name in NAMES]
    with house.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        made = []
        for number, name in enumerate(NAMES):
            record_id = f"003000000HS{number:04}AAA"
            people.link(conn, key, org_id, [Link(record_id, "Contact", name + DOMAIN)], "n")
            done = record.opt_out(conn, key, name + DOMAIN, "manual", actor=name[:200], reason=name[:200])
            made.append((done.address_id, done.version))
            conn.execute(PARK, [f"CUSTOM_{number}: {name[:400]}", record_id])
        preview = asking.ask(conn, org_id, NAMES[0], dry_run=True)
        start_due(house.database, house.vault, seams.real())
        hold = holds.hold_outbound(conn, org_id, NAMES[0], made)
        yield [
            "/",
            "/people",
            "/unsubscribes",
            "/unsubscribes?state=parked",
            "/issues",
            "/runs",
            f"/runs/{preview}",
            "/holds",
            f"/holds/{hold}?decide=apply",
            "/audit",
        ]
        holds.apply(conn, key, hold, "test")
        conn.execute("DELETE FROM mark WHERE record_id LIKE '003000000HS%'")
    for record_id in ticked:
        practice_org.delete(record_id)


PARK = "UPDATE mark SET state = 'p', reason = %s, due_at = clock() + '1 day' WHERE record_id = %s"


def test_no_name_runs_hides_or_widens_anything(site: Site, browser: "Browser", lists: list[str]) -> None:
    complaints: list[str] = []
    page = opened(browser, complaints, language="en", scheme="light", width=390)
    sign_in(site, page)
    shown = []
    for path in lists:
        page.goto(site.url + path)
        shown += [path] if {"7*7", "title='taken'"} & set(WORDS.findall(page.content())) else []
        assert not page.evaluate(FIRED), path
        assert page.locator("body").is_visible(), path
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    page.context.close()
    assert complaints == []
    assert set(lists) - set(shown) <= NAMELESS
