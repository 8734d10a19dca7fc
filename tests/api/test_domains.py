"""Blocked domains for programs: nobody there is mailed, subdomains included."""

from urllib.parse import quote

import pytest

from tests.program import Program


def test_a_domain_is_blocked_listed_and_allowed_again(admin: Program) -> None:
    blocked = admin.post("/v1/domains", {"domain": "*.Blocked-by-Program.example"})
    assert (blocked.status, blocked.json["domain"]) == (201, "blocked-by-program.example")
    assert admin.post("/v1/domains", {"domain": "blocked-by-program.example"}).json == blocked.json
    assert admin.post("/v1/domains", {"domain": "blocked-by-program.example"}).status == 200
    assert blocked.json in admin.get("/v1/domains").json["domains"]
    question = {
        "addresses": ["ann@blocked-by-program.example", "ann@sub.blocked-by-program.example"],
        "non_commercial": True,
    }
    assert [one["cause"] for one in admin.post("/v1/check", question).json["answers"]] == ["blocked_domain"] * 2
    assert admin.ask("DELETE", "/v1/domains/blocked-by-program.example").status == 204
    gone = admin.ask("DELETE", "/v1/domains/blocked-by-program.example")
    assert (gone.status, gone.code) == (404, "not-found")
    assert admin.post("/v1/check", question).json["allowed"] == 2


def test_they_are_read_page_by_page(admin: Program) -> None:
    names = [f"page{number}.example" for number in range(4)] + ["müller.example"]
    for number, name in enumerate(names):
        for _ in range(2):  # the second answer is that of the first
            answer = admin.post("/v1/domains", {"domain": name}, Idempotency_Key=f"block {number}")
            assert answer.status == 201, name
    found: list[str] = []
    page = admin.get("/v1/domains?limit=2").json
    while page["next"]:
        found += [one["domain"] for one in page["domains"]]
        page = admin.get(f"/v1/domains?limit=2&cursor={page['next']}").json
    found += [one["domain"] for one in page["domains"]]
    assert found == sorted(set(found))
    assert set(names[:4]) <= set(found)
    assert len([name for name in found if "ller" in name or name.startswith("xn--")]) == 1
    for cursor in ("x", "YWZ0ZXIg", "%00"):
        assert admin.get(f"/v1/domains?cursor={cursor}").code == "not-found", cursor
    for name in names:
        assert admin.ask("DELETE", f"/v1/domains/{quote(name)}").status == 204


@pytest.mark.parametrize("text", ["com", "ann@example.com", "a b.example", "..", "x" * 299])
def test_what_is_no_domain_is_refused_and_changes_nothing(admin: Program, text: str) -> None:
    before = admin.get("/v1/domains").json
    answer = admin.post("/v1/domains", {"domain": text})
    assert (answer.status, answer.code) == (422, "invalid")
    assert admin.get("/v1/domains").json == before
