"""Mass changes that wait for a decision (rules 8): what, how many, since when, and the two ways to decide."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from optsync.config.desk import desk
from optsync.connection.sessions import brief_session
from optsync.core.problems import Problem
from optsync.ledger import holds
from optsync.ledger.holds import Hold, HoldOver
from optsync.salesforce.errors import SalesforceError
from optsync.sync import ticked_by
from optsync.web.middleware import actor_of, needs
from optsync.web.record_links import record_links
from optsync.web.shell import REFUSED, page
from optsync.web.templatetags.web import figure
from optsync.web.troubles import in_three_parts
from optsync.web.words import origin_of_hold

HOLDS_ON_PAGE = 50
"""The oldest come first; the next ones move up as these are decided."""
OVER_ON_PAGE = 20
SAMPLES = 20
LOOKED_AT = 400
"""Records of a mass change whose last change is read from Salesforce: two to four calls."""
BUSY = 409
GONE = 410


@needs("viewer")
@require_safe
def all_holds(request: HttpRequest) -> HttpResponse:
    """Every mass change that waits, what came of the last decision, and what was decided before, page by page."""
    return listed(request, done=said_of(request.GET.dict()))


def listed(request: HttpRequest, status: int = 200, **context: object) -> HttpResponse:
    """The list; after a decision with what came of it."""
    conn = desk().connection()
    waiting = [shown(hold) for hold in mass_changes(HOLDS_ON_PAGE)]
    before = request.GET.get("before", "")
    is_first_page = not (before.isdecimal() and len(before) < 10)
    over = holds.over(conn, OVER_ON_PAGE + 1, holds.HOLD_ID_MAX if is_first_page else int(before))
    context |= {
        "holds": waiting,
        "more": holds.count_undecided(conn) - len(waiting),
        "over": [shown_over(one) for one in over[:OVER_ON_PAGE]],
        "older": over[OVER_ON_PAGE - 1].hold_id if len(over) > OVER_ON_PAGE else None,
        "is_first_page": is_first_page,
    }
    return page(request, "holds", "issues", status, **context)


def mass_changes(most: int | None = None) -> list[Hold]:
    """The holds that keep something back; what looks like a link scanner has its own place on the issues page."""
    return holds.undecided(desk().connection(), most, scanners=False)


def said_of(query: dict[str, str]) -> str:
    """What a decision did, in the reader's language; empty when none led here."""
    people = query.get("people", "")
    if "dropped" in query:
        return _("Dropped. These people are no longer in a mass change.")
    if "applied" in query and people.isdecimal():
        return _("Applied. People concerned: %(people)s.") % {"people": figure(int(people[:9]))}
    return ""


def shown(hold: Hold) -> dict[str, Any]:
    """A hold in the reader's language, with what each decision means for it."""
    what, applied, dropped = words_of(hold.direction)
    came = {"run": run_of(hold.origin), "origin": origin_of_hold(hold.origin, _)}
    return {"hold": hold, "what": what, "applied": applied, "dropped": dropped, **came}


def shown_over(one: HoldOver) -> dict[str, Any]:
    """A mass change that needs no decision any more, with what its decision meant."""
    what, applied, dropped = words_of(one.direction)
    tone, sign, decision, meant = {
        "applied": ("ok", "✓", _("Applied"), applied),
        "dropped": ("idle", "–", _("Dropped"), dropped),
    }.get(one.decision or "", ("idle", "–", _("Nobody is left in it"), _("All of its people were decided one by one.")))
    came = {"run": run_of(one.origin), "origin": origin_of_hold(one.origin, _)}
    words = {"hold": one, "what": what, "meant": meant, **came}
    return words | {"tone": tone, "sign": sign, "decision": decision}


def run_of(origin: str) -> int | None:
    """The sync run that a mass change came from; None where it was something else."""
    word, _space, number = origin.partition(" ")
    return int(number) if word == "run" and number.isdecimal() else None


def words_of(direction: holds.Direction) -> tuple[str, str, str]:
    """What happened, what it means to apply it, and to drop it."""
    return {
        "from Salesforce": (
            _("These people were ticked in Salesforce within a short time."),
            _("They are recorded as unsubscribed here, and every other record of theirs is ticked too."),
            _("They may be mailed again. Exactly these ticks are ignored until they are gone from Salesforce."),
        ),
        "to Salesforce": (
            _("These people were unsubscribed here within a short time."),
            _("Their boxes are ticked in Salesforce. optsync never unticks a box, so this cannot be taken back by it."),
            _(
                "The unsubscribes that this change made, and nobody repeated, are removed; "
                "those people may be mailed again."
            ),
        ),
        "fan-out": (
            _("More records than usual share this address, as with info@ or a made-up one."),
            _("Every one of the records is ticked in Salesforce."),
            _("The other records are left as they are, later ones too. The address itself stays blocked."),
        ),
    }[direction]


@needs("viewer", to_change="admin")
@require_http_methods(["GET", "HEAD", "POST"])
def hold(request: HttpRequest, hold_id: int) -> HttpResponse:
    """One hold: GET asks for a confirmation of `decide`, POST decides; of a decided one GET shows what was decided."""
    waiting = next((one for one in mass_changes() if one.hold_id == hold_id), None)
    if waiting is None:
        return gone(request) if request.method == "POST" else decided(request, hold_id)
    deed = (request.POST if request.method == "POST" else request.GET).get("decide", "")
    if request.method != "POST" or deed not in ("apply", "drop"):
        return confirmation(request, waiting, deed)
    try:
        return apply(request, waiting) if deed == "apply" else drop(request, waiting)
    except Problem:
        return gone(request)


def decided(request: HttpRequest, hold_id: int) -> HttpResponse:
    """Who decided about a mass change, when, what and why. Raises Http404 for one that never was."""
    conn = desk().connection()
    found = holds.over(conn, 1, hold_id=hold_id) if hold_id < holds.HOLD_ID_MAX else []
    if not found:
        raise Http404
    return page(request, "hold_over", "issues", one=shown_over(found[0]), ignored=holds.ignored_ticks(conn, hold_id))


def gone(request: HttpRequest) -> HttpResponse:
    """Somebody else decided meanwhile."""
    return listed(request, GONE, problem=_("This mass change was decided meanwhile; nothing was changed now."))


def confirmation(request: HttpRequest, waiting: Hold, deed: str, status: int = 200, problem: str = "") -> HttpResponse:
    """What the decision does, with the form that makes it."""
    one = shown(waiting)
    context = one | {"one": one, "deed": "drop" if deed == "drop" else "apply", "problem": problem}
    context |= {"typed": request.POST.get("people", ""), "note": request.POST.get("note", "")}
    context |= told_by_salesforce(waiting) if waiting.direction == "from Salesforce" else {}
    context["more"] = holds.sample(desk().connection(), waiting.hold_id, SAMPLES)
    return page(request, "hold", "issues", status=status, **context)


def told_by_salesforce(waiting: Hold) -> dict[str, Any]:
    """Who changed some hundred of the ticked records last, and when, and 20 of them singly; why not, when Salesforce
    does not say."""
    desk_ = desk()
    found = holds.records(desk_.connection(), waiting.hold_id, LOOKED_AT)
    if waiting.org_id is None or not found:
        return {}
    links = record_links()
    samples: list[dict[str, Any]] = [
        {"record": record_id, "address": address, "url": links(waiting.org_id, record_id)}
        for record_id, address in found[:SAMPLES]
    ]
    try:
        with brief_session(desk_.connection(), desk_.vault, waiting.org_id, desk_.seams) as session:
            changes = ticked_by.last_changes(session, [record_id for record_id, _address in found])
    except (Problem, SalesforceError) as error:
        return {"samples": samples, "unsaid": in_three_parts(error)["what"]}
    for one in samples:
        change = changes.get(one["record"])
        one |= {"by": change.by, "changed_at": change.at} if change else {}
    changers = ticked_by.by_whom(changes.values())
    span = (changers[0].last_at - changers[0].first_at).total_seconds() if changers else 0.0
    return {"samples": samples, "changers": changers, "span": max(1, round(span)), "looked_at": len(found)}


@needs("operator")
@require_safe
def people(request: HttpRequest, hold_id: int) -> HttpResponseBase:
    """The people of an undecided mass change as CSV; of a dropped one the ticks that are still ignored."""
    conn = desk().connection()
    is_over = all(one.hold_id != hold_id for one in holds.undecided(conn))
    if is_over and not (hold_id < holds.HOLD_ID_MAX and holds.ignored_ticks(conn, hold_id)):
        raise Http404
    headers = {"Content-Disposition": f'attachment; filename="mass-change-{hold_id}.csv"', "Cache-Control": "no-store"}
    blocks = iter(()) if request.method == "HEAD" else people_of(hold_id, ignored=is_over)
    return StreamingHttpResponse(blocks, content_type="text/csv; charset=utf-8", headers=headers)


def people_of(hold_id: int, *, ignored: bool) -> Iterator[bytes]:
    """The file, block by block, on a session of its own: a reader may be slow or leave in the middle."""
    with desk().database.connect() as conn:
        yield from holds.people_csv(conn, hold_id, ignored=ignored)


def typed_number(request: HttpRequest, name: str) -> str:
    """The digits of a number that somebody typed, however they grouped them: 31,200 or 31.200."""
    return "".join(letter for letter in request.POST.get(name, "") if letter.isdecimal())


def apply(request: HttpRequest, waiting: Hold) -> HttpResponse:
    """Releases a hold, once the number of its people was typed."""
    if typed_number(request, "people") != str(waiting.addresses):
        said = _("The number of people does not match; nothing was changed.")
        return confirmation(request, waiting, "apply", REFUSED, said)
    desk_ = desk()
    people = holds.apply(desk_.connection(), desk_.subject_key, waiting.hold_id, actor_of(request))
    return redirect(f"{reverse('web:holds')}?{urlencode({'applied': waiting.hold_id, 'people': people})}")


def drop(request: HttpRequest, waiting: Hold) -> HttpResponse:
    """Refuses a hold; while some of it is being sent it stays undecided and says so."""
    note = request.POST.get("note", "").strip()
    if not note:
        said = _("Dropping needs a note that says why; nothing was changed.")
        return confirmation(request, waiting, "drop", REFUSED, said)
    desk_ = desk()
    left = holds.drop(desk_.connection(), desk_.subject_key, waiting.hold_id, actor_of(request), note)
    if not left:
        return redirect(f"{reverse('web:holds')}?{urlencode({'dropped': waiting.hold_id})}")
    said = _("Addresses that are being sent at this moment: %(left)s. Drop again in half a minute.")
    return confirmation(request, waiting, "drop", BUSY, said % {"left": figure(left)})
