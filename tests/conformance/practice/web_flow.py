"""A person at the consent page, and the app that waits at its callback."""

import base64
import hashlib
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.conformance.practice.rest import Answer, Rest

AUTHORIZE = "/services/oauth2/authorize"
CALLBACK = "http://localhost:1717/OauthRedirect"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


def page_address(rest: Rest, **changed: str | None) -> str:
    """Where our app sends a person; None leaves a parameter out."""
    asked = {
        "response_type": "code",
        "client_id": rest.org.credentials["client_id"],
        "redirect_uri": CALLBACK,
        "state": "a state & more",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changed
    known = {name: value for name, value in asked.items() if value is not None}
    return f"{AUTHORIZE}?{urlencode(known)}"


def open_page(rest: Rest, **changed: str | None) -> Answer:
    """The consent page."""
    return rest.call("GET", page_address(rest, **changed))


def sealed_in(page: Answer) -> str:
    """What the page's form carries."""
    found = re.search(r'name="asked" value="([^"]*)"', page.body.decode())
    assert found is not None, page.body
    return unescape(found[1])


def decide(rest: Rest, page: Answer, decision: str = "allow", **headers: str) -> Answer:
    """A press of one of its buttons."""
    form = urlencode({"asked": sealed_in(page), "decision": decision}).encode()
    return rest.call("POST", AUTHORIZE, form, Content_Type="application/x-www-form-urlencoded", **headers)


def sent_back(answer: Answer) -> dict[str, str]:
    """What reached the callback."""
    assert answer.status == 302, answer.body
    address = urlsplit(answer.headers["location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == CALLBACK
    return dict(parse_qsl(address.query, strict_parsing=True))


def code_for(rest: Rest, **changed: str | None) -> str:
    """A code that a person allowed."""
    return sent_back(decide(rest, open_page(rest, **changed)))["code"]


def exchange(rest: Rest, given: str, /, **changed: str | None) -> Answer:
    """The token endpoint's answer to a code; None leaves a field out."""
    form = client(rest) | {
        "grant_type": "authorization_code",
        "code": given,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    return rest.token_for(**{name: value for name, value in (form | changed).items() if value is not None})


def tokens(rest: Rest, **changed: str | None) -> dict[str, Any]:
    """A whole web-server flow's token answer."""
    answer = exchange(rest, code_for(rest, **changed))
    assert answer.status == 200, answer.body
    return dict(answer.json)


def refresh(rest: Rest, token: str, /, **changed: str | None) -> Answer:
    """The token endpoint's answer to a refresh token."""
    form: dict[str, str | None] = client(rest) | {"grant_type": "refresh_token", "refresh_token": token}
    return rest.token_for(**{name: value for name, value in (form | changed).items() if value is not None})


def client(rest: Rest) -> dict[str, str | None]:
    """The app's id and secret."""
    return {name: rest.org.credentials[name] for name in ("client_id", "client_secret")}


def is_good(rest: Rest, access_token: str) -> bool:
    """Whether the API takes an access token."""
    return Rest(rest.org).call("GET", "limits", Authorization=f"Bearer {access_token}").status == 200
