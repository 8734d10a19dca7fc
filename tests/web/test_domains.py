"""Blocked domains on their page and on the command line (requirement 41)."""

from tests.installation import Site
from tests.web.conftest import press, read

PAGE = "/settings/unsubscribes/domains"


def test_r41_a_domain_is_blocked_with_its_subdomains_and_allowed_again(site: Site, cookie: str) -> None:
    assert "Blocked from now on." in press(site, cookie, PAGE, step="block", domain="*.Rival.example")[1]
    assert "<bdi>rival.example</bdi>" in read(site, cookie, PAGE)
    checked = site.installation.run("check", "--non-commercial", "--json", "x@mail.rival.example").json()
    assert checked["addresses"][0]["why"] == "blocked domain"
    assert "nothing changed" in press(site, cookie, PAGE, step="block", domain="rival.example")[1]
    assert "No longer blocked." in press(site, cookie, PAGE, step="allow", domain="rival.example")[1]
    assert site.installation.run("check", "x@mail.rival.example").code == 0


def test_a_slip_of_the_hand_is_refused_and_need_not_be_typed_again(site: Site, cookie: str) -> None:
    status, text = press(site, cookie, PAGE, step="block", domain="ann@rival.example")
    assert status == 422
    assert "is not a domain" in text
    assert 'value="ann@rival.example"' in text


def test_the_command_line_does_the_same(site: Site) -> None:
    run = site.installation.run
    assert run("domains", "block", "cli.example", "--json").json() == {"domain": "cli.example", "changed": True}
    assert "cli.example" in [one["domain"] for one in run("domains", "list", "--json").json()["domains"]]
    refused = run("domains", "block", "com")
    assert (refused.code, refused.error["error"]) == (2, "com is not a domain")
    assert "no longer blocked" in run("domains", "allow", "cli.example").out
