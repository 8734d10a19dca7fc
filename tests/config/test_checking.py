"""What is wrong or doubtful about the settings: all of it, and nothing is started or written for it."""

from pathlib import Path

import pytest

from optsync.config.checking import check

FINE = {"HOME": "/home/ann", "OPTSYNC_PUBLIC_URL": "https://unsubscribe.example.com"}


def told(changes: dict[str, str]) -> tuple[list[str], list[str]]:
    """What is wrong and what is doubtful, in one line each."""
    wrong, doubtful = check(FINE | changes, is_root=False)
    assert all(problem.means and problem.next for problem in [*wrong, *doubtful])
    assert {problem.exit_code for problem in wrong} <= {2}
    return [problem.what for problem in wrong], [problem.what for problem in doubtful]


def test_fine_settings_are_fine() -> None:
    assert told({}) == ([], [])
    assert told({"OPTSYNC_DATABASE_URL": "postgresql://u:p@db.example.com/optsync"}) == ([], [])


def test_every_wrong_value_is_told_not_only_the_first() -> None:
    wrong, doubtful = told(
        {
            "OPTSYNC_LOG_LEVEL": "loud",
            "OPTSYNC_PUBLIC_URL": "unsubscribe.example.com",
            "OPTSYNC_DATABASE_URL_FILE": "/nowhere/url",
            "OPTSYNC_SMTP_HOST": "mail.example.com",
            "OPTSYNC_SMTP_PORT": "smtp",
            "OPTSYNC_OIDC_ISSUER": "https://sign-in.example.com",
        }
    )
    assert sorted(line.split()[0] for line in wrong) == [
        "OPTSYNC_DATABASE_URL_FILE",
        "OPTSYNC_LOG_LEVEL",
        "OPTSYNC_OIDC_CLIENT_ID",
        "OPTSYNC_OIDC_CLIENT_SECRET",
        "OPTSYNC_PUBLIC_URL",
        "OPTSYNC_SMTP_FROM",
        "OPTSYNC_SMTP_PORT",
    ]
    assert doubtful == [], "a wrong value is not told once more as a doubtful one"


def test_a_value_that_is_wrong_in_two_ways_is_told_once() -> None:
    wrong, _ = told({"OPTSYNC_SMTP_HOST": "mail.example.com", "OPTSYNC_SMTP_FROM": "nobody"})
    assert wrong == ["OPTSYNC_SMTP_FROM is not an e-mail address"]


def test_what_only_a_start_would_find_is_told_before_it(tmp_path: Path) -> None:
    data = {"OPTSYNC_DATA_DIR": str(tmp_path)}
    assert told(data | {"OPTSYNC_KEY_FILE": str(tmp_path / "key.json")})[0] == [
        f"the key file {tmp_path}/key.json lies inside the data folder"
    ]
    assert told(data | {"OPTSYNC_RUN_AS": "nobody-has-this-name"})[0] == [
        "there is no user nobody-has-this-name on this machine"
    ]
    assert told({"OPTSYNC_DATABASE_URL": "postgresql://u:100%@db/x"})[0] == [
        "OPTSYNC_DATABASE_URL cannot be read as an address"
    ]


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"OPTSYNC_PUBLIC_URL": ""}, "OPTSYNC_PUBLIC_URL is not set"),
        ({"OPTSYNC_PUBLIC_URL": "http://unsubscribe.example.com"}, "OPTSYNC_PUBLIC_URL is not https"),
        ({"OPTSYNC_PUBLIC_URL": "https://localhost"}, "leads to this machine only"),
        ({"OPTSYNC_DATABSE_URL": "x"}, "did you mean OPTSYNC_DATABASE_URL?"),
        ({"OPTSYNC_XYZZY": "x"}, "OPTSYNC_XYZZY means nothing to optsync"),
        ({"OPTSYNC_SMTP_USER": "us"}, "without OPTSYNC_SMTP_HOST"),
        ({"OPTSYNC_CLOCK_OFFSET": "60"}, "OPTSYNC_CLOCK_OFFSET"),
        ({"OPTSYNC_WEBHOOKS_TO_LOOPBACK": "1"}, "OPTSYNC_WEBHOOKS_TO_LOOPBACK"),
    ],
)
def test_what_is_allowed_but_hardly_meant_is_doubtful(changes: dict[str, str], doubt: str) -> None:
    wrong, doubtful = told(changes)
    assert wrong == []
    assert len(doubtful) == 1
    assert doubt in doubtful[0]


def test_nothing_is_written_for_it(tmp_path: Path) -> None:
    check({"HOME": str(tmp_path), "OPTSYNC_DATA_DIR": str(tmp_path / "data")}, is_root=False)
    assert list(tmp_path.iterdir()) == []
