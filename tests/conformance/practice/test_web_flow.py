"""The web-server flow with PKCE: consent page, code, tokens (salesforce.md 1.2, 1.6)."""

from urllib.parse import urlencode

import pytest

from tests.conformance.practice.rest import Rest
from tests.conformance.practice.web_flow import (
    AUTHORIZE,
    CALLBACK,
    CHALLENGE,
    client,
    code_for,
    decide,
    exchange,
    is_good,
    open_page,
    sent_back,
    tokens,
)


def test_an_allowed_app_gets_a_code_its_state_and_then_tokens(rest: Rest) -> None:
    sent = sent_back(decide(rest, open_page(rest)))
    assert sent["state"] == "a state & more"
    token = exchange(rest, sent["code"])
    assert token.status == 200
    assert token.headers["cache-control"] == "no-store"
    assert set(token.json) >= {"access_token", "refresh_token", "instance_url", "id", "signature", "issued_at"}
    assert "expires_in" not in token.json
    assert is_good(rest, token.json["access_token"])


def test_a_refused_app_is_told_so_with_its_state(rest: Rest) -> None:
    said = {"error": "access_denied", "error_description": "end-user denied authorization", "state": "a state & more"}
    assert sent_back(decide(rest, open_page(rest), "refuse")) == said
    rest.org.behaviour(denied_error="access-denied")
    assert sent_back(decide(rest, open_page(rest), "refuse"))["error"] == "access-denied"


def test_opening_the_page_changes_nothing_and_says_that_it_is_not_salesforce(rest: Rest) -> None:
    page = open_page(rest)
    assert page.status == 200
    assert b"this is not Salesforce" in page.body
    assert rest.org.spy()["api_calls"] == 0
    assert page.headers["x-frame-options"] == "DENY"
    assert open_page(rest, redirect_uri="http://localhost:1717/other").status == 400


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"client_id": "another"}, "error=invalid_client_id&amp;error_description=client identifier invalid"),
        (
            {"redirect_uri": CALLBACK + "/"},
            "error=redirect_uri_mismatch&amp;error_description=redirect_uri must match configuration",
        ),
        ({"redirect_uri": "http://evil.example/"}, "redirect_uri_mismatch"),
        ({"redirect_uri": None}, "redirect_uri_mismatch"),
    ],
)
def test_nobody_is_sent_to_a_place_that_is_not_registered(rest: Rest, changed: dict[str, str], said: str) -> None:
    page = open_page(rest, **changed)
    assert page.status == 400
    assert said in page.body.decode()
    assert "location" not in page.headers


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "api everything"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_any_other_fault_of_the_app_is_told_to_its_callback(
    rest: Rest, changed: dict[str, str | None], error: str
) -> None:
    sent = sent_back(open_page(rest, **changed))
    assert (sent["error"], sent["state"]) == (error, "a state & more")


def test_text_of_the_app_is_escaped(rest: Rest) -> None:
    rest.org.reset(callbacks=["http://localhost:1717/<b>\"'&x"])
    page = open_page(rest, redirect_uri="http://localhost:1717/<b>\"'&x", state='"><script>').body.decode()
    assert "<b>" not in page
    assert "<script>" not in page
    assert "&lt;b&gt;" in page


@pytest.mark.parametrize("asked", ["", "x" * 80, "0" * 64 + '[{"client_id": "x"}, 1]', "é" * 64])
def test_a_form_that_the_page_did_not_make_is_refused(rest: Rest, asked: str) -> None:
    answer = rest.call("POST", AUTHORIZE, urlencode({"asked": asked, "decision": "allow"}).encode())
    assert answer.status == 400
    assert "location" not in answer.headers


def test_a_form_sent_by_another_site_is_refused(rest: Rest) -> None:
    page = open_page(rest)
    assert decide(rest, page, Sec_Fetch_Site="cross-site").status == 400
    assert decide(rest, page, Sec_Fetch_Site="same-site").status == 400
    assert decide(rest, page, Sec_Fetch_Site="same-origin").status == 302


def test_a_code_works_once(rest: Rest) -> None:
    code = code_for(rest)
    assert exchange(rest, code).status == 200
    again = exchange(rest, code)
    assert (again.status, again.json["error_description"]) == (400, "expired authorization code")


def test_a_code_ends_after_its_time(rest: Rest) -> None:
    code = code_for(rest)
    rest.org.behaviour(code_seconds=0)
    assert exchange(rest, code).json["error_description"] == "expired authorization code"
    rest.org.behaviour(code_seconds=120)
    assert exchange(rest, code).status == 200


@pytest.mark.parametrize(
    ("changed", "error", "description"),
    [
        ({"code": "aPrxNone"}, "invalid_grant", "invalid authorization code"),
        ({"code_verifier": "w" * 64}, "invalid_grant", "invalid code verifier"),
        ({"code_verifier": None}, "invalid_grant", "invalid code verifier"),
        ({"code_verifier": CHALLENGE}, "invalid_grant", "invalid code verifier"),
        ({"redirect_uri": CALLBACK + "x"}, "redirect_uri_mismatch", "redirect_uri must match configuration"),
        ({"client_secret": "wrong"}, "invalid_client", "invalid client credentials"),
        ({"client_secret": None}, "invalid_client", "invalid client credentials"),
        ({"client_id": "another"}, "invalid_client_id", "client identifier invalid"),
    ],
)
def test_a_wrong_exchange_is_refused_and_spends_nothing(
    rest: Rest, changed: dict[str, str | None], error: str, description: str
) -> None:
    code = code_for(rest)
    answer = exchange(rest, code, **changed)
    assert (answer.status, answer.json) == (400, {"error": error, "error_description": description})
    assert exchange(rest, code).status == 200


def test_a_challenge_may_come_without_its_method_and_must_come_where_the_app_demands_it(rest: Rest) -> None:
    assert exchange(rest, code_for(rest, code_challenge_method=None)).status == 200
    bare = code_for(rest, code_challenge=None, code_challenge_method=None)
    assert exchange(rest, bare, code_verifier=None).status == 200
    rest.org.behaviour(pkce_required=True)
    sent = sent_back(open_page(rest, code_challenge=None, code_challenge_method=None))
    assert (sent["error"], sent["error_description"]) == ("invalid_request", "missing required code challenge")


def test_an_app_may_do_without_its_secret_where_that_is_set(rest: Rest) -> None:
    rest.org.behaviour(web_secret_required=False)
    assert exchange(rest, code_for(rest), client_secret=None).status == 200
    assert exchange(rest, code_for(rest), client_secret="wrong").status == 400


def test_the_scope_decides_whether_there_is_a_refresh_token(rest: Rest) -> None:
    assert "refresh_token" not in tokens(rest, scope="api")
    assert tokens(rest, scope="api offline_access")["scope"] == "api offline_access"
    assert "refresh_token" in tokens(rest, scope="refresh_token")


def test_callbacks_are_chosen_when_the_org_is_made(rest: Rest) -> None:
    other = "https://app.example/callback?org=1"
    rest.org.reset(callbacks=[other])
    assert open_page(rest).status == 400
    answer = decide(rest, open_page(rest, redirect_uri=other))
    assert answer.headers["location"].startswith(other + "&code=")


def test_introspection_tells_good_tokens_from_others(rest: Rest) -> None:
    def look(token: str, **changed: str) -> dict[str, object]:
        form = urlencode({**client(rest), "token": token, **changed}).encode()
        answer = rest.call("POST", "/services/oauth2/introspect", form)
        return dict(answer.json) | {"status": answer.status}

    held = tokens(rest)
    access, renewing = look(held["access_token"]), look(held["refresh_token"])
    assert (access["active"], access["token_type"]) == (True, "access_token")
    assert access["exp"] == int(str(access["iat"])) + 7_200
    assert (renewing["active"], renewing["token_type"]) == (True, "refresh_token")
    assert look("nothing") == {"active": False, "status": 200}
    assert look(held["access_token"], client_secret="x")["error"] == "invalid_client"
