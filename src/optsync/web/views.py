"""The overview. Reading pages only read; what changes something is a POST."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe
from psycopg.rows import dict_row

from optsync.config.desk import desk
from optsync.connection import settings as org_settings
from optsync.connection.connect import Connection, connections
from optsync.connection.settings import Settings
from optsync.core.rejections import REJECTIONS
from optsync.ledger import targets
from optsync.ledger.queries import sql
from optsync.web import propagation
from optsync.web import standing as standings
from optsync.web.legal_clock import clock_of
from optsync.web.middleware import needs
from optsync.web.propagation import Propagation
from optsync.web.runs import recent_runs, starters
from optsync.web.schedule import lately, next_run
from optsync.web.shell import chosen_org, page
from optsync.web.standing import OLDEST, SET_ASIDE, TO_LOOK_FOR, AtLeast, Said, Standing, Waiting
from optsync.web.tally import tally
from optsync.web.templatetags.web import figure, took
from optsync.web.words import refusal_of

RUNS_ON_OVERVIEW = 5
OLD_SECONDS = 2.0
"""From this age on a page says how old its sums are."""


@needs("viewer")
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The one sentence, the two sums that close, and what comes next."""
    org = chosen_org(request)
    standing = standing_of(org)
    waiting = standings.waiting(desk().connection())
    context: dict[str, Any] = {"hero": hero_of(standing, waiting), "connected": org is not None, **sums_of(standing)}
    if org:
        runs = recent_runs(org.org_id, RUNS_ON_OVERVIEW)
        found = propagation.look(desk().connection(), org.org_id)
        context |= {"runs": runs, "tiles": tiles_of(org, standing, waiting, found, runs)}
        context["late"] = clock_of(standing.counted.oldest_at if standing.counted else None)
        context["parked"] = [parked_group(group) for group in standing.parked]
        context["propagation"] = histogram_of(found)
    context["steps"] = steps_of(standing)
    context |= starters(request, org)
    context["others"] = others_unwell(org)
    return page(request, "overview", "overview", **context)


def standing_of(org: Connection | None) -> Standing:
    """How an org stands; its sums may be of some seconds ago when they are large."""
    conn, org_id = desk().connection(), org.org_id if org else None
    return standings.look(conn, org_id, tally(desk().database).of(conn, org_id))


def others_unwell(shown: Connection | None) -> list[dict[str, Any]]:
    """The orgs that are not shown and not well, each with its own sentence: a green page must not hide them."""
    others = [(org, standing_of(org)) for org in connections(desk().connection()) if org != shown]
    return [{"org": org, "hero": hero_of(standing)} for org, standing in others if standing.tone in ("warn", "bad")]


def steps_of(standing: Standing) -> list[dict[str, Any]]:
    """The way from a fresh installation to the first proof; empty once it has been gone."""
    steps = [
        (standing.connected, _("Connect Salesforce"), "web:connect"),
        (standing.knows_any or standing.balance.recorded > 0, _("Bring the first unsubscribes"), "web:imports"),
        (standing.sync_on, _("Switch the nightly sync on"), "web:integrations"),
        (standing.proved_at is not None, _("Let a sync run prove that both sides agree"), "web:runs"),
    ]
    if all(done for done, *_rest in steps):
        return []
    return [{"done": done, "title": title, "url": reverse(place)} for done, title, place in steps]


def histogram_of(found: Propagation | None) -> dict[str, Any] | None:
    """The bars with their labels and widths in per cent of the longest, each with the way to its people; None when
    nothing was confirmed lately."""
    if found is None:
        return None
    longest = max(found.bars)
    people = reverse("web:unsubscribes")
    return {
        "bars": [
            {"name": bar.name, "count": count, "width": round(100 * count / longest), "url": f"{people}?took={bar.key}"}
            for bar, count in zip(propagation.BARS, found.bars, strict=True)
        ],
        "count": len(found.seconds),
        "median": took(found.percentile(50)),
        "p99": took(found.percentile(99)),
        "slowest": took(found.seconds[-1]),
    }


def hero_of(standing: Standing, waiting: Sequence[Waiting] = ()) -> dict[str, Any]:
    """The hero card in the reader's language."""
    return {
        "tone": standing.tone,
        "sign": standing.sign,
        "sentence": in_words(standing, *standing.said),
        "details": details_of(standing, sum(one.scanners for one in waiting)),
        "action": action_of(standing),
        "count_age": count_age_of(standing),
    }


def in_words(standing: Standing, *said: Said) -> str:
    """Sentences about an org in the reader's language and zone."""
    return standings.spoken(said, standing.figures, lambda value: word_of(value, standing.at), _, ngettext)


def word_of(value: standings.Figure, now: datetime) -> str:
    """A figure in the reader's language."""
    if isinstance(value, AtLeast):
        return f"{figure(value.n)}+"
    if isinstance(value, timedelta):
        return took(int(value.total_seconds()))
    if isinstance(value, datetime):
        return lately(value, now)
    return _(value) if isinstance(value, str) else figure(value)


def count_age_of(standing: Standing) -> str:
    """How old the sums are, in a sentence; empty while they are as new as the page."""
    if standing.counted is None:
        return _("The sums are being counted for the first time; look again in some seconds.")
    seconds = (standing.at - standing.counted.at).total_seconds() if standing.connected else 0
    if seconds < OLD_SECONDS:
        return ""
    return _("Sums and the oldest opt-out were counted %(ago)s ago, all else is of now.") % {"ago": took(int(seconds))}


def details_of(standing: Standing, scanners: int) -> list[str]:
    """What the sentence leaves out: the cause and who acts, what waits without holding anything up."""
    details = []
    causes = {
        "paused": standing.paused.upper(),
        "sign-in refused": "AUTHENTICATION_FAILURE",
        "slow": standing.slowed_by,
    }
    cause = causes.get(standing.verdict, "")
    if cause in REJECTIONS:
        why = refusal_of(cause, "", _)
        details.append(why.next if standing.verdict == "slow" else f"{why.title}. {why.next}")
    if standing.verdict in ("slow", "not proved") and standing.slowed_by == standings.NO_WORKER:
        details.append(_("No worker is running. Start one on the machine of optsync: optsync worker, or optsync up."))
    if standing.sync_on:
        details.append(_("The nightly sync is on: both sides are compared every night."))
    if standing.set_aside:
        details.append(in_words(standing, SET_ASIDE))
    if scanners:
        said = ngettext(
            "%(n)s list of unsubscribes looks like a link scanner's and waits for a review; all of them count.",
            "%(n)s lists of unsubscribes look like a link scanner's and wait for a review; all of them count.",
            scanners,
        )
        details.append(said % {"n": figure(scanners)})
    return details


def action_of(standing: Standing) -> dict[str, str] | None:
    """The way to put right what the sentence says; the buttons for a sync run stand beside it."""
    ways = {
        "not connected": ("web:connect", _("Connect Salesforce")),
        "held": ("web:holds", _("Decide")),
        "parked": ("web:issues", _("Fix %(n)s") % {"n": word_of(standing.figures["refused"], standing.at)}),
        "paused": ("web:issues", _("Why?")),
        "slow": ("web:doctor", _("Why?")),
    }
    if standing.verdict == "not proved" and standing.unproved_run:
        run = reverse("web:run", args=[standing.unproved_run])
        return {"url": run, "label": _("Sync run %(n)s") % {"n": standing.unproved_run}}
    if standing.verdict == "sign-in refused":
        return {"url": reverse("web:reconnect"), "label": _("Reconnect"), "method": "post"}
    if standing.verdict in ways:
        place, label = ways[standing.verdict]
        return {"url": reverse(place), "label": label}
    if standing.verdict in ("switch off", "nothing yet") and not standing.sync_on:
        return {"url": reverse("web:integrations"), "label": _("Settings")}
    return None


def sums_of(standing: Standing) -> dict[str, Any]:
    """Both identities of rules 5.6, each side as it was counted from its own tables."""
    b = standing.balance
    people_sum, pairs_sum = b.linked + b.not_linked, b.pairs + b.no_address
    marks_sum = b.confirmed + b.owed + b.held + b.parked
    return {
        "counted": standing.counted is not None,
        "balance": b,
        "people_sum": people_sum,
        "people_close": people_sum == b.recorded,
        "pairs_sum": pairs_sum,
        "marks_sum": marks_sum,
        "boxes_close": pairs_sum == marks_sum,
    }


def tiles_of(
    org: Connection,
    standing: Standing,
    waiting: Sequence[Waiting],
    found: Propagation | None,
    runs: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    """The tiles in their order: what is known, and how; a dash and why where it is not."""
    settings = org_settings.load(desk().connection(), org.org_id)
    owed = f"{reverse('web:unsubscribes')}?state=owed" if standing.owed else ""
    asks = reverse("web:issues") if any(one.all for one in waiting) else ""
    return [
        tile(_("Waiting to be pushed"), *on_the_way(standing), link=(owed, _("See them"))),
        tile(_("Unsubscribe → Salesforce"), *speed_of(found)),
        tile(_("Salesforce → optsync"), "–", *heard_of(standing, runs)),
        tile(_("Needs a person"), *needed(org, waiting), link=(asks, _("See them"))),
        tile(_("Next nightly sync"), *night_of(settings), link=(newest_preview(org.org_id), _("The newest preview"))),
        tile(_("Unsubscribes go to"), *written_by(settings)),
        tile(_("Last proved"), *proof_of(standing)),
        tile(_("Salesforce API calls"), *api_calls_of(org.org_id)),
    ]


def tile(title: str, shown: str, *lines: str, link: tuple[str, str] = ("", "")) -> dict[str, Any]:
    """One tile; the address of its link is empty where there is nothing to see."""
    return {"title": title, "figure": shown, "lines": [line for line in lines if line], "link": link}


def newest_preview(org_id: int) -> str:
    """The address of the newest dry run; empty when there was none."""
    found = desk().connection().execute(sql("optsync.web", "newest_dry_run"), {"org": org_id}).fetchone()
    return reverse("web:run", args=[found[0]]) if found else ""


def on_the_way(standing: Standing) -> list[str]:
    """Boxes that are owed, how long the oldest thing waits, and the people who are looked for."""
    if not standing.owed + standing.looked_for:
        return ["0", _("Nothing is on its way.")]
    return [word_of(standing.figures["owed"], standing.at), in_words(standing, OLDEST), in_words(standing, TO_LOOK_FOR)]


def speed_of(found: Propagation | None) -> list[str]:
    """Median and the slowest but one in a hundred."""
    if found is None:
        return ["–", _("Known once an unsubscribe that came by itself has reached Salesforce.")]
    shares = {"p99": took(found.percentile(99)), "n": figure(len(found.seconds))}
    said = ngettext(
        "Median of the latest one; 99 of 100 within %(p99)s.",
        "Median of the latest %(n)s; 99 of 100 within %(p99)s.",
        len(found.seconds),
    )
    return [took(found.percentile(50)), said % shares]


def heard_of(standing: Standing, runs: Sequence[dict[str, Any]]) -> list[str]:
    """Why it is not known how long ticks in Salesforce take to us, and when they were last read."""
    why = _("Ticks in Salesforce are read by each sync run; when they were made is not known.")
    if not standing.sync_on:
        return [_("The nightly sync is off: ticks in Salesforce are not read.")]
    compared = [run for run in runs if "compared" in (run["counts"] or {}) and "would_set" not in run["counts"]]
    if not compared:
        return [why]
    age = desk().seams.now() - compared[0]["started_at"]
    last = {"n": figure(compared[0]["from_salesforce"]), "when": ago(int(age / timedelta(minutes=1)))}
    return [why, _("The last sync run took over %(n)s of them, %(when)s.") % last]


def needed(org: Connection, waiting: Sequence[Waiting]) -> list[str]:
    """The number of the badge, and what it is made of."""
    here = sum(one.refused for one in waiting if one.org_id == org.org_id)
    elsewhere = sum(one.refused for one in waiting if one.org_id not in (None, org.org_id))
    pauses = sum(one.pauses for one in waiting)
    kinds = (
        (here, _("Refused boxes: %(n)s")),
        (elsewhere, _("Refused boxes in other orgs: %(n)s")),
        (pauses, _("Orgs whose pushes are paused: %(n)s")),
        (sum(one.holds for one in waiting), _("Mass changes to decide about: %(n)s")),
        (sum(one.scanners for one in waiting), _("Lists to review: %(n)s")),
    )
    lines = [said % {"n": bounded(count)} for count, said in kinds if count]
    return [bounded(sum(one.all for one in waiting)), *(lines or [_("Nothing needs a person.")])]


def bounded(count: int) -> str:
    """A count that ends just above MOST."""
    return figure(count) if count <= standings.MOST else f"{figure(standings.MOST)}+"


def night_of(settings: Settings) -> list[str]:
    """How long until the next nightly run, and when that is."""
    if not settings.sync_on:
        return [_("off"), _("Unsubscribes are still pushed at once.")]
    night = next_run(settings.schedule, desk().seams.now())
    return [night.wait, night.there]


def written_by(settings: Settings) -> list[str]:
    """The opt-out field of new unsubscribes."""
    names = {field.field: field for field in targets.fields(desk().connection(), settings.org_id)}
    written = [names[number] for number in sorted(settings.written) if number in names]
    api_names = sorted({name for field in written for name in (field.lead_name, field.contact_name)})
    return [", ".join(field.label for field in written), ", ".join(api_names)]


def api_calls_of(org_id: int) -> list[str]:
    """The org's API calls as the last run heard of them, with the age of that; a dash and why before the first run."""
    with desk().connection().cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql("optsync.web", "api_calls"), {"org": org_id}).fetchone()
    if row is None:
        return ["–", _("Known after the first sync run or preview.")]
    shown = {"used": figure(row["used"]), "allowed": figure(row["allowed"]), "ours": figure(row["ours"])}
    said = _("of %(allowed)s that the org allows in 24 hours; %(ours)s by sync runs of optsync.") % shown
    return [shown["used"], said, _("Heard %(when)s.") % {"when": ago(row["age_minutes"])}]


def proof_of(standing: Standing) -> list[str]:
    """When agreement was last proved, in words."""
    if standing.proved_at is None:
        return ["–", _("No sync run has proved agreement yet.")]
    minute = timedelta(minutes=1)
    swept = ago(int((standing.at - standing.swept_at) / minute)) if standing.swept_at else ""
    return [
        ago(int((standing.at - standing.proved_at) / minute)),
        _("by reading Salesforce again, independently of our own marks"),
        _("Every record was read afresh %(when)s.") % {"when": swept} if swept else "",
    ]


def ago(minutes: int) -> str:
    """How long ago something was."""
    if minutes <= 0:
        return _("just now")
    return _("%(n)s min ago") % {"n": minutes} if minutes < 120 else _("%(n)s h ago") % {"n": minutes // 60}


def parked_group(group: standings.Parked) -> dict[str, Any]:
    """Why boxes wait for a person, with Salesforce's own words."""
    why = refusal_of(group.code, group.said, _)
    return {
        "title": why.title,
        "next": why.next,
        "code": group.code,
        "said": group.said,
        "count": group.count,
    }
