"""Takes the pictures of the documentation during a demo: `make pictures`.

Needs Debian's Chromium. The pages are those of a real run of the story; nothing is drawn. With a folder as argument
every page is photographed in both languages and themes and as on a phone, for a look before a release.
"""

import sys
from pathlib import Path

import click
from playwright.sync_api import Browser, Page, sync_playwright

from optsync.access import keys, users
from optsync.cli.demo.stage import Stage, opened_stage
from optsync.cli.demo.story import STORY, Told
from optsync.ledger import holds, people, record
from optsync.ledger.people import Link
from optsync.public.tokens import make_token
from optsync.web.sign_in import make_link
from optsync.webhooks import endpoints
from optsync.webhooks.egress import Egress

CHROMIUM = "/usr/bin/chromium"
# The same as in tests/browser.py: the tests may lack this folder, and this folder the tests.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DOCS = Path("docs/images")
LOOKS = (("en", "light", 1080), ("de", "dark", 1180), ("de", "light", 390))
PATHS = {
    "overview": "/",
    "unsubscribes": "/unsubscribes",
    "people": "/people",
    "person": "/people?address=ann.demo@example.com",
    "runs": "/runs",
    "integrations": "/settings/unsubscribes/integrations",
    "messaging": "/settings/unsubscribes/messaging",
    "unsubscribe-page": "/settings/unsubscribes/page",
    "sources": "/settings/unsubscribes/sources",
    "provider": "/settings/unsubscribes/sources/sendgrid",
    "doctor": "/settings/salesforce/doctor",
    "install": "/settings/salesforce/install",
    "connect": "/settings/salesforce/connect",
    "users": "/settings/users",
    "api-keys": "/settings/api-keys",
    "alerts": "/settings/alerts",
    "webhooks": "/settings/webhooks",
    "audit": "/audit",
}
"""The pages that are there once the story is over."""
ACTOR = "admin"


def main() -> None:
    """Plays the story, then photographs the pages."""
    folder, looks = (Path(sys.argv[1]), LOOKS) if len(sys.argv) > 1 else (DOCS, LOOKS[:1])
    folder.mkdir(parents=True, exist_ok=True)
    with (
        opened_stage(lambda line: click.echo(line, err=True), keep=False) as stage,
        sync_playwright() as playwright,
    ):
        told = Told()
        for step in STORY:
            click.echo(step(stage, told))
        furnish(stage)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for number, look in enumerate(looks):
            photograph(stage, browser, folder, *look, is_last=number == len(looks) - 1)
        browser.close()


def photograph(
    stage: Stage, browser: Browser, folder: Path, language: str, scheme: str, width: int, *, is_last: bool
) -> None:
    """Every page once, signed in by a fresh one-time link; what would change the others comes at the end of all."""
    context = browser.new_context(
        locale=language,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 630},
    )
    page = context.new_page()
    suffix = "" if folder == DOCS else f"-{language}-{scheme}-{width}"

    def shoot(name: str, path: str = "") -> None:
        if path:
            page.goto(f"{stage.url}{path}")
        file = folder / f"{name}{suffix}.png"
        page.screenshot(path=file, full_page=folder != DOCS)
        click.echo(file, err=True)

    secret = make_link(stage.house.conn, stage.seams.token_bytes)
    page.goto(f"{stage.url}/sign-in/{secret}")
    page.get_by_role("main").get_by_role("button").click()
    page.wait_for_url(f"{stage.url}/")
    for name, path in PATHS.items():
        shoot(name, path)
    token = make_token(stage.house.link_keys, stage.seams.token_bytes, "ann.demo@example.com")
    for one in ("en", "de"):
        shoot("unsubscribe" if one == "en" else "unsubscribe-de", f"/u/{token}?lang={one}")
    run = ask_for_preview(stage, page)
    shoot("preview")
    shoot("run", f"/runs/{run - 1}")
    look_at_import(stage, page)
    shoot("import")
    if is_last:
        shoot("hold", f"/holds/{hold(stage)}?decide=apply")
        refuse(stage)
        shoot("issues", "/issues")
    context.close()


def furnish(stage: Stage) -> None:
    """A few colleagues, a key and a webhook, so that the settings have something to show."""
    conn, vault, token_bytes = stage.house.conn, stage.house.vault, stage.seams.token_bytes
    users.add(conn, "Ann Lee", "ann.lee@example.com", "admin", actor=ACTOR)
    users.add(conn, "Ben Okoro", "ben.okoro@example.com", "operator", actor=ACTOR)
    users.add(conn, "Cara Sommer", "cara.sommer@example.com", "viewer", actor=ACTOR)
    keys.make(conn, vault.subject_key, token_bytes, "newsletter", ["check"], days=None, actor=ACTOR)
    url = "https://hooks.example.com/optsync"
    endpoints.add(conn, vault, Egress(stage.seams), token_bytes, url, ["unsubscribe.created"], actor=ACTOR)


def ask_for_preview(stage: Stage, page: Page) -> int:
    """A preview with somebody to tell of, watched to its end; the number of its run."""
    address = f"eve{stage.seams.monotonic():.0f}.demo@example.com"
    stage.org.tick(stage.org.create("Contact", address, "Demo"), stage.org.sales_field)
    page.goto(f"{stage.url}/runs")
    page.locator("button[value=preview]").click()
    page.wait_for_url("**/runs/*")
    page.locator("#now").wait_for(state="detached", timeout=60_000)
    return int(page.url.rpartition("/")[2])


def look_at_import(stage: Stage, page: Page) -> None:
    """The preview of a small list of another mail tool."""
    file = stage.folder / "unsubscribed.csv"
    rows = [
        f"person{number}@list.example.com,2026-03-0{number} 09:12:00,No longer interested" for number in range(1, 8)
    ]
    file.write_text("\n".join(["Email Address,UNSUB_TIME,UNSUB_REASON", *rows, "not an address,,"]), encoding="utf-8")
    page.goto(f"{stage.url}/unsubscribes/import")
    page.locator("input[type=file]").set_input_files(file)
    page.locator("main form button").first.click()
    page.wait_for_url("**/import/*")
    page.locator("button[value=import]").wait_for(timeout=60_000)


def hold(stage: Stage) -> int:
    """Three people whose import waits for a decision; the number of the mass change."""
    conn, key, made = stage.house.conn, stage.house.subject_key, []
    for number in range(3):
        address = f"held{number}.demo@example.com"
        record_id = stage.org.create("Contact", address, "Demo")
        people.link(conn, key, stage.org_id, [Link(record_id, "Contact", address)], "n")
        done = record.opt_out(conn, key, address, "import", actor=ACTOR)
        made.append((done.address_id, done.version))
    return holds.hold_outbound(conn, stage.org_id, "import spring.csv", made)


def refuse(stage: Stage) -> None:
    """A validation rule stands against somebody's record: its box waits for a person."""
    record_id = stage.org.create("Lead", "locked.demo@example.com", "Demo")
    said = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Phone is required"}
    stage.org.call("POST", "/faults", {"kind": "reject", "records": [record_id], "times": None, **said})
    link = Link(record_id, "Lead", "locked.demo@example.com")
    people.link(stage.house.conn, stage.house.subject_key, stage.org_id, [link], "n")
    record.opt_out(stage.house.conn, stage.house.subject_key, "locked.demo@example.com", "manual", actor=ACTOR)
    statement = "SELECT count(*) FROM mark WHERE record_id = %s AND state = 'p'"

    def is_parked() -> bool:
        return stage.house.conn.execute(statement, [record_id]).fetchone() == (1,)

    stage.wait_until(is_parked, "the refusal")


if __name__ == "__main__":
    main()
