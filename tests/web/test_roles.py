"""Who may open which page and press which button: a table for every route there is (requirement 29).

The routes come from the URL patterns: one that is not in the table fails the test.
"""

from typing import Final, Literal

import pytest

from optsync.access.users import ROLES, Role
from tests.installation import Site
from tests.web.colleagues import Visitor, colleague, invited
from tests.web.routes import every_route

Who = Literal["nobody", "viewer", "operator", "admin"]
EVERYBODY: Final[tuple[Who, ...]] = ("nobody", *ROLES)
IN: Final = "viewer"
OPERATE: Final = "operator"
ADMIN: Final = "admin"
"""The least who may; a viewer is whoever is signed in."""

OPEN: Final = ("/u/", "/v1/", "/health/", "/i18n/", "/sign-in", "/.well-known/", "/webhooks/", "/csp-reports")
"""What recipients, programs, monitors and people on their way in use: for everybody."""
TABLE: Final[dict[str, tuple[Who, Who]]] = {
    "/": (IN, IN),
    "/unsubscribes": (IN, OPERATE),
    "/unsubscribes/export": (OPERATE, OPERATE),
    "/unsubscribes/bulk": (IN, OPERATE),
    "/unsubscribes/many": (IN, OPERATE),
    "/unsubscribes/import": (IN, OPERATE),
    "/unsubscribes/import/<int:upload_id>": (IN, OPERATE),
    "/unsubscribes/import/<int:upload_id>/rejects": (IN, IN),
    "/people": (IN, IN),
    "/people/evidence": (IN, IN),
    "/people/compliance": (OPERATE, OPERATE),
    "/people/export": (OPERATE, OPERATE),
    "/people/erase": (ADMIN, ADMIN),
    "/people/lift": (ADMIN, ADMIN),
    "/people/retry": (IN, OPERATE),
    "/runs": (IN, IN),
    "/runs/<int:run_id>": (IN, IN),
    "/runs/start": (IN, OPERATE),
    "/runs/<int:run_id>/progress": (IN, IN),
    "/runs/<int:run_id>/cancel": (IN, OPERATE),
    "/runs/<int:run_id>/rejected/<slug:cause>.csv": (OPERATE, OPERATE),
    "/runs/<int:run_id>/undo": (IN, ADMIN),
    "/runs/<int:run_id>/untick/<str:kind>.csv": (IN, IN),
    "/issues": (IN, IN),
    "/issues/scanner/<int:hold_id>": (IN, ADMIN),
    "/issues/retry": (IN, OPERATE),
    "/issues/<slug:cause>": (IN, IN),
    "/issues/<slug:cause>/mute": (IN, OPERATE),
    "/issues/<slug:cause>/boxes.csv": (OPERATE, OPERATE),
    "/holds": (IN, IN),
    "/holds/<int:hold_id>": (IN, ADMIN),
    "/holds/<int:hold_id>/people.csv": (OPERATE, OPERATE),
    "/org": (IN, IN),
    "/search": (IN, IN),
    "/audit": (OPERATE, OPERATE),
    "/audit/export": (OPERATE, OPERATE),
    "/audit/verify": (OPERATE, OPERATE),
    "/settings": (IN, IN),
    "/settings/unsubscribes": (IN, IN),
    "/settings/unsubscribes/integrations": (IN, ADMIN),
    "/settings/unsubscribes/messaging": (IN, ADMIN),
    "/settings/unsubscribes/domains": (IN, ADMIN),
    "/settings/unsubscribes/page": (IN, ADMIN),
    "/settings/unsubscribes/page/preview": (IN, IN),
    "/settings/unsubscribes/sources": (IN, IN),
    "/settings/unsubscribes/sources/providers": (IN, IN),
    "/settings/unsubscribes/sources/<slug:provider>": (IN, ADMIN),
    "/settings/unsubscribes/sources/<slug:provider>/heard": (IN, IN),
    "/settings/alerts": (ADMIN, ADMIN),
    "/settings/webhooks": (ADMIN, ADMIN),
    "/settings/webhooks/<int:endpoint_id>": (ADMIN, ADMIN),
    "/settings/salesforce": (IN, IN),
    "/settings/salesforce/doctor": (IN, ADMIN),
    "/settings/salesforce/install": (IN, ADMIN),
    "/settings/salesforce/disconnect": (ADMIN, ADMIN),
    "/settings/salesforce/reconnect": (ADMIN, ADMIN),
    "/settings/salesforce/connect": (ADMIN, ADMIN),
    "/settings/salesforce/connect/sign-in": (ADMIN, ADMIN),
    "/settings/salesforce/connect/certificate": (ADMIN, ADMIN),
    "/settings/salesforce/connect/salesforce": (ADMIN, ADMIN),
    "/settings/salesforce/connect/callback": (ADMIN, ADMIN),
    "/settings/salesforce/connect/org": (ADMIN, ADMIN),
    "/settings/salesforce/connect/doctor": (IN, ADMIN),
    "/settings/salesforce/connect/first-sync": (ADMIN, ADMIN),
    "/settings/users": (ADMIN, ADMIN),
    "/settings/users/<int:user_id>": (ADMIN, ADMIN),
    "/settings/api-keys": (ADMIN, ADMIN),
    "/settings/api-keys/<str:handle>": (ADMIN, ADMIN),
    "/account": (IN, IN),
    "/account/confirm": (IN, IN),
    "/account/confirm/code": (IN, IN),
    "/account/confirm/passkey": (IN, IN),
    "/account/password": (IN, IN),
    "/account/password/first": (IN, IN),
    "/account/passkeys/add": (IN, IN),
    "/account/passkeys/<int:pk>/remove": (IN, IN),
    "/account/app": (IN, IN),
    "/account/app/remove": (IN, IN),
    "/account/recovery-codes": (IN, IN),
    "/account/recovery-codes/new": (IN, IN),
    "/sign-out": (IN, IN),
}
"""Route: who may read it, who may press its button."""
NUMBERS: Final = ("run_id", "hold_id", "user_id", "upload_id", "endpoint_id", "pk")


def path_of(route: str) -> str:
    """An address of the route that finds nothing, so that pressing its button does nothing either."""
    for name in NUMBERS:
        route = route.replace(f"<int:{name}>", "999999")
    return (
        route.replace("<str:handle>", "0" * 12)
        .replace("<slug:provider>", "none")
        .replace("<str:kind>", "Lead")
        .replace("<slug:cause>", "1-0")
    )


@pytest.fixture(scope="module")
def visitors(site: Site) -> dict[Who, Visitor]:
    """A browser for nobody and for one user of each role."""
    return {who: Visitor(site) if who == "nobody" else invited(site, colleague(site, who)) for who in EVERYBODY}


def test_every_route_is_in_the_table_and_none_is_there_for_nothing(site: Site) -> None:
    routes = {route for route in every_route(site) if not route.startswith(OPEN)}
    assert routes == set(TABLE)


@pytest.mark.parametrize("route", [route for route in TABLE if route != "/sign-out"])
@pytest.mark.parametrize("who", EVERYBODY)
def test_a_page_opens_for_those_who_may_and_its_button_works_for_those_who_may(
    visitors: dict[Who, Visitor], route: str, who: Who
) -> None:
    may_read, may_press = TABLE[route]
    for least, answer in [
        (may_read, visitors[who].get(path_of(route))[0]),
        (may_press, visitors[who].post(path_of(route))[0]),
    ]:
        place = answer.getheader("Location") or ""
        sent_to_sign_in = answer.status == 302 and place.partition("?")[0] == "/sign-in"
        if who == "nobody":
            assert sent_to_sign_in
        elif EVERYBODY.index(who) < EVERYBODY.index(least):
            assert answer.status == 403
        else:
            assert answer.status < 500
            assert answer.status != 403 or route.startswith("/account/"), "there is no proof to give yet"
            assert not sent_to_sign_in or route.startswith("/account/")


BUTTONS: Final[list[tuple[str, str, Role]]] = [
    ("/unsubscribes", "Add one", "operator"),
    ("/unsubscribes", "/unsubscribes/import", "operator"),
    ("/unsubscribes", "/unsubscribes/many", "operator"),
    ("/unsubscribes/many", "<textarea", "operator"),
    ("/unsubscribes/import", 'type="file"', "operator"),
    ("/runs", "/runs/start", "operator"),
    ("/settings/unsubscribes/page", "Save</button>", "admin"),
    ("/settings/unsubscribes/messaging", 'value="save"', "admin"),
    ("/settings/unsubscribes/integrations", 'name="step" value="preview"', "admin"),
    ("/settings/salesforce/doctor", "/settings/salesforce/connect", "admin"),
    ("/settings/salesforce/doctor", 'href="/settings/users"', "admin"),
    ("/settings/salesforce/doctor", "Try a test Lead", "admin"),
    ("/settings/salesforce/install", 'name="step" value="preview"', "admin"),
    ("/people?address=shown@example.com", "/people/lift", "admin"),
    ("/people?address=shown@example.com", "/people/compliance", "operator"),
    ("/people", "/people/export", "operator"),
    ("/people", 'name="pick"', "operator"),
]


@pytest.mark.parametrize(("path", "button", "least"), BUTTONS)
def test_a_button_is_shown_only_to_those_who_may_press_it(
    site: Site, visitors: dict[Who, Visitor], path: str, button: str, least: Role
) -> None:
    visitors["operator"].post("/unsubscribes", address="shown@example.com")
    for role in ROLES:
        _, text = visitors[role].get(path)
        assert (button in text) is (ROLES.index(role) >= ROLES.index(least)), role


def test_a_form_that_a_viewer_sends_all_the_same_changes_nothing(site: Site, visitors: dict[Who, Visitor]) -> None:
    answer, text = visitors["viewer"].post("/unsubscribes", address="not-by-viewer@example.com")
    assert answer.status == 403
    assert "Nothing was changed" in text
    with site.installation.database.connect() as conn:
        found = conn.execute("SELECT 1 FROM address WHERE normal = 'not-by-viewer@example.com'").fetchone()
    assert found is None
