"""May I mail these people? Everybody who must not be mailed is blocked, whatever way they are asked about."""

import gzip
import http.client
import json
from urllib.parse import urlsplit

import pytest

from optsync.core.record_ids import to_18
from optsync.ledger import domains
from optsync.ledger.people import Link, erase, find, link
from optsync.ledger.record import opt_out
from tests.api.conftest import World
from tests.program import Program

ASKED_MAX = 10_000


def causes(answer: object) -> list[str | None]:
    """The causes of an answer, in order."""
    return [one["cause"] for one in answer["answers"]]  # type: ignore[index]


def test_one_address_is_allowed_or_blocked_and_why(sender: Program, world: World) -> None:
    answer = sender.post("/v1/check", {"addresses": ["two@example.org", "nobody.yet@example.org"]})
    assert answer.status == 200
    schemas = sender.get("/v1/openapi.json").json["components"]["schemas"]
    assert list(answer.json) == schemas["Answers"]["required"]
    assert list(answer.json["answers"][0]) == schemas["Answer"]["required"]
    assert answer.json == {
        "allowed": 1,
        "blocked": 1,
        "answers": [
            {"asked": "two@example.org", "allowed": False, "cause": "opt_out", "why": "unsubscribed (manual)"},
            {"asked": "nobody.yet@example.org", "allowed": True, "cause": None, "why": ""},
        ],
    }


@pytest.mark.parametrize(
    "spelling", ["TWO@Example.ORG", "  two@example.org ", "Two <two@example.org>", "mailto:two@example.org"]
)
def test_every_spelling_of_a_blocked_mailbox_is_blocked(sender: Program, spelling: str) -> None:
    answer = sender.post("/v1/check", {"addresses": [spelling]}).json
    assert causes(answer) == ["opt_out"]
    assert answer["answers"][0]["asked"] == spelling


def test_ten_thousand_are_answered_in_order_and_one_more_is_refused(sender: Program) -> None:
    addresses = [f"many{n}@example.org" for n in range(ASKED_MAX - 1)] + ["two@example.org"]
    answer = sender.post("/v1/check", {"addresses": addresses})
    assert answer.status == 200, answer.text
    assert [one["asked"] for one in answer.json["answers"]] == addresses
    assert (answer.json["allowed"], answer.json["blocked"]) == (ASKED_MAX - 1, 1)
    too_many = sender.post("/v1/check", {"addresses": [*addresses, "x@example.org"]})
    assert (too_many.status, too_many.code) == (422, "invalid")
    too_large = sender.post("/v1/check", {"addresses": ["a" * 480 + "@example.org"] * ASKED_MAX})
    assert (too_large.status, too_large.code) == (413, "too-large")


def test_a_question_in_unusual_dress_has_the_same_answer(sender: Program, world: World) -> None:
    """The plain one is answered before Django, the other by the route."""
    question = {"addresses": ["Two <two@example.org>", "zoë@example.org", "nobody.yet@example.org"], "sender": "Jane"}
    plain = sender.post("/v1/check", question, Content_Type="application/json; charset=utf-8")
    other = sender.post("/v1/check", question, Content_Type="Application/JSON")
    assert (other.status, other.text) == (plain.status, plain.text) == (200, plain.text)
    for name in ("Content-Type", "Cache-Control", "X-Content-Type-Options", "RateLimit-Policy"):
        assert other.headers[name] == plain.headers[name] is not None, name
    assert other.headers["X-Request-ID"] != plain.headers["X-Request-ID"]
    ways = ("X-Frame-Options" in plain.headers, "X-Frame-Options" in other.headers)
    assert ways == (False, True), "Django sets it"


def test_an_answer_is_compressed_for_a_program_that_takes_it(sender: Program) -> None:
    where = urlsplit(sender.site.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    headers = {"Authorization": f"Bearer {sender.key}", "Content-Type": "application/json", "Accept-Encoding": "gzip"}
    question = {"addresses": [f"many{n}@example.org" for n in range(1_000)]}
    connection.request("POST", "/v1/check", json.dumps(question).encode(), headers)
    response = connection.getresponse()
    packed = response.read()
    connection.close()
    assert (response.status, response.headers["Content-Encoding"]) == (200, "gzip")
    assert json.loads(gzip.decompress(packed)) == sender.post("/v1/check", question).json
    assert "Accept-Encoding" in response.headers["Vary"]


def test_the_same_address_twice_has_two_answers(sender: Program) -> None:
    answer = sender.post("/v1/check", {"addresses": ["two@example.org"] * 2}).json
    assert causes(answer) == ["opt_out", "opt_out"]


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"addresses": []},
        {"ids": []},
        {"addresses": ["a@example.org"], "ids": ["003000000000001AAA"]},
        {"addresses": "a@example.org"},
        {"addresses": ["no address"]},
        {"addresses": ["@"]},
        {"addresses": None},
        {"addresses": [], "ids": ["003000000000001AAA"]},
        {"addresses": [None]},
        {"addresses": ["a@example.org"], "non_commercial": "yes"},
        {"addresses": ["a@example.org"], "noncommercial": True},
        {"ids": ["003"]},
        {"ids": ["' OR 1=1; --        "]},
    ],
)
def test_a_question_that_does_not_fit_is_refused_and_never_half_answered(sender: Program, question: object) -> None:
    answer = sender.post("/v1/check", question)
    assert (answer.status, answer.code) == (422, "invalid")
    assert "answers" not in answer.json


def test_salesforce_ids_of_15_and_18_characters_name_the_same_person(sender: Program, world: World) -> None:
    ids = [world.lead_id, world.lead_id[:15], world.contact_id]
    answer = sender.post("/v1/check", {"ids": ids}).json
    assert causes(answer) == ["opt_out"] * 3
    assert [one["asked"] for one in answer["answers"]] == ids


def test_an_id_without_an_address_to_judge_by_is_blocked(sender: Program, world: World) -> None:
    installation = world.site.installation
    bare, erased, free = (to_18(f"0030000000{name}") for name in ("0BARE", "0GONE", "0FREE"))
    with installation.database.connect() as conn:
        key = installation.vault.subject_key
        links = [
            Link(bare, "Contact", None),
            Link(erased, "Contact", "erased@example.org"),
            Link(free, "Contact", "free@example.org"),
        ]
        link(conn, key, 1, links, "g")
        erase(conn, key, "erased@example.org", actor="test", reason="asked for it")
    ids = [bare, erased, free, to_18("003000000000XXX"), free[:-1] + ("A" if free[-1] != "A" else "B")]
    answer = sender.post("/v1/check", {"ids": ids}).json
    assert causes(answer) == ["no_address", "erased", None, "unknown_record", "unknown_record"]


def test_a_blocked_domain_a_hold_and_what_non_commercial_mail_passes(sender: Program, world: World) -> None:
    installation = world.site.installation
    with installation.database.connect() as conn:
        key = installation.vault.subject_key
        domains.block(conn, "blocked.example", actor="test")
        opt_out(conn, key, "held@example.org", "manual")
        opt_out(conn, key, "out@blocked.example", "manual")
        conn.execute("UPDATE opt_out SET lifted_at = clock() WHERE address_id ="
                     " (SELECT address_id FROM address WHERE normal = 'held@example.org')")  # fmt: skip
        person = find(conn, key, "held@example.org")
        assert person is not None
        row = conn.execute("INSERT INTO hold (direction, origin) VALUES ('i', 'test') RETURNING hold_id").fetchone()
        assert row is not None
        conn.execute("INSERT INTO hold_item (hold_id, address_id) VALUES (%s, %s)", [row[0], person.address_id])
    addresses = ["held@example.org", "out@blocked.example", "in@blocked.example", "two@example.org"]
    commercial = sender.post("/v1/check", {"addresses": addresses}).json
    assert causes(commercial) == ["hold", "blocked_domain", "blocked_domain", "opt_out"]
    must_get = sender.post("/v1/check", {"addresses": addresses, "non_commercial": True}).json
    assert causes(must_get) == [None, "blocked_domain", "blocked_domain", None]


def test_an_erased_person_who_unsubscribed_stays_blocked(sender: Program, world: World) -> None:
    installation = world.site.installation
    with installation.database.connect() as conn:
        key = installation.vault.subject_key
        opt_out(conn, key, "forgotten@example.org", "manual")
        erase(conn, key, "forgotten@example.org", actor="test", reason="asked for it")
    assert causes(sender.post("/v1/check", {"addresses": ["forgotten@example.org"]}).json) == ["opt_out"]


def test_asking_writes_nothing_of_the_ledger(sender: Program, world: World) -> None:
    count = "SELECT (SELECT count(*) FROM address), (SELECT count(*) FROM event), (SELECT count(*) FROM opt_out)"
    with world.site.installation.database.connect() as conn:
        before = conn.execute(count).fetchone()
        sender.post("/v1/check", {"addresses": ["never.heard.of@example.org"]})
        assert conn.execute(count).fetchone() == before
