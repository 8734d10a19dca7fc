"""Files to keep or hand on, from the browser: one click each, and the audit says who took what."""

import csv
import json
from io import StringIO

import pytest

from optsync.connection.connect import connections
from optsync.ledger import people, record
from optsync.ledger.people import Link
from tests.installation import Site
from tests.web.conftest import post, press, read

ADDRESS = "=formula@exports.example"
CONTACT = "003000000660001AAA"


@pytest.fixture(autouse=True)
def known(site: Site) -> None:
    """A person with a record."""
    key = site.installation.vault.subject_key
    with site.installation.database.connect() as conn:
        people.link(conn, key, connections(conn)[0].org_id, [Link(CONTACT, "Contact", ADDRESS)], "g")
        record.opt_out(conn, key, ADDRESS, "manual")


@pytest.mark.parametrize(
    ("what", "name", "column"),
    [("opt-outs", "unsubscribes", "source"), ("people", "people", "consent_date"), ("ids", "salesforce-ids", "box")],
)
def test_r43_each_file_is_one_click_away_and_runs_in_no_spreadsheet(
    site: Site, cookie: str, what: str, name: str, column: str
) -> None:
    assert f'name="what" value="{what}"' in read(site, cookie, "/people/export")
    answer, text = post(site, cookie, "/people/export", what=what)
    assert answer.getheader("content-type") == "text/csv; charset=utf-8"
    assert (answer.getheader("content-disposition") or "").startswith(f'attachment; filename="{name}-')
    rows = list(csv.DictReader(StringIO(text)))
    assert f"'{ADDRESS}" in {row["address"] for row in rows}
    assert all(column in row for row in rows)
    assert site.installation.run("export", what).out == text


def test_r43_evidence_of_everybody_is_one_line_each(site: Site, cookie: str) -> None:
    answer, text = post(site, cookie, "/people/export", what="evidence")
    assert (answer.getheader("content-disposition") or "").endswith('.jsonl"')
    found = {one["address"]: one for one in map(json.loads, text.splitlines())}
    assert found[ADDRESS]["events"][0]["kind"] == "opted out"
    assert found[ADDRESS]["records"][0]["record_id"] == CONTACT


def test_who_exported_what_is_in_the_audit_but_not_whom_they_searched_for(site: Site, cookie: str) -> None:
    press(site, cookie, "/people/export", what="people")
    post(site, cookie, "/unsubscribes/export?q=%3Dformula&source=manual")
    with site.installation.database.connect() as conn:
        told = conn.execute("SELECT evidence FROM event WHERE kind = 'exported' ORDER BY event_id DESC LIMIT 2")
        narrow, whole = [row[0] for row in told]
    assert (narrow["filters"], narrow["rows"]) == ({"q": "…", "source": "manual"}, 1)
    assert (whole["what"], whole["complete"]) == ("people", True)
    assert "A file was exported" in read(site, cookie, "/audit?what=exported")


def test_another_file_is_refused_and_reading_the_page_exports_nothing(site: Site, cookie: str) -> None:
    status, text = press(site, cookie, "/people/export", what="passwords")
    assert (status, "There is no such file; nothing was exported." in text) == (422, True)
    answer, _ = site.request("GET", "/unsubscribes/export?source=manual", headers={"Cookie": cookie})
    assert (answer.status, answer.getheader("location")) == (302, "/unsubscribes?source=manual")
