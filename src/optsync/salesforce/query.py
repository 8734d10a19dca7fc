"""SOQL over REST: literals, pages, counts, and long lists of values split into calls that fit.

Sources: SOQL and SOSL Reference, "Quoted String Escape Sequences"; REST API Developer Guide, "Query", "QueryAll";
`salesforce.stackexchange.com/q/195449` for the 16 kB of request line and headers.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote as percent_encode

from optsync.salesforce.errors import ApiRefused, Code, OddAnswer
from optsync.salesforce.session import Session

PAGE_RECORDS = 2000
"""Salesforce's default and largest page."""
MAX_LIST_VALUES = 400
MAX_URI_BYTES = 13_500
"""With 2,500 bytes left for headers (a token may take 2,000) a call stays below 16,000 bytes."""
MAX_LITERAL_CHARS = 4_000

_ESCAPES = str.maketrans(
    {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_RECORD_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?", re.ASCII)
_PLAIN_IN_QUERY = "'(),@:!*/?$~"


def quote(text: str) -> str:
    """`text` as a SOQL string literal: the only way a value gets into a query.

    Raises ValueError for control characters without an escape, lone surrogates and more than 4,000 characters.
    """
    escaped = text.translate(_ESCAPES)
    if _CONTROL.search(escaped) or len(text) > MAX_LITERAL_CHARS:
        raise ValueError("this text cannot stand in a query")
    escaped.encode("utf-8")
    return f"'{escaped}'"


def quote_id(record_id: str) -> str:
    """A record id as a literal. Raises ValueError for anything that is not 15 or 18 letters and digits."""
    if not _RECORD_ID.fullmatch(record_id):
        raise ValueError("this is not a Salesforce record id")
    return f"'{record_id}'"


def id_from(row: dict[str, Any], name: str = "Id") -> str:
    """The record id in a row of an answer, fit to stand in an address or a query. Raises OddAnswer when it is none."""
    record_id = row.get(name)
    if not isinstance(record_id, str) or not _RECORD_ID.fullmatch(record_id):
        raise OddAnswer(f"a row whose {name} is no Salesforce id")
    return record_id


def in_batches(
    prefix: str, values: Sequence[str], suffix: str = "", *, literal: Callable[[str], str] = quote
) -> Iterator[tuple[str, list[str]]]:
    """Queries `prefix + 'a','b',... + suffix` with the values of each, every one short enough for a GET.

    `prefix` ends with "IN (" and `suffix` starts with ")". At most 400 values and 13,500 bytes of address each.
    """
    fixed_bytes = len(query_path(prefix + suffix))
    batch: list[str] = []
    literals: list[str] = []
    used_bytes = fixed_bytes
    for value in values:
        text = literal(value)
        added_bytes = len(_encoded(text)) + 1
        if batch and (len(batch) == MAX_LIST_VALUES or used_bytes + added_bytes > MAX_URI_BYTES):
            yield prefix + ",".join(literals) + suffix, batch
            batch, literals, used_bytes = [], [], fixed_bytes
        batch.append(value)
        literals.append(text)
        used_bytes += added_bytes
    if batch:
        yield prefix + ",".join(literals) + suffix, batch


class TooMany(Exception):  # noqa: N818  an answer, not a failure: the first page tells how many there are
    """The query has more records than the caller wants to read by pages."""


def pages(
    session: Session, soql: str, *, all_rows: bool = False, tooling: bool = False, at_most: int | None = None
) -> Iterator[list[dict[str, Any]]]:
    """The query's records, page by page; `all_rows` includes deleted, merged and archived ones, `tooling` asks for the
    parts of Setup.

    Ends normally only when every record that Salesforce counted has come; raises OddAnswer otherwise, also when the
    locator of the next page was lost. Whoever needs the whole set starts again then. Raises TooMany after the first
    page when there are more than `at_most`.
    """
    answer = _page(session, ("tooling/" if tooling else "") + query_path(soql, all_rows=all_rows))
    total = answer["totalSize"]
    if at_most is not None and total > at_most:
        raise TooMany
    received = len(answer["records"])
    yield answer["records"]
    while not answer["done"]:
        answer = _next_page(session, str(answer.get("nextRecordsUrl")))
        received += len(answer["records"])
        if not answer["records"] or received > total:
            break
        yield answer["records"]
    if received != total:
        raise OddAnswer(f"{received:,} records came of {total:,} announced")


def rows(session: Session, soql: str, *, all_rows: bool = False, tooling: bool = False) -> Iterator[dict[str, Any]]:
    """The query's records one by one; as `pages` otherwise."""
    for page in pages(session, soql, all_rows=all_rows, tooling=tooling):
        yield from page


def count(session: Session, soql: str, *, all_rows: bool = False) -> int:
    """The number a `SELECT COUNT() FROM ...` gives."""
    answer = _page(session, query_path(soql, all_rows=all_rows))
    if not answer["done"] or answer["records"]:
        raise OddAnswer("a count came with records")
    return int(answer["totalSize"])


def query_path(soql: str, *, all_rows: bool = False) -> str:
    """The path of a query, relative to the version."""
    return f"{'queryAll' if all_rows else 'query'}?q={_encoded(soql)}"


def _encoded(soql: str) -> str:
    # Quotes, commas and @ may stand in a query string as they are (RFC 3986, 3.4): a third of the bytes of a list.
    return percent_encode(soql, safe=" " + _PLAIN_IN_QUERY).replace(" ", "+")


def _next_page(session: Session, path: str) -> dict[str, Any]:
    try:
        return _page(session, path)
    except ApiRefused as error:
        if error.code != Code.INVALID_QUERY_LOCATOR:
            raise
        raise OddAnswer("the place in the query's result was lost") from error


def _page(session: Session, path: str) -> dict[str, Any]:
    answer = session.request("GET", path, headers={"Sforce-Query-Options": f"batchSize={PAGE_RECORDS}"}).json_object()
    total, records = answer.get("totalSize"), answer.get("records")
    is_whole = isinstance(answer.get("done"), bool) and type(total) is int and isinstance(records, list)
    if not is_whole or not all(isinstance(record, dict) for record in records or ()):
        raise OddAnswer("a query page without done, totalSize or records")
    return answer
