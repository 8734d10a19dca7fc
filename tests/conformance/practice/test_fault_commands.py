"""practice-org fault and practice-org requests, run against a running org."""

import json
import signal
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.conformance.practice.rest import Rest
from tests.conformance.practice.test_command_line import parts, run
from tests.practice import PracticeOrg


def told(rest: Rest, *arguments: str) -> str:
    """What the command prints when all is well."""
    answer = run(*arguments, "--credentials", str(rest.org.credentials_file))
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


def test_a_fault_is_ordered_listed_struck_and_taken_back(rest: Rest) -> None:
    assert told(rest, "fault", "list") == "no faults on order\n"
    ordered = told(rest, "fault", "add", "refuse", "--code", "QUERY_TIMEOUT", "--times", "null", "--route", "limits")
    assert ordered == "fault 1 is on order: refuse\n"
    assert rest.call("GET", "limits").code == "QUERY_TIMEOUT"
    assert "struck 1 for ever  on limits" in told(rest, "fault", "list")
    told(rest, "fault", "add", "reject", "--records", "a,b", "--object", "Lead")
    listed = json.loads(told(rest, "fault", "list", "--json"))
    assert [(one["kind"], one["times"]) for one in listed] == [("refuse", None), ("reject", 1)]
    assert (listed[1]["records"], listed[1]["object"]) == (["a", "b"], "Lead")
    told(rest, "fault", "clear", "1")
    assert [one["kind"] for one in rest.org.faults()] == ["reject"]
    told(rest, "fault", "clear")
    assert rest.org.faults() == []


def test_every_kind_can_be_ordered_by_its_own_command_and_explains_itself(rest: Rest) -> None:
    overview = run("fault", "add", "--help").stdout
    for kind in rest.org.fault_kinds():
        assert kind["kind"] in overview
    page = " ".join(run("fault", "add", "hold", "--help").stdout.split())
    (hold,) = (kind for kind in rest.org.fault_kinds() if kind["kind"] == "hold")
    assert hold["happens"] in page
    assert hold["client_must"] in page
    assert all(option["text"] in page for option in hold["options"])


def test_an_org_is_found_by_its_address_too(rest: Rest) -> None:
    address = rest.org.url.removeprefix("http://")
    assert run("fault", "add", "reset", "--http", address).returncode == 0
    assert [one["kind"] for one in rest.org.faults()] == ["reset"]


def test_an_org_behind_https_is_found_too(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with PracticeOrg.start(https="127.0.0.1:0", cert=certificate, key=key) as org:
        for options in (["--credentials", str(org.credentials_file)], ["--http", org.url]):
            assert run("fault", "add", "reset", *options).returncode == 0
        assert len(org.faults()) == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["fault", "list"], "is not said"),
        (["fault", "list", "--http", "127.0.0.1:1", "--credentials", "x"], "named twice"),
        (["fault", "list", "--http", "127.0.0.1:1"], "127.0.0.1:1"),
        (["fault", "list", "--http", "example.com:80"], "example.com:80"),
        (["fault", "list", "--credentials", "/nowhere/c.json"], "/nowhere/c.json"),
        (["fault", "add", "nothing"], "nothing"),
        (["fault", "add", "refuse", "--rate", "2", "--http", "127.0.0.1:1"], "rate must be a number from 0 to 1"),
        (["fault", "add", "refuse", "--times", "0", "--http", "127.0.0.1:1"], "times must be a whole number"),
        (["fault", "add", "hold", "--code", "X", "--http", "127.0.0.1:1"], "--code"),
        (["requests", "--http", "127.0.0.1:1"], "127.0.0.1:1"),
    ],
)
def test_what_cannot_be_done_is_told_in_three_parts_and_nothing_is_changed(arguments: list[str], named: str) -> None:
    refused = parts(run(*arguments))
    assert named in refused["error"]
    assert refused["means"] == "nothing was changed"


def test_a_fault_that_is_not_there_cannot_be_taken_back(rest: Rest) -> None:
    refused = parts(run("fault", "clear", "99", "--credentials", str(rest.org.credentials_file)))
    assert "no fault on order has the id 99" in refused["error"]


def test_requests_are_shown_as_lines_and_as_json(rest: Rest) -> None:
    rest.org.fault("html", status=502, route="limits")
    rest.call("GET", "limits")
    rest.call("GET", "/services/oauth2/revoke?token=secret")
    first, second = told(rest, "requests").splitlines()
    at, status, _, unit, *rest_of_it = first.split()
    assert (len(at), status, unit) == (len("12:00:00.000"), "502", "ms")
    assert rest_of_it == ["limits", "GET", "/services/data/v62.0/limits", "!", "html", "1"]
    assert "secret" not in second
    assert [json.loads(line) for line in told(rest, "requests", "--json").splitlines()] == rest.org.requests()


def test_requests_can_be_followed_until_ctrl_c(rest: Rest) -> None:
    rest.call("GET", "limits")
    command = [str(Path(sysconfig.get_path("scripts")) / "practice-org"), "requests", "--follow"]
    command += ["--credentials", str(rest.org.credentials_file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert " limits " in process.stdout.readline()
        rest.query("SELECT Id FROM Lead")
        assert " query " in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
