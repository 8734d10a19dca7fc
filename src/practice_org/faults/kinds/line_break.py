"""A line break too many."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.base import ResultFault
from practice_org.faults.options import option
from practice_org.faults.results import Page


@dataclass(kw_only=True)
class LineBreak(ResultFault):
    """A line break where none belongs: inside a quoted value that is allowed, elsewhere it tears a row in two."""

    source: ClassVar[str] = "RFC 4180: quoted values may hold line breaks"
    client_must: ClassVar[str] = "Parse CSV with its quotes, and fail the run on rows of the wrong width."

    at: int = option(30, "Before which byte of the body it stands.")

    def spoil(self, page: Page) -> None:
        page.inserted = (self.at, b"\r\n")
