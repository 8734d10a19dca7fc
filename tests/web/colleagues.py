"""Users of the pages, as an admin's invitation makes them, and their browsers."""

import http.client
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlencode

from optsync import seams
from optsync.access import users
from optsync.access.users import Role, User
from optsync.web.sign_in import make_link
from tests.installation import FORM, Site
from tests.networks import stranger
from tests.web.conftest import TOKEN, token_in

PASSWORD = "correct horse battery staple"
_numbers = count(1)


@dataclass
class Visitor:
    """A browser without scripts: it keeps cookies, fills forms in and follows no redirect by itself."""

    site: Site
    language: str = "en"
    cookies: dict[str, str] = field(default_factory=dict)
    address: str = field(default_factory=stranger)
    """Where it comes from: attempts to sign in are limited by address, too."""

    def get(self, path: str, **headers: str) -> "tuple[http.client.HTTPResponse, str]":
        """Opens a page."""
        return self._ask("GET", path, None, headers)

    def post(self, path: str, *, form_on: str | None = None, **values: str) -> "tuple[http.client.HTTPResponse, str]":
        """Sends the form that stands on `form_on` (the same page by default) to `path`."""
        _, text = self.get(form_on or path)
        token = token_in(text) or token_in(self.get("/sign-in/no-such-link")[1])
        return self._ask("POST", path, urlencode({TOKEN: token, **values}), FORM | {"Origin": self.site.url})

    def is_in(self) -> bool:
        """Whether the overview opens."""
        return self.get("/")[0].status == 200

    def _ask(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> "tuple[http.client.HTTPResponse, str]":
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer, text = self.site.request(
            method,
            path,
            body,
            {"Cookie": cookie, "Accept-Language": self.language, "X-Forwarded-For": self.address, **headers},
        )
        for line in answer.headers.get_all("set-cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in line:
                del self.cookies[name]
        return answer, text


def colleague(site: Site, role: Role, *, name: str = "") -> User:
    """A new user, who has not been here yet."""
    number = next(_numbers)
    with site.installation.database.connect() as conn:
        return users.add(conn, name or f"Colleague {number}", f"colleague{number}@example.com", role, actor="a test")


def link_of(site: Site, user: User) -> str:
    """The path of a fresh one-time link of this user's."""
    with site.installation.database.connect() as conn:
        return f"/sign-in/{make_link(conn, seams.real().token_bytes, user_id=user.user_id)}"


def invited(site: Site, user: User) -> Visitor:
    """The user's browser, signed in by their link."""
    visitor = Visitor(site)
    answer, text = visitor.post(link_of(site, user))
    assert answer.status == 302, text
    return visitor


def settled(site: Site, role: Role) -> User:
    """A user with PASSWORD."""
    user = colleague(site, role)
    answer, text = invited(site, user).post("/account/password/first", password1=PASSWORD, password2=PASSWORD)
    assert (answer.status, answer.getheader("Location")) == (302, "/sign-in"), text
    return user


def by_password(site: Site, user: User, password: str = PASSWORD) -> Visitor:
    """The user's browser, signed in by password."""
    visitor = Visitor(site)
    answer, text = visitor.post("/sign-in", login=user.email, password=password)
    assert answer.status == 302, text
    return visitor
