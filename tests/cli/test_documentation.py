"""The documentation names commands that exist, with options they have; the reference is made from them."""

import re
import runpy
import shlex
from pathlib import Path

import click
import pytest

from optsync.cli.main import optsync

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
    *sorted((ROOT / "docs/how-to").glob("*.md")),
]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
FENCED = re.compile(r"```[a-z]*\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"(?m)^\s*(optsync .+)$")
INLINE = re.compile(r"`(optsync [^`]+)`")


def commands_in(page: Path) -> list[str]:
    """Every command line of a page."""
    text = page.read_text(encoding="utf-8")
    found = [line for block in FENCED.findall(text) for line in COMMAND.findall(block)] + INLINE.findall(text)
    return [line for line in found if "..." not in line]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_in_the_documentation_can_be_typed(page: Path) -> None:
    for line in commands_in(page):
        words = shlex.split(line)[1:]
        command: click.Command = optsync
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(click.Context(command), words[0])
            assert found is not None, line
            command, words = found, words[1:]
        known = {flag for parameter in command.params for flag in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_reference_of_commands_is_current() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "cli_reference.py"))
    assert (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8") == script["page"](), (
        "run: .venv/bin/python scripts/cli_reference.py"
    )
