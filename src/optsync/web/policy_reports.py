"""What browsers report of our content security policy: one line in the log each, without anything a stranger wrote.

Of a report only words that we know are kept: the directive, what kind of thing was refused, and the route of the page
(an address may hold a recipient's token). A report is no authority for anything: anybody may send one, within limits.
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from optsync.api.limits import Buckets, Limit
from optsync.config.desk import desk
from optsync.config.logging import get_logger
from optsync.web.middleware import open_to_all

BODY_BYTES_MAX: Final = 16 * 1024
RATE: Final = Limit("policy reports", 60, 60)
"""Lines of this process: a page with a fault, or a stranger, must not fill the disk."""
BUCKETS: Final = Buckets()
KINDS: Final = frozenset({"inline", "eval", "wasm-eval", "data", "blob", "trusted-types-policy", "trusted-types-sink"})
log = get_logger("optsync.web.policy_reports")


@open_to_all
@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Takes a report as report-uri has it. Answers nothing; 4xx where nothing was taken."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > BODY_BYTES_MAX:
        return HttpResponse(status=413)
    try:
        report = json.loads(request.body)["csp-report"]
        line = told(report)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return HttpResponse(status=400)
    if BUCKETS.take(0, RATE, desk().seams.monotonic()).wait_seconds:
        return HttpResponse(status=429)
    log.warning("content policy report", **line)
    return HttpResponse(status=204)


def told(report: Mapping[str, Any]) -> dict[str, str]:
    """The report in words of our own: `code` is the directive, `kind` what was refused, `where` the page's route."""
    directive = said(report, "effective-directive") or said(report, "violated-directive").partition(" ")[0]
    known = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    is_known = any(directive in (name, f"{name}-elem", f"{name}-attr") for name in known)
    blocked = said(report, "blocked-uri")
    return {
        "code": directive if is_known else "unknown",
        "kind": blocked if blocked in KINDS else "address",
        "where": route_of(said(report, "document-uri")),
    }


def said(report: Mapping[str, Any], name: str) -> str:
    """A field of the report; "" where it is no text."""
    value = report.get(name)
    return value if isinstance(value, str) else ""


def route_of(address: str) -> str:
    """The pattern of the page's address; "" when it is none of ours."""
    try:
        return f"/{resolve(urlsplit(address).path).route}"
    except (Resolver404, ValueError):
        return ""
