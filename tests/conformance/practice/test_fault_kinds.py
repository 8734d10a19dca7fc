"""Every kind of fault strikes through real HTTP, and does what its text says."""

import gzip
import http.client
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conformance.practice.rest import API, Answer, Rest
from tests.conformance.practice.test_outages import OUTAGES, knock
from tests.practice import PracticeOrg

BOX = "HasOptedOutOfEmail"
BROKEN = (http.client.HTTPException, ConnectionError)
RESULTS = "SELECT Id, Email FROM Contact"

Strike = Callable[[Rest], None]
STRIKES: dict[str, Strike] = {}


def strikes(kind: str) -> Callable[[Strike], Strike]:
    """Registers the proof that this kind strikes."""

    def register(proof: Strike) -> Strike:
        STRIKES[kind] = proof
        return proof

    return register


@pytest.fixture(scope="module")
def kinds(practice_server: PracticeOrg) -> list[dict[str, Any]]:
    return practice_server.fault_kinds()


def test_every_kind_has_a_proof_that_it_strikes(kinds: list[dict[str, Any]]) -> None:
    assert [kind["kind"] for kind in kinds] == sorted([*STRIKES, *OUTAGES])


def test_every_kind_says_what_happens_how_it_is_known_and_what_a_client_must_do(kinds: list[dict[str, Any]]) -> None:
    for kind in kinds:
        for name in ("strikes", "happens", "source", "client_must"):
            assert kind[name], f"{kind['kind']} does not say its {name}"
        assert {"route", "path", "skip", "times", "rate"} <= {option["name"] for option in kind["options"]}
        assert all(option["text"].endswith(".") for option in kind["options"])


def test_every_kind_can_be_ordered_with_its_defaults_spelled_out(rest: Rest, kinds: list[dict[str, Any]]) -> None:
    for kind in kinds:
        defaults = {option["name"]: option["default"] for option in kind["options"]}
        rest.org.fault(kind["kind"], **defaults)
        assert rest.org.faults()[-1] == rest.org.faults()[-1] | defaults
    rest.org.clear_faults()


def limits(rest: Rest, kind: str, **options: object) -> Answer:
    """The answer to one request that the fault strikes."""
    rest.org.fault(kind, route="limits", **options)
    return rest.call("GET", "limits")


def breaks(rest: Rest, kind: str, **options: object) -> None:
    with pytest.raises(BROKEN):
        limits(rest, kind, **options)


@strikes("refuse")
def _(rest: Rest) -> None:
    answer = limits(rest, "refuse", code="REQUEST_LIMIT_EXCEEDED", retry_after=7)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (403, "REQUEST_LIMIT_EXCEEDED", "7")


@strikes("html")
def _(rest: Rest) -> None:
    answer = limits(rest, "html")
    assert (answer.status, answer.body[:6]) == (503, b"<html>")
    assert answer.headers["content-type"].startswith("text/html")


@strikes("body")
def _(rest: Rest) -> None:
    assert limits(rest, "body", repeat=3).body == b'{"records": [' * 3


@strikes("redirect")
def _(rest: Rest) -> None:
    answer = limits(rest, "redirect", to="https://elsewhere.invalid/")
    assert (answer.status, answer.headers["location"]) == (302, "https://elsewhere.invalid/")


@strikes("reset")
def _(rest: Rest) -> None:
    breaks(rest, "reset")


@strikes("hold")
def _(rest: Rest) -> None:
    began = time.monotonic()
    breaks(rest, "hold", seconds=0.2)
    assert time.monotonic() - began >= 0.2


@strikes("slow")
def _(rest: Rest) -> None:
    began = time.monotonic()
    assert "DailyApiRequests" in limits(rest, "slow", seconds=0.2).json
    assert time.monotonic() - began >= 0.2


@strikes("drip")
def _(rest: Rest) -> None:
    assert limits(rest, "drip", seconds=0.01, spaces=3).body == b"   "


@strikes("broken_off")
def _(rest: Rest) -> None:
    for moment, beginning in (("before", b'{"totalSize":'), ("after", b'{"DailyApiRequests"')):
        rest.org.fault("broken_off", route="limits", moment=moment)
        got = b"".join(until_reset(rest, f"{API}/limits"))
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        assert beginning in got


@strikes("trickle")
def _(rest: Rest) -> None:
    rest.org.fault("trickle", route="versions", seconds=0.001)
    assert rest.call("GET", "/services/data").json[-1]["version"] == "67.0"


@strikes("short_body")
def _(rest: Rest) -> None:
    size = len(rest.call("GET", "limits").body)
    assert len(limits(rest, "short_body").body) == size // 2
    rest.org.fault("short_body", route="describe")
    packed = rest.call("GET", "sobjects/Lead/describe", Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    with pytest.raises(EOFError):
        gzip.decompress(packed.body)


@strikes("wrong_type")
def _(rest: Rest) -> None:
    answer = limits(rest, "wrong_type")
    assert answer.headers["content-type"].startswith("text/html")
    assert "DailyApiRequests" in answer.json


@strikes("giant")
def _(rest: Rest) -> None:
    size = len(rest.call("GET", "limits").body)
    plain = limits(rest, "giant")
    assert len(plain.body) == 100 * size
    assert "DailyApiRequests" in plain.json
    rest.org.fault("giant", route="limits", factor=1_000)
    packed = rest.call("GET", "limits", Accept_Encoding="gzip").body
    assert len(gzip.decompress(packed)) == 1_000 * size > 50 * len(packed)


@strikes("unknown_host")
def _(rest: Rest) -> None:
    known = rest.org.credentials
    form = {name: known[name] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}
    rest.org.fault("unknown_host")
    address = urlsplit(rest.token_for(**form).json["instance_url"])
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(address.hostname, 443)
    assert rest.token_for(**form).json["instance_url"] == rest.org.url


def until_reset(rest: Rest, path: str) -> Iterator[bytes]:
    """What arrives before the connection breaks."""
    with knock(rest) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {rest.token}\r\n\r\n"
        connection.sendall(head.encode())
        try:
            while piece := connection.recv(65_536):
                yield piece
        except ConnectionResetError:
            return
        raise AssertionError("the connection ended in good order")


def spoiled(rest: Rest, kind: str, **options: object) -> tuple[bytes, bytes]:
    """A file of results as it should be, and as the fault leaves it."""
    path = f"jobs/query/{rest.bulk_query(RESULTS)}/results"
    whole = rest.call("GET", path).body
    rest.org.fault(kind, **options)
    return whole, rest.call("GET", path).body


@strikes("truncate")
def _(rest: Rest) -> None:
    whole, short = spoiled(rest, "truncate", bytes_kept=100)
    assert short == whole[: len(b'"Id","Email"\n') + 100]


@strikes("cut")
def _(rest: Rest) -> None:
    with pytest.raises(BROKEN):
        spoiled(rest, "cut", bytes_kept=50)
    job = rest.ingest(f"Id,{BOX}\n{rest.org.create('Contact')},true\n")
    rest.org.fault("cut", route="bulk.ingest.results", bytes_kept=5)
    with pytest.raises(BROKEN):
        rest.file(job, "successfulResults")
    assert len(rest.file(job, "successfulResults")) == 2


@strikes("wrong_header")
def _(rest: Rest) -> None:
    assert spoiled(rest, "wrong_header")[1].startswith(b'"Id","Something__c"\n')


@strikes("nul")
def _(rest: Rest) -> None:
    whole, wrong = spoiled(rest, "nul", at=5)
    assert wrong.replace(b"\x00", b"") == whole != wrong


@strikes("stray_quote")
def _(rest: Rest) -> None:
    whole, wrong = spoiled(rest, "stray_quote", at=0)
    assert wrong == whole.replace(b"\n", b'\n"', 1)


@strikes("line_break")
def _(rest: Rest) -> None:
    whole, wrong = spoiled(rest, "line_break", at=4)
    header, _, rows = whole.partition(b"\n")
    assert wrong == header + b"\n" + rows[:4] + b"\r\n" + rows[4:]


@strikes("bom")
def _(rest: Rest) -> None:
    whole, wrong = spoiled(rest, "bom")
    assert wrong == b"\xef\xbb\xbf" + whole


@strikes("no_line_end")
def _(rest: Rest) -> None:
    whole, wrong = spoiled(rest, "no_line_end")
    assert wrong + b"\n" == whole


@strikes("missing_page")
def _(rest: Rest) -> None:
    path = f"jobs/query/{rest.bulk_query(RESULTS)}/results?maxRecords=20"
    assert rest.call("GET", path).headers["sforce-locator"] != "null"
    rest.org.fault("missing_page")
    assert rest.call("GET", path).headers["sforce-locator"] == "null"


@strikes("fail_job")
def _(rest: Rest) -> None:
    rest.org.fault("fail_job", after_records=1)
    rows = "".join(f"{rest.org.create('Contact')},true\n" for _ in range(3))
    job = rest.ingest(f"Id,{BOX}\n{rows}")
    assert (job["state"], len(rest.file(job, "unprocessedrecords"))) == ("Failed", 1 + 2)


@strikes("reject")
def _(rest: Rest) -> None:
    bad, good = rest.org.create("Contact"), rest.org.create("Contact")
    rest.org.fault("reject", code="ENTITY_IS_LOCKED", records=[bad])
    results = rest.update(*[{"type": "Contact", "id": one, BOX: True} for one in (bad, good)]).json
    assert [result["success"] for result in results] == [False, True]
    assert results[0]["errors"][0]["statusCode"] == "ENTITY_IS_LOCKED"


@pytest.mark.parametrize("kind", STRIKES)
def test_it_strikes(rest: Rest, kind: str) -> None:
    STRIKES[kind](rest)
    struck = {fault["kind"]: fault["struck"] for fault in rest.org.faults()}
    assert struck[kind] >= 1
