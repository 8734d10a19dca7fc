"""The process: start, credentials file, orderly end."""

import http.client
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.conformance.practice.rest import Rest
from tests.practice import PracticeOrg, end, launch
from tests.servers import free_port

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


def test_https_is_served_alone_and_every_address_says_so(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with PracticeOrg.start(https="127.0.0.1:0", cert=certificate, key=key) as org:
        assert org.url.startswith("https://127.0.0.1:")
        rest, known = Rest(org), org.credentials
        token = rest.token_for(
            grant_type="client_credentials", client_id=known["client_id"], client_secret=known["client_secret"]
        ).json
        assert (token["instance_url"], known["login_url"]) == (org.url, org.url)
        assert rest.call("GET", token["id"].removeprefix(org.url)).json["organization_id"] == known["org_id"]
        lead = org.create("Lead", Email="ada@example.com")
        job = rest.bulk_query("SELECT Id FROM Lead")
        assert rest.call("GET", f"jobs/query/{job}/results").body.decode() == f'"Id"\n"{lead}"\n'
        org.fault("reset", route="query")
        with pytest.raises((http.client.HTTPException, OSError)):
            rest.query("SELECT Id FROM Lead")


def test_one_process_serves_both_and_says_what_it_is_told(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    plain, secure = (f"127.0.0.1:{free_port()}" for _ in range(2))
    options = {"http": plain, "https": secure, "cert": certificate, "key": key}
    with PracticeOrg.start(**options, instance_url=f"http://{plain}/") as org:
        assert org.credentials["instance_url"] == f"http://{plain}"
        lead = org.create("Lead", Email="ada@example.com")
        org.url, org.certificate = f"https://{secure}", certificate
        assert org.record(lead)["Email"] == "ada@example.com"
    with PracticeOrg.start(**options) as org:
        assert org.credentials["instance_url"] == f"https://{secure}"
        assert org.opted_out() == {"Lead": 0, "Contact": 0}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_https_in_good_order_although_a_client_stays_connected(
    tmp_path: Path, number: signal.Signals
) -> None:
    certificate, key = make_certificate(tmp_path)
    with PracticeOrg.start(https="127.0.0.1:0", cert=certificate, key=key) as org:
        connection = org.connect()
        connection.request("GET", "/services/data/")
        assert connection.getresponse().read()
        org.process.send_signal(number)
        assert org.process.wait(10) == 0
        connection.close()


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


def test_a_reset_takes_milliseconds(org: PracticeOrg) -> None:
    org.reset(leads=100, contacts=100, opted_out=5)
    seen = []
    for _ in range(5):
        began = time.perf_counter()
        org.reset(leads=100, contacts=100, opted_out=5)
        seen.append(time.perf_counter() - began)
    assert min(seen) < 0.05
