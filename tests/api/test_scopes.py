"""Which scope opens which route: the table of the OpenAPI document, tried on every route with every scope."""

import re

import pytest

from optsync.access.keys import SCOPES, Scope
from tests.installation import Site
from tests.program import Program, program

TABLE: dict[tuple[str, str], Scope | None] = {
    ("POST", "/v1/check"): "check",
    ("POST", "/v1/unsubscribes"): "write",
    ("POST", "/v1/unsubscribe-links"): "write",
    ("GET", "/v1/unsubscribes"): "read",
    ("GET", "/v1/unsubscribes/{person_id}"): "read",
    ("DELETE", "/v1/unsubscribes/{person_id}"): "admin",
    ("POST", "/v1/unsubscribes:batch"): "write",
    ("GET", "/v1/imports"): "read",
    ("POST", "/v1/imports"): "write",
    ("GET", "/v1/imports/{import_id}"): "read",
    ("GET", "/v1/imports/{import_id}/rejects"): "read",
    ("POST", "/v1/people/find"): "read",
    ("GET", "/v1/people/{person_id}"): "read",
    ("GET", "/v1/people/{person_id}/compliance"): "read",
    ("PUT", "/v1/people/{person_id}/compliance"): "write",
    ("GET", "/v1/people/{person_id}/timeline"): "read",
    ("GET", "/v1/runs"): "read",
    ("GET", "/v1/runs/{run_id}"): "read",
    ("GET", "/v1/runs/{run_id}/rejects"): "read",
    ("POST", "/v1/runs/{run_id}/retry"): "admin",
    ("GET", "/v1/preview"): "read",
    ("POST", "/v1/preview"): "admin",
    ("GET", "/v1/preview/{run_id}"): "read",
    ("GET", "/v1/issues"): "read",
    ("POST", "/v1/issues/retry"): "admin",
    ("GET", "/v1/metrics"): "read",
    ("GET", "/v1/status"): "read",
    ("GET", "/v1/doctor"): "read",
    ("POST", "/v1/doctor"): "admin",
    ("GET", "/v1/domains"): "read",
    ("POST", "/v1/domains"): "admin",
    ("DELETE", "/v1/domains/{domain}"): "admin",
    ("GET", "/v1/events"): "read",
    ("GET", "/v1/webhooks"): "admin",
    ("POST", "/v1/webhooks"): "admin",
    ("GET", "/v1/webhooks/{endpoint_id}"): "admin",
    ("DELETE", "/v1/webhooks/{endpoint_id}"): "admin",
    ("POST", "/v1/webhooks/{endpoint_id}/enable"): "admin",
    ("POST", "/v1/webhooks/{endpoint_id}/disable"): "admin",
    ("POST", "/v1/webhooks/{endpoint_id}/rotate"): "admin",
    ("POST", "/v1/webhooks/{endpoint_id}/test"): "admin",
    ("POST", "/v1/webhooks/{endpoint_id}/replay"): "admin",
    ("GET", "/v1/webhooks/{endpoint_id}/deliveries"): "admin",
    ("POST", "/v1/webhooks/{endpoint_id}/deliveries/{delivery_id}/resend"): "admin",
    ("GET", "/v1/keys"): "admin",
    ("POST", "/v1/keys"): "admin",
    ("POST", "/v1/keys/{handle}/rotate"): "admin",
    ("DELETE", "/v1/keys/{handle}"): "admin",
    ("GET", "/v1/problems"): None,
}
"""None = needs no key."""


def routes(site: Site) -> dict[tuple[str, str], Scope | None]:
    """What the server says of itself."""
    document = Program(site).get("/v1/openapi.json").json
    found: dict[tuple[str, str], Scope | None] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            scopes = [scope for one in operation.get("security", []) for scope in one["ApiKey"]]
            assert len(scopes) <= 1
            found[method.upper(), path] = scopes[0] if scopes else None
    return found


def test_the_table_is_that_of_the_document(site: Site) -> None:
    assert routes(site) == TABLE


@pytest.mark.parametrize("scope", [None, *SCOPES])
def test_a_key_opens_what_its_scope_says_and_nothing_else(site: Site, scope: Scope | None) -> None:
    asking = program(site, scope) if scope else Program(site)
    for (method, path), needed in routes(site).items():
        answer = asking.ask(method, re.sub(r"{\w+}", "1", path))
        if needed is None or scope in ("admin", needed):
            assert answer.status not in (401, 403), (method, path)
        else:
            expected = (403, "scope-missing") if scope else (401, "key-missing")
            assert (answer.status, answer.code) == expected, (method, path)
