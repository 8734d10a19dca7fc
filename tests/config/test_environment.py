"""Settings from the environment: a wrong one stops the start and says what is allowed."""

import runpy
from pathlib import Path

import pytest

from optsync.config.environment import read_environment
from optsync.core.problems import Problem

ROOT = Path(__file__).parents[2]
HOME = {"HOME": "/home/ann"}


def test_without_any_setting_an_ordinary_user_gets_folders_of_their_own() -> None:
    env = read_environment(HOME, is_root=False)
    assert env.database_url is None
    assert env.data_dir == Path("/home/ann/.local/share/optsync")
    assert env.key_file == Path("/home/ann/.config/optsync/key.json")
    assert (env.log_level, env.clock_offset_seconds, env.warnings) == ("info", 0.0, ())


def test_as_root_data_and_key_lie_in_system_folders_apart_from_each_other() -> None:
    env = read_environment(HOME, is_root=True)
    assert (env.data_dir, env.key_file) == (Path("/var/lib/optsync"), Path("/etc/optsync/key.json"))


def test_xdg_folders_are_honoured_and_relative_ones_ignored() -> None:
    env = read_environment(HOME | {"XDG_DATA_HOME": "/srv/data", "XDG_CONFIG_HOME": "relative"}, is_root=False)
    assert env.data_dir == Path("/srv/data/optsync")
    assert env.key_file == Path("/home/ann/.config/optsync/key.json")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("OPTSYNC_DATABASE_URL", "mysql://localhost/x", "postgresql://"),
        ("OPTSYNC_LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("OPTSYNC_CLOCK_OFFSET", "tomorrow", "seconds"),
        ("OPTSYNC_CLOCK_OFFSET", "nan", "seconds"),
        ("OPTSYNC_PUBLIC_URL", "unsubscribe.example.com", "https://"),
        ("OPTSYNC_PUBLIC_URL", "https://user:pw@example.com", "https://"),
        ("OPTSYNC_PUBLIC_URL", "https://[", "https://"),
        ("OPTSYNC_PUBLIC_URL", "https://example.com/mail", "a name of its own"),
        ("OPTSYNC_PUBLIC_URL", "https://example.com:443a", "https://"),
        ("OPTSYNC_DATA_DIR", "~nobody-has-this-name/data", "a folder"),
        ("OPTSYNC_TRUSTED_PROXIES", "my-proxy", "203.0.113.0/24"),
        ("OPTSYNC_SMTP_PORT", "smtp", "1 to 65535"),
        ("OPTSYNC_SMTP_SECURITY", "ssl", "starttls, tls, none"),
        ("OPTSYNC_OIDC_ISSUER", "https://[", "https address"),
        ("OPTSYNC_WEBHOOKS_TO_LOOPBACK", "yes", "1 for on"),
    ],
)
def test_a_wrong_value_is_refused_with_the_allowed_ones(name: str, value: str, allowed: str) -> None:
    with pytest.raises(Problem) as caught:
        read_environment(HOME | {name: value}, is_root=False)
    assert name in caught.value.what
    assert allowed in caught.value.next
    assert caught.value.exit_code == 2


def test_an_unknown_setting_is_told_with_the_nearest_name() -> None:
    env = read_environment(HOME | {"OPTSYNC_DATA_DIRECTORY": "/x", "OTHER": "1"}, is_root=False)
    assert env.warnings == ("OPTSYNC_DATA_DIRECTORY means nothing to optsync; did you mean OPTSYNC_DATA_DIR?",)


OIDC = {
    "OPTSYNC_OIDC_ISSUER": "https://login.example.com/",
    "OPTSYNC_OIDC_CLIENT_ID": "optsync",
    "OPTSYNC_OIDC_CLIENT_SECRET": "secret",
}


def test_the_companys_sign_in_is_set_up_as_a_whole_or_not_at_all_and_by_https() -> None:
    found = read_environment(HOME | OIDC, is_root=False).oidc
    assert found is not None
    assert (found.issuer, found.name) == ("https://login.example.com", "login.example.com")
    assert "secret" not in repr(found).replace("client_secret", "")
    for name in OIDC:
        with pytest.raises(Problem, match=name):
            read_environment(HOME | OIDC | {name: ""}, is_root=False)
    with pytest.raises(Problem, match="not an https address"):
        read_environment(HOME | OIDC | {"OPTSYNC_OIDC_ISSUER": "http://login.example.com"}, is_root=False)
    assert read_environment(HOME, is_root=False).oidc is None


def test_a_mail_server_needs_a_sender_and_gets_the_port_of_its_security() -> None:
    with pytest.raises(Problem, match="OPTSYNC_SMTP_FROM is missing"):
        read_environment(HOME | {"OPTSYNC_SMTP_HOST": "mail.example.com"}, is_root=False)
    mail = {
        "OPTSYNC_SMTP_HOST": "mail.example.com",
        "OPTSYNC_SMTP_FROM": "us@example.com",
        "OPTSYNC_SMTP_PASSWORD": "s",
    }
    found = read_environment(HOME | mail | {"OPTSYNC_SMTP_SECURITY": "TLS"}, is_root=False).smtp
    assert found is not None
    assert (found.host, found.port, found.security, found.user) == ("mail.example.com", 465, "tls", None)
    assert (found.password, found.sender) == ("s", "us@example.com")
    assert read_environment(HOME | {"OPTSYNC_SMTP_FROM": "us@example.com"}, is_root=False).smtp is None


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:p@db/x\n")
    env = read_environment(HOME | {"OPTSYNC_DATABASE_URL_FILE": str(tmp_path / "url")}, is_root=False)
    assert env.database_url == "postgresql://u:p@db/x"
    assert env.warnings == ()


def test_a_secret_given_twice_or_from_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    missing = {"OPTSYNC_DATABASE_URL_FILE": str(tmp_path / "missing")}
    for values in (missing, missing | {"OPTSYNC_DATABASE_URL": "postgresql://db/x"}):
        with pytest.raises(Problem, match="OPTSYNC_DATABASE_URL"):
            read_environment(HOME | values, is_root=False)


def test_the_database_password_is_not_shown_by_repr() -> None:
    env = read_environment(HOME | {"OPTSYNC_DATABASE_URL": "postgresql://u:hunter2@db/x"}, is_root=False)
    assert "hunter2" not in repr(env)


def test_the_page_of_settings_is_current() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "settings_reference.py"))
    page = (ROOT / "docs/reference/settings.md").read_text(encoding="utf-8")
    assert page == script["renewed"](page), "run: .venv/bin/python scripts/settings_reference.py"
