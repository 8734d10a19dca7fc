"""Settings > Salesforce > Disconnect: it says what it means, and what was disconnected can be connected again."""

import pytest

from optsync import seams
from optsync.connection.connect import connect, connections
from optsync.ledger import people, record
from optsync.ledger.people import Link
from optsync.salesforce.credentials import Credential
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.program import program
from tests.web.conftest import press, read

PAGE = "/settings/salesforce/disconnect"


@pytest.fixture
def org_id(new_site: Site, admin: str, lasting_org: PracticeOrg) -> str:
    """The Salesforce id of the one org that is connected."""
    assert admin, "which leaves nothing behind"
    house = new_site.installation
    with house.database.connect() as conn:
        return connect(
            conn, house.vault, Credential.from_file(lasting_org.credentials_file), seams.real()
        ).salesforce_id


def test_an_org_is_disconnected_by_a_button_that_says_what_it_means(new_site: Site, admin: str, org_id: str) -> None:
    house = new_site.installation
    with house.database.connect() as conn:
        record.opt_out(conn, house.vault.subject_key, "kept@disconnect.example.com", "manual")
    assert f'href="{PAGE}?org={org_id}"' in read(new_site, admin, "/settings/salesforce/doctor")
    text = read(new_site, admin, PAGE)
    for said in ("stays blocked here", "Nothing is pushed", "stay ticked", "credential is destroyed", "resumes"):
        assert said in text
    assert "Zugangsdaten werden hier vernichtet" in read(new_site, admin, PAGE, "de")
    status, text = press(new_site, admin, PAGE, org=org_id)
    assert status == 302
    assert f"({org_id}) is disconnected since" in text
    with house.database.connect() as conn:
        assert connections(conn) == []
    assert "Not connected" in read(new_site, admin, "/")
    assert "Blocked" in read(new_site, admin, "/people?address=kept@disconnect.example.com")
    assert "An org was disconnected" in read(new_site, admin, "/audit?kind=disconnected")


@pytest.mark.parametrize("wrong", [{}, {"org": "00D000000000009EAA"}])
def test_a_post_that_does_not_name_the_org_it_was_shown_disconnects_nothing(
    new_site: Site, admin: str, org_id: str, wrong: dict[str, str]
) -> None:
    status, text = press(new_site, admin, PAGE, **wrong)
    assert (status, "Disconnect this org?" in text) == (200, True)
    with new_site.installation.database.connect() as conn:
        assert [org.salesforce_id for org in connections(conn)] == [org_id]


def test_without_an_org_there_is_nothing_to_disconnect(new_site: Site, admin: str) -> None:
    answer, _ = new_site.request("GET", PAGE, headers={"Cookie": admin})
    assert (answer.status, answer.getheader("location")) == (302, "/settings/salesforce/connect")


@pytest.mark.usefixtures("org_id")
def test_who_has_runs_records_and_people_of_a_disconnected_org_sees_them_still(new_site: Site, admin: str) -> None:
    house = new_site.installation
    with house.database.connect() as conn:
        (org,) = connections(conn)
        conn.execute(
            "INSERT INTO run (org_id, kind, by_whom, state, result)"
            " VALUES (%s, 'by hand', 'test', 'finished', 'proved')",
            [org.org_id],
        )
        run = conn.execute("SELECT max(run_id) FROM run").fetchone()
    assert run is not None
    press(new_site, admin, PAGE, org=org.salesforce_id)
    for path in (f"/runs/{run[0]}", "/runs", "/issues", "/people?address=kept@disconnect.example.com", "/holds"):
        read(new_site, admin, path)


def test_programs_see_people_and_runs_of_a_disconnected_org_still(new_site: Site, admin: str, org_id: str) -> None:
    house = new_site.installation
    record_id, address = "003000000660001AAA", "linked@disconnect.example.com"
    with house.database.connect() as conn:
        (org,) = connections(conn)
        people.link(conn, house.vault.subject_key, org.org_id, [Link(record_id, "Contact", address)], "g")
        made = record.opt_out(conn, house.vault.subject_key, address, "manual")
        conn.execute(
            "INSERT INTO run (org_id, kind, by_whom, state, result)"
            " VALUES (%s, 'by hand', 'test', 'finished', 'proved')",
            [org.org_id],
        )
        press(new_site, admin, PAGE, org=org_id)
        try:
            reader = program(new_site, "read")
            person = reader.get(f"/v1/people/{made.address_id}")
            assert (person.status, person.json["records"][0]["org"]) == (200, org_id)
            assert reader.get(f"/v1/people/{made.address_id}/timeline").status == 200
            assert org_id in [run["org"] for run in reader.get("/v1/runs").json["runs"]]
            assert reader.get("/v1/status").json["orgs"] == []
        finally:
            conn.execute("DELETE FROM mark WHERE record_id = %s", [record_id])
            conn.execute("DELETE FROM record WHERE record_id = %s", [record_id])
