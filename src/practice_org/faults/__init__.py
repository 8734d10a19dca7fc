"""Faults on order: small objects, each for some requests, records or occurrences, before or after the effect."""

from practice_org.faults.answers import Body, BrokenOff, Drip, Html, Redirect, Refuse
from practice_org.faults.base import Fault, Faults, JobFault, Page, RecordFault, RequestFault, ResultFault
from practice_org.faults.records import Reject
from practice_org.faults.results import (
    ByteOrderMark,
    Cut,
    MissingPage,
    NoLineEnd,
    Nul,
    StrayQuote,
    Truncate,
    WrongHeader,
)
from practice_org.faults.transport import Hold, Reset, Slow

__all__ = ["KINDS", "Fault", "Faults", "JobFault", "Page", "RecordFault", "RequestFault", "ResultFault", "make_fault"]

KINDS: dict[str, type[Fault]] = {
    kind.kind: kind
    for kind in (
        *(Refuse, Html, Body, Redirect, Reset, BrokenOff, Hold, Slow, Drip),
        *(Truncate, Cut, WrongHeader, Nul, StrayQuote, ByteOrderMark, NoLineEnd, MissingPage),
        *(JobFault, Reject),
    )
}


def make_fault(values: dict[str, object]) -> Fault:
    """A fault from the control API's JSON: `kind` and that kind's fields. Raises ValueError or TypeError."""
    kind = KINDS.get(str(values.get("kind")))
    if kind is None:
        raise ValueError(f"kind must be one of {', '.join(sorted(KINDS))}")
    fault = kind(**{name: value for name, value in values.items() if name != "kind"})  # type: ignore[arg-type]  # JSON
    fault.check()
    return fault
