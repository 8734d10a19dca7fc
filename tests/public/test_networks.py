"""Where a request came from: nobody can claim to be somewhere else, and nothing hostile gets into the evidence."""

import pytest

from optsync.config.environment import read_environment
from optsync.core.problems import Problem
from optsync.core.proxies import networks_in
from optsync.public.networks import agent_of, network_of


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", ""),
        ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("a\0b\r\nc\u202ed\x7f", "ab c d"),
        ("\ud800", "?"),
        ("bot (+mailto:ann.smith@example.com)", "bot ([address])"),
        ("z" * 100_000, "z" * 200),
    ],
)
def test_what_a_program_calls_itself_is_kept_clean_and_short(said: str, kept: str) -> None:
    assert agent_of({"HTTP_USER_AGENT": said}) == kept


CDN = networks_in("127.0.0.1, 198.51.100.0/24 2001:db8:c::/48")


@pytest.mark.parametrize(
    ("peer", "forwarded", "network"),
    [
        ("203.0.113.7", "", "203.0.113.0/24"),
        ("203.0.113.7", "192.0.2.1", "203.0.113.0/24"),  # a stranger's header
        ("127.0.0.1", "192.0.2.1", "192.0.2.0/24"),
        ("127.0.0.1", "192.0.2.1, 203.0.113.7", "203.0.113.0/24"),  # the first was forged
        ("127.0.0.1", "192.0.2.1, 203.0.113.7, 198.51.100.9", "203.0.113.0/24"),  # through the CDN, then our proxy
        ("198.51.100.9", "10.0.0.5, 203.0.113.7", "203.0.113.0/24"),  # the CDN calls us itself
        ("198.51.100.9", "192.0.2.1, 10.0.0.5", "10.0.0.0/24"),  # not named as a proxy, so it is the client
        ("2001:db8:c::1", "2001:db8:1:2::3", "2001:db8:1::/48"),
        ("127.0.0.1", "203.0.113.7:4711", "203.0.113.0/24"),
        ("127.0.0.1", '"[2001:db8:1:2::3]:4711"', "2001:db8:1::/48"),
        ("127.0.0.1", "::ffff:203.0.113.7", "203.0.113.0/24"),
        ("127.0.0.1", "192.0.2.1, unknown", ""),  # whoever wrote that did not know
        ("127.0.0.1", "192.0.2.1," + "127.0.0.1," * 10_000 + "127.0.0.1", "127.0.0.0/24"),
        ("127.0.0.1", "9" * 100_000, ""),
        ("", "192.0.2.1", ""),
    ],
)
def test_the_client_is_the_last_one_that_is_no_proxy_of_ours(peer: str, forwarded: str, network: str) -> None:
    assert network_of({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}, CDN) == network


def test_unless_they_are_named_this_machine_and_private_networks_are_our_proxies() -> None:
    found = {peer: network_of({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": "192.0.2.1"}) for peer in INSIDE_AND_OUT}
    assert found == INSIDE_AND_OUT


INSIDE_AND_OUT = {
    "127.0.0.1": "192.0.2.0/24",
    "10.1.2.3": "192.0.2.0/24",
    "::1": "192.0.2.0/24",
    "fd00::1": "192.0.2.0/24",
    "198.51.100.9": "198.51.100.0/24",
    "172.32.0.1": "172.32.0.0/24",
}


@pytest.mark.parametrize("text", ["nonsense", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.1;10.0.0.2", "::1/200"])
def test_a_wrong_list_of_proxies_stops_the_start(text: str) -> None:
    with pytest.raises(Problem, match="OPTSYNC_TRUSTED_PROXIES") as refused:
        read_environment({"HOME": "/home/x", "OPTSYNC_TRUSTED_PROXIES": text}, is_root=False)
    assert refused.value.exit_code == 2
