"""What every admin page has in common: the connection pill, the practice-org banner, rendering."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from optsync.config.desk import desk
from optsync.connection import settings
from optsync.connection.connect import Connection, connections
from optsync.ledger.queries import sql
from optsync.web.middleware import admin_of, may, role_of, user_of

BADGE_MAX = 99
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
    """How many boxes and mass changes wait for a person, "99+" above that; empty when nothing does."""


def first_connection() -> Connection | None:
    """The org the pages speak of: the first one connected; None when none is. More orgs get a chooser later."""
    return next(iter(connections(desk().connection())), None)


def frame(request: HttpRequest) -> dict[str, object]:
    """Gives every template its `shell`, made when a template first asks for it."""
    return {"shell": SimpleLazyObject(lambda: shell_of(request))}


def shell_of(request: HttpRequest) -> Shell:
    """The frame for this browser; nothing about the org is shown to who is not signed in."""
    rights = (admin_of(request), may(request, "operator"), may(request, "admin"), user_of(request) is not None)
    if role_of(request) is None:
        return Shell(*rights, None, "", "idle")
    org = first_connection()
    if org is None:
        return Shell(*rights, None, _("Not connected"), "warn")
    practice_pages = f"{org.login_url}/practice" if org.is_practice else None
    row = (
        desk().connection().execute(sql("optsync.web", "shell"), {"org": org.org_id, "most": BADGE_MAX + 1}).fetchone()
    )
    assert row is not None
    refused, waiting = row
    badge = "" if not waiting else f"{BADGE_MAX}+" if waiting > BADGE_MAX else str(waiting)
    if refused:
        return Shell(*rights, practice_pages, _("Sign-in refused"), "bad", badge)
    return Shell(*rights, practice_pages, org.name, "ok", badge)


def zone_of(request: HttpRequest) -> ZoneInfo:
    """The zone in which a page shows moments: the one that its reader chose, else that of the org's nightly sync."""
    user = user_of(request)
    if user and user.time_zone:
        return ZoneInfo(user.time_zone)
    org = first_connection() if role_of(request) else None
    return ZoneInfo(settings.load(desk().connection(), org.org_id).schedule.zone if org else "UTC")


def page(request: HttpRequest, template: str, here: str, status: int = 200, **context: object) -> HttpResponse:
    """A page in the frame. `here` names the entry of the top bar."""
    with timezone.override(zone_of(request)):
        response = render(request, f"web/{template}.html", context | {"here": here}, status=status)
    response["Cache-Control"] = "no-store"
    return response
