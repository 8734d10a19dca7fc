"""Many unsubscribes typed or pasted at once: a preview that writes nothing, then all of them in one commit.

A preview asks Salesforce whose records the ids are; it is asked again before anything is recorded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.core.addresses import normalize
from optsync.core.typed_list import ENTRIES_MAX, Entry, entries_of
from optsync.ledger import batches
from optsync.ledger.batches import Batch, Wanted
from optsync.ledger.queries import sql
from optsync.sync import given
from optsync.web.middleware import actor_of, may, needs
from optsync.web.shell import REFUSED, page
from optsync.web.templatetags.web import figure
from optsync.web.words import reason_of_reject

ROWS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Typed:
    """What a list comes to: people by normal form, each with the ids that named them, and entries that name nobody."""

    people: Mapping[str, list[str]]
    bad: list[tuple[str, str]]
    """As typed, with why in the reader's words."""

    @property
    def addresses(self) -> list[str]:
        """The people in their order."""
        return list(self.people)

    @property
    def rest(self) -> str:
        """What names nobody, to be corrected, one a line."""
        return "\n".join(text for text, _why in self.bad)


@needs("viewer", to_change="operator")
@require_http_methods(["GET", "HEAD", "POST"])
def many(request: HttpRequest) -> HttpResponse:
    """GET shows the form; POST `preview` says what `record` would do and writes nothing, `change` leads back."""
    text = request.POST.get("lines", "")
    if request.method != "POST" or request.POST.get("step") == "change":
        return form(request, typed=text)
    entries = entries_of(text)
    if not entries:
        return form(request, REFUSED, typed=text, problem=_("Nothing was typed; nothing was recorded."))
    if len(entries) > ENTRIES_MAX:
        said = _("More than %(most)s at once; nothing was recorded. Import a file instead.")
        return form(request, REFUSED, typed=text, problem=said % {"most": figure(ENTRIES_MAX)})
    is_meant = request.POST.get("step") == "record"
    typed = typed_of(entries, keep=is_meant)
    return recorded(request, typed) if is_meant else preview(request, text, typed)


def form(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    """The empty form, or the one that was sent, with what is wrong with it."""
    context |= {"reason": request.POST.get("reason", ""), "most": ENTRIES_MAX}
    return page(request, "many", "unsubscribes", status=status, **context)


def typed_of(entries: list[Entry], *, keep: bool) -> Typed:
    """Finds out whose records the ids are; `keep` stores the links."""
    desk_ = desk()
    conn, ids = desk_.connection(), [entry.record_id for entry in entries if entry.record_id]
    asked = given.look_up(conn, desk_.vault, desk_.seams, ids, keep=keep)
    owners: dict[str, set[str]] = {}
    for record_id, normal in conn.execute(sql("optsync.web", "addresses_of_records"), [ids]):
        owners.setdefault(record_id, set()).add(normal)
    people: dict[str, list[str]] = {}
    bad: list[tuple[str, str]] = []
    for entry in entries:
        found = {normalize(email) for email in asked.addresses.get(entry.record_id, set())}
        found |= owners.get(entry.record_id, set()) | ({entry.address} if entry.address else set())
        for normal in sorted(found):
            people.setdefault(normal, []).extend([entry.record_id] if entry.record_id else [])
        if not found:
            bad.append((entry.text, why_not(entry, asked)))
    return Typed(people, bad)


def why_not(entry: Entry, asked: given.Given) -> str:
    """Why an entry names nobody."""
    if entry.why:
        return reason_of_reject(entry.why, _)
    if entry.record_id in asked.addresses:
        return _("this record has no e-mail address")
    if asked.unasked:
        return _("Salesforce did not answer: type the e-mail address instead")
    return _("Salesforce shows no such record to us")


def preview(request: HttpRequest, text: str, typed: Typed) -> HttpResponse:
    """What recording would do."""
    desk_ = desk()
    ahead = batches.look_ahead(desk_.connection(), desk_.subject_key, typed.addresses)
    rows = [
        {"normal": normal, "outcome": said_of(outcome), "is_new": outcome != "already"}
        for normal, outcome in zip(typed.addresses, ahead.outcomes, strict=True)
    ]
    context: dict[str, Any] = {
        "rows": sorted(rows, key=lambda row: not row["is_new"])[:ROWS_SHOWN],
        "new": len(ahead.outcomes) - ahead.outcomes.count("already"),
        "already": ahead.outcomes.count("already"),
        "people": len(rows),
        "bad": typed.bad,
        "is_held": ahead.is_held,
        "may_confirm": may(request, "admin"),
        "lines": text,
        "reason": request.POST.get("reason", ""),
    }
    return page(request, "many_preview", "unsubscribes", **context)


def said_of(outcome: str) -> str:
    """What recording does with one of them."""
    return {
        "new": _("will be unsubscribed"),
        "again": _("will be unsubscribed again after a removal"),
        "already": _("unsubscribed already"),
    }[outcome]


def recorded(request: HttpRequest, typed: Typed) -> HttpResponse:
    """Records them and says what came of it; what names nobody stands in the form again, to be corrected."""
    confirmed = request.POST.get("confirmed") == "yes" and may(request, "admin")
    batch = record(typed, actor_of(request), request.POST.get("reason", "").strip(), confirmed=confirmed)
    outcomes = [one.outcome for one in batch.recorded]
    already = outcomes.count("already")
    context: dict[str, Any] = {
        "recorded": True,
        "new": len(outcomes) - already,
        "already": already,
        "hold_id": batch.hold_id,
    }
    return form(request, typed=typed.rest, bad=typed.bad, **context)


def record(typed: Typed, actor: str, reason: str, *, confirmed: bool) -> Batch:
    """All of them, committed when this returns."""
    wanted = [
        Wanted(normal, "bulk", reason or None, {"record": ", ".join(ids)} if ids else None)
        for normal, ids in typed.people.items()
    ]
    records = [record_id for ids in typed.people.values() for record_id in ids]
    desk_ = desk()
    return batches.opt_out_all(
        desk_.connection(), desk_.subject_key, wanted, actor=actor, confirmed=confirmed, records=records
    )
