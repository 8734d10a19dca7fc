"""Who a token belongs to: userinfo and the identity address (salesforce.md 8)."""

from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.routing import Route

from practice_org.http import NEWEST_VERSION, OPEN, Call, answer, route
from practice_org.org import Org
from practice_org.people import BORN_AT, instant_text
from practice_org.users import FIRST_NAME, INTEGRATION_USER, LANGUAGE, LAST_NAME, LOCALE, TIME_ZONE

FULL_NAME = f"{FIRST_NAME} {LAST_NAME}"
CREATED = instant_text(BORN_AT)[:-1] + "+0000"
_ADDRESSES = {
    "enterprise": "/services/Soap/c/{version}/{org}",
    "metadata": "/services/Soap/m/{version}/{org}",
    "partner": "/services/Soap/u/{version}/{org}",
    "rest": "/services/data/v{version}/",
    "sobjects": "/services/data/v{version}/sobjects/",
    "search": "/services/data/v{version}/search/",
    "query": "/services/data/v{version}/query/",
    "recent": "/services/data/v{version}/recent/",
    "tooling_soap": "/services/Soap/T/{version}/{org}",
    "tooling_rest": "/services/data/v{version}/tooling/",
    "profile": "/{user}",
    "feeds": "/services/data/v{version}/chatter/feeds",
    "groups": "/services/data/v{version}/chatter/groups",
    "users": "/services/data/v{version}/chatter/users",
    "feed_items": "/services/data/v{version}/chatter/feed-items",
    "feed_elements": "/services/data/v{version}/chatter/feed-elements",
    "custom_domain": "",
}


def routes(org: Org) -> list[Route]:
    """Neither counts as an API call."""
    userinfo, identity = ("oauth.userinfo", show_userinfo), ("oauth.identity", show_identity)
    return [
        route(org, "/services/oauth2/userinfo", OPEN, GET=userinfo, POST=userinfo),
        route(org, "/id/{org_id}/{user_id}", OPEN, GET=identity, POST=identity),
    ]


async def show_userinfo(call: Call) -> Response:
    """The names of OpenID Connect."""
    _check(call)
    known = call.org.identity
    return answer(
        {
            "sub": _subject(call.org),
            "user_id": INTEGRATION_USER,
            "organization_id": known.org_id,
            "preferred_username": known.username,
            "nickname": "integration",
            "name": FULL_NAME,
            "email": known.username,
            "email_verified": True,
            "given_name": FIRST_NAME,
            "family_name": LAST_NAME,
            "zoneinfo": TIME_ZONE,
            "photos": _photos(call.org),
            "profile": f"{known.base_url}/{INTEGRATION_USER}",
            "picture": _photos(call.org)["picture"],
            "address": {},
            "is_salesforce_integration_user": False,
            "urls": _urls(call),
            **_common(),
            "updated_at": CREATED,
            "is_app_installed": True,
        }
    )


async def show_identity(call: Call) -> Response:
    """Salesforce's own older names; `username` beside them as in userinfo."""
    _check(call)
    known = call.org.identity
    return answer(
        {
            "id": _subject(call.org),
            "asserted_user": True,
            "user_id": INTEGRATION_USER,
            "organization_id": known.org_id,
            "username": known.username,
            "nick_name": "integration",
            "display_name": FULL_NAME,
            "email": known.username,
            "email_verified": True,
            "first_name": FIRST_NAME,
            "last_name": LAST_NAME,
            "timezone": TIME_ZONE,
            "photos": _photos(call.org),
            "addr_street": None,
            "addr_city": None,
            "addr_state": None,
            "addr_country": None,
            "addr_zip": None,
            "mobile_phone": None,
            "mobile_phone_verified": False,
            "is_lightning_login_user": False,
            "status": {"created_date": None, "body": None},
            "urls": _urls(call),
            **_common(),
            "last_modified_date": CREATED,
            "is_app_installed": True,
        }
    )


def _check(call: Call) -> None:
    """The token may also stand in the address or in the form. Raises RefusalError INVALID_SESSION_ID."""
    form = parse_qs(call.body.decode("utf-8", "replace")) if call.request.method == "POST" else {}
    names = ("oauth_token", "access_token")
    given = [call.query(name) or "".join(form.get(name, [])[:1]) for name in names]
    token = next((token for token in given if token), "")
    call.org.sessions.check(call.header("authorization") or f"Bearer {token}")


def _subject(org: Org) -> str:
    return f"{org.identity.base_url}/id/{org.identity.org_id}/{INTEGRATION_USER}"


def _urls(call: Call) -> dict[str, str]:
    """`{version}` stays as it is unless ?version= names one, or the latest."""
    asked, known = call.query("version") or "{version}", call.org.identity
    version = f"{NEWEST_VERSION}.0" if asked == "latest" else asked
    words = {"{version}": version, "{org}": known.org_id, "{user}": INTEGRATION_USER}
    urls = {}
    for name, address in _ADDRESSES.items():
        path = address
        for word, value in words.items():
            path = path.replace(word, value)
        urls[name] = known.base_url + path
    return urls


def _photos(org: Org) -> dict[str, str]:
    base = f"{org.identity.base_url}/profilephoto/005"
    return {"picture": f"{base}/F", "thumbnail": f"{base}/T"}


def _common() -> dict[str, object]:
    return {"active": True, "user_type": "STANDARD", "language": LANGUAGE, "locale": LOCALE, "utcOffset": 0}
