"""The token endpoint, revocation and introspection (salesforce.md 1.2 to 1.6)."""

import base64
import hashlib
import hmac
from collections.abc import Callable

from starlette.responses import Response
from starlette.routing import Route

from practice_org.assertions import check_assertion
from practice_org.authorize import DEFAULT_SCOPE
from practice_org.errors import OAuthError
from practice_org.http import OPEN, Call, answer, route
from practice_org.oauth_client import check_client, is_my_domain, read_form
from practice_org.org import Org
from practice_org.sessions import digest_of
from practice_org.users import INTEGRATION_USER

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
REFRESH_SCOPES = {"refresh_token", "offline_access"}

Grant = Callable[[Call, dict[str, str]], dict[str, str]]


def routes(org: Org) -> list[Route]:
    """None of these counts as an API call."""
    token, revocation = ("oauth.token", give_token), ("oauth.revoke", revoke)
    return [
        route(org, "/services/oauth2/token", OPEN, POST=token, GET=token),
        route(org, "/services/oauth2/revoke", OPEN, POST=revocation, GET=revocation),
        route(org, "/services/oauth2/introspect", OPEN, POST=("oauth.introspect", introspect)),
    ]


async def give_token(call: Call) -> Response:
    """A token for a grant that holds; an OAuth error with status 400 for one that does not.

    A GET, as a redirect makes of a POST to http, names no grant: grants are read from the body only.
    """
    form = read_form(call)
    grants: dict[str, Grant] = {
        JWT_GRANT: _grant_jwt,
        "client_credentials": _grant_client,
        "authorization_code": _grant_code,
        "refresh_token": _grant_refresh,
    }
    try:
        grant = grants.get(form.get("grant_type", ""))
        if grant is None:
            raise OAuthError("unsupported_grant_type", "grant type not supported")
        if call.org.behaviour.sign_in_refusal:
            raise OAuthError("invalid_grant", call.org.behaviour.sign_in_refusal)
        return _unstored(answer(grant(call, form)))
    except OAuthError as error:
        return _refused(error)


def _grant_jwt(call: Call, form: dict[str, str]) -> dict[str, str]:
    check_assertion(call, form)
    return _token_body(call.org, call.org.sessions.open(), DEFAULT_SCOPE)


def _grant_client(call: Call, form: dict[str, str]) -> dict[str, str]:
    if not call.org.behaviour.client_credentials_allowed or not is_my_domain(call):
        raise OAuthError("invalid_grant", "request not supported on this domain")
    check_client(call, form)
    return _token_body(call.org, call.org.sessions.open(), DEFAULT_SCOPE)


def _grant_code(call: Call, form: dict[str, str]) -> dict[str, str]:
    org = call.org
    check_client(call, form, needs_secret=org.behaviour.web_secret_required)
    redirect_uri, verifier = form.get("redirect_uri", ""), form.get("code_verifier", "")
    request = org.approvals.redeem(form.get("code", ""), redirect_uri, verifier, org.behaviour.code_seconds)
    access_token = org.sessions.open()
    body = _token_body(org, access_token, request.scope)
    if not REFRESH_SCOPES & set(request.scope.split()):
        return body
    refresh_token, approval = org.approvals.open(request.scope)
    approval.sessions.add(digest_of(access_token))
    return body | {"refresh_token": refresh_token}


def _grant_refresh(call: Call, form: dict[str, str]) -> dict[str, str]:
    """A further session. A refresh token comes back only where they rotate."""
    org = call.org
    check_client(call, form, needs_secret=org.behaviour.web_secret_required)
    approval = org.approvals.use(form.get("refresh_token", ""), org.behaviour.refresh_token_idle_seconds)
    access_token = org.sessions.open()
    approval.sessions.add(digest_of(access_token))
    body = _token_body(org, access_token, approval.scope)
    return body | {"refresh_token": org.approvals.rotate(approval)} if org.behaviour.refresh_token_rotates else body


def _token_body(org: Org, access_token: str, scope: str) -> dict[str, str]:
    """No expires_in; `issued_at` is a string of milliseconds; the signature covers `id` and `issued_at`."""
    identity = org.identity
    user_url = f"{identity.base_url}/id/{identity.org_id}/{INTEGRATION_USER}"
    issued_at = str(int(org.now().timestamp() * 1000))
    digest = hmac.new(identity.client_secret.encode(), (user_url + issued_at).encode(), hashlib.sha256).digest()
    return {
        "access_token": access_token,
        "signature": base64.b64encode(digest).decode(),
        "scope": scope,
        "instance_url": identity.base_url,
        "id": user_url,
        "token_type": "Bearer",
        "issued_at": issued_at,
    }


async def revoke(call: Call) -> Response:
    """Ends a session, or a refresh token with all its sessions. An unknown token is refused with 400."""
    token = read_form(call).get("token") or call.query("token") or ""
    if call.org.sessions.end(token) or call.org.approvals.revoke(token):
        return Response(status_code=200)
    texts = {"unsupported_token_type": "this token type is not supported", "invalid_token": "invalid token"}
    error = call.org.behaviour.revoke_unknown_error
    return _refused(OAuthError(error, texts.get(error, error)))


async def introspect(call: Call) -> Response:
    """Whether a token is good, and for what (RFC 7662). The client proves itself as at the token endpoint."""
    form, identity = read_form(call), call.org.identity
    try:
        check_client(call, form)
    except OAuthError as error:
        return _refused(error)
    token = form.get("token", "")
    about = {
        "active": True,
        "client_id": identity.client_id,
        "username": identity.username,
        "sub": f"{identity.base_url}/id/{identity.org_id}/{INTEGRATION_USER}",
    }
    if session := call.org.sessions.find(token):
        issued_at, expires_at = int(session.issued_at.timestamp()), int(session.expires_at.timestamp())
        times = {"iat": issued_at, "nbf": issued_at, "exp": expires_at}
        return _unstored(answer(about | {"scope": DEFAULT_SCOPE, "token_type": "access_token"} | times))
    if approval := call.org.approvals.find(token):
        return _unstored(answer(about | {"scope": approval.scope, "token_type": "refresh_token"}))
    return _unstored(answer({"active": False}))


def _refused(error: OAuthError) -> Response:
    return _unstored(answer(error.as_body(), 400))


def _unstored(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
