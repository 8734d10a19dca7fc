"""How many requests a key may make: told in every answer, and refused beyond."""

import re

from optsync.api.limits import Buckets, Limit
from tests.program import Program, program


def test_every_answer_tells_what_is_left(admin: Program) -> None:
    first, second = admin.get("/v1/status"), admin.get("/v1/unsubscribes/999999999")
    assert first.headers["RateLimit-Policy"] == '"ordinary";q=300;w=30'
    left = [int(re.search(r'"ordinary";r=(\d+);t=\d+', a.headers["RateLimit"])[1]) for a in (first, second)]  # type: ignore[index]
    assert all(200 < one < 300 for one in left)
    assert admin.post("/v1/check", {"addresses": ["a@example.com"]}).headers["RateLimit-Policy"].startswith('"sending"')


def test_a_key_that_asks_too_often_is_told_to_wait_and_others_are_not(admin: Program) -> None:
    for _ in range(2_000):
        answer = admin.get("/v1/unsubscribes/999999999")
        if answer.status != 404:
            break
    assert (answer.status, answer.code) == (429, "too-many-requests")
    assert int(answer.headers["Retry-After"]) >= 1
    assert admin.post("/v1/check", {"addresses": ["a@example.com"]}).status == 200
    assert program(admin.site, "admin").get("/v1/status").status == 200


def test_a_bucket_refills_evenly_and_never_overflows() -> None:
    buckets, limit = Buckets(), Limit("test", 10, 5)
    assert [buckets.take(1, limit, 0.0).wait_seconds > 0 for _ in range(12)] == [False] * 10 + [True] * 2
    assert buckets.take(1, limit, 0.0).wait_seconds == 0.5
    assert buckets.take(1, limit, 0.5).wait_seconds == 0
    assert buckets.take(1, limit, 0.5).wait_seconds > 0
    assert buckets.take(2, limit, 0.5).left == 9
    assert buckets.take(1, limit, 1_000.0).left == 9
