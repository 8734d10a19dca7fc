"""Refresh tokens, with and without rotation, how they end, and revocation (salesforce.md 1.6)."""

import base64
from urllib.parse import quote, urlencode

import pytest

from tests.conformance.practice.rest import Answer, Rest
from tests.conformance.practice.web_flow import is_good, refresh, tokens

DEAD = {"error": "invalid_grant", "error_description": "expired access/refresh token"}


def revoke(rest: Rest, token: str, *, by_get: bool = False) -> Answer:
    """The revocation endpoint, in both ways."""
    if by_get:
        return rest.call("GET", f"/services/oauth2/revoke?token={quote(token)}")
    return rest.call("POST", "/services/oauth2/revoke", urlencode({"token": token}).encode())


def test_a_refresh_token_gives_further_sessions_and_stays(rest: Rest) -> None:
    held = tokens(rest)
    first, second = refresh(rest, held["refresh_token"]), refresh(rest, held["refresh_token"])
    assert "refresh_token" not in first.json
    access = {held["access_token"], first.json["access_token"], second.json["access_token"]}
    assert len(access) == 3
    assert all(is_good(rest, token) for token in access)


def test_with_rotation_each_refresh_gives_the_next_token(rest: Rest) -> None:
    rest.org.behaviour(refresh_token_rotates=True)
    token = tokens(rest)["refresh_token"]
    for _ in range(3):
        answer = refresh(rest, token)
        assert answer.json["refresh_token"] != token
        token = answer.json["refresh_token"]
    assert is_good(rest, answer.json["access_token"])


def test_a_spent_token_that_comes_again_ends_everything_it_gave(rest: Rest) -> None:
    rest.org.behaviour(refresh_token_rotates=True)
    held = tokens(rest)
    renewed = refresh(rest, held["refresh_token"]).json
    again = refresh(rest, held["refresh_token"])
    assert (again.status, again.json) == (400, DEAD)
    assert refresh(rest, renewed["refresh_token"]).json == DEAD
    assert not is_good(rest, renewed["access_token"])
    assert not is_good(rest, held["access_token"])


def test_an_unused_refresh_token_ends_after_its_idle_time(rest: Rest) -> None:
    held = tokens(rest)
    rest.org.behaviour(refresh_token_idle_seconds=0)
    assert refresh(rest, held["refresh_token"]).json == DEAD
    assert refresh(rest, "nothing").json == DEAD


def test_the_client_is_known_by_its_basic_header_too_and_a_wrong_one_spends_nothing(rest: Rest) -> None:
    rest.org.behaviour(refresh_token_rotates=True)
    held, known = tokens(rest), rest.org.credentials
    assert refresh(rest, held["refresh_token"], client_secret="x").json["error"] == "invalid_client"
    assert refresh(rest, held["refresh_token"], client_id="x").json["error"] == "invalid_client_id"
    basic = base64.b64encode(f"{known['client_id']}:{known['client_secret']}".encode()).decode()
    form = urlencode({"grant_type": "refresh_token", "refresh_token": held["refresh_token"]}).encode()
    assert rest.call("POST", "/services/oauth2/token", form, Authorization=f"Basic {basic}").status == 200


def test_a_sixth_approval_of_one_app_ends_the_first(rest: Rest) -> None:
    held = [tokens(rest) for _ in range(6)]
    assert refresh(rest, held[0]["refresh_token"]).json == DEAD
    assert [refresh(rest, one["refresh_token"]).status for one in held[1:]] == [200] * 5


@pytest.mark.parametrize("by_get", [False, True])
def test_a_revoked_access_token_ends_its_session_alone(rest: Rest, by_get: bool) -> None:
    held = tokens(rest)
    assert revoke(rest, held["access_token"], by_get=by_get).status == 200
    assert not is_good(rest, held["access_token"])
    assert refresh(rest, held["refresh_token"]).status == 200


@pytest.mark.parametrize("by_get", [False, True])
def test_a_revoked_refresh_token_ends_all_sessions_it_gave(rest: Rest, by_get: bool) -> None:
    held = tokens(rest)
    renewed = refresh(rest, held["refresh_token"]).json["access_token"]
    assert revoke(rest, held["refresh_token"], by_get=by_get).status == 200
    assert refresh(rest, held["refresh_token"]).json == DEAD
    assert not is_good(rest, held["access_token"])
    assert not is_good(rest, renewed)


@pytest.mark.parametrize("error", ["unsupported_token_type", "invalid_token"])
def test_an_unknown_token_cannot_be_revoked(rest: Rest, error: str) -> None:
    rest.org.behaviour(revoke_unknown_error=error)
    answer = revoke(rest, "nothing")
    assert (answer.status, answer.json["error"]) == (400, error)


def test_a_session_ends_when_it_is_not_used_for_its_time(rest: Rest) -> None:
    rest.org.behaviour(session_seconds=0)
    held = tokens(rest)
    assert not is_good(rest, held["access_token"])
    rest.org.behaviour(session_seconds=60)
    assert is_good(rest, refresh(rest, held["refresh_token"]).json["access_token"])
