"""Daily API requests and the header that tells how many are used (salesforce.md 2.1, 6)."""

from dataclasses import dataclass

from practice_org.errors import RefusalError

DAILY_DEFAULT = 1_000_000
BULK_QUERIES = 10_000
CHANGE_EVENTS = 25_000


@dataclass
class Limits:
    """One org's allowance for the rolling day."""

    daily: int = DAILY_DEFAULT
    used: int = 0
    bulk_queries_left: int = BULK_QUERIES
    change_events_left: int = CHANGE_EVENTS

    def spend(self) -> None:
        """Counts one API call. Raises RefusalError REQUEST_LIMIT_EXCEEDED when the allowance is used up."""
        if self.used >= self.daily:
            raise RefusalError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
        self.used += 1

    def header(self) -> dict[str, str]:
        """Sforce-Limit-Info as every REST answer carries it."""
        return {"Sforce-Limit-Info": f"api-usage={self.used}/{self.daily}"}

    def as_json(self) -> dict[str, dict[str, int]]:
        """The body of GET /limits; what the control API does not set is fixed."""

        def entry(maximum: int, used: int = 0) -> dict[str, int]:
            return {"Max": maximum, "Remaining": max(0, maximum - used)}

        return {
            "DailyApiRequests": entry(self.daily, self.used),
            "DailyBulkApiBatches": entry(15_000),
            "DailyBulkV2QueryFileStorageMB": entry(976_562),
            "DailyBulkV2QueryJobs": entry(BULK_QUERIES, BULK_QUERIES - self.bulk_queries_left),
            "DailyDeliveredPlatformEvents": entry(CHANGE_EVENTS, CHANGE_EVENTS - self.change_events_left),
            "HourlyPublishedPlatformEvents": entry(250_000),
        }
