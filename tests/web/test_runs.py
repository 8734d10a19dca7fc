"""Sync runs on the pages."""

from optsync import seams
from optsync.connection.connect import connections
from optsync.connection.sessions import open_session
from optsync.connection.settings import Change, apply_change
from optsync.ledger import marks
from optsync.sync.nightly import sync_now
from tests.installation import Site


def test_a_finished_run_is_shown_on_the_overview_and_by_itself(site: Site, cookie: str) -> None:
    installation = site.installation
    with installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        with open_session(conn, installation.vault, org_id, seams.real()) as session:
            apply_change(conn, session, org_id, Change(sync_on=True))
        report = sync_now(installation.database, installation.vault, seams.real(), org_id, approve=True, by="test")
        with open_session(conn, installation.vault, org_id, seams.real()) as session:
            pass
    overview, text = site.request("GET", "/", headers={"Cookie": cookie})
    assert overview.status == 200, (site.installation.folder / "web.log").read_text()
    assert f"/runs/{report.run_id}" in text
    assert "that the org allows in 24 hours" in text
    assert report.org_calls is not None
    assert f"{report.org_calls['used']:,}" in text
    page, text = site.request("GET", f"/runs/{report.run_id}", headers={"Cookie": cookie})
    assert page.status == 200


def test_a_refused_sign_in_offers_to_connect_again(site: Site, cookie: str) -> None:
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        marks.pause(conn, org_id, 0, "", 60.0, "invalid_grant", "expired access/refresh token")
        _, text = site.request("GET", "/", headers={"Cookie": cookie, "Accept-Language": "en"})
        marks.clear_pauses(conn, org_id)
    assert "Salesforce has refused our sign-in since" in text
    assert ">Reconnect</a>" in text
