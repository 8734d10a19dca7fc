"""Reconnect: one click tries the sign-in anew, says what is wrong with its fix, and never connects another org."""

from collections.abc import Iterator

import pytest

from optsync import seams
from optsync.connection.connect import connect, connections
from optsync.ledger import marks
from optsync.salesforce.credentials import Credential
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.conftest import press, read, submit
from tests.web.test_connecting import BASE, go
from tests.web.test_consent import brought_back, decide, finish, leave

PAGE = "/settings/salesforce/reconnect"


@pytest.fixture
def org(new_site: Site, admin: str, lasting_org: PracticeOrg) -> Iterator[PracticeOrg]:
    """The one org that is connected, by a key; Salesforce has refused our sign-in."""
    assert admin, "which leaves nothing behind"
    house = new_site.installation
    with house.database.connect() as conn:
        made = connect(conn, house.vault, Credential.from_file(lasting_org.credentials_file), seams.real())
        marks.pause(conn, made.org_id, 0, "", 3600, "INVALID_SESSION_ID", "Session expired or invalid")
    yield lasting_org
    lasting_org.behaviour(app_approved=True)


def pauses(site: Site) -> list[str]:
    """The codes of the pauses that stand."""
    with site.installation.database.connect() as conn:
        return [pause.code for pause in marks.pauses(conn)]


@pytest.mark.usefixtures("org")
def test_a_sign_in_that_works_again_ends_the_pause(new_site: Site, admin: str) -> None:
    assert f'action="{PAGE}"' in read(new_site, admin, "/")
    assert "Sign in to this org again" in read(new_site, admin, PAGE)
    status, text = press(new_site, admin, PAGE)
    assert (status, "Salesforce accepts our sign-in" in text) == (200, True)
    assert pauses(new_site) == []


def test_a_sign_in_that_is_refused_stands_there_with_its_fix(new_site: Site, admin: str, org: PracticeOrg) -> None:
    org.behaviour(app_approved=False)
    status, text = press(new_site, admin, PAGE)
    assert status == 422
    alert = text.partition('role="alert"')[2].partition("</div>")[0]
    assert "Pre-authorise" in alert, alert
    assert "Try again" in text
    assert pauses(new_site) == ["INVALID_SESSION_ID"]
    assert f'action="{PAGE}?org=' in read(new_site, admin, "/settings/salesforce/doctor")
    _, text = submit(new_site, admin, PAGE, language="de")
    assert "Noch einmal versuchen" in text


def test_a_consent_that_leads_to_another_org_connects_nothing(new_site: Site, admin: str) -> None:
    callback = f"{new_site.url}{BASE}/callback"
    with PracticeOrg.start(leads=1, contacts=1, grant_opt_out=True, callback=callback) as org:
        finish(new_site, admin, brought_back(new_site, admin, decide(org, leave(new_site, admin, org))))
        go(new_site, admin, "/org", org=org.credentials["org_id"])
        with new_site.installation.database.connect() as conn:
            conn.execute("UPDATE org SET salesforce_id = '00D000000000009EAA'")
            try:
                answer, text = submit(new_site, admin, PAGE)
                assert (answer.status, "Sign in with Salesforce" in text) == (200, True)
                left = (answer.getheader("Refresh") or "").removeprefix("0; url=")
                status, text = finish(new_site, admin, brought_back(new_site, admin, decide(org, left)))
                assert (status, "used to lead to" in text) == (422, True)
                assert f'href="{PAGE}?org=00D000000000009EAA"' in text, "from there it is begun again"
                (found,) = connections(conn)
                assert found.revision == 1
            finally:
                conn.execute("UPDATE org SET salesforce_id = %s", [org.credentials["org_id"]])


def test_without_an_org_it_leads_to_the_wizard(new_site: Site, admin: str) -> None:
    answer, _ = new_site.request("GET", PAGE, headers={"Cookie": admin})
    assert (answer.status, answer.getheader("location")) == (302, BASE)
