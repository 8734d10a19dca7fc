"""No line end at the end."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.base import ResultFault
from practice_org.faults.results import Page


@dataclass(kw_only=True)
class NoLineEnd(ResultFault):
    """The last row has no line break."""

    source: ClassVar[str] = "RFC 4180: the last record may lack it"
    client_must: ClassVar[str] = "Read the last row all the same."

    def spoil(self, page: Page) -> None:
        page.body_bytes_max = max(0, page.body_bytes - 1)
