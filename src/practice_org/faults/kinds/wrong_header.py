"""Other columns."""

from dataclasses import dataclass
from typing import ClassVar

from practice_org.faults.base import ResultFault
from practice_org.faults.options import option
from practice_org.faults.results import Page


@dataclass(kw_only=True)
class WrongHeader(ResultFault):
    """Columns other than the ones asked for."""

    source: ClassVar[str] = "salesforce.md 3.1: the header row names the columns"
    client_must: ClassVar[str] = "Compare the header with what it asked for; read no value by position alone."

    header: str = option('"Id","Something__c"', "The header row.")

    def spoil(self, page: Page) -> None:
        page.header = self.header.encode() + b"\n"
