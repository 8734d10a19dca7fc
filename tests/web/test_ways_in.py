"""Ways in: one-time codes, limits on attempts, no word about who has an account (requirement 29)."""

import base64
import hmac
import re
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation, Site, served
from tests.servers import Servers
from tests.web.colleagues import PASSWORD, Visitor, by_password, colleague, invited, link_of, settled


@pytest.fixture
def own_site(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation whose limits on attempts this test may use up."""
    with (
        postgres_servers.fresh_database("embedded") as database,
        served(Installation(database, tmp_path_factory.mktemp("limits"))) as running,
    ):
        yield running


def code_of(key: str, steps: int = 0) -> str:
    """What an authenticator app shows for this key (RFC 6238), `steps` half minutes from now."""
    secret = base64.b32decode(key + "=" * (-len(key) % 8))
    digest = hmac.digest(secret, struct.pack(">Q", int(time.time() // 30) + steps), "sha1")
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def wrong_code(key: str) -> str:
    """A code that is not the right one by chance, neither now nor within some minutes."""
    right = {code_of(key, steps) for steps in range(-5, 6)}
    return next(code for code in map("{:06d}".format, range(len(right) + 1)) if code not in right)


def confirmed(visitor: Visitor) -> None:
    """Types the password once more, as a change of the ways in asks for."""
    answer, text = visitor.post("/account/confirm?next=/account", password=PASSWORD)
    assert answer.status == 302, text


def with_app(visitor: Visitor) -> str:
    """Sets an authenticator app up; its key."""
    confirmed(visitor)
    answer, text = visitor.post("/account/app", form_on="/account", begin="1")
    assert answer.status == 200, text
    key = re.search(r'readonly value="([A-Z2-7]+)"', text)
    assert key is not None
    assert visitor.post("/account/app", form_on="/account", code=wrong_code(key[1]))[0].status == 422
    answer, text = visitor.post("/account/app", form_on="/account", code=code_of(key[1]))
    assert answer.status == 302, text
    return key[1]


def test_r29_with_an_authenticator_app_the_password_alone_opens_nothing(site: Site) -> None:
    user = settled(site, "viewer")
    key = with_app(by_password(site, user))
    visitor = by_password(site, user)
    assert not visitor.is_in()
    assert visitor.post("/sign-in/second-step", code=wrong_code(key))[0].status == 422
    assert not visitor.is_in()
    answer, text = visitor.post("/sign-in/second-step", code=code_of(key, steps=1))
    assert answer.status == 302, text
    assert visitor.is_in()


def test_a_code_works_once(site: Site) -> None:
    user = settled(site, "viewer")
    code = code_of(with_app(by_password(site, user)), steps=1)
    first, second = by_password(site, user), by_password(site, user)
    assert first.post("/sign-in/second-step", code=code)[0].status == 302
    assert second.post("/sign-in/second-step", code=code)[0].status == 422
    assert not second.is_in()


def test_a_recovery_code_takes_the_place_of_the_app_once_and_reading_does_not_show_them(site: Site) -> None:
    user = settled(site, "viewer")
    owner = by_password(site, user)
    with_app(owner)
    assert not re.findall(r"<li><code>", owner.get("/account/recovery-codes")[1])
    _, text = owner.post("/account/recovery-codes")
    codes = re.findall(r"<li><code>(\w+)</code>", text)
    assert len(codes) == 10
    visitor = by_password(site, user)
    assert visitor.post("/sign-in/second-step", code=codes[0])[0].status == 302
    assert visitor.is_in()
    again = by_password(site, user)
    assert again.post("/sign-in/second-step", code=codes[0])[0].status == 422


def test_the_secret_of_an_app_is_encrypted_in_the_database_and_again_after_a_rotation(own_site: Site) -> None:
    user = settled(own_site, "viewer")
    key = with_app(by_password(own_site, user))
    with own_site.installation.database.connect() as conn:
        (before,) = conn.execute("SELECT data ->> 'secret' FROM mfa_authenticator WHERE type = 'totp'").fetchone() or (
            "",
        )
        assert key not in before
        assert own_site.installation.run("keys", "rotate", "--json").json()["codes"] == 2
        (after,) = conn.execute("SELECT data ->> 'secret' FROM mfa_authenticator WHERE type = 'totp'").fetchone() or (
            "",
        )
    assert after != before
    visitor = by_password(own_site, user)
    assert visitor.post("/sign-in/second-step", code=code_of(key, steps=1))[0].status == 302


def test_a_change_of_the_ways_in_asks_for_the_password_once_more(site: Site) -> None:
    visitor = by_password(site, settled(site, "viewer"))
    answer, _ = visitor.post("/account/app", form_on="/account", begin="1")
    place = answer.getheader("Location") or ""
    assert (answer.status, place.partition("?")[0]) == (302, "/account/confirm")
    assert visitor.post(place, password="not it at all")[0].status == 422


@pytest.mark.parametrize(("language", "says"), [("en", "Too many attempts"), ("de", "Zu viele Versuche")])
def test_guessing_a_password_is_stopped_in_both_languages_and_for_unknown_addresses_alike(
    own_site: Site, language: str, says: str
) -> None:
    user = settled(own_site, "viewer")
    for address in (user.email, "nobody-here@example.com"):
        visitor = Visitor(own_site, language)
        found = [visitor.post("/sign-in", login=address, password=f"guess number {n}") for n in range(6)]
        statuses = [answer.status for answer, _ in found]
        assert statuses[0] == 422
        assert statuses[-1] == 429, statuses
        assert says in found[-1][1]
        assert not visitor.is_in()
    right = Visitor(own_site).post("/sign-in", login=user.email, password=PASSWORD)
    assert right[0].status == 429, "the right password waits, too: else a guess would show by its answer"


def test_guessing_a_code_is_stopped_although_the_password_is_right(own_site: Site) -> None:
    user = settled(own_site, "viewer")
    key = with_app(by_password(own_site, user))
    visitor = by_password(own_site, user)
    statuses = [visitor.post("/sign-in/second-step", code=wrong_code(key))[0].status for _ in range(6)]
    assert statuses[-1] == 429, statuses
    assert visitor.post("/sign-in/second-step", code=code_of(key, steps=1))[0].status == 429
    assert not visitor.is_in()


def test_r29_attempts_count_in_all_processes_together_and_a_code_works_once_in_all(
    postgres_servers: Servers, tmp_path: Path
) -> None:
    with (
        postgres_servers.fresh_database("embedded") as database,
        served(Installation(database, tmp_path), workers=3) as site,
    ):
        user = settled(site, "viewer")
        code = code_of(with_app(by_password(site, user)), steps=1)
        found = [by_password(site, user).post("/sign-in/second-step", code=code)[0].status for _ in range(4)]
        assert sorted(found) == [302, 422, 422, 422]
        visitor = Visitor(site)
        found = [visitor.post("/sign-in", login="guessed@example.com", password="x")[0].status for _ in range(6)]
        assert found == [422] * 5 + [429]
        with database.connect() as conn:
            kept = str(conn.execute("SELECT key, value FROM web_cache").fetchall())
        assert "guessed" not in kept
        assert visitor.address not in kept


def test_a_known_and_an_unknown_address_get_the_same_answer(site: Site) -> None:
    known, unknown = settled(site, "viewer").email, "unknown-here@example.com"
    answers = []
    for address in (known, unknown):
        answer, text = Visitor(site).post("/sign-in", login=address, password="not the password")
        text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", text.replace(address, "…"))
        answers.append((answer.status, text))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "place",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "http:///evil.example"],
)
def test_signing_in_leads_to_no_other_site(site: Site, place: str) -> None:
    user = settled(site, "viewer")
    answer, _ = Visitor(site).post("/sign-in", login=user.email, password=PASSWORD, next=place)
    assert answer.status == 302
    assert answer.getheader("Location") == "/"


def test_signing_in_leads_on_to_the_page_that_was_asked_for(site: Site) -> None:
    user = settled(site, "viewer")
    visitor = Visitor(site)
    place = visitor.get("/runs?page=2")[0].getheader("Location") or ""
    _, text = visitor.get(place)
    assert 'name="next" value="/runs?page=2"' in text
    answer, _ = visitor.post(place, login=user.email, password=PASSWORD, next="/runs?page=2")
    assert answer.getheader("Location") == "/runs?page=2"


def test_every_way_in_gives_the_session_a_new_name_so_that_nobody_can_plant_one(site: Site) -> None:
    user = settled(site, "viewer")
    planted = invited(site, colleague(site, "viewer")).cookies["session"]
    by_link = Visitor(site, cookies={"session": planted})
    assert by_link.post(link_of(site, user))[0].status == 302
    assert by_link.cookies["session"] != planted
    assert not Visitor(site, cookies={"session": planted}).is_in()
    thief = Visitor(site)
    thief.post("/sign-in/passkey", form_on="/sign-in", begin="1")  # a session of nobody
    planted = thief.cookies["session"]
    victim = Visitor(site, cookies={"session": planted})
    assert victim.post("/sign-in", login=user.email, password=PASSWORD)[0].status == 302
    assert victim.is_in()
    assert victim.cookies["session"] != planted
    assert not thief.is_in()


def test_nobody_signs_up_and_password_fields_are_for_password_managers(site: Site) -> None:
    _, text = Visitor(site).get("/sign-in")
    assert 'autocomplete="username"' in text
    assert 'autocomplete="current-password"' in text
    for path in ("/accounts/signup/", "/signup", "/account/signup", "/sign-up"):
        assert Visitor(site).get(path)[0].status == 404
