"""Whatever goes wrong has one shape (RFC 9457), a code that is listed, and leaves no trace."""

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.installation import Site
from tests.program import Program

PAGE = Path(__file__).parents[2] / "docs/reference/api.md"
FIND = "/v1/people/find"
GOOD = b'{"address": "ann@example.com"}'


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad-json"),
        (b"not json", 400, "bad-json"),
        (b"\xff\xfe\xfd", 400, "bad-json"),
        (b'{"address": NaN}', 400, "bad-json"),
        (b'{"address": "a@b.c", "address": "d@e.f"}', 400, "bad-json"),
        (b"[" * 20_000, 400, "bad-json"),
        (b'{"address": ' + b"9" * 5_000 + b"}", 400, "bad-json"),
        (b"", 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b"{}", 422, "invalid"),
        (b'{"address": 7}', 422, "invalid"),
        (b'{"address": null}', 422, "invalid"),
        (b'{"address": "nobody"}', 422, "invalid"),
        (b'{"address": "\\ud800@example.com"}', 422, "invalid"),
        (b'{"address": "ann@example.com", "adress": 1}', 422, "invalid"),
        (b'{"address": "' + b"a" * 1_000 + b'@example.com"}', 422, "invalid"),
        (b'{"address": "' + b"a" * 70_000 + b'@example.com"}', 413, "too-large"),
    ],
)
def test_a_bad_body_is_refused_by_name(admin: Program, body: bytes, status: int, code: str) -> None:
    answer = admin.ask("POST", FIND, body)
    assert (answer.status, answer.code) == (status, code)


def test_each_field_that_does_not_fit_is_named_by_a_pointer(admin: Program) -> None:
    answer = admin.post("/v1/unsubscribes", {"address": "nobody", "source": "a dream", "a/b~c": 1})
    assert answer.code == "invalid"
    assert sorted(error["where"] for error in answer.json["errors"]) == ["/address", "/a~1b~0c", "/source"]
    assert "nobody" not in answer.text


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_of_another_type_is_refused(admin: Program, kind: str) -> None:
    answer = admin.ask("POST", FIND, GOOD, Content_Type=kind)
    assert (answer.status, answer.code) == (415, "wrong-type")
    assert admin.ask("POST", FIND, GOOD, Content_Type="application/json; charset=utf-8").status == 200


def test_a_body_in_chunks_is_refused(admin: Program, site: Site) -> None:
    where = urlsplit(site.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    headers = {"Authorization": f"Bearer {admin.key}", "Content-Type": "application/json"}
    connection.request("POST", FIND, iter([GOOD]), headers, encode_chunked=True)
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["code"]) == (411, "length-required")
    connection.close()


@pytest.mark.parametrize("path", ["/v1/", "/v1/nothing", "/v1/check/", "/v1/people/", "/v1/people/1/x", "/v1/%00"])
def test_an_unknown_address_is_no_page_of_ours(admin: Program, path: str) -> None:
    answer = admin.get(path)
    assert answer.status in (404, 405, 422)
    assert answer.code in ("route-unknown", "method-not-allowed", "invalid")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/unsubscribes", {"GET", "POST"}),
        ("PUT", "/v1/check", {"POST"}),
        ("GET", "/v1/check", {"POST"}),
        ("HEAD", "/v1/check", {"POST"}),
        ("OPTIONS", "/v1/status", {"GET"}),
        ("PATCH", "/v1/people/1", {"GET"}),
        ("BREW", "/v1/status?limit=1", {"GET"}),
    ],
)
def test_a_method_that_is_not_there_names_those_that_are(
    admin: Program, method: str, path: str, allowed: set[str]
) -> None:
    answer = admin.ask(method, path)
    assert answer.status == 405
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == allowed
    if method != "HEAD":
        assert answer.code == "method-not-allowed"


def test_head_is_get_without_a_body(admin: Program) -> None:
    head = admin.ask("HEAD", "/v1/status")
    assert (head.status, head.text) == (200, "")
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.parametrize("query", ["curso=x", "limit=1&limits=2", "cursor=&%F0%9F%98%80=1"])
def test_an_unknown_parameter_is_refused(admin: Program, query: str) -> None:
    answer = admin.get(f"/v1/unsubscribes?{query}")
    assert (answer.status, answer.code) == (422, "invalid")


def test_a_parameter_that_comes_twice_is_refused_unless_it_is_a_list(admin: Program) -> None:
    answer = admin.get("/v1/imports?limit=false&limit=7")
    assert (answer.status, answer.code) == (422, "invalid")
    assert answer.json["errors"] == [{"where": "limit", "detail": "it is there twice"}]
    listed = admin.ask("POST", "/v1/imports?column=a=1&column=b=2", b"x", Content_Type="text/csv")
    assert listed.status == 409, "the columns are read"


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "cursor=" + "A" * 501])
def test_a_limit_or_cursor_of_the_wrong_shape_is_refused(admin: Program, query: str) -> None:
    for path in ("/v1/unsubscribes", "/v1/runs", "/v1/people/1/timeline"):
        answer = admin.get(f"{path}?{query}")
        assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.parametrize("cursor", ["x", "YWZ0ZXIgLTE", "%FF", "0", "YWZ0ZXIgOTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk"])
def test_a_cursor_that_is_none_of_ours_has_no_page(admin: Program, cursor: str) -> None:
    for path in ("/v1/unsubscribes", "/v1/runs", "/v1/people/1/timeline"):
        answer = admin.get(f"{path}?cursor={cursor}")
        assert (answer.status, answer.code) == (404, "not-found")


@pytest.mark.parametrize("number", ["0", "-1", "x", "9223372036854775808", "1e3", "99999999999999999999999999"])
def test_a_number_that_cannot_be_is_refused(admin: Program, number: str) -> None:
    for path in ("/v1/unsubscribes/{}", "/v1/people/{}", "/v1/people/{}/timeline", "/v1/runs/{}"):
        answer = admin.get(path.format(number))
        assert (answer.status, answer.code) == (422, "invalid")


def test_every_code_is_explained_to_anyone(site: Site) -> None:
    listed = Program(site).get("/v1/problems").json["problems"]
    assert all(one["title"] and one["means"] and one["next"] and 400 <= one["status"] < 600 for one in listed)
    assert len({one["code"] for one in listed}) == len(listed) > 10


def test_no_answer_may_be_cached_or_comes_with_a_cookie(admin: Program) -> None:
    for answer in (admin.get("/v1/status"), admin.get("/v1/nothing"), Program(admin.site).get("/v1/status")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers


def test_every_code_stands_in_the_reference(site: Site) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind in Program(site).get("/v1/problems").json["problems"]:
        assert f"| `{kind['code']}` | {kind['status']} | {kind['title']} |" in page
