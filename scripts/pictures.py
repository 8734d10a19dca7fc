"""Takes the pictures of the documentation during a demo: `.venv/bin/python scripts/pictures.py`.

Needs Debian's Chromium. The pages are those of a real run of the story; nothing is drawn. With a folder as argument
every page is photographed in both languages and themes and as on a phone, for a look before a release.
"""

import sys
from pathlib import Path

import click
from playwright.sync_api import Browser, Page, sync_playwright

from optsync.cli.demo.stage import Stage, opened_stage
from optsync.cli.demo.story import STORY, Told
from optsync.public.tokens import make_token
from optsync.web.sign_in import make_link

CHROMIUM = "/usr/bin/chromium"
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
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for language, scheme, width in looks:
            photograph(stage, browser, folder, language, scheme, width)
        browser.close()


def photograph(stage: Stage, browser: Browser, folder: Path, language: str, scheme: str, width: int) -> None:
    """Every page once, signed in by a fresh one-time link."""
    context = browser.new_context(
        locale=language,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 630},
    )
    page = context.new_page()
    secret = make_link(stage.house.conn, stage.seams.token_bytes)
    page.goto(f"{stage.url}/sign-in/{secret}")
    page.get_by_role("main").get_by_role("button").click()
    page.wait_for_url(f"{stage.url}/")
    token = make_token(stage.house.link_keys, stage.seams.token_bytes, "ann.demo@example.com")
    paths = {
        "overview": "/",
        "integrations": "/settings/unsubscribes/integrations",
        "doctor": "/settings/salesforce/doctor",
        "connect": "/settings/salesforce/connect",
        "person": "/people?address=ann.demo@example.com",
        "unsubscribe": f"/u/{token}",
    }
    for name, path in paths.items():
        page.goto(f"{stage.url}{path}")
        suffix = "" if folder == DOCS else f"-{language}-{scheme}-{width}"
        shoot(page, folder / f"{name}{suffix}.png")
    context.close()


def shoot(page: Page, file: Path) -> None:
    """The page as a picture: whole for a look, its first screen for the documentation."""
    page.screenshot(path=file, full_page=file.parent != DOCS)
    click.echo(file, err=True)


if __name__ == "__main__":
    main()
