"""A file imported in the browser: three clicks, nothing recorded before the last, whatever the file is."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from optsync.ledger import uploads
from tests.browser import MARKS
from tests.installation import Site
from tests.web.conftest import form_of, press, read, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BOUNDARY = "a-line-that-no-file-holds"
FORM = "/unsubscribes/import"


def send(site: Site, cookie: str, content: str, name: str = "list.csv", path: str = FORM) -> tuple[int, str, str]:
    """Posts the form with a file; the status, where it leads to, and the page that comes of it."""
    headers, token = form_of(site, cookie, "/")
    parts = [f'Content-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}']
    parts += [
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n{content}'
    ]
    body = "".join(f"--{BOUNDARY}\r\n{part}\r\n" for part in parts) + f"--{BOUNDARY}--\r\n"
    headers["Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
    answer, text = site.request("POST", path, body, headers)
    return answer.status, answer.getheader("location") or "", text


def work(site: Site) -> None:
    """What a worker does with the files that wait."""
    with site.installation.database.connect() as conn:
        while uploads.work_on_one(conn, site.installation.database.connect, site.installation.vault):
            pass


def is_blocked(site: Site, address: str) -> bool:
    return site.installation.run("check", address).code == 3


def test_r42_choose_preview_import_and_nothing_is_recorded_before_the_last_click(site: Site, cookie: str) -> None:
    status, page, _ = send(site, cookie, "email,unsub_time\nweb1@import.example.com,2024-01-01\nnonsense,2024\n")
    assert status == 302
    assert "The file is being read. Nothing is recorded by that." in read(site, cookie, page)
    assert "No worker is running at the moment" in read(site, cookie, page)
    work(site)
    text = read(site, cookie, page)
    for said in ("What it would do", "Mailchimp unsubscribed", "UTF-8", "comma", "not an e-mail address", "web1@"):
        assert said in text
    assert re.search(r"New unsubscribes</dt><dd>1</dd>", text)
    assert not is_blocked(site, "web1@import.example.com")
    press(site, cookie, page, step="import")
    work(site)
    assert "Imported: 1 person unsubscribed." in read(site, cookie, page)
    assert is_blocked(site, "web1@import.example.com")
    answer, rejects = site.request("GET", f"{page}/rejects", headers={"Cookie": cookie})
    assert answer.getheader("content-type") == "text/csv; charset=utf-8"
    assert rejects.splitlines()[1].startswith("3,not an e-mail address,nonsense")
    assert "web1@import" in read(site, cookie, "/unsubscribes?source=import")


def test_the_same_file_again_says_when_it_was_imported_and_offers_no_import(site: Site, cookie: str) -> None:
    content = "twice@import.example.com\n"
    _, page, _ = send(site, cookie, content)
    work(site)
    press(site, cookie, page, step="import")
    work(site)
    _, again, _ = send(site, cookie, content, name="other.csv")
    work(site)
    text = read(site, cookie, again)
    assert "This file was imported on" in text
    assert 'value="import"' not in text
    press(site, cookie, again, step="discard")
    assert site.request("GET", again, headers={"Cookie": cookie})[0].status == 404


def test_a_table_nobody_knows_is_imported_by_chosen_columns(site: Site, cookie: str) -> None:
    _, page, _ = send(site, cookie, "Wer;Adresse;Warum\nAnn;own@import.example.com;zu viel\n", name="kunden.csv")
    work(site)
    text = read(site, cookie, page)
    assert "kunden.csv has no layout we know" in text
    assert '<option value="1" selected>2: Adresse</option>' in text
    press(site, cookie, page, step="columns", purpose="opt-outs", address="1", reason="2", has_header="yes")
    work(site)
    assert "columns that you chose" in read(site, cookie, page)
    press(site, cookie, page, step="import")
    work(site)
    assert "zu viel" in read(site, cookie, "/people?address=own@import.example.com")


def test_r43_columns_of_compliance_data_are_chosen_and_their_bad_rows_say_why(site: Site, cookie: str) -> None:
    rows = "Basis;Adresse\nconsent;bad@import.example.com\nlegitimate interest;good@import.example.com\n"
    _, page, _ = send(site, cookie, rows, name="basis.csv")
    work(site)
    press(site, cookie, page, step="columns", purpose="people", address="1", authorization_type="0", has_header="yes")
    work(site)
    text = read(site, cookie, page)
    assert "1: a consent needs its date and its purpose" in text
    assert re.search(r"People with new or changed compliance data</dt><dd>1</dd>", text)
    assert re.search(r'name="authorization_type">.*?<option value="0" selected>', text)
    press(site, cookie, page, step="import")
    work(site)
    assert "Imported: compliance data of 1 person. Nobody was unsubscribed by it." in read(site, cookie, page)
    assert "Legitimate interest" in read(site, cookie, "/people?address=good@import.example.com")
    assert not is_blocked(site, "good@import.example.com")


def test_a_mass_change_says_before_the_click_that_it_will_be_held(site: Site, cookie: str) -> None:
    content = "".join(f"m{n}@mass.example.com\n" for n in range(501))
    _, page, _ = send(site, cookie, content)
    work(site)
    text = read(site, cookie, page)
    assert "So many people at once will be held" in text
    assert "do not hold them" in text
    press(site, cookie, page, step="import", confirmed="yes")
    work(site)
    assert "Imported: 501 people unsubscribed." in read(site, cookie, page)
    assert "mass.example.com" not in read(site, cookie, "/holds")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "No file was chosen"),
        ("PK\x03\x04sheet", "list.csv is a ZIP archive or an Excel workbook, not a text file"),
        ("\n\n", "list.csv is empty"),
    ],
)
def test_a_file_that_is_no_list_is_refused_at_once(site: Site, cookie: str, content: str, said: str) -> None:
    status, _, text = send(site, cookie, content, name="list.csv" if content else "")
    assert status == 422
    assert said in text


def test_a_file_that_is_too_large_is_refused_in_plain_words_and_kept_nowhere(site: Site, cookie: str) -> None:
    status, _, text = send(site, cookie, "a" * (uploads.BYTES_MAX + 100_000))
    assert status == 422
    assert "The file is larger than 50 MB" in text


def test_who_is_not_signed_in_leaves_no_file(site: Site) -> None:
    status, where, _ = send(site, "", "ann@example.com\n" * 20)
    assert status in (302, 403)
    assert "/import/" not in where


def test_a_file_in_another_form_is_read_away(site: Site, cookie: str) -> None:
    status, _, text = send(site, cookie, "ann@example.com\n", path="/unsubscribes")
    assert (status, "not an e-mail address" in text) == (422, True)


def test_a_press_that_comes_twice_or_late_changes_nothing_and_says_so(site: Site, cookie: str) -> None:
    _, page, _ = send(site, cookie, "late@import.example.com\n")
    assert press(site, cookie, page, step="import")[0] == 410
    work(site)
    press(site, cookie, page, step="import")
    status, text = press(site, cookie, page, step="import")
    assert (status, "imported meanwhile" in text) == (410, True)
    assert press(site, cookie, page, step="columns", address="0")[0] == 410


@pytest.fixture
def chromium(site: Site, browser: "Browser") -> "Iterator[Page]":
    """A signed-in browser."""
    context = browser.new_context(locale="en")
    pairs = [part.partition("=") for part in sign_in(site).split("; ")]
    context.add_cookies([{"name": name, "value": value, "url": site.url} for name, _, value in pairs])
    yield context.new_page()
    context.close()


class TestInTheBrowser:
    """Three clicks; the page follows the worker by itself."""

    pytestmark = MARKS

    def test_three_clicks_and_the_page_follows_the_worker_by_itself(
        self, site: Site, chromium: "Page", tmp_path: Path
    ) -> None:
        path = tmp_path / "old.csv"
        path.write_text("clicked@import.example.com\n", encoding="utf-8")
        errors: list[str] = []
        chromium.on("pageerror", lambda error: errors.append(str(error)))
        chromium.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        chromium.goto(site.url + FORM)
        chromium.set_input_files("input[type=file]", path)
        chromium.get_by_role("button", name="Preview").click()
        chromium.get_by_text("The file is being read").wait_for()
        work(site)
        chromium.get_by_role("button", name="Import", exact=True).click()
        chromium.get_by_text("The file is being imported").wait_for()
        work(site)
        chromium.get_by_text("Imported: 1 person unsubscribed.").wait_for()
        assert errors == []
        assert is_blocked(site, "clicked@import.example.com")
