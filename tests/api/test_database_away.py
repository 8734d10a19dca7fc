"""Without the database nothing is promised: every answer is 503, and a sender that heeds it mails nobody."""

from collections.abc import Iterator

import pytest

from tests.installation import Installation, Site, served
from tests.program import Program, program
from tests.servers import Servers, away


@pytest.fixture
def alone(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server whose database may go away."""
    with (
        postgres_servers.fresh_database("embedded") as database,
        served(Installation(database, tmp_path_factory.mktemp("away"))) as site,
    ):
        yield site


def test_while_it_is_away_everything_is_503_and_then_all_is_as_before(alone: Site, postgres_servers: Servers) -> None:
    admin = program(alone, "admin")
    body = {"address": "away@example.com"}
    question = {"addresses": ["away@example.com"]}
    assert admin.post("/v1/check", question).json["allowed"] == 1
    with away(postgres_servers, alone.installation.database):
        for answer in (
            admin.post("/v1/check", question),
            admin.post("/v1/check", {"ids": ["003000000000001AAA"]}),
            admin.post("/v1/unsubscribes", body, Idempotency_Key="away"),
            admin.get("/v1/status"),
            Program(alone, admin.key[:-1]).post("/v1/check", question),
        ):
            assert (answer.status, answer.code) == (503, "database-away")
            assert int(answer.headers["Retry-After"]) > 0
            assert "answers" not in answer.json
    assert admin.post("/v1/check", question).json["allowed"] == 1
    assert admin.post("/v1/unsubscribes", body, Idempotency_Key="away").status == 201
    assert admin.post("/v1/check", question).json["blocked"] == 1
