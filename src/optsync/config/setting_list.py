"""Every setting: what it is for, what it may be, what stands in for it.

The environment is read by this list, and the reference and `optsync config` are made from it. Texts may hold `code`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from optsync.core.proxies import INSIDE, Networks, networks_in
from optsync.core.public_address import OWN_HOSTS

LOG_LEVELS = ("debug", "info", "warning", "error")
SMTP_PORTS = {"starttls": 587, "tls": 465, "none": 25}
CLOCK_SECONDS_MAX = 100 * 366 * 86_400
FOR_TESTS = frozenset({"OPTSYNC_TEST_DATABASE_URL", "OPTSYNC_TESTS_FORBID_SKIPS"})
"""Names that only the tests read."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    `read` makes its value of a text that is not empty; it raises ValueError, saying what the text is instead of what
    is allowed. While the setting is unset its value is `fallback`; `default` tells what that comes to, "" for nothing.
    A secret is never shown, and may also come from the file that NAME_FILE names.
    """

    name: str
    purpose: str
    allowed: str
    default: str = ""
    read: Callable[[str], Any] = str
    fallback: Any = None
    secret: bool = False


def database_url(text: str) -> str:
    """The address of a PostgreSQL server; libpq reads the rest of it."""
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("not a PostgreSQL address")
    return text


def path(text: str) -> Path:
    """An absolute path: relative ones hang on the current folder, `~` is the home folder."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError(f"below a home folder that nobody has: {text}") from None


def split(text: str) -> SplitResult:
    """The parts of a web address; none of one that cannot be read."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - it is read on demand, and raises for what is no number
    except ValueError:
        return urlsplit("")
    return parts


def public_url(text: str) -> str:
    """A web address without a slash at its end."""
    text = text.rstrip("/")
    parts = split(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("not a web address")
    if parts.path:  # links would lead there, and the buttons of the pages would not
        raise ValueError("an address with a path")
    return text


def issuer(text: str) -> str:
    """An https address without a slash at its end; on this machine http will do."""
    text = text.rstrip("/")
    parts = split(text)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in OWN_HOSTS):
        raise ValueError("not an https address")
    return text


def networks(text: str) -> Networks:
    """Addresses and networks; none but blanks mean those of nobody who has named any."""
    try:
        return networks_in(text) if text.strip() else INSIDE
    except ValueError as error:
        raise ValueError(f"no list of networks: {str(error)[:100]}") from None


def log_level(text: str) -> str:
    """One of LOG_LEVELS."""
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"not a level: {text}")
    return text.lower()


def seconds(text: str) -> float:
    """Seconds by which a process lives in the future (negative: in the past)."""
    try:
        offset = float(text)
    except ValueError:
        offset = float("nan")
    if not abs(offset) <= CLOCK_SECONDS_MAX:  # also refuses nan
        raise ValueError(f"not a number of seconds: {text}")
    return offset


def smtp_security(text: str) -> str:
    """One of SMTP_PORTS."""
    if text.lower() not in SMTP_PORTS:
        raise ValueError(f"not a way to send: {text}")
    return text.lower()


def port(text: str) -> int:
    """A TCP port."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError(f"not a port: {text}")
    return int(text)


def mail_address(text: str) -> str:
    """An address to send from."""
    if "@" not in text or not text.isprintable():
        raise ValueError("not an e-mail address")
    return text


def switch(text: str) -> bool:
    """1 is on, 0 is off."""
    if text not in ("0", "1"):
        raise ValueError(f"neither 0 nor 1: {text}")
    return text == "1"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "OPTSYNC_DATABASE_URL",
        "a PostgreSQL server (15 or newer, UTF-8) instead of the embedded one",
        "`postgresql://user@host:5432/database`, special characters of a password as %XX",
        "the embedded server",
        read=database_url,
        secret=True,
    ),
    Setting(
        "OPTSYNC_DATA_DIR",
        "where the embedded server keeps its data",
        "a folder",
        "`~/.local/share/optsync`, as root `/var/lib/optsync`",
        read=path,
    ),
    Setting(
        "OPTSYNC_RUN_AS",
        "as root: the user that the embedded server runs as",
        "a name or a number, not root's",
        "the owner of existing data, else `nobody`",
    ),
    Setting(
        "OPTSYNC_KEY_FILE",
        "the keys, which only their owner may read",
        "a file outside the data folder, mode 0600",
        "`~/.config/optsync/key.json`, as root `/etc/optsync/key.json`",
        read=path,
    ),
    Setting(
        "OPTSYNC_PUBLIC_URL",
        "the address under which recipients reach the unsubscribe page; with https, cookies and headers become strict",
        "a name of its own, without a path: `https://unsubscribe.example.com`",
        "this machine only: the pages answer, links are not made",
        read=public_url,
    ),
    Setting(
        "OPTSYNC_TRUSTED_PROXIES",
        "the proxies whose `X-Forwarded-For` counts",
        "addresses and networks, separated by commas, such as `127.0.0.1, 203.0.113.0/24`",
        "this machine and private networks",
        read=networks,
        fallback=INSIDE,
    ),
    Setting(
        "OPTSYNC_OIDC_ISSUER",
        "users may sign in through this OpenID Connect provider; its own name for itself",
        "an https address, such as `https://sign-in.example.com`; with a client's id and secret",
        read=issuer,
    ),
    Setting("OPTSYNC_OIDC_CLIENT_ID", "what the provider calls optsync", "its text"),
    Setting("OPTSYNC_OIDC_CLIENT_SECRET", "the secret that goes with it", "its text", secret=True),
    Setting("OPTSYNC_OIDC_NAME", 'what stands on the button "Sign in with …"', "any text", "the host of the provider"),
    Setting(
        "OPTSYNC_LOG_LEVEL",
        "from where on the log tells",
        ", ".join(LOG_LEVELS),
        "info",
        read=log_level,
        fallback="info",
    ),
    Setting(
        "OPTSYNC_CLOCK_OFFSET",
        "by how much every clock of the process is shifted, for rehearsals",
        "seconds, for example `-3600`, at most 100 years",
        "0",
        read=seconds,
        fallback=0.0,
    ),
    Setting(
        "OPTSYNC_SMTP_HOST",
        "the mail server that takes alerts and invitations",
        "a name or an address",
        "no e-mail is sent",
    ),
    Setting(
        "OPTSYNC_SMTP_FROM",
        "the address that they come from; required with a host",
        "an e-mail address, such as `optsync@example.com`",
        read=mail_address,
    ),
    Setting(
        "OPTSYNC_SMTP_SECURITY",
        "how that server is spoken to",
        ", ".join(SMTP_PORTS),
        "starttls",
        read=smtp_security,
        fallback="starttls",
    ),
    Setting("OPTSYNC_SMTP_PORT", "its port", "1 to 65535", "587, with tls 465, with none 25", read=port),
    Setting("OPTSYNC_SMTP_USER", "who signs in there", "a name", "nobody signs in"),
    Setting("OPTSYNC_SMTP_PASSWORD", "the password of that user", "its text", secret=True),
    Setting(
        "OPTSYNC_WEBHOOKS_TO_LOOPBACK",
        "for development: webhooks and alerts may go to this machine, by http too",
        "1 for on, 0 for off",
        "0",
        read=switch,
        fallback=False,
    ),
    Setting(
        "OPTSYNC_TRACEBACK",
        "for developers: show where an error came from",
        "1 for on, 0 for off",
        "0",
        read=switch,
        fallback=False,
    ),
)
SECRETS = frozenset(setting.name for setting in SETTINGS if setting.secret)
"""Each of these may also come from a file: OPTSYNC_DATABASE_URL_FILE=/run/secrets/database_url."""

KNOWN = frozenset(setting.name for setting in SETTINGS) | {f"{name}_FILE" for name in SECRETS} | FOR_TESTS
