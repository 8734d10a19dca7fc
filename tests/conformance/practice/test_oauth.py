"""Sign-in: what salesforce.md 1.2 to 1.5 says about tokens and their refusals."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.conformance.practice.rest import Answer, Rest

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def assertion(rest: Rest, *, algorithm: str = "RS256", **changed: Any) -> str:
    """An assertion of our client, with some claims changed; None leaves a claim out."""
    known = rest.org.credentials
    claims = {
        "iss": known["client_id"],
        "sub": known["username"],
        "aud": known["login_url"],
        "exp": int(time.time()) + 180,
    } | changed
    key = load_pem_private_key(Path(known["private_key_file"]).read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    head = encode(json.dumps({"alg": algorithm}).encode())
    body = encode(json.dumps({name: value for name, value in claims.items() if value is not None}).encode())
    signature = key.sign(f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{head}.{body}.{encode(signature)}"


def sign_in(rest: Rest, **changed: Any) -> Answer:
    return rest.token_for(grant_type=JWT_GRANT, assertion=assertion(rest, **changed))


def test_a_jwt_gives_a_session_in_salesforces_shape(rest: Rest) -> None:
    answer = sign_in(rest)
    token, known = answer.json, rest.org.credentials
    assert answer.status == 200
    assert token["access_token"].startswith(known["org_id"][:15] + "!")
    assert (token["instance_url"], token["token_type"]) == (known["instance_url"], "Bearer")
    assert "expires_in" not in token
    assert isinstance(token["issued_at"], str)
    assert abs(int(token["issued_at"]) / 1000 - time.time()) < 60
    rest.token = token["access_token"]
    assert rest.call("GET", "limits").status == 200


def test_the_signature_of_a_token_is_true(rest: Rest) -> None:
    token = sign_in(rest).json
    text = (token["id"] + token["issued_at"]).encode()
    expected = hmac.new(rest.org.credentials["client_secret"].encode(), text, hashlib.sha256).digest()
    assert base64.b64decode(token["signature"]) == expected


def test_the_production_login_is_an_audience_too(rest: Rest) -> None:
    assert sign_in(rest, aud="https://login.salesforce.com").status == 200


@pytest.mark.parametrize(
    ("changed", "error", "description"),
    [
        ({"iss": "another"}, "invalid_client_id", "client identifier invalid"),
        ({"aud": "https://test.salesforce.com"}, "invalid_grant", "Audience validation failed"),
        ({"sub": "another@practice.example"}, "invalid_grant", "user hasn't approved this consumer"),
        ({"exp": 1}, "invalid_grant", "expired authorization code"),
        ({"exp": "soon"}, "invalid_grant", "expired authorization code"),
        ({"exp": None}, "invalid_grant", "expired authorization code"),
        ({"algorithm": "none"}, "invalid_grant", "invalid assertion"),
    ],
)
def test_a_wrong_assertion_is_refused_with_its_reason(
    rest: Rest, changed: dict[str, Any], error: str, description: str
) -> None:
    answer = sign_in(rest, **changed)
    assert (answer.status, answer.json) == (400, {"error": error, "error_description": description})


def test_an_exp_as_text_or_in_milliseconds_is_taken_unless_the_org_is_strict(rest: Rest) -> None:
    """simple-salesforce sends the one, Salesforce's own command line the other."""
    assert sign_in(rest, exp=f"{time.time() + 180:.0f}").status == 200
    assert sign_in(rest, exp=int(time.time() * 1000) + 300).status == 200
    rest.org.behaviour(jwt_lifetime_max_seconds=600)
    assert sign_in(rest).status == 200
    late = sign_in(rest, exp=int(time.time() * 1000) + 300)
    assert late.json["error_description"] == "expired authorization code"


def test_the_audience_may_end_in_a_slash(rest: Rest) -> None:
    assert sign_in(rest, aud=rest.org.url + "/").status == 200


def test_a_forged_signature_is_refused(rest: Rest) -> None:
    head, body, signature = assertion(rest).split(".")
    *others, last = base64.urlsafe_b64decode(signature + "==")
    forged = encode(bytes([*others, last ^ 1]))
    answer = rest.token_for(grant_type=JWT_GRANT, assertion=f"{head}.{body}.{forged}")
    assert answer.json == {"error": "invalid_grant", "error_description": "invalid assertion"}


def test_client_credentials_are_taken_from_the_body_and_from_the_basic_header(rest: Rest) -> None:
    known = rest.org.credentials
    pair = (known["client_id"], known["client_secret"])
    in_body = rest.token_for(grant_type="client_credentials", client_id=pair[0], client_secret=pair[1])
    basic = base64.b64encode(":".join(pair).encode()).decode()
    in_header = rest.call(
        "POST", "/services/oauth2/token", b"grant_type=client_credentials", Authorization=f"Basic {basic}"
    )
    assert (in_body.status, in_header.status) == (200, 200)


def test_wrong_client_credentials_are_refused(rest: Rest) -> None:
    known = rest.org.credentials
    wrong = rest.token_for(grant_type="client_credentials", client_id=known["client_id"], client_secret="x")
    assert wrong.json == {"error": "invalid_client", "error_description": "invalid client credentials"}
    rest.org.behaviour(client_credentials_allowed=False)
    elsewhere = rest.token_for(grant_type="client_credentials")
    assert elsewhere.json["error_description"] == "request not supported on this domain"


def test_client_credentials_work_on_the_my_domain_host_only(rest: Rest) -> None:
    known = rest.org.credentials
    pair = {"client_id": known["client_id"], "client_secret": known["client_secret"]}
    form = urlencode({"grant_type": "client_credentials", **pair}).encode()
    login_host = known["login_url"].removeprefix("http://").replace("127.0.0.1", "localhost")
    answer = rest.call("POST", "/services/oauth2/token", form, Host=login_host)
    assert answer.json == {"error": "invalid_grant", "error_description": "request not supported on this domain"}


def test_the_login_host_names_the_my_domain_host_for_the_api(rest: Rest) -> None:
    known = rest.org.credentials
    login_url = known["login_url"].replace("127.0.0.1", "localhost")
    form = urlencode({"grant_type": JWT_GRANT, "assertion": assertion(rest, aud=login_url)}).encode()
    answer = rest.call("POST", "/services/oauth2/token", form, Host=login_url.removeprefix("http://"))
    assert answer.json["instance_url"] == known["instance_url"]


def test_an_unknown_grant_and_a_get_are_refused(rest: Rest) -> None:
    said = {"error": "unsupported_grant_type", "error_description": "grant type not supported"}
    assert rest.token_for(grant_type="password").json == said
    known = rest.org.credentials
    pair = {"client_id": known["client_id"], "client_secret": known["client_secret"]}
    in_the_address = urlencode({"grant_type": "client_credentials", **pair})
    answer = rest.call("GET", f"/services/oauth2/token?{in_the_address}")
    assert (answer.status, answer.json) == (400, said)


@pytest.mark.parametrize(
    "description",
    [
        "authentication failure",
        "ip restricted",
        "inactive user",
        "inactive organization",
        "no client credentials user enabled",
    ],
)
def test_the_orgs_policies_refuse_every_sign_in(rest: Rest, description: str) -> None:
    rest.org.behaviour(sign_in_refusal=description)
    answer = sign_in(rest)
    assert (answer.status, answer.json) == (400, {"error": "invalid_grant", "error_description": description})


def test_an_expired_session_answers_401_and_the_long_lived_one_stays(rest: Rest) -> None:
    long_lived, rest.token = rest.token, sign_in(rest).json["access_token"]
    rest.org.expire_sessions()
    answer = rest.call("GET", "limits")
    assert (answer.status, answer.json) == (
        401,
        [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
    )
    rest.token = long_lived
    assert rest.call("GET", "limits").status == 200


def test_userinfo_and_identity_name_org_and_user(rest: Rest) -> None:
    token = sign_in(rest).json
    userinfo = rest.call("GET", "/services/oauth2/userinfo").json
    identity = rest.call("GET", token["id"].removeprefix(rest.org.url)).json
    assert userinfo["organization_id"] == identity["organization_id"] == rest.org.credentials["org_id"]
    assert userinfo["preferred_username"] == rest.org.credentials["username"]


def test_userinfo_speaks_openid_and_the_identity_address_salesforces_own_names(rest: Rest) -> None:
    known = rest.org.credentials
    userinfo = rest.call("GET", "/services/oauth2/userinfo").json
    assert (userinfo["name"], userinfo["email"]) == ("Integration User", known["username"])
    assert userinfo["sub"].endswith(f"/id/{known['org_id']}/{userinfo['user_id']}")
    assert userinfo["urls"]["rest"] == f"{rest.org.url}/services/data/v{{version}}/"
    identity = rest.call("GET", f"/id/{known['org_id']}/{userinfo['user_id']}?version=latest").json
    assert (identity["id"], identity["display_name"]) == (userinfo["sub"], "Integration User")
    assert identity["urls"]["rest"] == f"{rest.org.url}/services/data/v67.0/"


def test_userinfo_takes_the_token_from_the_address_too(rest: Rest) -> None:
    token, rest.token = rest.token, "none"
    assert rest.call("GET", "/services/oauth2/userinfo").code == "INVALID_SESSION_ID"
    for place in ("oauth_token", "access_token"):
        answer = rest.call("GET", f"/services/oauth2/userinfo?{place}={token}", Authorization="")
        assert answer.json["preferred_username"] == rest.org.credentials["username"]


def test_signing_in_is_no_api_call(rest: Rest) -> None:
    sign_in(rest)
    rest.call("GET", "/services/data")
    assert rest.org.spy()["api_calls"] == 0
