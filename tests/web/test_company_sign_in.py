"""Signing in through the company: a provider over HTTP says who somebody is, an admin who may come in."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.installation import Installation, Site, served
from tests.servers import Servers
from tests.web.colleagues import Visitor, colleague, invited

CLIENT, SECRET = "optsync-at-acme", "a secret between the two"


@dataclass
class Provider:
    """What the provider says of whoever comes next, and what it was sent."""

    url: str
    person: dict[str, Any] = field(default_factory=dict)
    sent: list[dict[str, list[str]]] = field(default_factory=list)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """A provider of the authorization code flow: configuration, token endpoint, user info."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/.well-known/openid-configuration":
                names = ("authorization", "token", "userinfo")
                places = {f"{name}_endpoint": f"{made.url}/{name}" for name in names}
                self.say({"issuer": made.url, "jwks_uri": f"{made.url}/keys", **places})
            else:
                self.say(made.person if self.headers["Authorization"] == "Bearer access" else {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            made.sent.append(parse_qs(body))
            self.say({"access_token": "access", "token_type": "Bearer", "expires_in": 60})

        def say(self, value: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(value).encode())

        def log_message(self, *_words: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    made = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def company_site(
    postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory, provider: Provider
) -> Iterator[Site]:
    """An installation that knows the provider; its secret comes from a file."""
    folder = tmp_path_factory.mktemp("company")
    (folder / "secret").write_text(SECRET + "\n")
    with postgres_servers.fresh_database("embedded") as database:
        installation = Installation(database, folder)
        installation.environ |= {
            "OPTSYNC_OIDC_ISSUER": provider.url,
            "OPTSYNC_OIDC_CLIENT_ID": CLIENT,
            "OPTSYNC_OIDC_CLIENT_SECRET_FILE": str(folder / "secret"),
            "OPTSYNC_OIDC_NAME": "Acme",
        }
        with served(installation) as running:
            yield running


def through_the_company(visitor: Visitor, provider: Provider, **person: Any) -> tuple[int, str, str]:
    """Presses the button, lets the provider say who it is, and comes back; status, place and page."""
    provider.person = person
    answer, text = visitor.post("/sign-in/company", form_on="/sign-in")
    onward = (answer.getheader("Refresh") or "").removeprefix("0; url=")
    assert (answer.status, onward.startswith(f"{provider.url}/authorization?")) == (200, True), text
    asked = parse_qs(urlsplit(onward).query)
    assert asked["client_id"] == [CLIENT]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"{visitor.site.url}/sign-in/company/callback"]
    answer, text = visitor.get(f"/sign-in/company/callback?code=once&state={asked['state'][0]}")
    return answer.status, answer.getheader("Location") or "", text


def test_r29_who_was_invited_comes_in_by_an_address_that_the_company_verified(
    company_site: Site, provider: Provider
) -> None:
    user = colleague(company_site, "operator")
    visitor = Visitor(company_site)
    assert "Sign in with Acme" in visitor.get("/sign-in")[1]
    said = {"sub": "17", "email": user.email.upper(), "email_verified": True}
    assert through_the_company(visitor, provider, **said)[:2] == (302, "/")
    assert visitor.is_in()
    assert provider.sent[-1]["code_verifier"]
    assert "Through your company" in visitor.get("/account")[1]
    again = Visitor(company_site)
    assert through_the_company(again, provider, sub="17", email="renamed@example.com", email_verified=True)[0] == 302
    assert again.is_in(), "from then on the company's own number counts"


@pytest.mark.parametrize("verified", [False, None, "false"])
def test_an_address_that_the_company_has_not_verified_lets_nobody_in(
    company_site: Site, provider: Provider, verified: object
) -> None:
    user, visitor = colleague(company_site, "admin"), Visitor(company_site)
    said = {"sub": "666", "email": user.email, "email_verified": verified}
    status, _, text = through_the_company(visitor, provider, **said)
    assert status in (200, 403)
    assert "You are not a user here" in text
    assert not visitor.is_in()


def test_who_was_not_invited_is_known_to_the_company_only(company_site: Site, provider: Provider) -> None:
    visitor = Visitor(company_site, "de")
    _, _, text = through_the_company(visitor, provider, sub="3", email="stranger@example.com", email_verified=True)
    assert "Sie sind hier kein Benutzer" in text
    assert not visitor.is_in()
    with company_site.installation.database.connect() as conn:
        assert conn.execute("SELECT 1 FROM app_user WHERE email = 'stranger@example.com'").fetchone() is None


def test_who_was_removed_does_not_come_in_by_the_company_either(company_site: Site, provider: Provider) -> None:
    user, visitor = colleague(company_site, "viewer"), Visitor(company_site)
    said = {"sub": "44", "email": user.email, "email_verified": True}
    assert through_the_company(visitor, provider, **said)[0] == 302
    company_site.installation.run("users", "remove", user.email)
    assert not visitor.is_in()
    through_the_company(visitor, provider, **said)
    assert not visitor.is_in()


def test_an_answer_that_nobody_asked_for_is_refused(company_site: Site) -> None:
    visitor = Visitor(company_site)
    answer, text = visitor.get("/sign-in/company/callback?code=stolen&state=planted")
    assert answer.status == 401
    assert "The company's sign-in failed" in text or "The company&#x27;s sign-in failed" in text
    assert not visitor.is_in()
    assert re.search(r"^/sign-in$", visitor.get("/sign-in/company")[0].getheader("Location") or "")


@pytest.mark.parametrize("more", [{"process": "connect"}, {"scope": "everything"}, {"auth_params": "prompt=none"}])
def test_the_button_takes_nothing_that_is_not_ours(
    company_site: Site, provider: Provider, more: dict[str, str]
) -> None:
    visitor = invited(company_site, colleague(company_site, "viewer"))
    answer, _ = visitor.post("/sign-in/company", form_on="/account", **more)
    assert answer.status == 400
    path = "&".join(f"{name}={value}" for name, value in more.items())
    assert visitor.post(f"/sign-in/company?{path}", form_on="/account")[0].status == 400


def test_the_company_leads_to_no_other_site(company_site: Site, provider: Provider) -> None:
    user, visitor = colleague(company_site, "viewer"), Visitor(company_site)
    provider.person = {"sub": "55", "email": user.email, "email_verified": True}
    answer, _ = visitor.post("/sign-in/company", form_on="/sign-in", next="https://evil.example/")
    state = parse_qs(urlsplit(answer.getheader("Refresh") or "").query)["state"][0]
    answer, _ = visitor.get(f"/sign-in/company/callback?code=once&state={state}")
    assert (answer.status, answer.getheader("Location")) == (302, "/")


def test_without_a_provider_there_is_no_button_and_no_way(site: Site) -> None:
    assert "/sign-in/company" not in Visitor(site).get("/sign-in")[1]
    assert Visitor(site).post("/sign-in/company", form_on="/sign-in")[0].status == 404
    assert invited(site, colleague(site, "viewer")).get("/sign-in/company/callback")[0].status == 404
