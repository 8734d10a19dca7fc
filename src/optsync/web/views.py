"""The overview. Reading pages only read; what changes something is a POST."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.connection import settings as org_settings
from optsync.connection.connect import Connection, connections
from optsync.core.rejections import REJECTIONS
from optsync.ledger import targets
from optsync.ledger.queries import sql
from optsync.web import propagation
from optsync.web import standing as standings
from optsync.web.legal_clock import clock_of
from optsync.web.middleware import needs
from optsync.web.runs import recent_runs, starters
from optsync.web.schedule import NextRun, next_run
from optsync.web.shell import chosen_org, page
from optsync.web.standing import Standing
from optsync.web.templatetags.web import figure, took
from optsync.web.words import refusal_of

RUNS_ON_OVERVIEW = 5


@needs("viewer")
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The one sentence, the two sums that close, and what comes next."""
    org = chosen_org(request)
    standing = standings.look(desk().connection(), org.org_id if org else None)
    context: dict[str, Any] = {"hero": hero_of(standing), "connected": org is not None, **sums_of(standing)}
    if org:
        context |= tiles_of(org.org_id, standing) | {"runs": recent_runs(org.org_id, RUNS_ON_OVERVIEW)}
        context["late"] = clock_of(org.org_id)
        context["parked"] = [parked_group(group) for group in standing.parked]
        context["propagation"] = histogram_of(propagation.look(desk().connection(), org.org_id))
    context["steps"] = steps_of(standing)
    context |= starters(request, org)
    context["others"] = others_unwell(org)
    return page(request, "overview", "overview", **context)


def others_unwell(shown: Connection | None) -> list[dict[str, Any]]:
    """The orgs that are not shown and not well, each with its own sentence: a green page must not hide them."""
    found = []
    for org in connections(desk().connection()):
        standing = None if org == shown else standings.look(desk().connection(), org.org_id)
        if standing is not None and standing.tone in ("warn", "bad"):
            found.append({"org": org, "hero": hero_of(standing)})
    return found


def steps_of(standing: Standing) -> list[dict[str, Any]]:
    """The way from a fresh installation to the first proof; empty once it has been gone."""
    steps = [
        (standing.connected, _("Connect Salesforce"), "web:connect"),
        (standing.balance.recorded > 0, _("Bring the first unsubscribes"), "web:imports"),
        (standing.sync_on, _("Switch the nightly sync on"), "web:integrations"),
        (standing.proved_at is not None, _("Let a sync run prove that both sides agree"), "web:runs"),
    ]
    if all(done for done, *_rest in steps):
        return []
    return [{"done": done, "title": title, "url": reverse(place)} for done, title, place in steps]


def histogram_of(found: propagation.Propagation | None) -> dict[str, Any] | None:
    """The bars with their labels and widths in per cent of the longest; None when nothing was confirmed lately."""
    if found is None:
        return None
    names = ["< 1 s", "1–2 s", "2–5 s", "5–15 s", "15–60 s", "1–5 min", "> 5 min"]
    longest = max(found.bars)
    return {
        "bars": [
            {"name": name, "count": count, "width": round(100 * count / longest)}
            for name, count in zip(names, found.bars, strict=True)
        ],
        "count": len(found.seconds),
        "median": took(found.percentile(50)),
        "p99": took(found.percentile(99)),
        "slowest": took(found.seconds[-1]),
    }


def hero_of(standing: Standing) -> dict[str, Any]:
    """The hero card in the reader's language."""
    tone, sentence = standings.SENTENCES[standing.verdict]
    figures = {name: figure(value) for name, value in standing.figures.items()}
    details = [_("The nightly sync is on: both sides are compared every night.")] if standing.sync_on else []
    if standing.set_aside:
        details.append(_("Boxes left unticked on purpose, held or decided about: %(set_aside)s.") % figures)
    cause = {"paused": standing.paused.upper(), "sign-in refused": "AUTHENTICATION_FAILURE"}.get(standing.verdict)
    if cause in REJECTIONS:
        title, next_step = refusal_of(cause, "", _)
        details.insert(0, f"{title}. {next_step}")
    return {
        "tone": tone,
        "sign": standing.sign,
        "sentence": _(sentence) % figures,
        "details": details,
        "action": action_of(standing),
    }


def action_of(standing: Standing) -> dict[str, str] | None:
    """The way to put right what the sentence says."""
    if not standing.connected:
        return {"url": reverse("web:connect"), "label": _("Connect Salesforce")}
    if standing.verdict == "sign-in refused":
        return {"url": reverse("web:reconnect"), "label": _("Reconnect"), "method": "post"}
    if standing.verdict == "held":
        return {"url": reverse("web:holds"), "label": _("Decide")}
    if standing.verdict in ("parked", "paused"):
        return {"url": reverse("web:issues"), "label": _("See what waits")}
    return None if standing.sync_on else {"url": reverse("web:integrations"), "label": _("Settings")}


def sums_of(standing: Standing) -> dict[str, Any]:
    """Both identities of rules 5.6, each side as it was counted from its own tables."""
    b = standing.balance
    people_sum, pairs_sum = b.linked + b.not_linked, b.pairs + b.no_address
    marks_sum = b.confirmed + b.owed + b.held + b.parked
    return {
        "balance": b,
        "people_sum": people_sum,
        "people_close": people_sum == b.recorded,
        "pairs_sum": pairs_sum,
        "marks_sum": marks_sum,
        "boxes_close": pairs_sum == marks_sum,
    }


def tiles_of(org_id: int, standing: Standing) -> dict[str, Any]:
    """Next run, field written, last proof."""
    conn = desk().connection()
    settings = org_settings.load(conn, org_id)
    names = {field.field: field for field in targets.fields(conn, org_id)}
    written = [names[number] for number in sorted(settings.written) if number in names]
    night = next_run(settings.schedule, desk().seams.now())
    return {
        "next_run": night if settings.sync_on else NextRun(_("off"), _("Unsubscribes are still pushed at once."), ""),
        "written": ", ".join(field.label for field in written),
        "written_detail": ", ".join(sorted({name for f in written for name in (f.lead_name, f.contact_name)})),
        "proved": proof_of(standing),
        "api_calls": api_calls_of(org_id),
    }


def api_calls_of(org_id: int) -> dict[str, str]:
    """The org's API calls as the last run heard of them, with the age of that; a dash and why before the first run."""
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql("optsync.web", "api_calls"), {"org": org_id}).fetchone()
    if row is None:
        return {"share": "–", "detail": _("Known after the first sync run or preview.")}
    shown = {"used": figure(row["used"]), "allowed": figure(row["allowed"]), "ours": figure(row["ours"])}
    said = _("of %(allowed)s that the org allows in 24 hours; %(ours)s by sync runs of optsync.") % shown
    return {"share": shown["used"], "detail": said, "age": _("Heard %(when)s.") % {"when": ago(row["age_minutes"])}}


def proof_of(standing: Standing) -> dict[str, str]:
    """When agreement was last proved, in words."""
    if standing.proof_age_hours is None or standing.proved_at is None:
        return {"when": "–", "detail": _("No sync run has proved agreement yet."), "swept": ""}
    swept = "" if standing.sweep_age_hours is None else ago(int(standing.sweep_age_hours * 60))
    return {
        "when": ago(int(standing.proof_age_hours * 60)),
        "detail": _("by reading Salesforce again, independently of our own marks"),
        "swept": _("Every record was read afresh %(when)s.") % {"when": swept} if swept else "",
    }


def ago(minutes: int) -> str:
    """How long ago something was."""
    if minutes == 0:
        return _("just now")
    return _("%(n)s min ago") % {"n": minutes} if minutes < 120 else _("%(n)s h ago") % {"n": minutes // 60}


def parked_group(group: standings.Parked) -> dict[str, Any]:
    """Why boxes wait for a person, with Salesforce's own words."""
    title, next_step = refusal_of(group.code, group.said, _)
    return {
        "title": title,
        "next": next_step,
        "code": group.code,
        "said": group.said,
        "count": group.count,
    }
