"""How many clicks and Enters the everyday jobs cost: a budget that no page may exceed."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optsync import seams
from optsync.connection.connect import connections
from optsync.ledger import holds, marks, people, record, uploads
from optsync.ledger.people import Link
from optsync.sync.nightly import start_due, sync_now
from tests.browser import MARKS
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.conftest import press, switched_on
from tests.web.test_connecting import BASE, go
from tests.web.test_consent import brought_back, decide, finish, leave
from tests.web.test_in_browser import PARK, opened, save_what_is_shown_first, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make install-dev)")
pytestmark = MARKS


class Hand:
    """Somebody at the Overview whose clicks and Enters are counted; typing into what has the focus is free."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.used = 0

    def click(self, role: str, name: str, *, within: str = "body") -> None:
        """One click on a link, a button or a choice."""
        self.used += 1
        self.page.locator(within).get_by_role(role, name=name).first.click()  # type: ignore[arg-type]  # a role

    def enter(self) -> None:
        """Enter in the field that has the focus."""
        self.used += 1
        self.page.keyboard.press("Enter")

    def type(self, text: str, *, key: str = "") -> None:
        """Types; `key` puts the focus into the field first."""
        if key:
            self.page.keyboard.press(key)
        self.page.keyboard.type(text)


@pytest.fixture
def hand(site: Site, browser: "Browser") -> Iterator[Hand]:
    """A hand at the Overview."""
    page = opened(browser, [], language="en", scheme="light", width=1180)
    sign_in(site, page)
    yield Hand(page)
    page.context.close()


@pytest.fixture
def compared(site: Site) -> Iterator[int]:
    """The org, switched on and once compared; left switched off."""
    house = site.installation
    with switched_on(site) as org_id:
        sync_now(house.database, house.vault, seams.real(), org_id, approve=True, by="test")
        yield org_id


@pytest.fixture
def parked(site: Site, practice_org: PracticeOrg) -> Iterator[None]:
    """A box that waits for a person."""
    record_id = practice_org.create("Contact", Email="parked@budget.example.com")
    address = "parked@budget.example.com"
    house = site.installation
    with house.database.connect() as conn:
        people.link(
            conn, house.vault.subject_key, connections(conn)[0].org_id, [Link(record_id, "Contact", address)], "g"
        )
        record.opt_out(conn, house.vault.subject_key, address, "manual")
        conn.execute(PARK, [record_id])
        yield
        marks.retry_now(conn, connections(conn)[0].org_id)
    practice_org.delete(record_id)


@pytest.fixture
def held(site: Site) -> int:
    """A mass change of one person."""
    key = site.installation.vault.subject_key
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        people.link(conn, key, org_id, [Link("003000000780001AAA", "Contact", "held@budget.example.com")], "g")
        made = record.opt_out(conn, key, "held@budget.example.com", "import")
        return holds.hold_outbound(conn, org_id, "import budget.csv", [(made.address_id, made.version)])


def test_health_costs_nothing(hand: Hand) -> None:
    assert hand.page.get_by_role("heading", level=1).is_visible()
    assert hand.used == 0


def test_explaining_one_person_costs_a_search(hand: Hand) -> None:
    hand.type("nobody@budget.example.com", key="/")
    hand.enter()
    hand.page.get_by_role("heading", name="nobody@budget.example.com").wait_for()
    assert hand.used == 1


@pytest.mark.usefixtures("parked")
def test_retrying_a_group_costs_two(hand: Hand) -> None:
    hand.click("link", "Issues", within="nav")
    hand.click("button", "Retry th")
    hand.page.get_by_text("Boxes that are due now").wait_for()
    assert hand.used <= 2


@pytest.mark.usefixtures("compared")
def test_a_preview_costs_two_at_most(hand: Hand, site: Site) -> None:
    hand.click("button", "Preview the next sync")
    hand.page.wait_for_url("**/runs/*")
    start_due(site.installation.database, site.installation.vault, seams.real())
    hand.page.get_by_text("Nothing was written").first.wait_for()
    assert hand.used <= 2


def test_adding_an_unsubscribe_costs_two(hand: Hand) -> None:
    hand.click("link", "Unsubscribes", within="nav")
    hand.page.wait_for_url("**/unsubscribes")
    hand.type("added@budget.example.com", key="n")
    hand.enter()
    hand.page.get_by_text("Unsubscribed; blocked from now on.").wait_for()
    assert hand.used <= 2


def test_importing_a_file_costs_three_from_its_form(hand: Hand, site: Site, tmp_path: Path) -> None:
    house = site.installation
    path = tmp_path / "budget.csv"
    path.write_text("imported@budget.example.com\n", encoding="utf-8")

    def work() -> None:
        """Also works on what other tests have left waiting before this file."""
        with house.database.connect() as conn:
            while uploads.work_on_one(conn, house.database.connect, house.vault):
                pass

    hand.page.goto(f"{site.url}/unsubscribes/import")
    hand.used += 1  # the button of the file field; the choice itself is the system's
    hand.page.set_input_files("input[type=file]", path)
    hand.click("button", "Preview")
    hand.page.wait_for_url("**/import/*")
    work()
    hand.click("button", "Import", within="form:has([value=import])")
    hand.page.get_by_text("The file is being imported").wait_for()
    work()
    hand.page.get_by_text("Imported: 1 person unsubscribed.").wait_for()
    assert hand.used <= 3


def test_exporting_a_filter_costs_one(hand: Hand, site: Site) -> None:
    with site.installation.database.connect() as conn:
        record.opt_out(conn, site.installation.vault.subject_key, "exported@budget.example.com", "manual")
    hand.page.goto(f"{site.url}/unsubscribes?source=manual")
    with hand.page.expect_download():
        hand.click("button", "Export these as CSV")
    assert hand.used == 1


@pytest.fixture
def package(site: Site, cookie: str, practice_org: PracticeOrg) -> Iterator[None]:
    """The Marketo Sales package is in the org; afterwards it is gone, was never chosen, and the page knows that."""
    practice_org.package(installed=True)
    yield
    practice_org.package(installed=False)
    with site.installation.database.connect() as conn:
        conn.execute("UPDATE settings SET custom_field = NULL")
    page = "/settings/unsubscribes/integrations"
    press(site, cookie, page, step="save", field="email", time="20:00", zone="America/Los_Angeles")


@pytest.mark.usefixtures("package")
def test_switching_the_field_costs_three_on_its_page(hand: Hand, site: Site) -> None:
    hand.page.goto(f"{site.url}/settings/unsubscribes/integrations")
    hand.used += 1
    hand.page.locator("#field-sales").check()
    hand.click("button", "Save")
    hand.page.get_by_role("heading", name="What this change does").wait_for()
    hand.click("button", "Save")
    hand.page.wait_for_url("**/integrations?saved")
    assert hand.used <= 3
    hand.page.locator("#field-email").check()
    save_what_is_shown_first(hand.page)


def test_approving_a_mass_change_costs_two_and_its_number(hand: Hand, site: Site, held: int) -> None:
    hand.page.goto(f"{site.url}/holds")
    hand.click("link", "They opted out: apply…", within=f"[aria-labelledby=hold-{held}]")
    hand.page.get_by_label("Type the number of people").fill("1")
    hand.click("button", "Apply")
    hand.page.get_by_text("Applied. People concerned: 1.").wait_for()
    assert hand.used <= 2


def refuse_sign_in(site: Site) -> None:
    """Salesforce refuses our sign-in, and the Overview says so."""
    with site.installation.database.connect() as conn:
        marks.pause(conn, connections(conn)[0].org_id, 0, "", 3600, "INVALID_SESSION_ID", "Session expired or invalid")


def test_reconnecting_an_org_with_a_key_costs_one_click(hand: Hand, site: Site) -> None:
    refuse_sign_in(site)
    hand.page.reload()
    hand.click("button", "Reconnect", within="main .hero")
    hand.page.get_by_text("Salesforce accepts our sign-in.").wait_for()
    assert hand.used == 1
    with site.installation.database.connect() as conn:
        assert marks.pauses(conn) == []


def test_reconnecting_with_salesforces_consent_costs_one_click_and_salesforces_own(
    new_site: Site, admin: str, browser: "Browser"
) -> None:
    callback = f"{new_site.url}{BASE}/callback"
    with PracticeOrg.start(leads=2, contacts=2, grant_opt_out=True, callback=callback) as org:
        finish(new_site, admin, brought_back(new_site, admin, decide(org, leave(new_site, admin, org))))
        go(new_site, admin, "/org", org=org.credentials["org_id"])
        refuse_sign_in(new_site)
        page = opened(browser, [], language="en", scheme="light", width=1180)
        sign_in(new_site, page)
        hand = Hand(page)
        hand.click("button", "Reconnect", within="main .hero")
        page.get_by_role("button", name="Allow").click()  # Salesforce's own
        page.get_by_text("Salesforce accepts our sign-in.").wait_for()
        assert hand.used == 1
        page.context.close()
    with new_site.installation.database.connect() as conn:
        assert marks.pauses(conn) == []
        (found,) = connections(conn)
        assert (found.salesforce_id, found.revision) == (org.credentials["org_id"], 2)
