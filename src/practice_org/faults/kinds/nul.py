"""A NUL byte."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.base import ResultFault
from practice_org.faults.options import option
from practice_org.faults.results import Page


@dataclass(kw_only=True)
class Nul(ResultFault):
    """A NUL byte among the rows; PostgreSQL refuses it."""

    source: ClassVar[str] = "PostgreSQL: text holds no NUL"
    client_must: ClassVar[str] = "Refuse the file or drop the byte knowingly; never stop for ever on it."

    at: int = option(30, "Before which byte of the body it stands.")

    def spoil(self, page: Page) -> None:
        page.inserted = (self.at, b"\x00")
