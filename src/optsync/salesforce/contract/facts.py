"""The questions, with the answer of the practice org's default and where it comes from.

A fact without a better source names its letter among the open points of the practice org's `salesforce.md`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optsync.core.record_ids import to_18
from optsync.salesforce.contract.bench import OPT_OUT, Bench, NotSeen, in_short
from optsync.salesforce.http import Answer
from optsync.salesforce.query import query_path
from optsync.salesforce.session import API_VERSION


@dataclass(frozen=True, slots=True)
class Fact:
    """One question. `ask` puts it to an org and answers in the words of `expected`."""

    id: str
    question: str
    expected: str
    source: str
    ask: Callable[[Bench], str]


def _update_deleted(bench: Bench) -> str:
    return in_short(bench.tick(bench.deleted))


def _read_deleted(bench: Bench) -> str:
    return in_short(bench.call("GET", f"sobjects/Contact/{bench.deleted}?fields=Id"))


def _unknown_field(bench: Bench) -> str:
    return in_short(bench.call("PATCH", f"sobjects/Contact/{bench.contacts[0]}", json={"OptsyncNoSuchField__c": True}))


def _order(bench: Bench) -> str:
    asked = list(reversed(bench.contacts))
    told = [to_18(str(item.get("id"))) for item in _items(bench, *asked)]
    return "as asked" if told == asked else "another"


def _mixed(bench: Bench) -> str:
    answer = bench.tick_together(bench.contacts[0], bench.deleted)
    return f"{answer.status} " + ", ".join(str(item["success"]).lower() for item in answer.json_array())


def _failed_item(bench: Bench) -> str:
    (_, failed) = _items(bench, bench.contacts[0], bench.deleted)
    return f"{'with' if failed.get('id') else 'without'} id, {failed['errors'][0]['statusCode']}"


def _all_failed(bench: Bench) -> str:
    return str(bench.tick_together(bench.deleted).status)


def _twice(bench: Bench) -> str:
    answer = bench.tick_together(bench.contacts[0], bench.contacts[0])
    if answer.status != 200:
        return in_short(answer)
    second = answer.json_array()[1]
    return "both succeed" if second["success"] else f"the second fails: {second['errors'][0]['statusCode']}"


def _items(bench: Bench, *record_ids: str) -> list[dict[str, Any]]:
    return list(bench.tick_together(*record_ids).json_array())


def _gone_in_query_all(bench: Bench) -> str:
    soql = f"SELECT Id, IsDeleted FROM Contact WHERE Id = '{bench.deleted}'"
    rows = bench.call("GET", query_path(soql, all_rows=True)).json_object()["records"]
    return "shown, IsDeleted true" if rows and rows[0]["IsDeleted"] is True else "not shown"


def _page(bench: Bench, **query: str) -> tuple[dict[str, str], list[str]]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer = bench.call("GET", f"jobs/query/{bench.bulk_query}/results?{asked}", headers={"Accept": "text/csv"})
    return answer.headers, answer.body.decode().splitlines()


def _bulk_header(bench: Bench) -> str:
    _, lines = _page(bench)
    return lines[0]


def _bulk_number(bench: Bench) -> str:
    headers, _ = _page(bench)
    return headers.get("sforce-numberofrecords", "no such header")


def _last_locator(bench: Bench) -> str:
    headers, _ = _page(bench)
    return headers.get("sforce-locator", "no such header")


def _later_pages(bench: Bench) -> str:
    headers, first = _page(bench, maxRecords="1")
    locator = headers.get("sforce-locator", "null")
    if locator == "null":
        raise NotSeen("the org gave both rows on one page although one was asked for")
    _, second = _page(bench, locator=locator, maxRecords="1")
    return "with header" if second[0] == first[0] else "without header"


def _result_pages(bench: Bench) -> str:
    answer = bench.call("GET", f"jobs/query/{bench.bulk_query}/resultPages")
    if answer.status != 200:
        return in_short(answer)
    return ", ".join(sorted(answer.json_object()))


def _other_version(bench: Bench) -> str:
    other = f"{float(API_VERSION) - 1:.1f}"
    return in_short(bench.call("GET", f"/services/data/v{other}/jobs/query/{bench.bulk_query}/results"))


def _failed_rows(bench: Bench) -> list[str]:
    path = f"jobs/ingest/{bench.bulk_update}/failedResults"
    return bench.call("GET", path, headers={"Accept": "text/csv"}).body.decode().splitlines()


def _failed_header(bench: Bench) -> str:
    return _failed_rows(bench)[0]


def _failed_id(bench: Bench) -> str:
    first = _failed_rows(bench)[1].split(",")[0].strip('"')
    return "with sf__Id" if first else "without sf__Id"


def _second_upload(bench: Bench) -> str:
    job = bench.open_update()
    content = f"Id,{OPT_OUT}\n{bench.contacts[1]},true\n".encode("ascii")
    answer = bench.call("PUT", f"jobs/ingest/{job}/batches", content=content, headers={"Content-Type": "text/csv"})
    if answer.status != 201:
        return f"the upload: {in_short(answer)}"
    return in_short(bench.call("PATCH", f"jobs/ingest/{job}", json={"state": "UploadComplete"}))


def _ask_for(method: str, path: str, **options: Any) -> Callable[[Bench], str]:
    return lambda bench: in_short(bench.call(method, path, **options))


def _limit_header(bench: Bench) -> str:
    told = bench.call("GET", "limits").headers.get("sforce-limit-info", "")
    name, _, numbers = told.partition("=")
    return f"{name}=used/allowed" if numbers.replace("/", "", 1).isdigit() else told or "no such header"


def _versions(bench: Bench) -> str:
    offered = {item["version"] for item in bench.call("GET", "/services/data").json_array()}
    return "offered" if API_VERSION in offered else "not offered"


def _tooling(bench: Bench, soql: str) -> Answer:
    return bench.call("GET", f"tooling/{query_path(soql)}")


def _layout_enumeration(bench: Bench) -> str:
    """Tooling is said to show enumerations in a form that it does not take back; nothing is written to find out."""
    for row in _tooling(bench, "SELECT Id FROM Layout WHERE TableEnumOrId IN ('Lead', 'Contact')").json_object()[
        "records"
    ]:
        tree = bench.call("GET", f"tooling/sobjects/Layout/{row['Id']}").json_object().get("Metadata") or {}
        summary = tree.get("summaryLayout") or {}
        if "summaryLayoutStyle" in summary:
            return str(summary["summaryLayoutStyle"])
    raise NotSeen("no layout of Lead or Contact has a summary")


FACTS = (
    Fact("version", f"Is version {API_VERSION} offered?", "offered", "REST guide, Versions", _versions),
    Fact(
        "limit-header",
        "How does an answer say what is left?",
        "api-usage=used/allowed",
        "REST guide, Limit Info Header",
        _limit_header,
    ),
    Fact(
        "bad-query",
        "What does a statement with a fault get?",
        "400 MALFORMED_QUERY",
        "REST guide, Status Codes",
        _ask_for("GET", query_path("SELECT Id FRM Contact")),
    ),
    Fact(
        "unknown-column",
        "What does a column that is not there get?",
        "400 INVALID_FIELD",
        "REST guide, Status Codes",
        _ask_for("GET", query_path("SELECT OptsyncNoSuchField__c FROM Contact")),
    ),
    Fact(
        "bad-json",
        "What does a body that is no JSON get?",
        "400 JSON_PARSER_ERROR",
        "REST guide, Status Codes",
        _ask_for("POST", "sobjects/Contact", content=b"{", headers={"Content-Type": "application/json"}),
    ),
    Fact(
        "update-one", "What does one ticked box get?", "204", "REST guide, Update", lambda b: in_short(b.tick(b.lead))
    ),
    Fact("update-deleted", "And one on a deleted record?", "404 ENTITY_IS_DELETED", "open point (h)", _update_deleted),
    Fact(
        "read-deleted",
        "What does reading a deleted record get?",
        "404 ENTITY_IS_DELETED",
        "REST guide, Status Codes",
        _read_deleted,
    ),
    Fact(
        "update-unknown-field", "And a field that is not there?", "400 INVALID_FIELD", "open point (h)", _unknown_field
    ),
    Fact("collection-order", "In which order are Collections answered?", "as asked", "REST guide", _order),
    Fact("collection-mixed", "What do one good and one bad record get?", "200 true, false", "REST guide", _mixed),
    Fact(
        "collection-failed-item",
        "Does a failed item name its record?",
        "without id, ENTITY_IS_DELETED",
        "REST guide",
        _failed_item,
    ),
    Fact("collection-all-failed", "With which status do all fail?", "200", "open point (b)", _all_failed),
    Fact(
        "collection-twice",
        "What does an id given twice get?",
        "the second fails: DUPLICATE_VALUE",
        "open point (c)",
        _twice,
    ),
    Fact(
        "query-all", "Does queryAll show a deleted record?", "shown, IsDeleted true", "REST guide", _gone_in_query_all
    ),
    Fact("bulk-header", "What is a Bulk result's first line?", '"Id","Email"', "Bulk guide", _bulk_header),
    Fact("bulk-number", "How many rows does it say it has?", "2", "Bulk guide", _bulk_number),
    Fact("bulk-last-locator", "What follows the last page?", "null", "Bulk guide", _last_locator),
    Fact("bulk-later-pages", "Do later pages repeat the header?", "with header", "open point (a)", _later_pages),
    Fact(
        "bulk-result-pages",
        "How is the next list of pages called?",
        "done, nextRecordsUrl, resultPages",
        "open point (d)",
        _result_pages,
    ),
    Fact(
        "bulk-other-version",
        "And results asked for in another version?",
        "409 INVALIDVERSION",
        "Bulk guide, recorded answers",
        _other_version,
    ),
    Fact(
        "ingest-failed-header",
        "How do the failed rows begin?",
        f'"sf__Id","sf__Error",Id,{OPT_OUT}',
        "recorded answers",
        _failed_header,
    ),
    Fact("ingest-failed-id", "Do failed rows carry sf__Id?", "without sf__Id", "documented, often empty", _failed_id),
    Fact(
        "ingest-second-upload",
        "What does closing a job get that was given data twice?",
        "400 INVALIDJOB",
        "recorded answers",
        _second_upload,
    ),
    Fact(
        "layouts-at-once",
        "What does Tooling answer to the trees of two layouts at once?",
        "400 MALFORMED_QUERY",
        "recorded answers",
        lambda bench: in_short(_tooling(bench, "SELECT Metadata FROM Layout LIMIT 2")),
    ),
    Fact(
        "layout-enumeration",
        "How does Tooling spell the style of a layout's summary?",
        "DEFAULT",
        "clients' code; the Metadata API guide has Default",
        _layout_enumeration,
    ),
)
