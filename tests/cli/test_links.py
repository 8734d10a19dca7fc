"""Links and mails on the command line."""

import subprocess
import sys

from tests.installation import Installation


def test_a_link_comes_with_its_headers(optsync: Installation) -> None:
    done = optsync.run("link", "ann@example.com", "--message", "<1@x>", "--sender", "Jane", "--json")
    answer = done.json()
    assert answer["headers"]["List-Unsubscribe"] == f"<{answer['url']}>"
    assert optsync.run("link", "nobody").code == 2
    assert optsync.run("link", "ann@example.com", "--campaign", "c" * 5_000).code == 2


def test_r38_a_message_is_filled_in(optsync: Installation) -> None:
    done = optsync.run("link", "ann@example.com", "--fill", "html", stdin="<p>{{ team_unsubscribe }}</p>")
    assert done.out.startswith("<p>If you do not want to hear from us again: <a href=")
    assert "List-Unsubscribe-Post" in done.err


def test_a_mail_from_a_pipe_unsubscribes_and_the_mail_server_is_told_what_to_do(optsync: Installation) -> None:
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
