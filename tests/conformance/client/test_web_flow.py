"""A person lets us in at the consent page; what the browser brings back is taken only when it is our answer."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from optsync import seams
from optsync.salesforce import web_flow
from optsync.salesforce.errors import BadCallback, HostRefused, SignInRefused
from optsync.salesforce.session import open_session
from optsync.salesforce.web_flow import App, Attempt, begin, finish
from tests.conformance.client.wire import answer, serve, token
from tests.conformance.practice.rest import Rest
from tests.conformance.practice.web_flow import CALLBACK, decide, sent_back
from tests.practice import PracticeOrg

REAL = seams.real()


@pytest.fixture
def app(org: PracticeOrg) -> App:
    """Our app in the practice org."""
    known = org.credentials
    return App(known["login_url"], known["client_id"], known["client_secret"], practice=True)


def come_back(org: PracticeOrg, attempt: Attempt, decision: str = "allow") -> Mapping[str, str]:
    """A browser follows the attempt's address, and a person decides."""
    rest = Rest(org)
    return sent_back(decide(rest, rest.call("GET", attempt.url.removeprefix(org.url)), decision))


def test_an_allowed_attempt_gives_a_session_and_a_credential_that_renews_it(org: PracticeOrg, app: App) -> None:
    attempt = begin(app, CALLBACK, REAL)
    credential, grant = finish(attempt, come_back(org, attempt), REAL)
    with open_session(credential, REAL, grant=grant) as session:
        assert session.request("GET", "limits").status == 200
        assert session.org_id == org.credentials["org_id"]
        assert org.spy()["routes"]["oauth.token"] == 1, "the code's session is used as it is"
        org.expire_sessions()
        assert session.request("GET", "limits").status == 200


def test_the_login_host_of_all_orgs_leads_to_the_orgs_own(org: PracticeOrg, app: App) -> None:
    login_url = app.login_url.replace("127.0.0.1", "localhost")
    attempt = begin(replace(app, login_url=login_url), CALLBACK, REAL)
    assert attempt.url.startswith(login_url)
    rest = Rest(org)
    page = rest.call("GET", attempt.url.removeprefix(login_url), Host=login_url.removeprefix("http://"))
    credential, grant = finish(attempt, sent_back(decide(rest, page)), REAL)
    assert (credential.login_url, grant.instance) == (login_url, org.url)


def test_each_attempt_asks_for_little_with_secrets_of_its_own(app: App) -> None:
    attempts = [begin(app, CALLBACK, REAL) for _ in range(2)]
    asked = [parse_qs(urlsplit(attempt.url).query) for attempt in attempts]
    assert asked[0]["scope"] == ["api refresh_token"]
    assert asked[0]["code_challenge_method"] == ["S256"]
    assert asked[0]["state"] != asked[1]["state"]
    assert asked[0]["code_challenge"] != asked[1]["code_challenge"]
    assert 43 <= len(attempts[0].verifier) <= 128
    assert attempts[0].verifier not in attempts[0].url
    assert attempts[0].verifier not in repr(attempts[0])
    assert attempts[0].state not in repr(attempts[0])


@pytest.mark.parametrize(
    "changed",
    [{"state": ""}, {"state": "another"}, {"state": "é"}, {"code": ""}, {"state": "", "error": "access_denied"}],
)
def test_what_is_not_our_answer_sends_nothing(app: App, changed: dict[str, str]) -> None:
    with serve(answer({}), signs_in=False) as server:
        attempt = begin(replace(app, login_url=server.url), CALLBACK, REAL)
        with pytest.raises(BadCallback) as refused:
            finish(attempt, {"state": attempt.state, "code": "aPrx"} | changed, REAL)
        with pytest.raises(BadCallback):
            finish(attempt, {}, REAL)
        assert server.requests == []
    assert refused.value.means
    assert refused.value.next_step


def test_an_answer_that_comes_too_late_sends_nothing(app: App) -> None:
    with serve(answer({}), signs_in=False) as server:
        attempt = begin(replace(app, login_url=server.url), CALLBACK, REAL)
        late = replace(attempt, started_at=attempt.started_at - timedelta(seconds=web_flow.ATTEMPT_SECONDS + 1))
        with pytest.raises(BadCallback):
            finish(late, {"state": late.state, "code": "aPrx"}, REAL)
        assert server.requests == []


@pytest.mark.parametrize("word", ["access_denied", "access-denied"])
def test_a_refusal_of_the_person_is_told_plainly(org: PracticeOrg, app: App, word: str) -> None:
    org.behaviour(denied_error=word)
    attempt = begin(app, CALLBACK, REAL)
    with pytest.raises(SignInRefused) as refused:
        finish(attempt, come_back(org, attempt, "refuse"), REAL)
    assert refused.value.error == word
    assert "consent page" in refused.value.means


def test_a_code_is_no_use_to_another_attempt_and_works_once(org: PracticeOrg, app: App) -> None:
    attempt, other = begin(app, CALLBACK, REAL), begin(app, CALLBACK, REAL)
    callback = dict(come_back(org, attempt))
    with pytest.raises(SignInRefused) as stolen:
        finish(other, callback | {"state": other.state}, REAL)
    assert stolen.value.description == "invalid code verifier"
    finish(attempt, callback, REAL)
    with pytest.raises(SignInRefused) as again:
        finish(attempt, callback, REAL)
    assert again.value.description == "expired authorization code"


def test_a_callback_that_the_app_does_not_know_is_refused_with_what_to_do(org: PracticeOrg, app: App) -> None:
    attempt = begin(app, CALLBACK, REAL)
    moved = replace(attempt, redirect_uri=CALLBACK + "/other")
    with pytest.raises(SignInRefused) as refused:
        finish(moved, come_back(org, attempt), REAL)
    assert "callback" in refused.value.next_step


def test_a_session_without_a_refresh_token_is_no_connection(app: App) -> None:
    with serve(answer({}), signs_in=False) as server:
        server.replies[:] = [token(server.port)]
        attempt = begin(replace(app, login_url=server.url), CALLBACK, REAL)
        with pytest.raises(SignInRefused) as refused:
            finish(attempt, {"state": attempt.state, "code": "aPrx"}, REAL)
    assert "refresh_token" in refused.value.next_step


def test_a_code_is_sent_once_although_the_answer_gets_lost(app: App) -> None:
    with serve(lambda connection: None, signs_in=False) as server:
        attempt = begin(replace(app, login_url=server.url), CALLBACK, REAL)
        with pytest.raises(Exception, match="connection broke"):
            finish(attempt, {"state": attempt.state, "code": "aPrx"}, REAL)
        assert len(server.requests) == 1


def test_an_app_at_a_hostile_address_is_refused_at_once(app: App) -> None:
    with pytest.raises(HostRefused):
        begin(replace(app, login_url="https://x.my.salesforce.com.evil.tld", practice=False), CALLBACK, REAL)
