"""sObject Collections: ticking up to 200 records, or reading up to 2,000, in one call.

The write type has no value field: a `Tick` says which box of which record, and the serializer writes `true`. Sources:
REST API Developer Guide, "Update Multiple Records with Fewer Round-Trips", "Get Records Using sObject Collections";
"DuplicateRuleHeader".
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from optsync.core.record_ids import Kind, to_18
from optsync.salesforce.errors import OddAnswer, clean, code_of, refusal
from optsync.salesforce.session import Session

MAX_TICKED_RECORDS = 200
MAX_READ_RECORDS = 2_000

_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}", re.ASCII)
_ALLOW_DUPLICATES = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}


@dataclass(frozen=True, slots=True)
class Tick:
    """One box to be ticked: an opt-out field of one record. Raises ValueError for a bad id or field name.

    `record_id` is held with 18 characters; `field` is the API name that describe gave.
    """

    kind: Kind
    record_id: str
    field: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "record_id", to_18(self.record_id))
        if not _FIELD.fullmatch(self.field) or self.field.lower() in ("id", "attributes"):
            raise ValueError("this is not the name of a field")


@dataclass(frozen=True, slots=True)
class TickResult:
    """What became of one tick. `code` and `message` are Salesforce's own words, None when ok (or when it gave none)."""

    tick: Tick
    ok: bool
    code: str | None = None
    message: str | None = None


def tick(session: Session, ticks: Sequence[Tick], *, allow_save: bool = False) -> list[TickResult]:
    """Sets these boxes to true in one call and says what became of each, in the order given.

    At most 200 records; two fields of one record travel as one item and so share its fate. Raises ValueError for an
    empty list, more records or the same tick twice; OddAnswer when the answer does not match the question (the write
    may have taken effect: ticking again is harmless). `allow_save` passes duplicate rules that only alert.
    """
    items = _items(ticks)
    body = {"allOrNone": False, "records": [_record(ticks_of_one) for ticks_of_one in items]}
    headers = _ALLOW_DUPLICATES if allow_save else None
    # When every record fails, some orgs answer 400 with the same array: the body decides, not the status.
    answer = session.request("PATCH", "composite/sobjects", json=body, headers=headers, accept=(400,))
    outcomes = answer.json_array()
    if answer.status == 400 and not all(isinstance(item, dict) and "success" in item for item in outcomes):
        raise refusal(answer.status, answer.headers, answer.body)
    if len(outcomes) != len(items):
        raise OddAnswer(f"{len(outcomes)} results came for {len(items)} records")
    pairs = zip(items, outcomes, strict=True)
    results = {result.tick: result for ticks_of_one, outcome in pairs for result in _results(ticks_of_one, outcome)}
    return [results[one] for one in ticks]


def retrieve(
    session: Session, kind: Kind, record_ids: Sequence[str], fields: Iterable[str]
) -> dict[str, dict[str, Any] | None]:
    """These records by id, each with `fields` and Id; None for one that is deleted, invisible or never was.

    At most 2,000 different ids. The keys are the ids as given. Raises OddAnswer when an answer is in the wrong place.
    """
    if not 1 <= len(record_ids) <= MAX_READ_RECORDS or len(set(record_ids)) != len(record_ids):
        raise ValueError(f"1 to {MAX_READ_RECORDS} different ids can be read at once")
    names = sorted({"Id", *fields})
    body = {"ids": list(record_ids), "fields": names}
    found = session.request("POST", f"composite/sobjects/{kind}", json=body, is_read=True).json_array()
    if len(found) != len(record_ids):
        raise OddAnswer(f"{len(found)} records came for {len(record_ids)} ids")
    return {asked: _read(asked, record) for asked, record in zip(record_ids, found, strict=True)}


def _items(ticks: Sequence[Tick]) -> list[list[Tick]]:
    """The ticks by record, sorted by object: Salesforce breaks a call at every change of type and takes ten pieces."""
    if len(set(ticks)) != len(ticks):
        raise ValueError("the same tick stands twice in one call")
    of_record: dict[str, list[Tick]] = {}
    for one in ticks:
        of_record.setdefault(one.record_id, []).append(one)
    if not 1 <= len(of_record) <= MAX_TICKED_RECORDS:
        raise ValueError(f"1 to {MAX_TICKED_RECORDS} records can be ticked at once")
    return sorted(of_record.values(), key=lambda ticks_of_one: ticks_of_one[0].kind)


def _record(ticks: list[Tick]) -> dict[str, Any]:
    head = {"attributes": {"type": ticks[0].kind}, "id": ticks[0].record_id}
    return head | dict.fromkeys((one.field for one in ticks), True)


def _results(ticks: list[Tick], outcome: object) -> list[TickResult]:
    """The results of one record's ticks. Failures often carry no id, so place decides; an id must not contradict it."""
    if not isinstance(outcome, dict) or not isinstance(outcome.get("success"), bool):
        raise OddAnswer("a result that says neither success nor failure")
    ok, named = outcome["success"], outcome.get("id")
    if (ok or named) and (not isinstance(named, str) or named[:15] != ticks[0].record_id[:15]):
        raise OddAnswer("the results are not in the order of the records")
    if ok:
        return [TickResult(one, ok=True) for one in ticks]
    error = _first_error(outcome)
    code = code_of(error.get("statusCode"))
    return [TickResult(one, False, code, clean(error.get("message") or "no error text")) for one in ticks]


def _first_error(outcome: dict[str, Any]) -> dict[str, Any]:
    errors = outcome.get("errors")
    return errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}


def _read(asked: str, record: object) -> dict[str, Any] | None:
    if record is None:
        return None
    if not isinstance(record, dict) or str(record.get("Id"))[:15] != asked[:15]:
        raise OddAnswer("the records are not in the order of the ids")
    return record
