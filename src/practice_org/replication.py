"""getUpdated and getDeleted: the ids of what changed between two instants (salesforce.md 2.7)."""

from datetime import UTC, datetime, timedelta

from starlette.responses import Response
from starlette.routing import Route

from practice_org.errors import RefusalError
from practice_org.http import Call, answer, route
from practice_org.org import Org
from practice_org.people import BORN_AT, instant_text
from practice_org.records import Table
from practice_org.writes import table_for

IDS_MAX = 600_000
DAYS_BACK_MAX = 30


def routes(org: Org) -> list[Route]:
    """They come before single records, whose ids are never spelled so."""
    objects = "/services/data/v{version}/sobjects/{object}"
    return [
        route(org, objects + "/updated", GET=("record.updated", updated)),
        route(org, objects + "/deleted", GET=("record.deleted", deleted)),
    ]


async def updated(call: Call) -> Response:
    """Live records that were created or changed in the span."""
    table = table_for(call.org, call.params["object"])
    start, end = _span(call)
    found = [table.id_of(number) for number in _changed(table, start, end) if number not in table.deleted]
    _check_size(found)
    return answer({"ids": found, "latestDateCovered": _shown(min(end, call.org.now()))})


async def deleted(call: Call) -> Response:
    """Records that went to the recycle bin in the span and are still there, merged ones too."""
    table = table_for(call.org, call.params["object"])
    start, end = _span(call)
    found = [
        {"id": table.id_of(number), "deletedDate": _wire(str(table.value(number, "SystemModstamp")))}
        for number in _changed(table, start, end)
        if number in table.deleted
    ]
    _check_size(found)
    dates = {"earliestDateAvailable": _shown(BORN_AT), "latestDateCovered": _shown(min(end, call.org.now()))}
    return answer({"deletedRecords": found} | dates)


def _changed(table: Table, start: datetime, end: datetime) -> list[int]:
    """Only what was written since the start can lie within the last days: generated people are older."""
    first, last = instant_text(start), instant_text(end)
    return sorted(
        number
        for number in table.changes
        if number not in table.sharing.hidden and first <= str(table.value(number, "SystemModstamp")) < last
    )


def _span(call: Call) -> tuple[datetime, datetime]:
    """Both instants in whole minutes, as Salesforce ignores the seconds. Raises RefusalError."""
    start, end = (_instant(call, name) for name in ("start", "end"))
    if end <= start:
        raise _bad_span(f"startDate ({_shown(start)}) must come before endDate ({_shown(end)})")
    if start < call.org.now() - timedelta(days=DAYS_BACK_MAX):
        raise _bad_span(f"startDate ({_shown(start)}) lies more than {DAYS_BACK_MAX} days back")
    return start, end


def _instant(call: Call, name: str) -> datetime:
    text = call.query(name)
    if not text:
        raise RefusalError("MISSING_ARGUMENT", f"the parameter {name} is missing")
    try:
        # a plus that nobody encoded arrives as a space
        return datetime.fromisoformat(text.replace(" ", "+")).astimezone(UTC).replace(second=0, microsecond=0)
    except (ValueError, OverflowError) as error:
        raise RefusalError("INVALID_FIELD", f"{name} is no date and time: {text[:40]}") from error


def _bad_span(text: str) -> RefusalError:
    return RefusalError("INVALID_REPLICATION_DATE", text)


def _check_size(found: list[str] | list[dict[str, str]]) -> None:
    if len(found) > IDS_MAX:
        raise RefusalError("EXCEEDED_ID_LIMIT", f"more than {IDS_MAX} ids; choose a shorter span")


def _shown(instant: datetime) -> str:
    return _wire(instant_text(instant))


def _wire(text: str) -> str:
    """An offset without colon, as REST shows instants."""
    return text[:-1] + "+0000"
