"""What Salesforce refused, by cause in plain words, on the page of a run and across all; and trying it again."""

import csv
import html
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from optsync import seams
from optsync.alerts import watching
from optsync.connection.connect import Connection, connections
from optsync.core.record_ids import PREFIXES, to_18
from optsync.core.rejections import explain
from optsync.ledger import marks, people, record
from optsync.ledger.people import Link
from optsync.sync.nightly import sync_now
from optsync.web.causes import setup_of
from tests.installation import Site
from tests.practice import PracticeOrg
from tests.web.conftest import press, read, switched_on

PARKED = """
    INSERT INTO mark (org_id, field, record_id, state, reason, due_at, touched_run)
    VALUES (%s, 1, %s, 'p', %s, clock() + interval '20 hours', 0)
    ON CONFLICT (org_id, field, record_id) DO UPDATE
    SET state = 'p', reason = EXCLUDED.reason, due_at = EXCLUDED.due_at"""
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
    with switched_on(site):
        report = sync_now(installation.database, installation.vault, seams.real(), org_id, approve=True, by="test")
        assert report.run_id is not None
        yield report.run_id, record_id
    practice_org.clear_faults()


def due_now(site: Site, record_id: str) -> bool:
    """Whether a parked box is due."""
    with site.installation.database.connect() as conn:
        row = conn.execute("SELECT due_at <= clock() FROM mark WHERE record_id = %s", [record_id]).fetchone()
    return bool(row and row[0])


def cause_of(site: Site, record_id: str) -> str:
    """The cause for which a box waits."""
    with site.installation.database.connect() as conn:
        row = conn.execute("SELECT cause_of(reason, record_id) FROM mark WHERE record_id = %s", [record_id]).fetchone()
    assert row is not None
    return str(row[0])


@contextmanager
def parked(site: Site, name: str, *reasons: str, prefix: str = "003") -> Iterator[list[str]]:
    """Boxes of people of our own that wait for a person, each refused in these words; their records."""
    installation = site.installation
    records = [to_18(f"{prefix}{zlib.crc32(name.encode()):010d}{n:02d}") for n in range(len(reasons))]
    with installation.database.connect() as conn:
        org_id, key = connections(conn)[0].org_id, installation.vault.subject_key
        for number, (record_id, reason) in enumerate(zip(records, reasons, strict=True)):
            address = f"{name}.{number}@example.com"
            people.link(conn, key, org_id, [Link(record_id, PREFIXES[prefix], address)], "g")
            record.opt_out(conn, key, address, "manual")
            with conn.transaction():
                conn.execute(PARKED, [org_id, record_id, reason])
                conn.execute(
                    "INSERT INTO event (kind, org_id, field, record_id, reason) VALUES ('parked', %s, 1, %s, %s)",
                    [org_id, record_id, reason],
                )
        try:
            yield records
        finally:
            conn.execute("DELETE FROM mark WHERE record_id = ANY (%s)", [records])


def group_with(text: str, words: str) -> str:
    """The part of a page that shows the group with these words."""
    return next(part for part in text.split("<article")[1:] if words in part).partition("</article>")[0]


def test_r44_a_cause_is_told_in_plain_words_with_salesforces_own_and_its_records(
    site: Site, cookie: str, refused: tuple[int, str]
) -> None:
    run_id, record_id = refused
    for path in ("/issues", f"/runs/{run_id}"):
        group = group_with(read(site, cookie, path), "Phone &lt;b&gt;is&lt;/b&gt; required")
        assert "A validation rule blocks the update" in group
        assert "Exempt the integration user from the rule" in group
        assert "optsync retry" not in group, "there is a button"
        assert "1 Contact" in group
        assert f'href="/people?record={record_id}"' in group


def test_r44_two_rules_with_different_words_are_two_causes_and_ids_in_the_words_make_none(
    site: Site, cookie: str
) -> None:
    rule = "FIELD_CUSTOM_VALIDATION_EXCEPTION: {}"
    said = [
        rule.format("Opt-outs need a reason, see 003000000000001AAA"),
        rule.format("Opt-outs need a reason, see 003000000000002AAA"),
        rule.format("Only on weekdays"),
    ]
    with parked(site, "two.rules", *said) as records:
        assert cause_of(site, records[0]) == cause_of(site, records[1]) != cause_of(site, records[2])
        text = read(site, cookie, "/issues")
        assert "2 Contacts" in group_with(text, "Opt-outs need a reason")
        assert "1 Contact" in group_with(text, "Only on weekdays")
        with parked(site, "two.rules.lead", said[2], prefix="00Q") as leads:
            assert cause_of(site, leads[0]) != cause_of(site, records[2]), "a rule belongs to one object"
        _, text = press(site, cookie, "/issues/retry", cause=cause_of(site, records[0]))
        assert "Boxes that are due now: 2." in text
        assert [due_now(site, one) for one in records] == [True, True, False]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("X: ann@example.com is taken", "X: bob@example.com is taken", True),
        ("X: see 00Q5g00000AbCdE", "X: see 00Q5g00000AbCdFEAX", True),
        ("X: ErrorId 1234567-12345 (-123)", "X: ErrorId 7654321-99999 (-123)", True),
        ("X: line 12,  column 1", "X: line 12, column 1", True),
        ("X: line 12, column 1", "X: line 13, column 1", False),
        ("X: Representatives only", "X: Administrators only", False),
        ("X: said", "Y: said", False),
    ],
)
def test_what_only_names_a_record_a_person_or_an_occurrence_makes_no_cause_of_its_own(
    site: Site, one: str, other: str, is_same: bool
) -> None:
    with site.installation.database.connect() as conn:
        row = conn.execute("SELECT cause_of(%s, '003') = cause_of(%s, '003')", [one, other]).fetchone()
    assert row == (is_same,)


@pytest.mark.parametrize("where", ["issues", "run"])
def test_retry_makes_the_boxes_of_a_cause_due_and_says_how_many(
    site: Site, cookie: str, refused: tuple[int, str], where: str
) -> None:
    run_id, record_id = refused
    with site.installation.database.connect() as conn:
        conn.execute("UPDATE mark SET due_at = clock() + interval '1 day' WHERE state = 'p'")
        marks.pause(conn, connections(conn)[0].org_id, 0, "", 60.0, "SERVER_UNAVAILABLE", "away")
    assert "Pushes are paused:" in read(site, cookie, "/issues")
    form = {"cause": cause_of(site, record_id)} | ({"run": str(run_id)} if where == "run" else {})
    status, text = press(site, cookie, "/issues/retry", **form)
    assert status == 302
    assert "Boxes that are due now: 1. The worker sends them within seconds." in text
    assert ("<h1>Issues</h1>" in text) is (where == "issues")
    assert due_now(site, record_id)
    assert "Pushes are paused:" not in read(site, cookie, "/issues")
    assert "Nothing waits to be tried again." in press(site, cookie, "/issues/retry", **form)[1]


def test_a_retry_of_one_cause_leaves_the_others(site: Site, cookie: str, refused: tuple[int, str]) -> None:
    run_id, record_id = refused
    with site.installation.database.connect() as conn:
        conn.execute("UPDATE mark SET due_at = clock() + interval '1 day' WHERE state = 'p'")
    press(site, cookie, "/issues/retry", cause="1-0")
    press(site, cookie, "/issues/retry", cause="1-0", run=str(run_id))
    assert not due_now(site, record_id)


def test_opening_the_address_of_a_retry_only_leads_back(site: Site, cookie: str, refused: tuple[int, str]) -> None:
    answer, _ = site.request("GET", "/issues/retry", headers={"Cookie": cookie})
    assert (answer.status, answer.getheader("location")) == (302, "/issues")


def test_a_box_that_is_settled_since_is_no_issue_any_more(site: Site, cookie: str, refused: tuple[int, str]) -> None:
    run_id, record_id = refused
    cause = cause_of(site, record_id)
    before = "SELECT state, due_at, reason FROM mark WHERE record_id = %s"
    change = "UPDATE mark SET state = %s, due_at = %s, reason = %s WHERE record_id = %s"
    with site.installation.database.connect() as conn:
        waits = conn.execute(before, [record_id]).fetchone()
        assert waits is not None
        conn.execute(change, ["c", None, None, record_id])
        issues, run = read(site, cookie, "/issues"), read(site, cookie, f"/runs/{run_id}")
        alone = read(site, cookie, f"/issues/{cause}")
        conn.execute(change, [*waits, record_id])
    assert record_id not in issues  # other tests of this folder may have refused boxes of their own
    assert "Phone &lt;b&gt;is&lt;/b&gt; required" in issues.partition("Fixed in the last 30 days")[2]
    assert "No box waits because of this any more." in alone
    assert "Settled since" in run
    assert f'name="cause" value="{cause}"' not in run, "there is nothing to retry in it"


def test_a_cause_with_a_nul_is_no_cause_and_no_failure(site: Site, cookie: str) -> None:
    status, text = press(site, cookie, "/issues/retry", cause="1-\0")
    assert status == 302
    assert "Nothing waits to be tried again." in text


def test_the_page_of_a_cause_shows_all_its_boxes_page_by_page_and_as_csv(site: Site, cookie: str) -> None:
    reasons = ["REQUIRED_FIELD_MISSING: =Many__c"] * 52
    with parked(site, "many.boxes", *reasons) as records:
        group = group_with(read(site, cookie, "/issues"), "=Many__c")
        assert "52 Contacts" in group
        assert "and 32 more" in group
        path = f"/issues/{cause_of(site, records[0])}"
        first = read(site, cookie, path)
        assert "many.boxes.0@example.com" in first
        assert "many.boxes.51@example.com" not in first
        following = html.unescape(first.partition('href="?after=')[2].partition('"')[0])
        second = read(site, cookie, f"{path}?after={following}")
        assert "many.boxes.51@example.com" in second
        assert "many.boxes.0@example.com" not in second
        _, text = press(site, cookie, "/issues/retry", cause=cause_of(site, records[0]), alone="yes")
        assert "Boxes that are due now: 52." in text
        assert "many.boxes.0@example.com" in text, "the answer stands on the page where it was asked for"
        lines = list(csv.DictReader(io.StringIO(read(site, cookie, f"{path}/boxes.csv"))))
        assert {line["record"] for line in lines} == set(records)
        assert lines[0] | {"opted_out_since": ""} == {
            "address": "many.boxes.0@example.com",
            "object": "Contact",
            "record": records[0],
            "field": "Email Opt Out",
            "code": "REQUIRED_FIELD_MISSING",
            "salesforce_says": "'=Many__c",
            "opted_out_since": "",
        }
    assert site.request("GET", "/issues/1-0", headers={"Cookie": cookie})[0].status == 404


def test_what_a_run_could_not_tick_is_a_file_for_each_cause(site: Site, cookie: str, refused: tuple[int, str]) -> None:
    run_id, record_id = refused
    path = f"/runs/{run_id}/rejected/{cause_of(site, record_id)}.csv"
    assert f'href="{path}"' in read(site, cookie, f"/runs/{run_id}")
    [line] = csv.DictReader(io.StringIO(read(site, cookie, path)))
    assert (line["address"], line["record"], line["salesforce_says"]) == ("ruled@example.com", record_id, RULE)


def test_a_muted_issue_is_still_shown_and_counted_and_comes_back_by_itself(site: Site, cookie: str) -> None:
    with parked(site, "muted", "STRING_TOO_LONG: Muted__c") as [record_id]:
        cause = cause_of(site, record_id)
        path, kinds = (
            f"/issues/{cause}",
            "SELECT kind, actor FROM event WHERE evidence ->> 'cause' = %s ORDER BY event_id",
        )
        today = datetime.now(UTC).date()
        for day in ("", "soon", str(today - timedelta(days=2)), str(today + timedelta(days=92))):
            status, text = press(site, cookie, f"{path}/mute", until=day)
            assert status == 422
            assert "nothing was changed" in text
        status, text = press(site, cookie, f"{path}/mute", until=str(today + timedelta(days=7)))
        assert "Muted. It is still counted as not in Salesforce." in text
        assert "Muted by " in text
        issues = read(site, cookie, "/issues")
        assert "Muted__c" not in issues.partition('id="muted"')[0]
        assert "Muted__c" in issues.partition('id="muted"')[2]
        with site.installation.database.connect() as conn:
            assert [kind for kind, _ in conn.execute(kinds, [cause]).fetchall()] == ["issue muted"]
            conn.execute("UPDATE issue_mute SET until = clock() WHERE cause = %s", [cause])
        assert "Muted__c" in read(site, cookie, "/issues").partition('id="muted"')[0], "its day has come"
        press(site, cookie, f"{path}/mute", until=str(today + timedelta(days=3)))
        assert "No longer muted." in press(site, cookie, f"{path}/mute", step="end")[1]
        with site.installation.database.connect() as conn:
            assert conn.execute(kinds, [cause]).fetchall()[-1][0] == "issue unmuted"


def test_a_cause_that_was_fixed_and_is_met_again_came_back(site: Site, cookie: str) -> None:
    reason = "DUPLICATE_VALUE: Back__c"
    with site.installation.database.connect() as conn:
        with parked(site, "came.back", reason):
            watching.look(conn)
            assert "came back" not in group_with(read(site, cookie, "/issues"), "Back__c")
        watching.look(conn)
        with parked(site, "came.back", reason):
            assert "came back" in group_with(read(site, cookie, "/issues"), "Back__c")
        with parked(site, "new.one", "DUPLICATE_VALUE: New__c"):
            assert "came back" not in group_with(read(site, cookie, "/issues"), "New__c")


def test_what_is_tried_again_by_itself_needs_nobody(site: Site, cookie: str) -> None:
    with parked(site, "locked", "UNABLE_TO_LOCK_ROW: Locked__c") as [record_id]:
        with site.installation.database.connect() as conn:
            conn.execute("UPDATE mark SET state = 'o' WHERE record_id = %s", [record_id])
        text = read(site, cookie, "/issues")
        assert "Locked__c" in text.partition("Waiting for us")[2]
        assert "Locked__c" not in text.partition("Waiting for us")[0]


def test_setup_links_lead_to_the_page_where_a_cause_is_mended() -> None:
    org = Connection(1, "00D000000000001AAA", 1, "Acme", False, False, "", "https://acme.my.salesforce.com")
    rule = explain("FIELD_CUSTOM_VALIDATION_EXCEPTION", "")
    assert setup_of(rule, "Lead", org).endswith("/lightning/setup/ObjectManager/Lead/ValidationRules/view")
    assert setup_of(rule, "Lead", replace(org, is_practice=True)) == ""
    assert setup_of(explain("UNABLE_TO_LOCK_ROW", ""), "Lead", org) == ""
