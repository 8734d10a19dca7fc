"""The pages of mail providers: the address is shown once, the first event turns the page green, refusals say why."""

from typing import TYPE_CHECKING

import pytest

from tests.browser import MARKS
from tests.installation import Site
from tests.web import provider_posts as posts
from tests.web.conftest import press, read
from tests.web.test_mail_providers import KEY, add, call, secret_of, state_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LIST = "/settings/unsubscribes/sources/providers"


def path_of(slug: str) -> str:
    """The page of a provider."""
    return f"/settings/unsubscribes/sources/{slug}"


def shown_address(text: str) -> str:
    """The address on a page that shows one."""
    return text.partition('id="address" value="')[2].partition('"')[0]


@pytest.fixture
def nothing_connected(new_site: Site) -> None:
    """No provider may call."""
    with new_site.installation.database.connect() as conn:
        conn.execute("DELETE FROM mail_source")
        conn.execute("DELETE FROM inbox WHERE deed = 'unreadable'")


@pytest.mark.usefixtures("nothing_connected")
def test_an_address_is_made_shown_once_and_works(new_site: Site, admin: str) -> None:
    page = path_of("brevo")
    assert "Not connected" in read(new_site, admin, LIST)
    status, text = press(new_site, admin, page, step="add", complaints="on", bounces="on")
    secret = secret_of(shown_address(text))
    assert (status, len(secret)) == (200, 32)
    assert state_of(new_site, "brevo").policy.bounces
    again = read(new_site, admin, page)
    assert secret not in again
    assert "Waiting for the first event" in again
    assert 'hx-trigger="every 2s"' in again
    assert call(new_site, "brevo", posts.brevo("delivered", "x@pages.example.com"), secret)[0] == 200
    heard = read(new_site, admin, f"{page}/heard")
    assert "Connected" in heard
    assert "hx-trigger" not in heard
    assert "<html" not in heard


@pytest.mark.usefixtures("nothing_connected")
def test_making_an_address_twice_says_so_and_keeps_the_first(new_site: Site, admin: str) -> None:
    secret = secret_of(add(new_site, "brevo"))
    status, text = press(new_site, admin, path_of("brevo"), step="add", complaints="on")
    assert status == 422
    assert "Brevo is connected already" in text
    assert call(new_site, "brevo", posts.brevo("opened", "x@pages.example.com"), secret)[0] == 200


@pytest.mark.usefixtures("nothing_connected")
def test_a_refused_call_is_told_with_what_to_do_and_stands_until_one_is_taken(new_site: Site, admin: str) -> None:
    secret = secret_of(add(new_site, "brevo"))
    post = posts.brevo("opened", "x@pages.example.com")
    call(new_site, "brevo", post, "wrong")
    text = read(new_site, admin, path_of("brevo"))
    assert "Last call refused just now: wrong secret. Paste the newest address at the provider, all of it." in text
    assert "falsches Geheimnis" in read(new_site, admin, path_of("brevo"), "de")
    call(new_site, "brevo", post, secret)
    assert "Last call refused" not in read(new_site, admin, path_of("brevo"))


@pytest.mark.usefixtures("nothing_connected")
def test_what_was_typed_is_there_again_after_a_refusal(new_site: Site, admin: str) -> None:
    page = path_of("amazon_ses")
    status, text = press(new_site, admin, page, step="add", bounces="on", topic='arn:wrong"><b>')
    assert status == 422
    assert "This is not the ARN of an Amazon SNS topic" in text
    assert 'value="arn:wrong&quot;&gt;&lt;b&gt;"' in text
    assert 'name="bounces" checked' in text
    assert 'name="complaints" checked' not in text
    assert "Not connected" in read(new_site, admin, LIST)


@pytest.mark.usefixtures("nothing_connected")
def test_settings_are_saved_and_an_empty_key_keeps_the_stored_one(new_site: Site, admin: str) -> None:
    add(new_site, "mailgun", signing_key=KEY)
    before = state_of(new_site, "mailgun").signing_key
    status, text = press(new_site, admin, path_of("mailgun"), step="save", bounces="on", key="")
    assert (status, "Saved." in text) == (302, True)
    after = state_of(new_site, "mailgun")
    assert (after.policy.complaints, after.policy.bounces, after.signing_key) == (False, True, before)
    assert KEY not in read(new_site, admin, path_of("mailgun"))


@pytest.mark.usefixtures("nothing_connected")
def test_what_could_not_be_read_is_shown_escaped_and_put_aside(new_site: Site, admin: str) -> None:
    secret = secret_of(add(new_site, "sendgrid"))
    call(new_site, "sendgrid", posts.sendgrid({"<script>alert(1)</script>": "\u202eann@pages.example.com"}), secret)
    text = read(new_site, admin, path_of("sendgrid"))
    assert "Events that could not be read" in text
    assert "<script>alert" not in text
    assert "ann@pages.example.com" in text
    number = text.partition('name="event" value="')[2].partition('"')[0]
    assert "Put aside." in press(new_site, admin, path_of("sendgrid"), step="aside", event=number)[1]
    assert "put it aside before" in press(new_site, admin, path_of("sendgrid"), step="aside", event=number)[1]
    for odd in ("", "x", "²", "9" * 30):
        assert press(new_site, admin, path_of("sendgrid"), step="aside", event=odd)[0] == 302
    assert "Events that could not be read" not in read(new_site, admin, path_of("sendgrid"))


@pytest.mark.usefixtures("nothing_connected")
def test_removing_ends_it_and_rotating_shows_the_next_address(new_site: Site, admin: str) -> None:
    add(new_site, "brevo")
    status, text = press(new_site, admin, path_of("brevo"), step="rotate")
    secret = secret_of(shown_address(text))
    assert "The one before works until this one is used" in text
    assert press(new_site, admin, path_of("brevo"), step="remove")[0] == 302
    assert call(new_site, "brevo", posts.brevo("opened", "x@pages.example.com"), secret)[0] == 404
    status, text = press(new_site, admin, path_of("brevo"), step="rotate")
    assert (status, "Brevo is not connected" in text) == (422, True)
    for slug in ("postal", "nobody"):
        assert new_site.request("GET", path_of(slug), headers={"Cookie": admin})[0].status == 404


@pytest.mark.browser
@MARKS[1]
@pytest.mark.usefixtures("nothing_connected")
def test_the_page_turns_green_by_itself_and_then_asks_no_more(new_site: Site, admin: str, browser: "Browser") -> None:
    context = browser.new_context()
    for one in admin.split("; "):
        name, _, value = one.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": new_site.url}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(new_site.url + path_of("sendgrid"))
    page.get_by_role("button", name="Make the address").click()
    secret = secret_of(page.get_by_label("Address", exact=True).input_value())
    page.get_by_role("heading", name="Waiting for the first event").wait_for()
    call(new_site, "sendgrid", posts.sendgrid(posts.sendgrid_event("processed", "x@pages.example.com")), secret)
    page.get_by_role("heading", name="Connected").wait_for(timeout=10_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(5_000)
    context.close()
    assert asked == []
    assert complaints == []
