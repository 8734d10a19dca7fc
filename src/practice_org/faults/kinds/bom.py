"""A byte order mark."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.base import ResultFault
from practice_org.faults.results import Page


@dataclass(kw_only=True)
class ByteOrderMark(ResultFault):
    """A byte order mark before the header."""

    source: ClassVar[str] = "general knowledge"
    client_must: ClassVar[str] = "Not take it for part of the first column's name."

    def spoil(self, page: Page) -> None:
        page.header = b"\xef\xbb\xbf" + page.header
