"""The frame around every command: lazy loading, and errors in three parts: what, means, next."""

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from optsync.cli.output import coloured
from optsync.core.problems import Problem

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

INTERRUPTED = 130
WRONG_USAGE = 2


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only when it runs."""

    def __init__(self, *args: Any, sections: dict[str, dict[str, tuple[str, str]]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        self.places = {name: place for section in sections.values() for name, (place, _) in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.places)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but a slip of the hand is answered with the nearest of our names."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=self.places, ctx=ctx) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = self.places.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[Any]]":
        """As click does, but from the table: the Tab key need not import every command to learn its name."""
        from click.shell_completion import CompletionItem

        named = [(name, text) for section in self.sections.values() for name, (_, text) in section.items()]
        found = [CompletionItem(name, help=text) for name, text in named if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()], col_spacing=3)


def exit_code_of(group: click.Group, arguments: Sequence[str]) -> int:
    """Runs a command line and answers its exit code; every failure has been told on stderr, none with a traceback."""
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):  # a C locale must not turn an umlaut into a crash
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # text streams in a process
    try:
        result = group.main(list(arguments), prog_name="optsync", standalone_mode=False, color=coloured())
        sys.stdout.flush()
    except BaseException as error:
        if wants_traceback(arguments) and not isinstance(error, SystemExit | click.exceptions.Exit):
            raise
        return told(error)
    return result if isinstance(result, int) else 0


def open_closed_streams() -> None:
    """Whoever closed stdin, stdout or stderr (`>&-`) gets the null device there.

    Else the next file or connection would get its number, and what is printed would land in it.
    """
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number, inheritable=True)
            if null > 2:
                os.close(null)
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good


def wants_traceback(arguments: Sequence[str]) -> bool:
    """Whether a developer asked to see where errors come from (flag before the command, or OPTSYNC_TRACEBACK=1)."""
    return "--traceback" in arguments[:1] or os.environ.get("OPTSYNC_TRACEBACK") == "1"


def told(error: BaseException) -> int:
    """Tells an error on stderr and answers the exit code it deserves."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case SystemExit():
            return error.code if isinstance(error.code, int) else 1
        case KeyboardInterrupt() | click.exceptions.Abort():
            click.echo("\nStopped. What was done is kept; the rest goes on at the next start.", err=True)
            return INTERRUPTED
        case OSError(errno=errno.EPIPE):
            sys.stdout = None  # the reader is gone: the interpreter must not flush into it
            return 1
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
            return WRONG_USAGE
        case click.ClickException():
            return tell(usage_problem(error))
    from optsync.cli.foreign import problem_of  # imports the libraries whose errors it knows: only on a failure

    return tell(problem_of(error))


def tell(problem: Problem) -> int:
    """Prints the three parts and answers the problem's exit code."""
    for name, text in (("error:", problem.what), ("means:", problem.means), ("next: ", problem.next)):
        click.echo(f"{click.style(name, bold=True)} {text}", err=True)
    return problem.exit_code


def usage_problem(error: click.ClickException) -> Problem:
    """A wrong command line in three parts; exit code 2, or 1 for a file that cannot be read."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "optsync"
    what = " ".join(error.format_message().split()).rstrip(".")
    return Problem(what, "nothing was done", f"see: {path} --help", error.exit_code)
