"""Whatever is sent, the org answers as Salesforce would: no answer of status 500 is of its own making.

OPTSYNC_FUZZ_REQUESTS says how many requests each test tries; 20,000 take some minutes. The paths of all routes are
tried, also that of a new one that nobody named here.
"""

import json
import os
import re
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from practice_org import clock
from practice_org.org import Options, Org
from practice_org.server import make_app
from practice_org.sessions import Identity
from tests.conformance.practice.rest import API, Rest

REQUESTS = int(os.environ.get("OPTSYNC_FUZZ_REQUESTS", "200"))

LEAD, CONTACT = "00QPr0000000001MAA", "003Pr0000000001IAA"
NAMES = [
    "Id",
    "Email",
    "HasOptedOutOfEmail",
    "LastName",
    "SystemModstamp",
    "AccountId",
    "Owner.Name",
    "Lead.Id",
    "Profile.UserLicense.Name",
    "Parent.Profile.Name",
    "Metadata",
    "Nope",
]
LITERALS = [
    *("'a'", "'a%'", "'\\\\_'", "true", "null", "5", "1e9", "TODAY", "LAST_N_DAYS:99999999999", "2026-02-31"),
    *("2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "(SELECT Id FROM Lead)"),
]
SET_UP = ["FieldPermissions", "PermissionSetAssignment", "Profile", "Layout", "ValidationRule", "CustomField"]
"""Objects of the set-up and of Tooling; neither knows those of the other."""
WORDS = [
    "SELECT",
    "FROM",
    "WHERE",
    "AND",
    "OR",
    "NOT",
    "IN",
    "LIKE",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "COUNT()",
    "(",
    ")",
]
PATHS = [
    *(
        "/services/data",
        "/services/oauth2/token",
        "/services/oauth2/revoke",
        "/services/oauth2/authorize",
        "/services/oauth2/introspect",
        "/services/oauth2/userinfo",
        "/id/a/b",
        "/x",
    ),
    *("/services/data/v٣/limits", "/services/data/v62.00/limits"),
    *(
        f"{API}{path}"
        for path in ("", "/limits", "/limits/recordCount", "/query", "/queryAll", "/sobjects", "/tooling")
    ),
    *(f"{API}/query/{locator}" for locator in ("0r8Pr0000000000001-2000", "-", "x-99999999999999999999")),
    *(f"{API}/sobjects/{path}" for path in ("Lead", f"Lead/{LEAD}", f"Contact/{CONTACT[:15]}", "User/x", "Zzz/1")),
    *(f"{API}/sobjects/{name}/describe" for name in ("lead", "Organization", "Nope")),
    *(
        f"{API}/sobjects/Lead/{path}"
        for path in ("updated", "deleted", "Id", "Id/x", f"Id/{LEAD}", "Email/a@b.c", "x/y")
    ),
    *(f"{API}/sobjects/{name}" for name in ("PermissionSet", "fieldpermissions", "PermissionSetAssignment")),
    *(f"{API}/sobjects/{name}/x" for name in ("PermissionSet", "ObjectPermissions", "Profile")),
    *(f"{API}/tooling/{path}" for path in ("query", "sobjects/CustomField", "sobjects/PlatformEventChannelMember")),
    *(f"{API}/tooling/sobjects/{name}" for name in ("Layout/00hPr0000000001", "Layout", "Nope", "Layout/x")),
    *(f"{API}/composite{path}" for path in ("", "/sobjects", "/sobjects/Lead", "/sobjects/Lead/Email")),
    *(f"{API}/composite{path}" for path in ("/batch", "/tree/Lead", "/graph")),
    *(
        f"/services/async/62.0/job{path}"
        for path in ("", "/750Pr0000000001IAA", "/750Pr0000000001IAA/batch", "/x/batch/y")
    ),
    *(f"{API}/jobs/query{path}" for path in ("", "/750Pr0000000001IAA", "/750Pr0000000001IAA/results")),
    *(f"{API}/jobs/ingest{path}" for path in ("", "/750Pr0000000001IAA", "/750Pr0000000001IAA/batches", "/x/y")),
]


def paths_of_all_routes() -> list[str]:
    """One address for each route of the server, with something at home there in the place of its parameters."""
    org = Org(Options(), Identity("http://127.0.0.1:1", "00DPr0000000001MAA", "u", "c", "s", "t", b""), clock.now)
    here = {"version": "62.0", "object": "Lead", "id": LEAD, "kind": "refuse", "file": "failedResults"}
    found = {
        re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: here.get(part[1], "x"), str(getattr(route, "path", "/")))
        for route in make_app(org).routes
    }
    return sorted(found)


EVERY_PATH = sorted({*PATHS, *paths_of_all_routes()})
API_PATHS = [path for path in EVERY_PATH if not path.startswith("/practice")]
OWN_PATHS = [path for path in EVERY_PATH if path.startswith("/practice")]

statements = st.one_of(
    st.lists(st.sampled_from(WORDS + NAMES + LITERALS), max_size=12).map(" ".join),
    st.builds(
        "SELECT {} FROM {} WHERE {} {} {} ORDER BY {} LIMIT {}".format,
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(", ".join),
        st.sampled_from(["Lead", "Contact", "User", "Organization", "Account", "lead l", *SET_UP]),
        st.sampled_from(NAMES),
        st.sampled_from(["=", "!=", "<", ">=", "LIKE", "IN", "NOT IN"]),
        st.sampled_from([*LITERALS, "('a', null)", "(TODAY, 5)"]),
        st.sampled_from(NAMES),
        st.sampled_from(["1", "0", "-1", "1.5", "99999999999999999999"]),
    ),
    st.text(max_size=40),
)
scalars = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20), statements),
    st.sampled_from([LEAD, CONTACT, "Lead", "query", "update", "UploadComplete", "Aborted", "TAB", "CRLF", "x" * 300]),
)
keys = st.sampled_from(
    [
        *NAMES,
        *("id", "attributes", "type", "records", "allOrNone", "ids", "fields", "operation", "object", "query", "state"),
        *("contentType", "columnDelimiter", "lineEnding", "Title", "IsConverted", "CreatedDate"),
        *("FullName", "Metadata", "layoutSections", "layoutColumns", "layoutItems", "field", "behavior", "feedLayout"),
        *("Name", "Label", "ParentId", "SobjectType", "Field", "PermissionsRead", "PermissionsEdit", "AssigneeId"),
        *("compositeRequest", "batchRequests", "url", "method", "referenceId", "richInput", "body", "httpHeaders"),
    ]
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))
records = st.builds(
    lambda kind, record: {"attributes": {"type": kind}} | record,
    st.sampled_from(["Lead", "Contact", "Nope"]),
    st.dictionaries(keys, scalars, max_size=4),
)
parts = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "PATCH", "DELETE", "x"]),
        "url": st.sampled_from(PATHS)
        | st.builds("{}?q=@{{a.records[0].{}}}".format, st.sampled_from(PATHS), st.text()),
    },
    optional={
        "referenceId": st.sampled_from(["a", "b", "c", "-"]),
        "body": values | st.sampled_from(["@{a.id}", {"Title": "x @{a} @{b.[0]} @{a.records[9].Id}"}]),
        "richInput": values,
        "httpHeaders": st.dictionaries(st.text(max_size=5), scalars, max_size=1),
    },
)
bodies = st.one_of(
    st.lists(parts, max_size=4).map(lambda some: json.dumps({"compositeRequest": some, "allOrNone": True})),
    st.lists(parts, max_size=4).map(lambda some: json.dumps({"batchRequests": some, "haltOnError": True})),
    st.dictionaries(keys, values, max_size=5).map(json.dumps),
    st.lists(records, max_size=4).map(lambda some: json.dumps({"records": some})),
    st.builds(lambda text: json.dumps({"operation": "query", "query": text}), statements),
    st.sampled_from(
        [
            '{"operation": "update", "object": "Lead"}',
            "<operation>query</operation><object>Lead</object>",
            '{"state": "UploadComplete"}',
            "Id,Title\r\nx,y\r\n",
        ]
    ),
    st.dictionaries(st.sampled_from(["grant_type", "assertion", "client_id", "token", "id"]), st.text()).map(urlencode),
).map(str.encode) | st.binary(max_size=60)
parameters = st.fixed_dictionaries(
    {},
    optional={
        "q": statements,
        "locator": st.text(max_size=8) | st.sampled_from(["MA", "-1", "0", "99999999999999999999"]),
        "maxRecords": st.sampled_from(["0", "-1", "5", "²", "99999999999999999999"]),
        "fields": st.sampled_from(["", "Id", "Id,Nope", "Owner.Name"]),
        "ids": st.sampled_from(["", LEAD, f"{LEAD},x", "," * 3000]),
        "columns": st.sampled_from(["true", "x"]),
        "start": st.sampled_from(["", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "x"]),
        "end": st.sampled_from(["9999-12-31T23:59:59-12:00", "2026-01-01"]),
        "_HttpMethod": st.sampled_from(["PATCH", "DELETE", "x"]),
    },
)


@settings(max_examples=REQUESTS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD"]),
    path=st.sampled_from(API_PATHS),
    asked=parameters,
    body=bodies,
    allowed=st.sampled_from([True, True, True, False]),
)
def test_no_request_breaks_the_org(
    rest: Rest, method: str, path: str, asked: dict[str, str], body: bytes, allowed: bool
) -> None:
    rest.token = rest.org.credentials["access_token"] if allowed else "expired"
    address = quote(path) + ("?" + urlencode(asked, errors="replace") if asked else "")
    answer = rest.call(method, address, None if method in ("GET", "HEAD") else body, X_SFDC_Session=rest.token)
    # a fault of SOAP has status 500
    assert answer.status < 500 or (path.startswith("/services/Soap/") and b"<soapenv:Fault>" in answer.body)
    if path.startswith(API) and answer.status >= 400 and method != "HEAD" and answer.status not in (414, 431):
        errors: Any = answer.json
        assert isinstance(errors, list)
        for error in errors:
            assert {"message", "errorCode"} <= set(error) or {"success", "errors"} <= set(error)


own_keys = st.sampled_from(
    [
        *NAMES,
        *("kind", "route", "path", "skip", "times", "rate", "moment", "holding", "code", "status", "records", "fields"),
        *("seconds", "bytes_kept", "object", "field", "access", "installed", "locked", "unsets", "ms", "daily", "used"),
        *("type", "contact_id", "copy_opt_out", "into", "keep_opt_out", "long_lived", "do", "id", "q", "level", "copy"),
    ]
)
own_values = st.one_of(
    scalars,
    st.floats(),
    st.lists(scalars, max_size=3),
    st.sampled_from(["refuse", "reject", "nul", "hold", "edit", "absent", "save", "merge", "convert", "package"]),
)
forms = st.dictionaries(
    own_keys, st.text(max_size=20) | st.sampled_from([LEAD, CONTACT, "save", "merge", "edit", "yes"])
)


@settings(max_examples=REQUESTS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "POST", "PATCH", "DELETE", "HEAD"]),
    path=st.sampled_from(OWN_PATHS),
    asked=st.dictionaries(
        st.sampled_from(["q", "email", "after", "field", "done", "pause"]), scalars.map(str), max_size=2
    ),
    controls=st.dictionaries(own_keys, own_values, max_size=5).map(json.dumps) | st.text(max_size=40),
    form=forms,
)
def test_no_control_and_no_page_breaks_the_org(
    rest: Rest, method: str, path: str, asked: dict[str, str], controls: str, form: dict[str, str]
) -> None:
    page = rest.call("GET", "/practice/access").body.decode()
    token = page.partition('name="token" value="')[2].partition('"')[0]
    is_control = path.startswith("/practice/api")
    body = controls if is_control else urlencode(form | {"token": token}, errors="replace")
    address = path + ("?" + urlencode(asked, errors="replace") if asked else "")
    answer = rest.call(method, address, None if method in ("GET", "HEAD") else body.encode("utf-8", "replace"))
    assert answer.status < 500
    if method not in ("GET", "HEAD"):
        rest.org.reset()
