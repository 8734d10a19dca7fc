"""Every page an admin sees answers, and says what is true."""

import pytest

from tests.installation import Site

PAGES = ["/", "/people", "/people?address=ann@example.com", "/runs", "/settings/unsubscribes/integrations"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_in_both_languages(site: Site, cookie: str, path: str) -> None:
    for language in ("en", "de"):
        answer, text = site.request("GET", path, headers={"Cookie": cookie, "Accept-Language": language})
        assert answer.status == 200, (site.installation.folder / "web.log").read_text()
        assert f'lang="{language}"' in text
