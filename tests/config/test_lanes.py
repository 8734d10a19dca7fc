"""Slow senders do not stop the server: bodies are read apart from the work on them."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from itertools import islice
from urllib.parse import urlsplit

import pytest

from optsync import seams
from optsync.config.desk import SHARED_SESSIONS, Desk
from optsync.config.lanes import (
    CROWDED,
    OPEN_FORM,
    READERS_OF_ONE_PEER,
    STRANGERS_MAX,
    Environ,
    Lanes,
    Readers,
    StartResponse,
)
from optsync.core.proxies import networks_in
from optsync.public.one_click import DONE
from optsync.public.tokens import make_token
from tests.installation import FORM, Installation, Site, served
from tests.servers import Servers

SLOW = 40


@pytest.fixture(scope="module")
def site(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A web server as users run it."""
    with (
        postgres_servers.fresh_database("embedded") as database,
        served(Installation(database, tmp_path_factory.mktemp("lanes"))) as running,
    ):
        yield running


@pytest.fixture
def slow_senders(site: Site) -> Iterator[None]:
    """Strangers who announce a body and send one byte of it, without a key or a token."""
    where = urlsplit(site.url)
    with ExitStack() as stack:
        for path in ["/v1/check", "/u/"] * (SLOW // 2):
            one = stack.enter_context(socket.create_connection((where.hostname, where.port), 10))
            one.sendall(f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 60000\r\n\r\nx".encode())
        yield


@pytest.mark.usefixtures("slow_senders")
def test_slow_senders_keep_nobody_from_unsubscribing(site: Site) -> None:
    token = make_token(site.installation.vault.link_keys, seams.real().token_bytes, "quick@example.com")
    answer, _ = site.request("POST", f"/u/{token}", "List-Unsubscribe=One-Click", FORM)
    assert answer.status == 200
    assert site.request("GET", "/health/live")[0].status == 200


def test_a_body_arrives_whole_also_when_it_comes_in_pieces(site: Site) -> None:
    token = make_token(site.installation.vault.link_keys, seams.real().token_bytes, "pieces@example.com")
    where = urlsplit(site.url)
    body = b"List-Unsubscribe=One-Click"
    with socket.create_connection((where.hostname, where.port), 10) as one:
        head = f"POST /u/{token} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {len(body)}\r\n"
        one.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode())
        for byte in body:
            one.sendall(bytes([byte]))
        answer = one.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"unsubscribed\n")


def test_one_address_on_the_internet_cannot_take_every_thread() -> None:
    readers = Readers()
    with ExitStack() as stack:
        for _ in range(READERS_OF_ONE_PEER):
            assert stack.enter_context(readers.turn("8.8.8.8"))
        assert not stack.enter_context(readers.turn("8.8.8.8"))
        assert stack.enter_context(readers.turn("9.9.9.9"))
        for _ in range(2 * READERS_OF_ONE_PEER):
            assert stack.enter_context(readers.turn("10.0.0.1"))
    with readers.turn("8.8.8.8") as may_read:
        assert may_read


def test_a_named_proxy_may_send_for_everybody_and_a_private_address_that_is_none_may_not() -> None:
    readers = Readers(networks_in("203.0.113.0/24"))
    with ExitStack() as stack:
        for _ in range(READERS_OF_ONE_PEER):
            assert stack.enter_context(readers.turn("10.0.0.1"))
        assert not stack.enter_context(readers.turn("10.0.0.1"))
        for _ in range(2 * READERS_OF_ONE_PEER):
            assert stack.enter_context(readers.turn("203.0.113.9"))


def test_a_flood_of_the_open_form_waits_apart_and_keeps_nobody_from_unsubscribing() -> None:
    may_end = threading.Event()

    def application(environ: Environ, start_response: StartResponse) -> list[bytes]:
        if environ["PATH_INFO"] == OPEN_FORM:
            may_end.wait(30)
        start_response("200 OK", [])
        return []

    lanes = Lanes(application, lanes=1)

    def status_of(path: str) -> str:
        told: list[str] = []
        lanes({"PATH_INFO": path}, lambda status, headers: told.append(status[:3]))
        return told[0]

    with ThreadPoolExecutor(3 * STRANGERS_MAX + 1) as people:
        flood = [people.submit(status_of, OPEN_FORM) for _ in range(3 * STRANGERS_MAX)]
        try:
            refused = list(islice(as_completed(flood, 20), 2 * STRANGERS_MAX))
            assert {one.result() for one in refused} == {"503"}
            assert people.submit(status_of, "/u/token").result(10) == "200"
        finally:
            may_end.set()
        assert Counter(one.result() for one in flood) == {"503": 2 * STRANGERS_MAX, "200": STRANGERS_MAX}


def test_what_is_answered_at_once_waits_for_no_lane() -> None:
    may_end = threading.Event()

    def application(_environ: Environ, start_response: StartResponse) -> list[bytes]:
        may_end.wait(30)
        start_response("200 OK", [])
        return []

    lanes = Lanes(application, lanes=1, at_once=lambda environ: DONE if environ["PATH_INFO"] == "/u/token" else None)
    with ThreadPoolExecutor(2) as people:
        slow = people.submit(lanes, {"PATH_INFO": "/overview"}, print)
        try:
            assert people.submit(lanes, {"PATH_INFO": "/u/token"}, lambda _status, _headers: None).result(10) == DONE[2]
            assert not slow.done()
        finally:
            may_end.set()


def test_checks_that_take_their_time_delay_no_unsubscribe(site: Site) -> None:
    desk = Desk(site.installation.database, site.installation.vault, seams.real())

    def press() -> object:
        with desk.shared_session("one-click"), desk.connection() as session:
            return session.execute("SELECT 1").fetchone()

    with ExitStack() as checks, ThreadPoolExecutor(1) as person:
        for _ in range(SHARED_SESSIONS):
            checks.enter_context(desk.shared_session("check"))
        assert person.submit(press).result(10) == (1,)


def test_many_who_press_their_links_at_once_are_all_unsubscribed(site: Site) -> None:
    keys, random = site.installation.vault.link_keys, seams.real().token_bytes
    paths = [f"/u/{make_token(keys, random, f'atonce{n}@example.com')}" for n in range(40)]
    with ThreadPoolExecutor(len(paths)) as people:
        pressed = [people.submit(site.request, "POST", path, "List-Unsubscribe=One-Click", FORM) for path in paths]
        assert {one.result()[0].status for one in pressed} == {200}
    with site.installation.database.connect() as conn:
        found = conn.execute("SELECT count(*) FROM opt_out JOIN address USING (address_id) WHERE normal LIKE 'atonce%'")
        assert found.fetchone() == (40,)


def test_who_finds_the_open_form_crowded_is_told_in_words_to_come_back() -> None:
    status, headers, parts = CROWDED
    assert status == "503 Service Unavailable"
    assert dict(headers)["Retry-After"] == "60"
    assert dict(headers)["Content-Length"] == str(len(b"".join(parts)))
    assert "nothing was changed" in b"".join(parts).decode()


def test_a_body_longer_than_any_file_is_refused_by_whoever_works_on_it(site: Site) -> None:
    headers = {"Content-Length": str(60 * 1024 * 1024), "Content-Type": "application/json"}
    where = urlsplit(site.url)
    with socket.create_connection((where.hostname, where.port), 10) as one:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        one.sendall(f"POST /v1/check HTTP/1.1\r\nHost: {where.netloc}\r\n{lines}\r\n".encode())
        assert one.recv(65536).startswith((b"HTTP/1.1 401", b"HTTP/1.1 413"))
