"""Queries in pages (salesforce.md 2.6)."""

import re
from array import array

from starlette.responses import Response
from starlette.routing import Route

from practice_org import clock, soql
from practice_org.access import Access
from practice_org.cursors import Cursor
from practice_org.errors import RefusalError
from practice_org.http import Call, answer, route
from practice_org.org import Org
from practice_org.records import Table
from practice_org.rendering import as_json, attributes, shown
from practice_org.schema import PEOPLE, PREFIXES, Value
from practice_org.selection import Match, bind, readable
from practice_org.soql import Ordering, Query, bad_object

PAGE_MAX, PAGE_MIN = 2_000, 200
_BATCH_SIZE = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)


def routes(org: Org) -> list[Route]:
    """query, queryAll and the further pages of both."""
    data = "/services/data/v{version}"
    return [
        route(org, data + "/query", GET=("query", query)),
        route(org, data + "/queryAll", GET=("queryAll", query_all)),
        route(org, data + "/query/{locator}", GET=("query.more", more)),
        route(org, data + "/queryAll/{locator}", GET=("query.more", more)),
    ]


async def query(call: Call) -> Response:
    """Live records."""
    return await _first_page(call, binned=False)


async def query_all(call: Call) -> Response:
    """Live records and those in the recycle bin, merged ones too."""
    return await _first_page(call, binned=True)


async def more(call: Call) -> Response:
    """A further page; the locator ends in the number of records before it."""
    locator, _, start = call.params["locator"].rpartition("-")
    if not start.isdigit():
        raise RefusalError("INVALID_QUERY_LOCATOR", "invalid query locator")
    cursor = call.org.cursors.get(locator)
    if int(start) >= len(cursor.numbers):
        raise RefusalError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return answer(_page(call, cursor, locator, int(start)))


async def _first_page(call: Call, *, binned: bool) -> Response:
    text = call.query("q")
    if text is None:
        raise RefusalError("MALFORMED_QUERY", "SOQL statements cannot be empty or null")
    parsed = canonical(soql.parse(text))
    if parsed.object_name not in PEOPLE:
        return answer(_single_row(call, parsed))
    match = bind(parsed, call.org.tables[parsed.object_name], call.org.access, binned=binned)
    if parsed.columns is None:
        count = match.count()
        total = len(await matching(match)) if count is None else count
        return answer({"totalSize": total, "done": True, "records": []})
    numbers = arrange(parsed, match.table, call.org.access, await matching(match))
    fields = [readable(parsed, call.org.access, name) for name in parsed.columns]
    cursor = Cursor(match.table, fields, numbers)
    locator = call.org.cursors.add(cursor) if len(numbers) > _page_size(call) else ""
    return answer(_page(call, cursor, locator, 0))


def canonical(parsed: Query) -> Query:
    """The query with its object's name in Salesforce's spelling. Raises RefusalError INVALID_TYPE."""
    for name in PREFIXES:
        if name.lower() == parsed.object_name.lower():
            return Query(parsed.columns, name, parsed.where, parsed.order, parsed.limit, parsed.offset, parsed.text)
    raise bad_object(parsed)


async def matching(match: Match) -> "array[int]":
    """All matching record numbers in id order; lets others run during a long search."""
    found = array("q")
    for number in match.numbers():
        if number is None:
            await clock.sleep(0)
        else:
            found.append(number)
    return found


def arrange(parsed: Query, table: Table, access: Access, numbers: "array[int]") -> "array[int]":
    """ORDER BY, OFFSET and LIMIT. Nulls come first unless told otherwise."""
    for ordering in reversed(parsed.order):
        name = readable(parsed, access, ordering.field).name
        numbers = array("q", _sorted(ordering, table, name, numbers))
    end = None if parsed.limit is None else parsed.offset + parsed.limit
    return numbers[parsed.offset : end]


def _sorted(ordering: Ordering, table: Table, name: str, numbers: "array[int]") -> list[int]:
    keys: dict[int, Value] = {number: table.value(number, name) for number in numbers}
    nulls = [number for number in numbers if keys[number] is None]
    rest = sorted(
        (number for number in numbers if keys[number] is not None),
        key=lambda number: str(keys[number]),
        reverse=ordering.descending,
    )
    return rest + nulls if ordering.nulls_last else nulls + rest


def _page_size(call: Call) -> int:
    """Sforce-Query-Options may ask for less than 2,000 (salesforce.md 2.1)."""
    asked = _BATCH_SIZE.search(call.header("sforce-query-options"))
    return min(PAGE_MAX, max(PAGE_MIN, int(asked[1]))) if asked else PAGE_MAX


def _page(call: Call, cursor: Cursor, locator: str, start: int) -> dict[str, object]:
    end = start + _page_size(call)
    records = [as_json(cursor.table, number, cursor.fields, call.version) for number in cursor.numbers[start:end]]
    page: dict[str, object] = {"totalSize": len(cursor.numbers), "done": end >= len(cursor.numbers)}
    if end < len(cursor.numbers):
        page["nextRecordsUrl"] = f"/services/data/v{call.version}/query/{locator}-{end}"
    return page | {"records": records}


def _single_row(call: Call, parsed: Query) -> dict[str, object]:
    """Organization and User: one row, whatever the WHERE clause says."""
    if parsed.columns is None:
        return {"totalSize": 1, "done": True, "records": []}
    row = call.org.single_rows(parsed.object_name)
    record: dict[str, object] = {"attributes": attributes(parsed.object_name, str(row["Id"]), call.version)}
    for name in parsed.columns:
        known = readable(parsed, call.org.access, name)
        record[known.name] = shown(row[known.name], known)
    return {"totalSize": 1, "done": True, "records": [record]}
