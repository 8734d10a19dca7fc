"""What every answer tells beside its content. Source: REST API Developer Guide, "Headers" (Sforce-Limit-Info)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

_API_USAGE = re.compile(r"api-usage=([0-9]{1,12})/([0-9]{1,12})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiUsage:
    """API calls of the last 24 hours as Salesforce counts them (it counts late), and how many are allowed."""

    used: int
    allowed: int


@dataclass(slots=True)
class AnswerHeaders:
    """The last word of one org's answers. `limit` is None before the first that told it."""

    limit: ApiUsage | None = None
    _date: str = ""

    def note(self, headers: Mapping[str, str]) -> None:
        """Takes down what an answer told."""
        self._date = headers.get("date", self._date)
        if usage := _API_USAGE.search(headers.get("sforce-limit-info", "")):
            self.limit = ApiUsage(int(usage[1]), int(usage[2]))

    @property
    def now_at(self) -> datetime | None:
        """The time of the last answer by Salesforce's own clock, to the second; None before the first."""
        try:
            at = parsedate_to_datetime(self._date)
        except ValueError:
            return None
        return at if at.tzinfo else None
