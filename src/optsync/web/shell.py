"""What every admin page has in common: the connection pill, the practice-org banner, rendering."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from optsync.config.desk import desk
from optsync.connection import settings
from optsync.connection.connect import Connection, connections
from optsync.ledger.queries import sql
from optsync.web import standing
from optsync.web.middleware import OPEN_NAMESPACES, admin_of, may, role_of, user_of

BADGE_MAX = 99
ORG_SESSION = "org"
"""Where a session keeps the Salesforce id of the org that its reader chose in the bar."""
REFUSED = 422
"""The status of a page that shows a form again, with what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame of a page. `connection` and `tone` are the pill's; `may_…`: show the buttons of that role."""

    admin: str | None
    may_operate: bool
    may_admin: bool
    account: bool
    """Whether there is an account to look at: not for who came by a link as the operator of this machine."""
    practice_pages: str | None
    """Where a practice org shows itself, on the machine that optsync runs on; None for a real org."""
    connection: str
    tone: str
    badge: str = ""
    """How much waits for a person in all orgs, as a tile of the Overview counts it; "99+" above that, "" for none."""
    orgs: tuple["OrgChoice", ...] = ()
    """The orgs to choose from; empty unless there are several."""
    of_org: str = ""
    """What stands behind the address of a form or link that means the org of this page, "" where there is only one: in
    a window that was left open a button means what its page showed, whatever was chosen meanwhile."""

    @property
    def others_ask(self) -> bool:
        """Whether an org that this page does not show asks for a look."""
        return any(org.tone != "ok" for org in self.orgs if not org.shown)


@dataclass(frozen=True, slots=True)
class OrgChoice:
    """An org in the menu of the bar, with its state as sign and word."""

    salesforce_id: str
    name: str
    shown: bool
    tone: Literal["ok", "warn", "bad"]
    sign: str
    word: str


def chosen_org(request: HttpRequest) -> Connection | None:
    """The org that the page speaks of: the one that ?org= names by its Salesforce id, else the one chosen in this
    session, else the first; None when none is connected. Raises Http404 when ?org= names no connected org.
    """
    known = {org.salesforce_id: org for org in connections(desk().connection())}
    if asked := request.GET.get("org"):
        if asked not in known:
            raise Http404
        return known[asked]
    return known.get(request.session.get(ORG_SESSION, "")) or next(iter(known.values()), None)


def of_org(request: HttpRequest) -> dict[str, str]:
    """What a redirect carries on, so that it leads to the same org: what ?org= named; empty when it named none."""
    asked = request.GET.get("org")
    return {"org": asked} if asked else {}


def frame(request: HttpRequest) -> dict[str, object]:
    """Gives every template its `shell`, made when a template first asks for it."""
    return {"shell": SimpleLazyObject(lambda: shell_of(request))}


def shell_of(request: HttpRequest) -> Shell:
    """The frame for this browser; nothing about the org is shown to who is not signed in."""
    rights = (admin_of(request), may(request, "operator"), may(request, "admin"), user_of(request) is not None)
    if role_of(request) is None:
        return Shell(*rights, None, "", "idle")
    org = chosen_org(request)
    if org is None:
        return Shell(*rights, None, _("Not connected"), "warn")
    practice_pages = f"{org.login_url}/practice" if org.is_practice else None
    rows = desk().connection().execute(sql("optsync.web", "shell")).fetchall()
    waiting = {one.org_id: one.all for one in standing.waiting(desk().connection(), BADGE_MAX + 1)}
    states = {org_id: (refused, paused or waiting[org_id] > 0) for org_id, refused, paused in rows}
    count = sum(waiting.values())
    badge = "" if not count else f"{BADGE_MAX}+" if count > BADGE_MAX else str(count)
    orgs = tuple(choice_of(one, one == org, *states[one.org_id]) for one in connections(desk().connection()))
    several = (orgs, f"?{urlencode({'org': org.salesforce_id})}") if len(orgs) > 1 else ((), "")
    refused, _waits = states[org.org_id]
    if refused:
        return Shell(*rights, practice_pages, _("Sign-in refused"), "bad", badge, *several)
    return Shell(*rights, practice_pages, org.name, "ok", badge, *several)


def choice_of(org: Connection, shown: bool, refused: bool, waits: bool) -> OrgChoice:
    """An org for the menu: the worst that is known without counting anything."""
    if refused:
        return OrgChoice(org.salesforce_id, org.name, shown, "bad", "✕", _("Sign-in refused"))
    if waits:
        return OrgChoice(org.salesforce_id, org.name, shown, "warn", "!", _("Something waits"))
    return OrgChoice(org.salesforce_id, org.name, shown, "ok", "✓", _("Connected"))


def zone_of(request: HttpRequest) -> ZoneInfo:
    """The zone in which a page shows moments: the one that its reader chose, else that of the org's nightly sync."""
    user = user_of(request)
    if user and user.time_zone:
        return ZoneInfo(user.time_zone)
    return ZoneInfo(nightly_zone(request) or "UTC")


def nightly_zone(request: HttpRequest) -> str:
    """The zone of the org's nightly sync; "" where no org is connected or nobody is signed in."""
    org = chosen_org(request) if role_of(request) else None
    return settings.load(desk().connection(), org.org_id).schedule.zone if org else ""


class OneZone:
    """Lets a view speak in the zone of its page, so that its own words and the page's <time> elements agree."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: list[object], kwargs: dict[str, object]
    ) -> None:
        """After the sign-in, which ends the zone again with the request."""
        match = request.resolver_match
        if match is not None and not set(match.namespaces) & OPEN_NAMESPACES and role_of(request) is not None:
            timezone.activate(zone_of(request))


def page(request: HttpRequest, template: str, here: str, status: int = 200, **context: object) -> HttpResponse:
    """A page in the frame. `here` names the entry of the top bar."""
    response = render(request, f"web/{template}.html", context | {"here": here}, status=status)
    response["Cache-Control"] = "no-store"
    return response
