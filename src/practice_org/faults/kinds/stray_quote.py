"""A quote mark too many."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.base import ResultFault
from practice_org.faults.options import option
from practice_org.faults.results import Page


@dataclass(kw_only=True)
class StrayQuote(ResultFault):
    """A quote mark too many: from there on quoted and unquoted are exchanged."""

    source: ClassVar[str] = "RFC 4180"
    client_must: ClassVar[str] = "Fail the run: what follows cannot be told apart."

    at: int = option(30, "Before which byte of the body it stands.")

    def spoil(self, page: Page) -> None:
        page.inserted = (self.at, b'"')
