"""Data goes to stdout, talk and progress to stderr, and nothing is coloured that is not read on a terminal."""

import json
import os
import shlex
import sys
from collections.abc import Callable
from datetime import date, datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")

OK, WARN, BAD, SKIP = "✓", "!", "✕", "–"
COLOURS = {OK: "green", WARN: "yellow", BAD: "red", SKIP: "bright_black"}


class Output:
    """Where a command speaks: `line` and `show` are data, `say` is talk; with --json only JSON reaches stdout."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def show(self, value: dict[str, Any], *lines: str) -> None:
        """The answer of a command: one JSON object with --json, else these lines."""
        if self.as_json:
            self.json(value)
        else:
            for line in lines:
                click.echo(painted(line))

    def json(self, value: dict[str, Any]) -> None:
        """One object on one line of stdout, whatever the mode."""
        click.echo(json.dumps(value, ensure_ascii=not writes_utf_8(), default=as_json_value))

    def say(self, line: str) -> None:
        """Talk and progress: stderr, in both modes."""
        click.echo(painted(line), err=True)


class Ticker:
    """Progress on stderr: one line that rewrites itself on a terminal, elsewhere one line for each new phase."""

    def __init__(self) -> None:
        self.on_terminal = sys.stderr.isatty() and not dumb()
        self.phase = ""

    def __call__(self, phase: str, done: int | str | None = None) -> None:
        text = phase if done is None else f"{phase}  {done if isinstance(done, str) else f'{done:,}'}"
        if self.on_terminal:
            click.echo(f"\r\x1b[K  {text}", nl=False, err=True)
        elif phase != self.phase:
            click.echo(f"  {phase}", err=True)
        self.phase = phase

    def done(self) -> None:
        """Clears the line, so that what follows starts on a clean one."""
        if self.on_terminal and self.phase:
            click.echo("\r\x1b[K", nl=False, err=True)


def writes_utf_8() -> bool:
    """Whether stdout takes every character as it is; elsewhere JSON escapes what its encoding does not have."""
    return sys.stdout is not None and sys.stdout.encoding.lower().replace("-", "") == "utf8"


def painted(line: str) -> str:
    """The line with its leading sign coloured; click strips the colour where no terminal reads it."""
    sign = line.lstrip()[:1]
    if sign in COLOURS and line.lstrip()[1:2] == " ":
        return line.replace(sign, click.style(sign, fg=COLOURS[sign], bold=True), 1)
    return line


def as_json_value(value: object) -> object:
    """How instants and other plain values are written in JSON; raises TypeError for anything else."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def with_output(command: Callable[Concatenate[Output, P], R]) -> Callable[P, R]:
    """Gives a command --json and hands it its `Output` first."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, for scripts.")
    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        return command(Output(bool(kwargs.pop("as_json"))), *args, **kwargs)

    return wrapped


def coloured() -> bool | None:
    """False when NO_COLOR asks for it or the terminal knows no colours, else None: click decides by the stream."""
    return False if os.environ.get("NO_COLOR") or dumb() else None


def dumb() -> bool:
    """Whether the terminal understands no control sequences."""
    return os.environ.get("TERM") == "dumb"


def with_yes() -> str:
    """The command line of this process once more, with a yes: every option that was typed stays."""
    return " ".join(["optsync", *(shlex.quote(word) for word in sys.argv[1:]), "--yes"])


def interactive() -> bool:
    """Whether a person can be asked: both ends are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()
