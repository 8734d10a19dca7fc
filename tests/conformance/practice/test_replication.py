"""getUpdated and getDeleted: salesforce.md 2.7."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from tests.conformance.practice.rest import Answer, Rest


def ask(rest: Rest, kind: str, *, hours_back: float = 1, hours_long: float = 2) -> Answer:
    start = datetime.now(UTC) - timedelta(hours=hours_back)
    span = {"start": start.isoformat(), "end": (start + timedelta(hours=hours_long)).isoformat()}
    return rest.call("GET", f"sobjects/Lead/{kind}/?{urlencode(span)}")


def test_what_was_written_lately_is_updated_and_what_was_binned_is_deleted(rest: Rest) -> None:
    kept, binned = (rest.org.create("Lead", Email="ada@example.com") for _ in range(2))
    rest.org.delete(binned)
    now = datetime.now(UTC)
    # seconds are ignored, so what was written in this minute is covered once it is over
    span = urlencode(
        {"start": (now - timedelta(minutes=5)).isoformat(), "end": (now + timedelta(minutes=2)).isoformat()}
    )
    updated = rest.call("GET", f"sobjects/Lead/updated?{span}").json
    deleted = rest.call("GET", f"sobjects/Lead/deleted?{span}").json
    assert (updated["ids"], set(updated)) == ([kept], {"ids", "latestDateCovered"})
    assert [record["id"] for record in deleted["deletedRecords"]] == [binned]
    assert deleted["deletedRecords"][0]["deletedDate"].endswith(".000+0000")
    assert {"earliestDateAvailable", "latestDateCovered"} < set(deleted)


def test_an_earlier_span_has_nothing(rest: Rest) -> None:
    rest.org.create("Lead", Email="ada@example.com")
    assert ask(rest, "updated", hours_back=3, hours_long=1).json["ids"] == []


@pytest.mark.parametrize(
    ("hours_back", "hours_long"),
    [(1, -1), (1, 0), (24 * 40, 1)],
)
def test_a_span_that_is_none_is_refused(rest: Rest, hours_back: float, hours_long: float) -> None:
    answer = ask(rest, "updated", hours_back=hours_back, hours_long=hours_long)
    assert (answer.status, answer.code) == (400, "INVALID_REPLICATION_DATE")


@pytest.mark.parametrize("query", ["", "?start=2026-01-01T00:00:00Z", "?start=x&end=y", "?start=0001-01-01&end=9999"])
def test_a_span_that_cannot_be_read_is_refused(rest: Rest, query: str) -> None:
    assert rest.call("GET", f"sobjects/Lead/deleted{query}").status == 400
