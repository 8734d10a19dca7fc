"""Everything that can go wrong on the way to an answer can be ordered; test_fault_kinds shows each kind strike."""

import pytest

from tests.conformance.practice.rest import Rest

NETWORK_FAULTS: dict[str, tuple[str, dict[str, object]]] = {
    "DNS fails": ("unknown_host", {}),
    "connection refused": ("connection_refused", {}),
    "connect times out": ("connect_timeout", {}),
    "TLS fails": ("tls_failure", {}),
    "reset before the request is taken": ("reset", {}),
    "time-out before the effect": ("hold", {"moment": "before"}),
    "time-out after the effect": ("hold", {"moment": "after"}),
    "reset in mid-answer": ("broken_off", {"moment": "after"}),
    "truncated body, packed too": ("short_body", {}),
    "one byte a second": ("trickle", {"seconds": 1.0}),
    "401 session expired": ("refuse", {"code": "INVALID_SESSION_ID"}),
    "403 limit exceeded": ("refuse", {"code": "REQUEST_LIMIT_EXCEEDED"}),
    "403 API disabled": ("refuse", {"code": "API_DISABLED_FOR_ORG"}),
    "404": ("refuse", {"code": "NOT_FOUND"}),
    "409": ("refuse", {"code": "CONFLICT"}),
    "412": ("refuse", {"code": "PRECONDITION_FAILED"}),
    "429": ("refuse", {"code": "TOO_MANY_REQUESTS"}),
    "429 with Retry-After": ("refuse", {"code": "TOO_MANY_REQUESTS", "retry_after": 30}),
    "500": ("refuse", {"code": "UNKNOWN_EXCEPTION"}),
    "502 as HTML": ("html", {"status": 502}),
    "503": ("refuse", {"code": "SERVER_UNAVAILABLE"}),
    "200 with HTML": ("html", {"status": 200}),
    "302 to another host": ("redirect", {"to": "https://login.example.com/"}),
    "wrong content type": ("wrong_type", {}),
    "malformed JSON": ("body", {}),
    "CSV with a stray quote": ("stray_quote", {}),
    "CSV with NUL": ("nul", {}),
    "CSV with a byte order mark": ("bom", {}),
    "CSV with another header": ("wrong_header", {}),
    "CSV with a line break inside": ("line_break", {}),
    "CSV without its last line end": ("no_line_end", {}),
    "200 with failures of single records": ("reject", {"code": "UNABLE_TO_LOCK_ROW"}),
    "a body a hundred times too large": ("giant", {"factor": 100}),
}

STATUS = {
    "401 session expired": 401,
    "403 limit exceeded": 403,
    "403 API disabled": 403,
    "404": 404,
    "409": 409,
    "412": 412,
    "429": 429,
    "429 with Retry-After": 429,
    "500": 500,
    "502 as HTML": 502,
    "503": 503,
    "200 with HTML": 200,
    "302 to another host": 302,
}


@pytest.mark.parametrize("name", NETWORK_FAULTS)
def test_every_fault_of_the_network_matrix_can_be_ordered(rest: Rest, name: str) -> None:
    kind, options = NETWORK_FAULTS[name]
    rest.org.fault(kind, **options)
    ordered = rest.org.faults()[-1]
    assert (ordered["kind"], ordered) == (kind, ordered | options)
    if name in STATUS:
        assert rest.call("GET", "limits").status == STATUS[name]
    rest.org.clear_faults()
