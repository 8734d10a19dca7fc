"""Blocked domains for programs: nobody there is mailed, subdomains included."""

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


@pytest.mark.parametrize("text", ["com", "ann@example.com", "a b.example", "..", "x" * 299])
def test_what_is_no_domain_is_refused_and_changes_nothing(admin: Program, text: str) -> None:
    before = admin.get("/v1/domains").json
    answer = admin.post("/v1/domains", {"domain": text})
    assert (answer.status, answer.code) == (422, "invalid")
    assert admin.get("/v1/domains").json == before
