"""The search of the top bar: an address, the id of a Salesforce record, the number of a sync run, or a page's name."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from optsync.core.record_ids import BadRecordId, to_18
from optsync.web.middleware import needs

RUN_DIGITS_MAX = 9


@needs("viewer")
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Leads to the page of what was typed; what is no id, number, page or address is looked for among the people."""
    text = request.GET.get("q", "").strip()
    number = text.casefold().removeprefix(_("Sync run %(n)s").casefold() % {"n": ""}).removeprefix("#").strip()
    if number.isascii() and number.isdecimal() and len(number) <= RUN_DIGITS_MAX:
        return redirect("web:run", run_id=int(number))
    if place := page_named(text):
        return redirect(place)
    name = "record" if is_record_id(text) else "address" if "@" in text else "q"
    return redirect(f"{reverse('web:people')}?{urlencode({name: text})}")


def is_record_id(text: str) -> bool:
    """Whether it is a 15- or 18-character id."""
    try:
        to_18(text)
    except BadRecordId:
        return False
    return True


def page_named(text: str) -> str | None:
    """The one page whose name in the reader's language begins like this; None when none does, or several."""
    names = {
        "web:overview": _("Overview"),
        "web:unsubscribes": _("Unsubscribes"),
        "web:people": _("People"),
        "web:runs": _("Sync runs"),
        "web:issues": _("Issues"),
        "web:holds": _("Mass changes that wait for your decision"),
        "web:settings": _("Settings"),
        "web:integrations": _("Integrations"),
        "web:doctor": _("Doctor"),
        "web:install": _("Install"),
        "web:connect": _("Connect Salesforce"),
        "web:users": _("Users"),
        "web:api_keys": _("API keys"),
        "web:account": _("Your account"),
        "web:messaging": _("Messaging"),
        "web:unsubscribe_page": _("Unsubscribe page"),
        "web:sources": _("Sources"),
        "web:providers": _("Mail providers"),
        "web:domains": _("Blocked domains"),
        "web:imports": _("Import"),
        "web:alerts": _("Alerts"),
        "web:webhooks": _("Webhooks"),
        "web:audit": _("Audit"),
    }
    found = [place for place, name in names.items() if text and name.casefold().startswith(text.casefold())]
    return found[0] if len(found) == 1 else None
