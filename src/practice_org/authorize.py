"""The consent page of the web-server flow: our app asks, a person allows or refuses (salesforce.md 1.2, 1.6).

There is no log-in before it: whoever reaches this machine's loopback is the integration user. Opening the page changes
nothing; what was asked travels in the form, sealed, so that no other page can post a consent of its own making.
"""

import hashlib
import hmac
import html
import json
from urllib.parse import urlencode, urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from practice_org import clock
from practice_org.approvals import Request
from practice_org.errors import OAuthError
from practice_org.http import OPEN, Call, route
from practice_org.oauth_client import read_form
from practice_org.org import Org

APP_SCOPES = ("api", "refresh_token", "offline_access", "id", "openid")
DEFAULT_SCOPE = "api refresh_token"
PAGE_SECONDS = 3_600
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
PARAMETERS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)

_seal_key = clock.token_hex(32).encode()


def routes(org: Org) -> list[Route]:
    """The page, and its form."""
    return [
        route(org, "/services/oauth2/authorize", OPEN, GET=("oauth.authorize", ask), POST=("oauth.consent", decide))
    ]


async def ask(call: Call) -> Response:
    """The page. An app or a callback that is not known gets an error page, any other fault goes to the callback."""
    asked = {name: call.query(name) or "" for name in PARAMETERS}
    try:
        _check_place(call.org, asked)
    except OAuthError as error:
        return _error_page(error)
    try:
        request = _checked(call.org, asked)
    except OAuthError as error:
        return _send_back(asked, error.as_body())
    return _page(_consent(call.org, request, _seal(asked, call.org.now().timestamp())))


async def decide(call: Call) -> Response:
    """Allow sends a code to the callback, anything else a refusal. A form that is not ours, or too old, is refused."""
    form = read_form(call)
    try:
        asked = _unseal(form.get("asked", ""), call.org.now().timestamp())
        if call.header("sec-fetch-site") not in ("", "none", "same-origin"):
            raise OAuthError("invalid_request", "this form was sent by another site")
        _check_place(call.org, asked)
        request = _checked(call.org, asked)
    except OAuthError as error:
        return _error_page(error)
    if form.get("decision") != "allow":
        denied = {"error": call.org.behaviour.denied_error, "error_description": "end-user denied authorization"}
        return _send_back(asked, denied)
    return _send_back(asked, {"code": call.org.approvals.new_code(request)})


def _check_place(org: Org, asked: dict[str, str]) -> None:
    if asked["client_id"] != org.identity.client_id:
        raise OAuthError("invalid_client_id", "client identifier invalid")
    if asked["redirect_uri"] not in org.options.callbacks:
        raise OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")


def _checked(org: Org, asked: dict[str, str]) -> Request:
    if asked["response_type"] != "code":
        raise OAuthError("unsupported_response_type", "response type not supported")
    scope = " ".join(asked["scope"].split()) or DEFAULT_SCOPE
    if not set(scope.split()) <= set(APP_SCOPES):
        raise OAuthError("invalid_scope", "the requested scope is not allowed")
    challenge = asked["code_challenge"].rstrip("=")
    if asked["code_challenge_method"] not in ("", "S256"):
        raise OAuthError("invalid_request", "invalid code challenge method")
    if org.behaviour.pkce_required and not challenge:
        raise OAuthError("invalid_request", "missing required code challenge")
    return Request(asked["client_id"], asked["redirect_uri"], scope, challenge)


def _send_back(asked: dict[str, str], said: dict[str, str]) -> Response:
    """To the callback, with the app's own `state` handed back."""
    answer = said | ({"state": asked["state"]} if asked["state"] else {})
    mark = "&" if urlsplit(asked["redirect_uri"]).query else "?"
    return RedirectResponse(f"{asked['redirect_uri']}{mark}{urlencode(answer)}", 302, HEADERS)


def _consent(org: Org, request: Request, sealed: str) -> str:
    scopes = "".join(f"<li>{html.escape(scope)}</li>" for scope in request.scope.split())
    return (
        "<h1>Allow access?</h1>"
        f"<p>The app <code>{html.escape(request.client_id)}</code> asks to act as "
        f"<strong>{html.escape(org.identity.username)}</strong> with:</p><ul>{scopes}</ul>"
        f"<p class=dim>You will be sent back to {html.escape(request.redirect_uri)}</p>"
        f'<form method="post" action="/services/oauth2/authorize">'
        f'<input type="hidden" name="asked" value="{html.escape(sealed)}">'
        '<button name="decision" value="allow">Allow</button> <button name="decision" value="refuse">Refuse</button>'
        "</form>"
    )


def _error_page(error: OAuthError) -> Response:
    text = f"error={error.error}&error_description={error.description}"
    return _page(f"<h1>OAuth error</h1><p><code>{html.escape(text)}</code></p>", 400)


def _page(content: str, status: int = 200) -> Response:
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<title>Sign in · Practice org</title><link rel="stylesheet" href="/practice/practice.css">'
        '<link rel="icon" href="data:,">'
        '<header><p class="banner"><strong>Practice org: this is not Salesforce.</strong> '
        "Nothing here leaves this machine.</p></header>"
        f'<main><section class="card">{content}</section></main>'
    )
    return HTMLResponse(text, status, HEADERS)


def _seal(asked: dict[str, str], now: float) -> str:
    """What was asked and when, with a mark that only this process can make."""
    text = json.dumps([asked, now])
    return f"{_mark(text)}{text}"


def _unseal(sealed: str, now: float) -> dict[str, str]:
    mark, text = sealed[:64], sealed[64:]
    if not hmac.compare_digest(mark.encode(), _mark(text).encode()):
        raise OAuthError("invalid_request", "this form was not made by the consent page")
    asked, made_at = json.loads(text)
    if now - made_at > PAGE_SECONDS:
        raise OAuthError("invalid_request", "this form is too old")
    return {name: str(asked[name]) for name in PARAMETERS}


def _mark(text: str) -> str:
    return hmac.new(_seal_key, text.encode(), hashlib.sha256).hexdigest()
