"""`optsync config`: looks at the environment only, tells every wrong value, and never shows a secret."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from optsync.cli.config import without_password
from tests.installation import Done, clean_environ

GOOD = {"OPTSYNC_PUBLIC_URL": "https://unsubscribe.example.com"}
SECRET = "hunter2"


def config(tmp_path: Path, *arguments: str, **environ: str) -> Done:
    """`optsync config` for a user whose home is an empty folder, which stays empty."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    folders = {"OPTSYNC_DATA_DIR": str(home / "data"), "OPTSYNC_KEY_FILE": str(home / "keys" / "key.json")}
    command = [sys.executable, "-m", "optsync.cli", "config", *arguments]
    env = clean_environ() | {"HOME": str(home)} | folders | environ
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert list(home.iterdir()) == [], "it starts no database and writes nothing"
    return Done(done.returncode, done.stdout, done.stderr)


def rows(done: Done) -> dict[str, dict[str, Any]]:
    """The settings that were shown, by name."""
    assert done.code == 0, done.err
    return {row["name"]: row for row in json.loads(done.out)["settings"]}


def test_check_says_by_its_exit_code_whether_a_start_would_succeed(tmp_path: Path) -> None:
    fine = config(tmp_path, "check", **GOOD)
    assert (fine.code, fine.out) == (0, "✓ The settings are fine.\n")
    doubtful = config(tmp_path, "check", **GOOD, OPTSYNC_LOGLEVEL="info")
    assert (doubtful.code, doubtful.out.splitlines()) == (
        3,
        [
            "! OPTSYNC_LOGLEVEL means nothing to optsync; did you mean OPTSYNC_LOG_LEVEL?",
            "    means: it is ignored",
            "    next:  rename it to OPTSYNC_LOG_LEVEL",
        ],
    )
    wrong = config(tmp_path, "check", OPTSYNC_LOG_LEVEL="loud", OPTSYNC_SMTP_PORT="x")
    assert wrong.code == 2
    assert "OPTSYNC_LOG_LEVEL is not a level: loud" in wrong.out
    assert "OPTSYNC_SMTP_PORT is not a port: x" in wrong.out
    assert "OPTSYNC_PUBLIC_URL is not set" in wrong.out


def test_check_gives_programs_the_three_parts_of_each_problem(tmp_path: Path) -> None:
    done = config(tmp_path, "check", "--json", **GOOD, OPTSYNC_LOG_LEVEL="loud")
    assert done.code == 2
    assert done.json() == {
        "fine": False,
        "wrong": [
            {
                "what": "OPTSYNC_LOG_LEVEL is not a level: loud",
                "means": "nothing starts with it",
                "next": "allowed: debug, info, warning, error",
            }
        ],
        "doubtful": [],
    }


def test_show_tells_each_value_in_force_and_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET)
    mail = {"OPTSYNC_SMTP_HOST": "mail.example.com", "OPTSYNC_SMTP_FROM": "us@example.com"}
    password = {"OPTSYNC_SMTP_PASSWORD_FILE": str(tmp_path / "password")}
    found = rows(config(tmp_path, "show", "--json", **mail, **password, OPTSYNC_SMTP_SECURITY="TLS"))
    told = {name: (row["value"], row["from"]) for name, row in found.items()}
    assert told["OPTSYNC_SMTP_HOST"] == ("mail.example.com", "environment")
    assert told["OPTSYNC_SMTP_SECURITY"] == ("tls", "environment")
    assert told["OPTSYNC_SMTP_PORT"] == (465, "default"), "what is in force, not what is always the default"
    assert told["OPTSYNC_SMTP_PASSWORD"] == ("set", "file")
    assert found["OPTSYNC_SMTP_PASSWORD"]["file"] == str(tmp_path / "password")
    assert told["OPTSYNC_OIDC_CLIENT_SECRET"] == ("not set", "default")
    assert told["OPTSYNC_DATABASE_URL"] == (None, "default")
    text = config(tmp_path, "show", **mail, **password).out
    assert "OPTSYNC_DATABASE_URL          default      the embedded server" in text
    assert SECRET not in text


def test_show_shows_what_it_can_of_wrong_settings(tmp_path: Path) -> None:
    done = config(tmp_path, "show", OPTSYNC_LOG_LEVEL="loud")
    assert "✕ OPTSYNC_LOG_LEVEL             environment  not a level: loud" in done.out
    assert (done.code, "optsync config check" in done.err) == (0, True)
    row = rows(config(tmp_path, "show", "--json", OPTSYNC_LOG_LEVEL="loud"))["OPTSYNC_LOG_LEVEL"]
    assert (row["value"], row["wrong"]) == (None, "OPTSYNC_LOG_LEVEL is not a level: loud")


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    secrets = {
        "OPTSYNC_DATABASE_URL": f"postgresql://u:{SECRET}@db/x",
        "OPTSYNC_OIDC_CLIENT_SECRET": SECRET,
        "OPTSYNC_SMTP_PASSWORD": SECRET,
    }
    for arguments in (["show"], ["show", "--json"], ["check"], ["check", "--json"]):
        done = config(tmp_path, *arguments, **secrets)
        assert SECRET not in done.out + done.err


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:hunter2@db:5433/x", "host=db port=5433 user=u dbname=x"),
        ("postgresql:///x?host=/run/pg&password=hunter2&sslpassword=hunter2", "host=/run/pg dbname=x"),
        (
            "postgresql://u:hunter2@a:1,b:2/x?sslmode=verify-full",
            "host=a,b port=1,2 user=u dbname=x sslmode=verify-full",
        ),
        ("postgresql://me%40company:hunter2@db/x", "host=db user=me@company dbname=x"),
        ("postgresql://u:hun@ter2@db/x", "set"),
        ("postgresql://u:12/hunter2@db/x", "set"),
        ("postgresql://u:hunter2/@db/x", "set"),
        ("postgresql://u:hunter2%@db/x", "set"),
    ],
)
def test_a_database_is_named_without_its_password(url: str, told: str) -> None:
    """Also where a password with `@`, `/` or `%` in it was not written as it must be."""
    assert without_password(url) == told
