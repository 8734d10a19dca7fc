"""What a browser is shown when a page cannot be: why, what it means, and the number under which the log tells more.

Nothing here asks who is signed in: the database may be what failed.
"""

import sys
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from optsync.config.desk import desk
from optsync.ledger import record
from optsync.web.request_ids import request_id_of

AWAY = (psycopg.OperationalError, psycopg.InterfaceError, OperationalError, InterfaceError)
RETRY_SECONDS = 30
PROBE = "probe@optsync.invalid"


def unreadable(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: what was sent is no request of ours."""
    return told(request, "400.html", 400)


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return told(request, "403.html", 403)


def form_too_old(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form without the token of its page, or with that of another one."""
    return told(request, "403_csrf.html", 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404."""
    return told(request, "404.html", 404)


def failed(request: HttpRequest) -> HttpResponse:
    """500, or 503 while the database is away; called where the error is handled. Says whether recording goes on."""
    recording = is_recording()
    is_away = isinstance(sys.exc_info()[1], AWAY) and not recording
    response = told(request, "500.html", 503 if is_away else 500, recording=recording, is_away=is_away)
    if is_away:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response


def told(request: HttpRequest, template: str, status: int, **context: Any) -> HttpResponse:
    """A page that needs nothing but its words."""
    text = render_to_string(template, context | {"request_id": request_id_of(request)})
    return HttpResponse(text, status=status, headers={"Cache-Control": "no-store"})


def is_recording() -> bool:
    """Whether an opt-out is recorded at this moment: one is, as by any door, and taken back before it counts."""
    try:
        conn = desk().connection()
        with conn.transaction(force_rollback=True):
            conn.execute("SET LOCAL statement_timeout = '2s'")
            record.opt_out(conn, desk().subject_key, PROBE, "manual")
    except psycopg.Error:
        return False
    return True
