"""A dry run as a page: what the next sync would do, to whom for example, and what it would cost."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from optsync.web.record_links import record_links
from optsync.web.words import PREVIEW_REASONS

DONE = ("dry run", "waiting for go")


def preview_of(row: dict[str, Any]) -> dict[str, Any] | None:
    """What a finished dry run found; None for any other run."""
    if row["result"] not in DONE:
        return None
    counts, samples = row["counts"] or {}, row["samples"] or {}
    links = record_links()

    def shown(direction: str) -> list[dict[str, Any]]:
        return [
            one | {"url": links(row["org_id"], one["record"]), "why": reason_of(one)} | last_change_of(one)
            for one in samples.get(direction, [])
        ]

    would_set, recorded = counts.get("would_set", 0), counts.get("recorded", 0)
    held = counts.get("held_in_people", 0) + counts.get("held_out_people", 0)
    return {
        "would_set": would_set,
        "already_set": counts.get("already_set", 0),
        "no_record": counts.get("no_record", 0),
        "recorded": recorded,
        "more": recorded > 0 and "swept" not in counts,  # their other records are looked up by the run itself
        "followed": counts.get("followed", 0),
        "held": held,
        "calls": counts.get("expected_api_calls"),
        "seconds": counts.get("expected_seconds"),
        "is_even": not (would_set or recorded or held or counts.get("followed")),
        "outbound": shown("to Salesforce"),
        "inbound": shown("from Salesforce"),
    }


def reason_of(sample: dict[str, str]) -> str:
    """Why this person is concerned; Salesforce's own words as they are."""
    why = sample["why"]
    return _(PREVIEW_REASONS[why]) if why in PREVIEW_REASONS else why


def last_change_of(sample: dict[str, str]) -> dict[str, Any]:
    """Who changed the record last, and when, where Salesforce said so."""
    at = sample.get("at")
    return {"by": sample.get("by", ""), "changed_at": datetime.fromisoformat(at) if at else None}
