"""The last pages are not told of."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.base import ResultFault
from practice_org.faults.results import Page


@dataclass(kw_only=True)
class MissingPage(ResultFault):
    """The answer says that this page is the last when it is not."""

    source: ClassVar[str] = "salesforce.md 0.10: Sforce-Locator is null on the last page"
    client_must: ClassVar[str] = (
        "Compare the rows of all pages with the job's numberRecordsProcessed; fail the run on a difference."
    )

    def spoil(self, page: Page) -> None:
        page.locator = "null"
