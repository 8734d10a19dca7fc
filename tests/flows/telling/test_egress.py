"""The door out: https to the internet only, to exactly the address that was looked at, and for so long only (T9)."""

import time

import pytest

from optsync.core.problems import Problem
from optsync.seams import real
from optsync.webhooks import egress as egresses
from optsync.webhooks.egress import Egress
from tests.flows.telling.receivers import receiver

BAD_URLS = [
    "",
    "hook",
    "http://example.com/hook",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/",
    "https://",
    "https:///hook",
    "https://user@example.com/",
    "https://user:secret@example.com/",
    "https://exa mple.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com:port/",
    "https://example.com:99999999/",
    "https://münchen.example/",
    "https://example.com/\r\nHost: evil",
    "https://[::1",
    "https://" + "a" * 3_000,
    "http://127.0.0.1:8000/",
    "//example.com/",
]
PRIVATE = [
    "127.0.0.1",
    "127.255.1.2",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.254",
    "192.0.0.8",
    "192.88.99.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "3fff::1",
    "100::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


def to(*addresses: str, to_loopback: bool = False) -> Egress:
    """An egress for which every name leads to these addresses."""
    return Egress(real(), to_loopback=to_loopback, resolve=lambda host, port: list(addresses))


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(Problem) as refused:
        to("93.184.216.34").refuse(url)
    assert refused.value.exit_code == 2
    assert to("93.184.216.34").post(url, b"{}", {}).status is None


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_a_private_address_is_not_connected_to(address: str) -> None:
    answer = to(address).post("https://hooks.example.com/", b"{}", {})
    assert (answer.status, answer.said) == (
        None,
        "refused: the name leads to a private or reserved network address",
    )


def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    assert "private" in to("93.184.216.34", "10.0.0.1").post("https://hooks.example.com/", b"{}", {}).said


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::1]", "localhost", "localhost."]
)
def test_spellings_of_this_machine_are_seen_through(host: str) -> None:
    answer = Egress(real()).post(f"https://{host}/", b"{}", {})
    assert answer.status is None
    assert answer.said.startswith(("refused: the name leads", "the name is unknown", "the address cannot be read"))


def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    """DNS rebinding: the second question would be answered with this machine. It is never asked."""
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

    with receiver() as here:
        port = here.url.rpartition(":")[2].partition("/")[0]
        Egress(real(), resolve=resolve).post(f"https://rebinding.example:{port}/hook", b"{}", {})
        assert asked == ["rebinding.example"]
        assert here.got == []


def test_it_connects_to_the_very_address_that_was_looked_at() -> None:
    """The connection never resolves the name again: it exists for nobody but the resolver of this test."""
    with receiver() as here:
        port = here.url.rpartition(":")[2].partition("/")[0]
        egress = to("127.0.0.1", to_loopback=True)
        answer = egress._exchange(  # the name is no loopback one, so `refuse` would want https
            "POST", f"http://nowhere.invalid:{port}/hook", b"{}", {}, real().monotonic() + 5
        )
        assert answer[0] == 204
        assert here.got[0].headers["host"] == f"nowhere.invalid:{port}"


def test_no_redirect_is_followed() -> None:
    with receiver() as here:
        here.ways = ["redirect"]
        assert Egress(real(), to_loopback=True).post(here.url, b"{}", {}).status == 302
        assert len(here.got) == 1


def test_of_a_huge_answer_only_the_start_is_read_and_it_cannot_move_a_cursor() -> None:
    with receiver() as here:
        here.ways = ["huge", 500]
        egress = Egress(real(), to_loopback=True)
        answer = egress.post(here.url, b"{}", {})
        assert (answer.status, len(answer.said)) == (200, 200)
        assert "\x1b" not in answer.said
        assert egress.post(here.url, b"{}", {}).said == "we do [31m not \ufffd like this"


@pytest.mark.parametrize("way", ["slow", "drip"])
def test_a_call_ends_at_its_deadline(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egresses, "DEADLINE_SECONDS", 0.5)
    with receiver() as here:
        here.ways = [way]
        began = time.monotonic()
        answer = Egress(real(), to_loopback=True).post(here.url, b"{}", {})
        assert answer.status is None
        assert answer.said.startswith("no answer within")
        assert time.monotonic() - began < 2


def test_who_hangs_up_or_is_not_there_is_told_plainly() -> None:
    with receiver() as here:
        here.ways = ["hang up"]
        assert Egress(real(), to_loopback=True).post(here.url, b"{}", {}).status is None
    assert "refused" in Egress(real(), to_loopback=True).post(here.url, b"{}", {}).said.lower()
    assert Egress(real()).post("https://does-not-exist.invalid/", b"{}", {}).said == "the name is unknown"
