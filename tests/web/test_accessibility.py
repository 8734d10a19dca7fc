"""No page keeps anybody out: axe-core finds nothing, in both languages and themes, at a desk and on a phone.

The pages are taken from the URL patterns, so that none is forgotten.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from optsync import seams
from optsync.access import keys
from optsync.alerts import channels, watching
from optsync.config.database import Connection
from optsync.connection.connect import connections
from optsync.ledger import holds, marks, people, uploads
from optsync.ledger.people import Link
from optsync.ledger.record import opt_out
from optsync.public.tokens import make_token
from optsync.sync import asking
from optsync.sync.nightly import start_due, sync_now
from optsync.web.sign_in import make_link
from optsync.webhooks import endpoints
from optsync.webhooks.delivering import Claimed, settle
from optsync.webhooks.egress import Answer, Egress
from optsync.webhooks.retries import Fate
from tests.browser import MARKS, barriers
from tests.installation import Installation, Site
from tests.practice import PracticeOrg
from tests.web.colleagues import by_password, settled
from tests.web.conftest import press, sign_in, switched_on
from tests.web.provider_posts import sendgrid
from tests.web.routes import every_route, filled, is_page
from tests.web.test_install import PAGE as INSTALL
from tests.web.test_install import agree, hidden, preview
from tests.web.test_mail_providers import add, call, secret_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (make install-dev)")
pytestmark = [*MARKS, pytest.mark.slow]

HOSTILE = [
    "<script>document.title='taken'</script>@example.com",
    "\u202emoc.elpmaxe@nna\u202c@example.com",
    "\U0001f469\u200d\U0001f680\U0001f1e9\U0001f1ea@example.com",
    "x" * 10_000 + "@example.com",
    '" onfocus="document.title=1" autofocus="@example.com',
]
STATES = [
    *[f"/people?address={quote(address)}" for address in ["ann@example.com", *HOSTILE[:3], *HOSTILE[4:]]],
    *(
        "/people?record=00Q000000000999EAA",
        "/people?address=refused@example.com",
        "/unsubscribes?state=held&source=manual&by=me&since=2026-01-01",
        "/nowhere",
        "/settings/unsubscribes/sources/sendgrid",
    ),
    *("/settings/salesforce/connect/callback?code=x&state=y", "/settings/salesforce/connect/callback?error=x"),
]
"""Pages in a state that their bare address does not show."""
WAYS_IN = ("/sign-in", "/sign-in?passkey=refused", "/sign-in/used-up", "/sign-in/company/callback")
OWN_PAGES = (
    "/account",
    "/account/password",
    "/account/confirm",
    "/account/passkeys/add",
    "/account/recovery-codes/new",
)
PERSON = "/people?address=ann@example.com"
PRESSED = [
    (PERSON, ("form[action$=lift] button",)),
    (PERSON, ("form[action$=lift] button", "[name=reason]", "button[value=lift]")),
    (PERSON, ("form[action$=erase] button",)),
    (PERSON, ("form[action$=erase] button", "[name=typed]", "[name=reason]", "button[value=erase]")),
    ("/settings/unsubscribes/integrations", ("#sync", "button[value=preview]")),
    ("/settings/salesforce/install", ("button[value=preview]",)),
    ("/settings/salesforce/install", ("button[value=undo]",)),
    ("/unsubscribes", ("[name=address]", "form.row button >> nth=0")),
    ("/unsubscribes/import", ("button",)),
    ("/unsubscribes/many", ("[name=lines]", "button[value=preview]")),
    ("/holds", ("a[href*='decide=apply']",)),
    ("/holds", ("a[href*='decide=apply']", "[name=people]", "button[value=apply]")),
    ("/holds", ("a[href*='decide=drop']", "[name=note]", "button[value=drop]")),
]
"""Pages that only a form leads to, as a page and what is used on it: a field gets a blank, all else a click."""
LOOKS = [(width, scheme) for width in (1180, 390) for scheme in ("light", "dark")]
GROUND = {"light": "rgb(243, 243, 243)", "dark": "rgb(22, 24, 29)"}


@dataclass(frozen=True)
class Filled:
    """A site that has something to show on its pages, and their addresses."""

    site: Site
    paths: list[str]
    undo: str
    """The confirmation of the undo of a run that brought people in."""


@pytest.fixture(scope="module")
def filled_site(site: Site, practice_org: PracticeOrg) -> Iterator[Filled]:
    """People with odd names, records, a box that is refused, one that is put off, and a run."""
    installation = site.installation
    practice_org.create("Contact", Email="brought.in@example.com", HasOptedOutOfEmail=True)
    refused = practice_org.create("Lead", Email="refused@example.com")
    put_off = practice_org.create("Contact", Email="put.off@example.com")
    practice_org.fault("reject", records=[refused], code="FIELD_CUSTOM_VALIDATION_EXCEPTION", times=None)
    practice_org.fault("reject", records=[put_off], times=None)
    with installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        for address in [*HOSTILE, "ann@example.com", "refused@example.com", "put.off@example.com"]:
            opt_out(conn, installation.vault.subject_key, address, "manual", actor=address)
        with switched_on(site):
            report = sync_now(installation.database, installation.vault, seams.real(), org_id, approve=True, by="test")
        found = conn.execute("SELECT cause_of(reason, record_id) FROM mark WHERE record_id = %s", [refused]).fetchone()
        assert found is not None
        (cause,) = found
        secret = make_link(conn, seams.real().token_bytes)
        key, _ = keys.make(
            conn, installation.vault.subject_key, seams.real().token_bytes, "crm", ["check"], days=None, actor="test"
        )
        endpoint = with_alerts(site, conn)
    call(site, "sendgrid", sendgrid(dict.fromkeys(HOSTILE, 1)), secret_of(add(site, "sendgrid")))
    token = make_token(installation.vault.link_keys, seams.real().token_bytes, "page@example.com")
    values = {"<int:run_id>": str(report.run_id), "<int:hold_id>": "1", "<str:token>": token, "<str:secret>": secret}
    values["<path:token>"] = f"{token}/"
    values |= {"<int:pk>": "1", "<int:user_id>": str(settled(site, "admin").user_id), "<str:handle>": key.handle}
    values |= {"<int:endpoint_id>": str(endpoint), "<slug:provider>": "amazon_ses"}
    files = files_of(installation)
    values["<int:upload_id>"] = str(files[0])
    values |= {"<str:kind>": "Contact", "<slug:cause>": cause}
    paths = [filled(route, values) for route in every_route(site) if not route.startswith(("/v1/", "/health/"))]
    paths += STATES + [f"/unsubscribes/import/{number}" for number in files[1:]]
    cookie = sign_in(site)
    with runs_of(installation, practice_org) as more, installed(site, cookie):
        pages = [path for path in paths + more if is_page(site, cookie, path)]
        yield Filled(site, pages, f"/runs/{report.run_id}/undo")
    practice_org.clear_faults()
    with installation.database.connect() as conn:
        endpoints.remove(conn, endpoint, actor="test")
        channels.remove(conn, channels.listing(conn)[-1].channel_id, actor="test")


@contextmanager
def installed(site: Site, cookie: str) -> Iterator[None]:
    """The opt-out field granted by us, so that there is something to take back."""
    agree(site, cookie, preview(site, cookie)[1])
    yield
    _, text = press(site, cookie, INSTALL, step="undo")
    press(site, cookie, INSTALL, step="take-back", digest=hidden(text, "digest")[0])


@contextmanager
def runs_of(installation: Installation, practice_org: PracticeOrg) -> Iterator[list[str]]:
    """A preview, a mass change of ticks to decide about, and a run that waits for a worker."""
    key = installation.vault.subject_key
    ticked = practice_org.create("Contact", Email="ticked@accessible.example.com", HasOptedOutOfEmail=True)
    with installation.database.connect() as conn:
        org_id = connections(conn)[0].org_id
        preview = asking.ask(conn, org_id, "test", dry_run=True)
        start_due(installation.database, installation.vault, seams.real())
        people.link(conn, key, org_id, [Link(ticked, "Contact", "ticked@accessible.example.com")], "n")
        found = conn.execute("SELECT address_id, 1, record_id FROM record WHERE record_id = %s", [ticked]).fetchall()
        hold = holds.hold_inbound(conn, org_id, "run 8", found)
        waits = asking.ask(conn, org_id, "test", dry_run=True)
        yield [f"/runs/{preview}", f"/holds/{hold}?decide=drop", f"/holds/{hold}?decide=apply", f"/runs/{waits}"]
        asking.cancel(conn, waits, "test")
        holds.drop(conn, key, hold, "test", "over")
    practice_org.delete(ticked)


def files_of(installation: Installation) -> list[int]:
    """A file whose preview is there, one that nobody can read without help, and one that waits for a worker."""
    path = installation.folder / "upload"
    numbers = []
    for lines in (["Email,UNSUB_TIME", *(f'"{address}",x' for address in HOSTILE)], ["Wer,Wo", *HOSTILE], ["a@b.c"]):
        path.write_text("\n".join(lines), encoding="utf-8")
        with installation.database.connect() as conn:
            numbers.append(uploads.keep(conn, installation.vault, path, "<b>list</b>.csv", actor="test"))
            if len(numbers) < 3:
                uploads.work_on_one(conn, installation.database.connect, installation.vault)
    return numbers


def with_alerts(site: Site, conn: Connection) -> int:
    """A channel, problems and an endpoint with a delivery that failed; the endpoint's number."""
    house, world = site.installation, seams.real()
    org_id, egress = connections(conn)[0].org_id, Egress(world)
    channels.add(conn, house.vault, egress, "webhook", "https://chat.example.com/x", actor="test")
    marks.pause(conn, org_id, 0, "", 3600, "invalid_grant", "no")
    watching.look(conn)
    conn.execute("UPDATE alert SET opened_at = opened_at - interval '1 day'")
    watching.look(conn)
    marks.clear_pauses(conn, org_id)
    url, bytes_ = "https://hooks.example.com/" + "long" * 60, world.token_bytes
    number, _ = endpoints.add(conn, house.vault, egress, bytes_, url, ["sync.held"], actor="test")
    delivery = endpoints.send_test(conn, number, actor="test")
    settle(conn, Claimed(delivery, number, 8), Answer(500, "no " * 60, 17), Fate("given up"))
    return number


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_page_is_open_to_everybody_and_the_browser_has_nothing_to_complain_of(
    filled_site: Filled, browser: "Browser", language: str
) -> None:
    site = filled_site.site
    complaints: list[str] = []
    context = browser.new_context(locale=language)
    name, _, value = sign_in(site).partition("=")
    context.add_cookies([{"name": name, "value": value, "url": site.url}])
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    found = []
    for path in [*filled_site.paths, filled_site.undo]:
        page.goto(site.url + path)
        found += [f"{path[:80]} {fault}" for fault in faults_of(page, language)]
    for path, used in PRESSED:
        page.goto(site.url + path)
        use(page, used)
        found += [f"{path} {used[-1]} {fault}" for fault in faults_of(page, language)]
    context.close()
    assert not found, "\n".join(found)
    assert [one for one in complaints if not one.endswith(("404 (Not Found)", "422 (Unprocessable Entity)"))] == []


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_ways_in_and_the_page_of_ones_own_account_are_open_to_everybody(
    site: Site, browser: "Browser", language: str
) -> None:
    context = browser.new_context(locale=language)
    page = context.new_page()
    found = faults_at(page, site.url, WAYS_IN, language)
    cookies = by_password(site, settled(site, "admin")).cookies
    context.add_cookies([{"name": name, "value": value, "url": site.url} for name, value in cookies.items()])
    found += faults_at(page, site.url, OWN_PAGES, language)
    context.close()
    assert not found, "\n".join(found)


def use(page: "Page", used: tuple[str, ...]) -> None:
    """Uses the controls of a page; one that is missing fails the test. What a browser would not send, it sends."""
    page.set_viewport_size({"width": 1180, "height": 800})
    for control in used:
        page.evaluate("document.querySelectorAll('form').forEach((form) => { form.noValidate = true })")
        found = page.locator(f"main {control}").first
        if found.evaluate("(one) => one.matches('input[name]:not([type=checkbox])')"):
            found.fill(" ")
        else:
            found.click()


def faults_at(page: "Page", url: str, paths: tuple[str, ...], language: str) -> list[str]:
    """What is wrong with these pages."""
    found = []
    for path in paths:
        page.goto(url + path)
        found += [f"{path} {fault}" for fault in faults_of(page, language)]
    return found


def faults_of(page: "Page", language: str) -> list[str]:
    """What is wrong with the page that is open in any look, as sentences."""
    found = [] if page.get_attribute("html", "lang") == language else ["is in another language"]
    if "taken" in page.title():
        found.append("ran a script that somebody had for an address")
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        look = f"{scheme}, {width} px: "
        if page.evaluate("getComputedStyle(document.body).backgroundColor") != GROUND[scheme]:
            found.append(look + "is not in this theme")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(look + "is wider than the window")
        found += [look + barrier for barrier in barriers(page)]
    return found
