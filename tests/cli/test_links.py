"""Links and mails on the command line."""

import subprocess
import sys

import pytest

from tests.installation import Installation
from tests.practice import PracticeOrg

PUBLIC = "https://unsubscribe.example.com"


@pytest.fixture
def named(optsync: Installation) -> Installation:
    """An installation that recipients can reach."""
    optsync.environ["OPTSYNC_PUBLIC_URL"] = PUBLIC
    return optsync


def test_r33_a_link_comes_with_both_headers(named: Installation) -> None:
    done = named.run("link", "ann@example.com", "--message", "<1@x>", "--sender", "Jane", "--json")
    answer = done.json()
    assert answer["url"].startswith(f"{PUBLIC}/u/")
    assert answer["headers"] == {
        "List-Unsubscribe": f"<{answer['url']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert answer["warnings"] == []
    assert named.run("link", "nobody").code == 2
    assert named.run("link", "ann@example.com", "--campaign", "c" * 5_000).code == 2


def test_r33_no_link_is_made_that_leads_recipients_nowhere(optsync: Installation) -> None:
    done = optsync.run("link", "ann@example.com")
    assert (done.code, done.out) == (2, "")
    assert "OPTSYNC_PUBLIC_URL is not set" in done.error["error"]
    assert "nobody who gets it could unsubscribe" in done.error["means"]
    assert "https://unsubscribe.example.com" in done.error["next"]


@pytest.mark.parametrize(
    ("url", "warning"),
    [("http://unsubscribe.example.com", "is not https"), ("http://127.0.0.1:8000", "leads to this machine only")],
)
def test_r33_a_link_without_https_says_so_and_has_no_one_click_header(
    optsync: Installation, url: str, warning: str
) -> None:
    done = optsync.run("link", "ann@example.com", "--json", OPTSYNC_PUBLIC_URL=url)
    answer = done.json()
    assert answer["headers"] == {"List-Unsubscribe": f"<{answer['url']}>"}
    assert warning in answer["warnings"][0]
    assert warning in optsync.run("link", "ann@example.com", OPTSYNC_PUBLIC_URL=url).err


def test_a_practice_org_needs_no_public_address(optsync: Installation) -> None:
    with PracticeOrg.start(leads=1, contacts=1, grant_opt_out=True) as org:
        assert optsync.run("connect", "--credentials", str(org.credentials_file)).code == 0
        done = optsync.run("link", "ann@example.com")
    assert (done.code, done.out.startswith("http://127.0.0.1:8000/u/")) == (0, True)
    assert "OPTSYNC_PUBLIC_URL is not set" in done.err


def test_r38_a_message_is_filled_in(named: Installation) -> None:
    done = named.run("link", "ann@example.com", "--fill", "html", stdin="<p>{{ team_unsubscribe }}</p>")
    assert done.out.startswith("<p>If you do not want to hear from us again: <a href=")
    assert "List-Unsubscribe-Post" in done.err


def test_a_mail_from_a_pipe_unsubscribes_and_the_mail_server_is_told_what_to_do(optsync: Installation) -> None:
    optsync.environ["OPTSYNC_PUBLIC_URL"] = PUBLIC
    url = optsync.run("link", "ann@example.com", "--json").json()["url"]
    token = url.rpartition("/")[2]
    mail = f"From: x@y.example\nSubject: unsubscribe {token}\n\n" + "body\n" * 100_000
    first = optsync.run("receive-mail", "--json", stdin=mail)
    assert (first.code, first.json()) == (0, {"outcome": "new"})
    assert optsync.run("receive-mail", "--json", stdin=mail).json() == {"outcome": "already"}
    assert optsync.run("check", "ann@example.com").code == 3
    assert optsync.run("receive-mail", stdin="From: x@y.example\nSubject: hello\n\n").code == 65
    assert optsync.run("receive-mail", stdin="").code == 65
    automatic = "From: x@y.example\nSubject: unsubscribe\nAuto-Submitted: auto-replied\n\n"
    assert optsync.run("receive-mail", stdin=automatic).code == 0
    assert optsync.run("check", "x@y.example").code == 0


def test_with_the_database_away_the_mail_server_keeps_the_message(optsync: Installation) -> None:
    mail = "From: x@y.example\nSubject: unsubscribe\n\n"
    away = "postgresql://nobody@127.0.0.1:1/none"
    done = optsync.run("receive-mail", stdin=mail, OPTSYNC_DATABASE_URL=away)
    assert done.code == 75
    assert "not recorded" in done.error["means"]


def test_bytes_that_are_no_text_break_nothing(optsync: Installation) -> None:
    command = [sys.executable, "-m", "optsync.cli", "receive-mail"]
    noise = b"\xff\xfe\0Subject: \xe9 unsubscribe\nFrom: x@y.example\n\n"
    done = subprocess.run(command, env=optsync.environ, input=noise, capture_output=True, timeout=60, check=False)
    assert done.returncode == 65
    assert b"Traceback" not in done.stderr


def test_r36_check_knows_senders(optsync: Installation) -> None:
    assert optsync.run("check", "ann@example.com", "--sender", "Jane").code == 0
