"""The Tab key: scripts for three shells, and names that cost no more than a help text."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
ASK = "import sys, json; from optsync.cli.frame import exit_code_of; from optsync.cli.main import optsync\n"
ASK += "exit_code_of(optsync, []); print(json.dumps(sorted(sys.modules)), file=sys.stderr)"


def script_for(shell: str) -> str:
    """What `optsync completion` prints."""
    command = [sys.executable, "-m", "optsync.cli", "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["optsync", "stat"], ["status"]),
        (["optsync", "config", ""], ["check", "show"]),
        (["optsync", "status", "--w"], ["--watch"]),
        (["optsync", "completion", ""], ["bash", "zsh", "fish"]),
        (["optsync", "nonsense"], []),
    ],
)
def test_bash_completes_commands_options_and_values(typed: list[str], completed: list[str], tmp_path: Path) -> None:
    (tmp_path / "optsync.bash").write_text(script_for("bash"))
    words = " ".join(f"'{word}'" for word in typed)
    line = f"source optsync.bash; COMP_WORDS=({words}); COMP_CWORD={len(typed) - 1}"
    line += '; _optsync_completion optsync; echo "${COMPREPLY[@]}"'
    environ = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", line]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == completed


def asked(shell: str, typed: str) -> tuple[str, set[str]]:
    """What a shell's script gets for what was typed, and the modules that were loaded for it."""
    place = typed.partition(" ")[2] if shell == "fish" else "1"  # fish names the word, the others its number
    asks = {"_OPTSYNC_COMPLETE": f"{shell}_complete", "COMP_WORDS": typed, "COMP_CWORD": place}
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, env=os.environ | asks, capture_output=True, text=True, check=True)
    return done.stdout, set(json.loads(done.stderr))


def test_zsh_and_fish_get_what_a_command_does_with_its_name() -> None:
    assert asked("zsh", "optsync versi")[0].splitlines() == ["plain", "version", "Which optsync this is."]
    assert "Which optsync this is." in asked("fish", "optsync versi")[0]
    assert script_for("zsh").startswith("#compdef optsync\n")
    assert "complete --no-files --command optsync" in script_for("fish")


def test_the_names_of_commands_load_no_command() -> None:
    told, loaded = asked("bash", "optsync ")
    assert len(told.splitlines()) > 30
    assert {name for name in loaded if name.startswith("optsync.cli.")} == {
        "optsync.cli.frame",
        "optsync.cli.main",
        "optsync.cli.output",
    }
