"""The command practice-org: what it says when it cannot do what it was asked."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.practice import PracticeOrg


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sysconfig.get_path("scripts")) / "practice-org"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def parts(answer: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The three lines of a refusal by their first word."""
    assert (answer.returncode, answer.stdout) == (2, "")
    assert [line.partition(": ")[0] for line in answer.stderr.splitlines()] == ["error", "means", "next"]
    return {name: text.strip() for name, _, text in (line.partition(": ") for line in answer.stderr.splitlines())}


def test_help_loads_no_server() -> None:
    code = "import sys; from practice_org.cli import group; group.main(['--help'], standalone_mode=False);"
    code += "sys.exit(any(name in sys.modules for name in ('uvicorn', 'starlette', 'lark', 'cryptography')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False).returncode == 0


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["serve", "-h"]])
def test_help_names_the_options_with_exit_code_0(arguments: list[str]) -> None:
    answer = run(*arguments)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "Usage: practice-org" in answer.stdout


def test_without_a_command_it_shows_its_help() -> None:
    answer = run()
    assert answer.returncode == 2
    assert "Usage: practice-org" in answer.stderr


@pytest.mark.parametrize("address", ["0.0.0.0:0", "example.com:80", "127.0.0.1:99999", "127.0.0.1", "127.0.0.1:²"])
def test_an_address_beyond_this_machine_is_refused_in_three_parts(tmp_path: Path, address: str) -> None:
    assert address in parts(run("serve", "--http", address, "--credentials", str(tmp_path / "c.json")))["error"]


def test_https_is_for_this_machine_only_too(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    files = ["--cert", str(certificate), "--key", str(key), "--credentials", str(tmp_path / "c.json")]
    refused = parts(run("serve", "--https", "0.0.0.0:0", *files))
    assert "0.0.0.0:0" in refused["error"]
    assert "--https 127.0.0.1:PORT" in refused["next"]


@pytest.mark.parametrize(
    ("arguments", "named", "do"),
    [
        (["--https", "127.0.0.1:0"], "needs a certificate", "--cert FILE --key FILE"),
        (["--https", "127.0.0.1:0", "--cert", "{cert}"], "needs a certificate", "--cert FILE --key FILE"),
        (["--cert", "{cert}", "--key", "{key}"], "belong to --https", "--https"),
        (["--https", "127.0.0.1:0", "--cert", "{key}", "--key", "{cert}"], "cannot be used for TLS", "PEM"),
        (["--https", "127.0.0.1:0", "--cert", "{cert}", "--key", "/nowhere"], "/nowhere", "--help"),
        (["--instance-url", "example.com"], "example.com", "https://HOST"),
        (["--instance-url", "https://example.com/services"], "/services", "https://HOST"),
        (["--instance-url", "https://example.com:port"], ":port", "https://HOST"),
    ],
)
def test_options_of_https_that_do_not_fit_are_refused_in_three_parts(
    tmp_path: Path, arguments: list[str], named: str, do: str
) -> None:
    certificate, key = make_certificate(tmp_path)
    given = [argument.format(cert=certificate, key=key) for argument in arguments]
    refused = parts(run("serve", "--credentials", str(tmp_path / "c.json"), *given))
    assert named in refused["error"]
    assert do in refused["next"]
    assert not (tmp_path / "c.json").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--leads", "-1"], "--leads"),
        (["--contacts", "many"], "--contacts"),
        (["--opted-out", "101"], "--opted-out"),
        (["--opted-out", "nan"], "nan"),
        (["--no-such-option"], "--no-such-option"),
        (["--lead-field", "Email"], "Email"),
        (["--contact-field", "Sales Opt Out__c"], "Sales Opt Out__c"),
        (["--seed"], "--seed"),
    ],
)
def test_a_wrong_option_is_refused_in_three_parts(tmp_path: Path, arguments: list[str], named: str) -> None:
    refused = parts(run("serve", "--credentials", str(tmp_path / "c.json"), *arguments))
    assert named in refused["error"]
    assert "practice-org serve --help" in refused["next"]
    assert not list(tmp_path.iterdir())


def test_a_missing_credentials_option_is_refused_in_three_parts() -> None:
    assert "--credentials" in parts(run("serve"))["error"]


def test_an_unknown_command_is_refused_in_three_parts() -> None:
    assert "practice-org --help" in parts(run("start"))["next"]


def test_a_port_that_is_taken_is_named_and_the_file_is_left_alone(org: PracticeOrg, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text("of another org")
    address = org.url.removeprefix("http://")
    refused = parts(run("serve", "--http", address, "--credentials", str(file)))
    assert address in refused["error"]
    assert "port 0" in refused["next"]
    assert file.read_text() == "of another org"


def test_a_file_that_cannot_be_written_is_named() -> None:
    refused = parts(run("serve", "--credentials", f"/proc/{os.getpid()}/nowhere/c.json"))
    assert "nowhere/c.json" in refused["error"]
    assert "--credentials" in refused["next"]
