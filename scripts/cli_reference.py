"""Writes docs/reference/cli.md from the commands themselves; a test keeps it current."""

import re
from inspect import cleandoc
from pathlib import Path
from textwrap import dedent

import click

from optsync.cli.main import SECTIONS, optsync

PAGE = Path("docs/reference/cli.md")
EXAMPLES = re.compile(r"\x08\nExamples:\n((?:  .+\n?)+)")
HEAD = """# Every command

Data goes to stdout, talk and progress to stderr. `--json` prints one object (streams: one object a line). Every error
says what happened, what it means and what to do next. `optsync --traceback ...` is for developers.

| Exit code | Means |
|---|---|
| 0 | fine |
| 1 | failed |
| 2 | wrong usage: nothing was done |
| 3 | done, but some rows were rejected, a check warns, or somebody asked about is blocked |
| 4 | sign in to Salesforce first: `optsync connect` |
| 5 | held: a decision waits |
| 6 | `sync --dry-run --exit-code`: the two sides differ |
| 130 | Ctrl-C |
"""


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    for title, names in SECTIONS.items():
        lines.append(f"## {title}\n")
        for name in names:
            command = optsync.get_command(click.Context(optsync), name)
            assert command is not None
            lines += described(command, ("optsync", name))
    return "\n".join(lines)


def described(command: click.Command, path: tuple[str, ...]) -> list[str]:
    """One command, and those below it."""
    context = click.Context(command, info_name=" ".join(path))
    usage = " ".join([*path, *command.collect_usage_pieces(context)])
    lines = [f"### `{usage}`\n", EXAMPLES.sub(fenced, cleandoc(command.help or "")).rstrip(), ""]
    rows = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    lines += [f"- `{flag}`: {text}" for flag, text in rows]
    lines += [""] if rows else []
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            lines += described(sub, (*path, name))
    return lines


def fenced(examples: re.Match[str]) -> str:
    """The examples of a help text as code: their lines must stay lines."""
    return f"```\n{dedent(examples[1]).rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
