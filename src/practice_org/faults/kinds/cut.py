"""The file breaks off."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.base import ResultFault
from practice_org.faults.options import option
from practice_org.faults.results import Page


@dataclass(kw_only=True)
class Cut(ResultFault):
    """The connection breaks in the middle of the file."""

    source: ClassVar[str] = "general knowledge"
    client_must: ClassVar[str] = "Use nothing of the file; fetch the same page again."

    bytes_kept: int = option(100, "Bytes of the body that are sent.")

    def spoil(self, page: Page) -> None:
        page.body_bytes_max = self.bytes_kept
        page.cut = True
