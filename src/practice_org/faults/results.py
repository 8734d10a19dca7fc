"""Faults in the files of Bulk results."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.base import Page, ResultFault


@dataclass(kw_only=True)
class Truncate(ResultFault):
    """The body ends early but in good order: only a row count can tell."""

    kind: ClassVar[str] = "truncate"
    bytes_kept: int = 100

    def spoil(self, page: Page) -> None:
        page.body_bytes_max = self.bytes_kept


@dataclass(kw_only=True)
class Cut(ResultFault):
    """The connection breaks in the middle of the body."""

    kind: ClassVar[str] = "cut"
    bytes_kept: int = 100

    def spoil(self, page: Page) -> None:
        page.body_bytes_max = self.bytes_kept
        page.cut = True


@dataclass(kw_only=True)
class WrongHeader(ResultFault):
    """Columns other than the ones asked for."""

    kind: ClassVar[str] = "wrong_header"
    header: str = '"Id","Something__c"'

    def spoil(self, page: Page) -> None:
        page.header = self.header.encode() + b"\n"


@dataclass(kw_only=True)
class Nul(ResultFault):
    """A NUL byte among the rows; Postgres COPY refuses it (salesforce.md 3.1)."""

    kind: ClassVar[str] = "nul"
    at: int = 30

    def spoil(self, page: Page) -> None:
        page.inserted = (self.at, b"\x00")


@dataclass(kw_only=True)
class StrayQuote(ResultFault):
    """A quote mark too many: from there on quoted and unquoted are exchanged."""

    kind: ClassVar[str] = "stray_quote"
    at: int = 30

    def spoil(self, page: Page) -> None:
        page.inserted = (self.at, b'"')


@dataclass(kw_only=True)
class ByteOrderMark(ResultFault):
    """A byte order mark before the header."""

    kind: ClassVar[str] = "bom"

    def spoil(self, page: Page) -> None:
        page.header = b"\xef\xbb\xbf" + page.header


@dataclass(kw_only=True)
class NoLineEnd(ResultFault):
    """The last row has no line break."""

    kind: ClassVar[str] = "no_line_end"

    def spoil(self, page: Page) -> None:
        page.body_bytes_max = max(0, page.body_bytes - 1)


@dataclass(kw_only=True)
class MissingPage(ResultFault):
    """Says that this page is the last when it is not."""

    kind: ClassVar[str] = "missing_page"

    def spoil(self, page: Page) -> None:
        page.locator = "null"
