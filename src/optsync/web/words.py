"""The ledger's own words as people read them. A word that is missing here is shown as it is stored.

No Django here: the command line speaks English; pages hand in gettext as `translate`.
"""

from collections.abc import Callable

from optsync.ledger.people import BoxMark, TimelineEntry

Translate = Callable[[str], str]

KINDS = {
    "opted out": "Unsubscribed; blocked here at once",
    "confirmed": "Salesforce confirmed the box",
    "late write": "Our own late write",
    "lift asked": "Removal asked for; waits until every box is unticked",
    "lifted": "Unsubscribe removed",
    "lift ended": "The waiting removal ended: a box was ticked again",
    "converted": "The Lead was converted; its successor carries on",
    "merged": "The record was merged; its successor carries on",
    "record deleted": "The record was deleted in Salesforce; the address stays blocked",
}
SOURCES = {
    "clicked link": "Clicked Link",
    "one-click": "One-click",
    "manual": "Manual",
    "bulk": "Bulk",
    "bounce": "Bounce",
    "complaint": "Spam complaint",
    "import": "Import",
    "api": "API",
    "salesforce sync": "Salesforce Sync",
    "follows record": "Follows record",
}
RUN_KINDS = {
    "nightly": "Nightly",
    "by hand": "By hand",
    "first": "First",
    "dry run": "Dry run",
}
RUN_RESULTS = {
    "proved": "Proved",
    "partly done": "Partly done",
    "not proved": "Not proved",
    "failed": "Failed",
    "held": "Held",
    "waiting for go": "Waiting for your go",
    "dry run": "Nothing written",
    "running": "Running",
    "interrupted": "Interrupted, resumes",
}
BOX_STATES = {
    "owed": "on its way",
    "confirmed": "ticked in Salesforce",
    "held": "held",
    "parked": "waits for a person",
}

WHY = {
    "blocked domain": "Nobody at this domain is mailed.",
    "unsubscribed; the removal waits until every box in Salesforce is unticked": (
        "Unsubscribed; the removal waits until every box in Salesforce is unticked."
    ),
    "unsubscribed from this sender": "Unsubscribed from this sender.",
    "in a mass change that waits for a decision": "In a mass change that waits for a decision.",
}
UNSUBSCRIBED = "Unsubscribed"
ALLOWED = "Not unsubscribed: mail is allowed."
UNKNOWN = "This address is not known here: mail is allowed."


def detail_of(entry: TimelineEntry, translate: Translate = str) -> str:
    """What happened, with the record and the reason if there is one."""
    parts = [translate(KINDS.get(entry.kind, entry.kind)), entry.record_id or "", entry.reason or ""]
    return " · ".join(part for part in parts if part)


def source_of(entry: TimelineEntry, translate: Translate = str) -> str:
    """Marketo's word for where it came from, or who did it."""
    if entry.source:
        return translate(SOURCES.get(entry.source, entry.source))
    return entry.actor or "–"


def state_of_box(mark: BoxMark, translate: Translate = str) -> str:
    """What a box is owed, with the reason of a wait."""
    state = translate(BOX_STATES[mark.state])
    return f"{state} ({mark.reason})" if mark.reason else state


def kind_of_run(kind: str, translate: Translate = str) -> str:
    """Nightly, by hand, first or dry run."""
    return translate(RUN_KINDS.get(kind, kind))


def result_of_run(result: str, translate: Translate = str) -> str:
    """How a run ended."""
    return translate(RUN_RESULTS.get(result, result))


def why_blocked(why: str, known: bool, translate: Translate = str) -> str:
    """Why a person may not be mailed, or that nothing forbids it."""
    if not why:
        return translate(ALLOWED if known else UNKNOWN)
    source = why.removeprefix("unsubscribed (").removesuffix(")")
    if source in SOURCES:
        return f"{translate(UNSUBSCRIBED)} ({translate(SOURCES[source])})"
    return translate(WHY.get(why, why))
