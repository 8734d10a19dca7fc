"""The process: start, credentials file, orderly end, the page."""

import http.client
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import pytest

from tests.conformance.practice.rest import Rest
from tests.practice import PracticeOrg, end, launch

BOX = "HasOptedOutOfEmail"


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 30
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_the_credentials_file_is_private_and_complete_once_the_org_answers(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text("stale")
    process = launch(file, leads=20_000, contacts=30_000, opted_out=2)
    try:
        began = time.monotonic()
        while not file.exists() or file.read_text() == "stale":
            assert time.monotonic() - began < 10
            time.sleep(0.005)
        known = json.loads(file.read_text())
        assert list(known) == [
            *("instance_url", "login_url", "org_id", "username"),
            *("client_id", "client_secret", "private_key_file", "access_token"),
        ]
        assert (
            stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(Path(known["private_key_file"]).stat().st_mode) == 0o600
        )
        assert Rest(PracticeOrg(process, file)).call("GET", "limits").status == 200
    finally:
        end(process)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "credentials.json"
    process = launch(file)
    wait_for(file)
    process.send_signal(number)
    assert process.wait(10) == 0


def test_a_restart_keeps_key_secrets_and_token(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    with PracticeOrg.start(credentials=file) as first:
        before = first.credentials
    with PracticeOrg.start(credentials=file, http=before["instance_url"].removeprefix("http://")) as second:
        assert second.credentials == before
        assert Rest(second).call("GET", "limits").status == 200


def test_it_ends_when_its_parent_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    code = (
        "import os, sys; from pathlib import Path; from tests.practice import launch; "
        "print(launch(Path(sys.argv[1])).pid, flush=True); sys.stdin.read()"
    )
    root = Path(__file__).parents[3]
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(file)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    wait_for(file)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while is_running(child):
        assert time.monotonic() < deadline, "the practice org outlives its parent"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_page_shows_a_record_with_its_boxes_and_says_what_it_is_not(rest: Rest) -> None:
    lead = rest.org.create("Lead", LastName="<Berg>", Email="berg@example.com", **{BOX: True})
    page = rest.call("GET", f"/practice?q={quote('BERG@example.com')}").body.decode()
    assert "this is not Salesforce" in page
    assert "&lt;Berg&gt;" in page
    assert f'name="{BOX}" checked' in page
    assert "Marketo Sales Opt Out" in page
    assert lead in rest.call("GET", f"/practice?q={lead[:15]}").body.decode()
    assert "No Lead or Contact" in rest.call("GET", "/practice?q=nobody@example.com").body.decode()


def test_a_person_can_untick_a_box_on_the_page(rest: Rest) -> None:
    lead = rest.org.create("Lead", Email="berg@example.com", **{BOX: True})
    address = urlsplit(rest.org.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection.request("POST", "/practice", urlencode({"id": lead, "q": lead}))
    assert connection.getresponse().status == 303
    connection.close()
    assert rest.org.record(lead)[BOX] is False
    assert rest.org.spy()["false_writes"] == 0


def test_a_reset_takes_milliseconds(org: PracticeOrg) -> None:
    org.reset(leads=100, contacts=100, opted_out=5)
    seen = []
    for _ in range(5):
        began = time.perf_counter()
        org.reset(leads=100, contacts=100, opted_out=5)
        seen.append(time.perf_counter() - began)
    assert min(seen) < 0.05
