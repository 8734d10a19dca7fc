"""The search of the top bar: an address, the id of a Salesforce record, or the number of a sync run."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from optsync.core.record_ids import BadRecordId, to_18
from optsync.web.middleware import needs

RUN_DIGITS_MAX = 9


@needs("viewer")
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Leads to the page of what was typed; whatever is no id and no number is taken for an address."""
    text = request.GET.get("q", "").strip()
    number = text.removeprefix("#")
    if number.isascii() and number.isdecimal() and len(number) <= RUN_DIGITS_MAX:
        return redirect("web:run", run_id=int(number))
    name = "record" if is_record_id(text) else "address"
    return redirect(f"{reverse('web:people')}?{urlencode({name: text})}")


def is_record_id(text: str) -> bool:
    """Whether it is a 15- or 18-character id."""
    try:
        to_18(text)
    except BadRecordId:
        return False
    return True
