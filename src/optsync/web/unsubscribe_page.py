"""Settings > Unsubscribes > Unsubscribe page: how it looks, in every language and theme, and the headers to paste."""

from dataclasses import fields
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from optsync.config.desk import desk
from optsync.core.addresses import mask
from optsync.core.problems import Problem
from optsync.public import brand as brands
from optsync.public.brand import Brand
from optsync.public.languages import chosen, known, languages
from optsync.public.links import make_link, own_url
from optsync.public.look import OURS, Look
from optsync.public.tokens import UnsubscribeLink
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, page
from optsync.web.troubles import address_trouble, in_three_parts

CARDS = ("ask", "done", "damaged", "later", "thanks")
THEMES = ("light", "dark")
SAMPLE = UnsubscribeLink("ann@example.com", "<message-id@example.com>", "Jane Doe")


@needs("viewer", to_change="admin")
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest) -> HttpResponse:
    """GET shows the choices, POST saves them."""
    if request.method != "POST":
        return form(request, brands.load(desk().connection()), saved="saved" in request.GET)
    typed = {field.name: request.POST.get(field.name, "").strip() for field in fields(Brand)}
    typed |= {name: typed[name].lower() for name in ("light_colour", "dark_colour")}
    try:
        brands.save(desk().connection(), Brand(**typed), actor_of(request))
    except Problem as error:
        return form(request, Brand(**typed), REFUSED, problem=in_three_parts(error))
    return redirect(f"{reverse('web:unsubscribe_page')}?saved")


def form(request: HttpRequest, brand: Brand, status: int = 200, **context: Any) -> HttpResponse:
    """The choices as they are or were typed, links to every look, and an example of the headers."""
    desk_ = desk()
    mailbox = brands.load(desk_.connection()).mailbox
    made = make_link(desk_.link_keys, desk_.seams.token_bytes, own_url(request), mailbox, SAMPLE)
    context |= {
        "brand": brand,
        "ours": OURS,
        "address_trouble": address_trouble(),
        "languages": list(languages().values()),
        "current": chosen("", get_language() or "en").code,
        "drafts": [one for one in languages().values() if not one.checked],
        "cards": [
            ("ask", _("The question")),
            ("done", _("Done")),
            ("damaged", _("Damaged link")),
            ("later", _("Database away")),
            ("thanks", _("Thank you")),
        ],
        "headers": "\n".join(f"{name}: {value}" for name, value in made.headers.items()),
    }
    return page(request, "unsubscribe_page", "settings", status=status, **context)


@needs("viewer")
@require_safe
def preview(request: HttpRequest) -> HttpResponse:
    """One of the recipients' cards as it looks now, with buttons that cannot be pressed."""
    card, theme = request.GET.get("card", ""), request.GET.get("theme", "")
    language = known(request.GET.get("lang", "")) or chosen("", get_language() or "en")
    brand = brands.load(desk().connection())
    look = Look(language, brand, "", theme if theme in THEMES else "", is_preview=True)
    sender = "" if card == "done" else SAMPLE.sender
    context = {"look": look, "t": look.texts, "masked": mask(SAMPLE.address), "sender": sender}
    response = render(request, f"public/{card if card in CARDS else CARDS[0]}.html", context)
    response["Cache-Control"] = "no-store"
    return response
