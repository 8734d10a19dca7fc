"""One screen, looked at again and again until Ctrl-C; where no terminal reads, one JSON object a line."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import psycopg

from optsync.cli.foreign import database_problem
from optsync.cli.frame import INTERRUPTED
from optsync.cli.output import OK, WARN, Output, dumb, painted
from optsync.seams import Seams

if TYPE_CHECKING:
    from rich.live import Live

    from optsync.cli.status import Look


def watch(out: Output, every_seconds: float, seams: Seams, look: "Callable[[], Look]") -> int:
    """Looks and shows until Ctrl-C or SIGTERM, then answers 130. A database that is away is said and waited for."""
    live = live_screen() if not out.as_json and sys.stdout.isatty() and not dumb() else None
    shown = Screen(live, seams) if live else Lines(out)
    held: AbstractContextManager[object] = live or nullcontext()
    try:
        with held:
            while True:
                try:
                    shown.look(look())
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    shown.away(f"{WARN} {database_problem(error).what} (waiting for it)")
                seams.sleep(every_seconds)
    except KeyboardInterrupt:
        return INTERRUPTED


class Lines:
    """A JSON object for each look on stdout; on stderr, once each, that the database went away and came back."""

    def __init__(self, out: Output) -> None:
        self.out = out
        self.is_away = False

    def look(self, found: "Look") -> None:
        """Shows a look."""
        if self.is_away:
            self.out.say(f"{OK} the database answers again.")
        self.is_away = False
        self.out.json(found.answer)

    def away(self, told: str) -> None:
        """Says that there is nothing to look at."""
        if not self.is_away:
            self.out.say(told)
        self.is_away = True


class Screen:
    """A piece of the terminal that is drawn anew with each look, and stays as it was last."""

    def __init__(self, live: "Live", seams: Seams) -> None:
        self.live = live
        self.seams = seams
        self.lines: list[str] = []

    def look(self, found: "Look") -> None:
        """Shows a look, with its age."""
        as_of = f"  As of {self.seams.now().astimezone():%H:%M:%S}, refreshed until Ctrl-C"
        self.lines = [*found.lines, "", as_of]
        self._draw(self.lines)

    def away(self, told: str) -> None:
        """Says below the last look that there is none now."""
        self._draw([*self.lines, told])

    def _draw(self, lines: list[str]) -> None:
        from rich.text import Text

        self.live.update(Text.from_ansi("\n".join(painted(line) for line in lines)), refresh=True)


def live_screen() -> "Live":
    """The terminal as rich draws on it."""
    from rich.console import Console
    from rich.live import Live

    return Live(console=Console(highlight=False), auto_refresh=False)
