"""What Salesforce refused, by cause in plain words, on the page of a run and across all; and trying it again."""

from collections.abc import Iterator

import pytest

from optsync import seams
from optsync.connection.connect import connections
from optsync.connection.sessions import open_session
from optsync.connection.settings import Change, apply_change
from optsync.ledger import marks, people, record
from optsync.ledger.people import Link
from optsync.sync.nightly import sync_now
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.conftest import press, read

RULE = "Phone <b>is</b> required"


@pytest.fixture(scope="module")
def refused(site: Site, practice_org: PracticeOrg) -> Iterator[tuple[int, str]]:
    """A run that parked a box behind a validation rule: its number and the record."""
    installation = site.installation
    record_id = practice_org.create("Contact", Email="ruled@example.com")
    practice_org.fault(
        "reject", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", message=RULE, records=[record_id], times=None
    )
    with installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        people.link(
            conn, installation.vault.subject_key, org_id, [Link(record_id, "Contact", "ruled@example.com")], "g"
        )
        record.opt_out(conn, installation.vault.subject_key, "ruled@example.com", "manual")
        with open_session(conn, installation.vault, org_id, seams.real()) as session:
            apply_change(conn, session, org_id, Change(sync_on=True))
        report = sync_now(installation.database, installation.vault, seams.real(), org_id, approve=True, by="test")
    assert report.run_id is not None
    yield report.run_id, record_id
    practice_org.clear_faults()


def due_now(site: Site, record_id: str) -> bool:
    """Whether a parked box is due."""
    with site.installation.database.connect() as conn:
        row = conn.execute("SELECT due_at <= clock() FROM mark WHERE record_id = %s", [record_id]).fetchone()
    return bool(row and row[0])


def test_a_cause_is_told_in_plain_words_with_salesforces_own_and_its_records(
    site: Site, cookie: str, refused: tuple[int, str]
) -> None:
    run_id, record_id = refused
    for path in ("/issues", f"/runs/{run_id}"):
        text = read(site, cookie, path)
        assert "A validation rule blocks the update" in text
        assert "Exempt the integration user from the rule" in text
        assert "Phone &lt;b&gt;is&lt;/b&gt; required" in text
        assert "1 box" in text
        assert f'href="/people?record={record_id}"' in text


@pytest.mark.parametrize("where", ["issues", "run"])
def test_retry_makes_the_boxes_of_a_cause_due_and_says_how_many(
    site: Site, cookie: str, refused: tuple[int, str], where: str
) -> None:
    run_id, record_id = refused
    with site.installation.database.connect() as conn:
        conn.execute("UPDATE mark SET due_at = clock() + interval '1 day' WHERE state = 'p'")
        marks.pause(conn, connections(conn)[0].org_id, 0, "", 60.0, "SERVER_UNAVAILABLE", "away")
    assert "Pushes are paused:" in read(site, cookie, "/issues")
    form = {"reason": "FIELD_CUSTOM_VALIDATION_EXCEPTION:"} | ({"run": str(run_id)} if where == "run" else {})
    status, text = press(site, cookie, "/issues/retry", **form)
    assert status == 302
    assert "Boxes that are due now: 1. The worker sends them within seconds." in text
    assert ("<h1>Issues</h1>" in text) is (where == "issues")
    assert due_now(site, record_id)
    assert "Pushes are paused:" not in read(site, cookie, "/issues")
    assert "Nothing waits to be tried again." in press(site, cookie, "/issues/retry", **form)[1]


def test_a_retry_of_one_cause_leaves_the_others(site: Site, cookie: str, refused: tuple[int, str]) -> None:
    _, record_id = refused
    with site.installation.database.connect() as conn:
        conn.execute("UPDATE mark SET due_at = clock() + interval '1 day' WHERE state = 'p'")
    press(site, cookie, "/issues/retry", reason="FIELD_CUSTOM_VALIDATION:")
    assert not due_now(site, record_id)


def test_opening_the_address_of_a_retry_only_leads_back(site: Site, cookie: str, refused: tuple[int, str]) -> None:
    answer, _ = site.request("GET", "/issues/retry", headers={"Cookie": cookie})
    assert (answer.status, answer.getheader("location")) == (302, "/issues")


def test_a_box_that_is_settled_since_is_no_issue_any_more(site: Site, cookie: str, refused: tuple[int, str]) -> None:
    run_id, record_id = refused
    before = "SELECT state, due_at, reason FROM mark WHERE record_id = %s"
    change = "UPDATE mark SET state = %s, due_at = %s, reason = %s WHERE record_id = %s"
    with site.installation.database.connect() as conn:
        parked = conn.execute(before, [record_id]).fetchone()
        assert parked is not None
        conn.execute(change, ["c", None, None, record_id])
        issues, run = read(site, cookie, "/issues"), read(site, cookie, f"/runs/{run_id}")
        conn.execute(change, [*parked, record_id])
    assert record_id not in issues  # other tests of this folder may have refused boxes of their own
    assert "Settled since" in run
    assert 'value="FIELD_CUSTOM_VALIDATION_EXCEPTION' not in run, "there is nothing to retry in it"


def test_a_cause_with_a_nul_is_no_cause_and_no_failure(site: Site, cookie: str) -> None:
    status, text = press(site, cookie, "/issues/retry", reason="FIELD\0CUSTOM")
    assert status == 302
    assert "Nothing waits to be tried again." in text
