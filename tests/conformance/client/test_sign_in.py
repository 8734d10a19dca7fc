"""Our sign-in against the practice org: each refusal of salesforce.md 1.4 is one question and one clear error."""

from dataclasses import replace

import pytest

from optsync import seams
from optsync.salesforce.credentials import Credential
from optsync.salesforce.errors import SignInRefused
from optsync.salesforce.session import open_session
from tests.practice import PracticeOrg


@pytest.fixture
def jwt(org: PracticeOrg) -> Credential:
    """The integration user's JWT."""
    return Credential.from_file(org.credentials_file)


@pytest.fixture
def app(org: PracticeOrg) -> Credential:
    """The app by its secret."""
    known = org.credentials
    secret = known["client_secret"]
    return Credential("client_credentials", known["login_url"], known["client_id"], client_secret=secret, practice=True)


def refusal(org: PracticeOrg, credential: Credential) -> SignInRefused:
    """How a sign-in ends that is refused after one question."""
    org.clear_spy()
    with open_session(credential, seams.real()) as session, pytest.raises(SignInRefused) as refused:
        session.request("GET", "limits")
    assert org.spy()["routes"] == {"oauth.token": 1}
    assert refused.value.means
    assert refused.value.next_step
    return refused.value


@pytest.mark.parametrize(
    ("description", "word"),
    [
        ("authentication failure", "Login History"),
        ("ip restricted", "IP"),
        ("inactive user", "activate"),
        ("inactive organization", "activate"),
        ("no client credentials user enabled", "Run As"),
        ("expired access/refresh token", "connect the org again"),
    ],
)
def test_a_refusal_by_the_orgs_policies_says_what_to_do(
    org: PracticeOrg, jwt: Credential, description: str, word: str
) -> None:
    org.behaviour(sign_in_refusal=description)
    refused = refusal(org, jwt)
    assert (refused.error, refused.description) == ("invalid_grant", description)
    assert word in refused.next_step


def test_an_app_that_nobody_approved_and_one_that_nobody_knows(org: PracticeOrg, jwt: Credential) -> None:
    assert refusal(org, replace(jwt, client_id="another")).error == "invalid_client_id"
    org.behaviour(app_approved=False)
    assert "pre-authorise" in refusal(org, jwt).next_step


def test_a_wrong_secret_and_a_flow_that_is_not_offered(org: PracticeOrg, app: Credential) -> None:
    assert "secret" in refusal(org, replace(app, client_secret="wrong")).next_step
    org.behaviour(client_credentials_allowed=False)
    assert "My Domain" in refusal(org, app).next_step


def test_client_credentials_are_for_the_orgs_own_host_and_a_jwt_for_both(
    org: PracticeOrg, app: Credential, jwt: Credential
) -> None:
    login_url = app.login_url.replace("127.0.0.1", "localhost")
    assert "My Domain" in refusal(org, replace(app, login_url=login_url)).next_step
    for login in (login_url, app.login_url):
        with open_session(replace(jwt, login_url=login), seams.real()) as session:
            assert session.request("GET", "limits").status == 200
            assert session.instance_url == org.url


def test_a_session_that_was_idle_for_too_long_is_renewed(org: PracticeOrg, app: Credential) -> None:
    with open_session(app, seams.real()) as session:
        session.request("GET", "limits")
        org.behaviour(session_seconds=0)
        session.request("GET", "limits")
        org.behaviour(session_seconds=60)
        assert session.request("GET", "limits").status == 200
        assert org.spy()["routes"]["oauth.token"] == 2
