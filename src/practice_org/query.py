"""Queries in pages (salesforce.md 2.6)."""

import re
from array import array

from starlette.responses import Response
from starlette.routing import Route

from practice_org import clock, set_up, soql
from practice_org.aggregates import figures, sized
from practice_org.catalog import Catalog
from practice_org.columns import describe_columns
from practice_org.cursors import Cursor
from practice_org.errors import RefusalError
from practice_org.http import Call, answer, route
from practice_org.ordering import ordered, part
from practice_org.org import Org
from practice_org.rendering import as_json
from practice_org.schema import PEOPLE, Field
from practice_org.selection import Match, bind, canonical, readable
from practice_org.semi_joins import without_joins
from practice_org.statement import Query

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
    cursor = call.org.cursors.get(locator, call.org.now(), call.org.behaviour.query_locator_seconds)
    if int(start) >= len(cursor.numbers):
        raise RefusalError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return answer(_page(call, cursor, locator, int(start)))


async def _first_page(call: Call, *, binned: bool) -> Response:
    text = call.query("q")
    if text is None:
        raise RefusalError("MALFORMED_QUERY", "SOQL statements cannot be empty or null")
    parsed = await read(call.org, text)
    if (call.query("columns") or "").lower() == "true":
        return answer(describe_columns(parsed, call.org.access))
    if parsed.object_name not in PEOPLE:
        rows = set_up.rows(call.org, parsed.object_name, call.version)
        return answer(rows.answer(parsed, rows.matching(parsed)))
    match = bind(parsed, call.org.tables[parsed.object_name], call.org.access, binned=binned)
    if parsed.is_aggregate:
        return answer(await _figures(call, parsed, match))
    found = ordered(parsed.order, parsed, match.table, call.org.access, await matching(match))
    fields, numbers = columns_of(parsed, call.org.access), part(parsed, found)
    cursor = Cursor(match.table, fields, numbers, call.org.now())
    locator = call.org.cursors.add(cursor) if len(numbers) > _page_size(call) else ""
    return answer(_page(call, cursor, locator, 0))


async def _figures(call: Call, parsed: Query, match: Match) -> dict[str, object]:
    known = None if parsed.aggregates or parsed.grouped else match.count()
    if known is not None:
        return sized(known, parsed)
    numbers = await matching(match)
    if not parsed.aggregates and not parsed.grouped:
        return sized(len(numbers), parsed)
    return figures(parsed, match.table, call.org.access, numbers)


def columns_of(parsed: Query, access: Catalog) -> list[Field]:
    """The fields behind the columns."""
    return [readable(parsed, access, column.field) for column in parsed.columns]


async def read(org: Org, text: str) -> Query:
    """A statement ready to be answered: its object is known, its inner statements are answered. Raises RefusalError."""

    async def ids_of(inner: Query) -> list[str]:
        name = readable(inner, org.access, inner.columns[0].field).name
        if inner.object_name not in PEOPLE:
            rows = set_up.rows(org, inner.object_name, "")
            return [str(value) for number in rows.matching(inner) if (value := rows.value(number, name))]
        match = bind(inner, org.tables[inner.object_name], org.access, binned=False)
        return [str(value) for number in await matching(match) if (value := match.table.value(number, name))]

    parsed = canonical(soql.parse(text, org.now().date()), org.access)
    return await without_joins(parsed, org.access, ids_of)


async def matching(match: Match) -> "array[int]":
    """All matching record numbers in id order; lets others run during a long search."""
    found = array("q")
    for number in match.numbers():
        if number is None:
            await clock.sleep(0)
        else:
            found.append(number)
    return found


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
