"""Rows are missing at the end."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.base import ResultFault
from practice_org.faults.options import option
from practice_org.faults.results import Page


@dataclass(kw_only=True)
class Truncate(ResultFault):
    """The file ends early but in good order: only a count of its rows can tell."""

    source: ClassVar[str] = "general knowledge"
    client_must: ClassVar[str] = (
        "Compare the rows with Sforce-NumberOfRecords and the job's own count; fail the run on a difference."
    )

    bytes_kept: int = option(100, "Bytes of the body that are sent.")

    def spoil(self, page: Page) -> None:
        page.body_bytes_max = self.bytes_kept
