"""Compliance data: shown on a card of the person's page, changed for one person or for many ticked ones."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from optsync.config.desk import desk
from optsync.core.compliance import FIELDS, TEXT_CHARS_MAX, BadCompliance
from optsync.ledger import compliance, people
from optsync.ledger.people import Person
from optsync.web.listing import PAGE_ROWS
from optsync.web.middleware import actor_of, needs
from optsync.web.shell import REFUSED, page
from optsync.web.words import AUTHORIZATIONS, COMPLIANCE_WRONG, SOURCE_TYPES, compliance_line


def card_of(person: Person | None) -> dict[str, Any] | None:
    """What the page of a person shows of it; None for one who is not known or was erased."""
    if person is None or person.is_erased:
        return None
    found = compliance.find(desk().connection(), person.address_id)
    return {
        "person": person.address_id,
        "line": compliance_line(found.cells, _),
        "authorization": _(AUTHORIZATIONS.get(found.authorization_type or "", "")) if found.authorization_type else "",
        "authorization_note": found.authorization_note,
        "consent_date": found.consent_date,
        "consent_purpose": found.consent_purpose,
        "source": _(SOURCE_TYPES.get(found.source_type or "", "")) if found.source_type else "",
        "source_note": found.source_note,
        "set_at": found.set_at,
        "set_by": found.set_by,
    }


@needs("operator")
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest) -> HttpResponse:
    """POST `look` shows the form for the ticked people, `set` changes them; GET leads back."""
    picked = [int(text) for text in request.POST.getlist("pick")[:PAGE_ROWS] if text.isdecimal() and len(text) < 19]
    if not picked:
        ticked = {"changed": "none"} if request.method == "POST" else {}
        return redirect(f"{reverse('web:people')}?{urlencode(back_of(request) | ticked)}")
    found = (people.find_by_id(desk().connection(), number) for number in picked)
    chosen = [person for person in found if person is not None and not person.is_erased]
    if request.POST.get("step") == "set" and chosen:
        return changed(request, chosen)
    return form(request, chosen)


def changed(request: HttpRequest, chosen: list[Person]) -> HttpResponse:
    """Changes them, or shows the form again with what is wrong. One person's values are replaced as a whole."""
    conn, key = desk().connection(), desk().subject_key
    given = {name: request.POST.get(name, "") for name in FIELDS}
    try:
        wanted = compliance.understand(conn, given, whole=len(chosen) == 1)
    except BadCompliance as error:
        why = _(COMPLIANCE_WRONG[str(error)])
        said = _("Nothing was changed: %(why)s.") % {"why": why}
        return form(request, chosen, REFUSED, problem=said, given=given)
    numbers = [person.address_id for person in chosen]
    n = compliance.set_for(conn, key, numbers, wanted, actor=actor_of(request))
    if len(chosen) == 1:
        query = {"address": chosen[0].normal, "done": "compliance" if n else "same"}
    else:
        query = back_of(request) | {"changed": str(n)}
    return redirect(f"{reverse('web:people')}?{urlencode(query)}")


def form(request: HttpRequest, chosen: list[Person], status: int = 200, **context: Any) -> HttpResponse:
    """The six values: for one person as they stand, for several empty, which leaves them as they are."""
    conn = desk().connection()
    one = chosen[0] if len(chosen) == 1 else None
    stands = compliance.find(conn, one.address_id).cells if one else dict.fromkeys(FIELDS, "")
    context = {
        "chosen": chosen,
        "one": one,
        "given": stands,
        "authorizations": [(value, _(word)) for value, word in AUTHORIZATIONS.items()],
        "source_types": [(value, _(word)) for value, word in SOURCE_TYPES.items()],
        "latest_day": compliance.latest_day(conn).isoformat(),
        "chars_max": TEXT_CHARS_MAX,
        "back": urlencode(back_of(request)),
    } | context
    return page(request, "compliance", "people", status=status, **context)


def back_of(request: HttpRequest) -> dict[str, str]:
    """The place in the list of people from which the form was opened."""
    given = QueryDict(request.POST.get("back", "")).dict()
    return {name: given[name] for name in ("q", "linked", "after") if given.get(name)}
