"""Settings > Unsubscribes > Sources: every door an unsubscribe comes through, when it last did, and how to open it."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from optsync.config.desk import desk
from optsync.ledger.queries import sql
from optsync.public import brand
from optsync.web.middleware import needs
from optsync.web.shell import page

HEADERS = "#headers"


@needs("viewer")
@require_safe
def sources(request: HttpRequest) -> HttpResponse:
    """One row for each door."""
    doors = doors_with_words()
    names = [name for door in doors for name in door["sources"]]
    last: dict[str, datetime | None] = dict(
        desk().connection().execute(sql("optsync.web", "last_of_sources"), [names]).fetchall()
    )
    for door in doors:
        door["last"] = max(filter(None, (last[name] for name in door["sources"])), default=None)
    return page(request, "sources", "settings", doors=doors)


def doors_with_words() -> list[dict[str, Any]]:
    """The doors: the sources of opt-outs behind each, what it is, and how to set it up (a page or a command)."""
    page_settings, mailbox = reverse("web:unsubscribe_page"), brand.load(desk().connection()).mailbox
    by_mail = _("Arrives at %(mailbox)s.") % {"mailbox": mailbox} if mailbox else _("No mailbox has been chosen yet.")
    return [
        door(
            _("One-click"),
            _("The button of mail programs (RFC 8058)."),
            "one-click",
            link=page_settings + HEADERS,
            word=_("Headers for your messages"),
        ),
        door(
            _("Unsubscribe page"),
            _("The link in a message, and the form for damaged links."),
            "clicked link",
            link=page_settings,
            word=_("Unsubscribe page"),
        ),
        door(_("By e-mail"), by_mail, "mail", link=page_settings, command="optsync receive-mail"),
        door(_("API"), _("Your own programs, with a key."), "api", link=reverse("web:api_keys"), word=_("API keys")),
        door(
            _("Mail providers"),
            _("Unsubscribes, spam complaints and bounces, as SendGrid, Mailgun and ten others tell them."),
            "mail provider",
            "complaint",
            "bounce",
            link=reverse("web:providers"),
            word=_("Mail providers"),
        ),
        door(_("Import"), _("Lists of other tools, as CSV."), "import", link=reverse("web:imports"), word=_("Import")),
        door(
            _("By hand"),
            _("Somebody told you."),
            "manual",
            "bulk",
            link=reverse("web:unsubscribes"),
            word=_("Unsubscribes"),
        ),
        door(
            "Salesforce",
            _("A box that somebody ticks there, while the nightly sync is on."),
            "salesforce sync",
            "follows record",
            link=reverse("web:integrations"),
            word=_("Integrations"),
        ),
    ]


def door(title: str, what: str, *sources: str, link: str = "", word: str = "", command: str = "") -> dict[str, Any]:
    """One row."""
    return {"title": title, "what": what, "sources": sources, "link": link, "word": word, "command": command}
