"""The form that anybody may post to is bounded by network and in total, in bounded memory."""

from optsync.public.flood import EVERYBODY, ONE_NETWORK, Flood


def test_one_network_is_slowed_down_and_others_are_not() -> None:
    flood = Flood()
    allowed = sum(not flood.wait_seconds("198.51.100.0/24", 100.0) for _ in range(1_000))
    assert allowed == ONE_NETWORK.burst
    assert not flood.wait_seconds("203.0.113.0/24", 100.0)
    wait = flood.wait_seconds("198.51.100.0/24", 100.0)
    assert 0 < wait <= 1 / ONE_NETWORK.per_second
    assert not flood.wait_seconds("198.51.100.0/24", 100.0 + wait + 0.01)


def test_all_networks_together_are_bounded_in_what_they_may_do_and_in_memory() -> None:
    flood = Flood(networks_max=50)
    allowed = sum(not flood.wait_seconds(f"10.{n // 250}.{n % 250}.0/24", 100.0) for n in range(10_000))
    assert allowed == EVERYBODY.burst
    assert len(flood._networks) == 50
