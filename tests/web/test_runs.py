"""Sync runs on the pages."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg.types.json import Jsonb

from optsync import seams
from optsync.connection.connect import connections
from optsync.connection.settings import Settings
from optsync.core.problems import Problem
from optsync.ledger import marks
from optsync.sync.nightly import refuse_switched_off, sync_now
from optsync.sync.runs import RunReport, finish
from tests.installation import Site
from tests.web.conftest import read, switched_on


def test_a_finished_run_is_shown_on_the_overview_and_by_itself(site: Site, cookie: str) -> None:
    installation = site.installation
    with switched_on(site) as org_id:
        report = sync_now(installation.database, installation.vault, seams.real(), org_id, approve=True, by="test")
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
    assert ">Reconnect</button>" in text


@contextmanager
def told_runs(site: Site, *rows: tuple[str, str, dict[str, int]]) -> Iterator[list[int]]:
    """Runs of the past as (kind, result, counts), the oldest first; their numbers."""
    with site.installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        numbers = []
        for kind, result, counts in rows:
            report = Jsonb({"counts": counts, "seconds": 1.5, "api_calls": 7, "phases": {"reading": {"seconds": 1.0}}})
            row = conn.execute(
                "INSERT INTO run (org_id, kind, state, result, by_whom, report, finished_at) "
                "VALUES (%s, %s, 'finished', %s, 'kim', %s, clock()) RETURNING run_id",
                [org_id, kind, result, report],
            ).fetchone()
            assert row is not None
            numbers.append(row[0])
        try:
            yield numbers
        finally:
            conn.execute("DELETE FROM run WHERE run_id = ANY (%s)", [numbers])


def runs_on(text: str) -> list[int]:
    """The runs on a page of the list."""
    return [int(number) for number in re.findall(r'data-label="Run"><a href="/runs/(\d+)"', text)]


def test_more_runs_than_a_page_holds_are_found_on_older_pages(site: Site, cookie: str) -> None:
    with told_runs(site, *[("nightly", "proved", {"recorded": 0})] * 120) as numbers:
        text, seen = read(site, cookie, "/runs"), []
        assert "Newest</a>" not in text
        while True:
            seen += runs_on(text)
            older = re.search(r'href="(\?[^"]*)">Older', text)
            if older is None:
                break
            text = read(site, cookie, f"/runs{html.unescape(older[1])}")
            assert "Newest</a>" in text
        assert seen == sorted(set(seen), reverse=True)
        assert set(numbers) <= set(seen)


def test_the_list_is_filtered_by_kind_and_result_and_its_address_holds_both(site: Site, cookie: str) -> None:
    rows: list[tuple[str, str, dict[str, int]]] = [
        ("nightly", "proved, 2 disputed", {}),
        ("nightly", "held", {}),
        ("by hand", "held", {}),
    ]
    with told_runs(site, *rows) as (disputed, nightly, by_hand):
        assert {nightly, by_hand} <= set(runs_on(read(site, cookie, "/runs?result=held")))
        both = read(site, cookie, "/runs?result=held&kind=by+hand")
        assert by_hand in runs_on(both)
        assert nightly not in runs_on(both)
        assert '<option value="by hand" selected>' in both
        assert disputed in runs_on(read(site, cookie, "/runs?result=proved"))
        assert runs_on(read(site, cookie, "/runs?kind=nonsense&result=%00")) == runs_on(read(site, cookie, "/runs"))
        assert "No run matches these filters." in read(site, cookie, f"/runs?result=held&before={nightly}&kind=first")


def test_a_line_says_what_went_each_way_green_and_red(site: Site, cookie: str) -> None:
    counts = {"compared": 50, "differing": 4, "recorded": 3, "confirmed": 1204, "parked": 2, "held_in_people": 9}
    with told_runs(site, ("by hand", "partly done", counts)) as [number]:
        row = next(line for line in read(site, cookie, "/runs").split("<tr>") if f'"/runs/{number}"' in line)
        assert '<span class="word">By hand</span> <bdi>(kim)</bdi>' in row
        assert '<span class="tone ok">1,204</span> / <span class="tone bad">2</span>' in row
        assert '<span class="tone ok">3</span> / <span class="tone warn">9 held</span>' in row
        assert 'data-label="Already equal">46<' in row
        assert 'data-label="API calls">7<' in row


def test_why_a_run_failed_is_said_in_the_readers_language(site: Site, cookie: str) -> None:
    with told_runs(site, ("dry run", "failed", {})) as [number], site.installation.database.connect() as conn:
        report = RunReport(number, connections(conn)[0].org_id, "dry run", "failed")
        with pytest.raises(Problem) as off:
            refuse_switched_off(Settings(report.org_id))
        report.error = {"what": off.value.what, "means": off.value.means, "next": "Salesforce's own words"}
        finish(conn, report)
        german, english = (read(site, cookie, f"/runs/{number}", language) for language in ("de", "en"))
        assert "Der Schalter Sync to Salesforce ist aus, also gibt es keinen Abgleich zu starten" in german
        assert "The switch Sync to Salesforce is off, so there is no comparison to run" in english
        assert "Salesforce&#x27;s own words" in german
        row = conn.execute("SELECT report -> 'error' ->> 'what' FROM run WHERE run_id = %s", [number]).fetchone()
        assert row == (off.value.what,), "programs read English"


def test_a_run_that_failed_shows_no_part_as_a_total(site: Site, cookie: str) -> None:
    with told_runs(site, ("nightly", "failed", {"compared": 1234}), ("dry run", "failed", {"compared": 1})) as numbers:
        text = read(site, cookie, f"/runs/{numbers[0]}")
        assert "It stopped in the step: Reading." in text
        assert "Nothing is half-written" in text
        assert '<p class="figure">–</p>' in text
        assert '<p class="figure">1,234</p>' not in text
        assert "these are no totals" in text
        assert "Both sides are equal" not in read(site, cookie, f"/runs/{numbers[1]}")


def test_a_preview_that_finds_nothing_says_so_with_its_cost_and_stays_in_the_list(site: Site, cookie: str) -> None:
    counts = {"compared": 7, "differing": 0, "recorded": 0, "would_set": 0, "already_set": 7, "no_record": 2}
    counts |= {"expected_api_calls": 9, "expected_seconds": 50}
    rows = [("dry run", "dry run", counts), ("dry run", "dry run", counts | {"followed": 1})]
    with told_runs(site, *rows) as (even, moved):
        text = read(site, cookie, f"/runs/{even}")
        assert "Both sides are equal. The next sync would change nothing." in text
        assert "It would cost about 9 API calls and 50" in text
        assert "Nothing was written, here or in Salesforce." in text
        assert even in runs_on(read(site, cookie, "/runs?kind=dry+run"))
        text = read(site, cookie, f"/runs/{moved}")
        assert "Both sides are equal" not in text
        assert "Opt-outs that would follow a person to a new address" in text


def test_a_preview_says_which_boxes_it_does_not_count(site: Site, cookie: str) -> None:
    counts = {"compared": 7, "differing": 1, "recorded": 1, "would_set": 0, "already_set": 7, "no_record": 0}
    with told_runs(site, ("dry run", "dry run", counts), ("dry run", "dry run", counts | {"swept": 90})) as (
        some,
        all_,
    ):
        assert "the sync looks them up and ticks them, too" in read(site, cookie, f"/runs/{some}")
        assert "the sync looks them up" not in read(site, cookie, f"/runs/{all_}")
