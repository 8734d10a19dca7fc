"""Undo of a sync run on its page: the number typed, a reason given, the files for Salesforce."""

from collections.abc import Iterator

import pytest

from optsync import seams
from optsync.ledger.record import opt_out
from optsync.sync.nightly import sync_now
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.conftest import press, read, switched_on


@pytest.fixture
def people(request: pytest.FixtureRequest) -> list[str]:
    """Two addresses of this test's own."""
    return [f"{name}@{len(request.node.name)}.undone.example.com" for name in ("ann", "bob")]


@pytest.fixture
def run_id(site: Site, practice_org: PracticeOrg, people: list[str]) -> Iterator[int]:
    """A run that brought them in."""
    database, vault = site.installation.database, site.installation.vault
    with switched_on(site) as org_id:
        sync_now(database, vault, seams.real(), org_id, approve=True, by="test")
        made = [practice_org.create("Contact", Email=email, HasOptedOutOfEmail=True) for email in people]
        number = sync_now(database, vault, seams.real(), org_id, approve=True, by="test").run_id
        assert number is not None
        yield number
    for record in made:
        practice_org.delete(record)


def test_an_undo_needs_the_number_and_a_reason_and_gives_the_files(
    site: Site, cookie: str, run_id: int, practice_org: PracticeOrg, people: list[str]
) -> None:
    assert f"/runs/{run_id}/undo" in read(site, cookie, f"/runs/{run_id}")
    path = f"/runs/{run_id}/undo"
    assert "Type the number of people, 2, to confirm" in read(site, cookie, path)
    status, text = press(site, cookie, path, people="1", reason="wrong file")
    assert (status, 'value="wrong file"' in text) == (422, True)
    assert "The number of people does not match" in text
    assert press(site, cookie, path, people="2", reason=" ")[0] == 422
    assert site.installation.run("check", people[0]).code == 3
    status, text = press(site, cookie, path, people="2", reason="wrong file")
    assert status == 302
    assert "Undone. People unblocked: 2." in text
    assert "Contact (2)" in text
    assert site.installation.run("check", *people).code == 0
    answer, text = site.request("GET", f"/runs/{run_id}/untick/Contact.csv", headers={"Cookie": cookie})
    assert answer.status == 200
    assert text.splitlines()[0] == "Id,HasOptedOutOfEmail"
    assert len(text.splitlines()) == 3
    assert practice_org.spy()["false_writes"] == 0
    for kind in ("Lead", "Nothing", "Account"):
        assert site.request("GET", f"/runs/{run_id}/untick/{kind}.csv", headers={"Cookie": cookie})[0].status == 404
    status, text = press(site, cookie, path, people="2", reason="wrong file")
    assert status == 422
    assert f"Sync run {run_id} was undone before" in text


def test_who_has_unsubscribed_since_stays_and_the_page_counts_it(
    site: Site, cookie: str, run_id: int, people: list[str]
) -> None:
    with site.installation.database.connect() as conn:
        opt_out(conn, site.installation.vault.subject_key, people[0], "one-click")
    text = read(site, cookie, f"/runs/{run_id}/undo", "de")
    assert "Tippen Sie zur Bestätigung die Zahl der Personen ein: 1" in text
    assert press(site, cookie, f"/runs/{run_id}/undo", people="1", reason="wrong file")[0] == 302
    assert site.installation.run("check", people[0]).code == 3
    assert "Unsubscribed once more" in read(site, cookie, f"/people?address={people[0]}")
