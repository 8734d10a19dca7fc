"""What the environment says, read once and checked: a wrong value stops the start and states the allowed ones."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from optsync.core.problems import Problem
from optsync.core.proxies import INSIDE, Networks, networks_in
from optsync.core.public_address import OWN_HOSTS

LOG_LEVELS = ("debug", "info", "warning", "error")
SECRETS = frozenset({"OPTSYNC_DATABASE_URL", "OPTSYNC_OIDC_CLIENT_SECRET", "OPTSYNC_SMTP_PASSWORD"})
"""Each of these may also come from a file: OPTSYNC_DATABASE_URL_FILE=/run/secrets/database_url."""

READ_ELSEWHERE = frozenset({"OPTSYNC_TRACEBACK", "OPTSYNC_TEST_DATABASE_URL", "OPTSYNC_TESTS_FORBID_SKIPS"})
KNOWN = frozenset(
    {
        "OPTSYNC_DATABASE_URL",
        "OPTSYNC_DATA_DIR",
        "OPTSYNC_KEY_FILE",
        "OPTSYNC_RUN_AS",
        "OPTSYNC_PUBLIC_URL",
        "OPTSYNC_TRUSTED_PROXIES",
        "OPTSYNC_LOG_LEVEL",
        "OPTSYNC_CLOCK_OFFSET",
        "OPTSYNC_WEBHOOKS_TO_LOOPBACK",
        "OPTSYNC_SMTP_HOST",
        "OPTSYNC_SMTP_PORT",
        "OPTSYNC_SMTP_SECURITY",
        "OPTSYNC_SMTP_USER",
        "OPTSYNC_SMTP_PASSWORD",
        "OPTSYNC_SMTP_FROM",
        "OPTSYNC_OIDC_ISSUER",
        "OPTSYNC_OIDC_CLIENT_ID",
        "OPTSYNC_OIDC_CLIENT_SECRET",
        "OPTSYNC_OIDC_NAME",
    }
)
SMTP_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class Smtp:
    """The mail server that takes our alerts. `security` is starttls, tls or none; without a user nobody signs in."""

    host: str
    port: int
    security: str
    user: str | None
    password: str | None = field(repr=False)
    sender: str


@dataclass(frozen=True, slots=True)
class Oidc:
    """The OpenID Connect provider through which users may sign in. `name` stands on the button."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str


@dataclass(frozen=True, slots=True)
class Environment:
    """The settings of one process.

    `database_url` is None for the embedded server; `run_as` is a user name or number, None for the default (as root
    `nobody`); `public_url` is None until links should carry a public name; `oidc` is None unless users
    sign in through a provider; `smtp` is None while no mail can be sent; `webhooks_to_loopback` lets webhooks reach
    this machine, for development; `trusted_proxies` may say who asks. `warnings` are lines for the operator.
    """

    database_url: str | None = field(repr=False)
    data_dir: Path
    key_file: Path
    run_as: str | None
    public_url: str | None
    log_level: str
    clock_offset_seconds: float
    oidc: Oidc | None = None
    warnings: tuple[str, ...] = ()
    smtp: Smtp | None = None
    webhooks_to_loopback: bool = False
    trusted_proxies: Networks = INSIDE


def read_environment(environ: Mapping[str, str] | None = None, *, is_root: bool | None = None) -> Environment:
    """The settings in `environ` (the process's own by default). Raises Problem, exit code 2, for a wrong value."""
    values = os.environ if environ is None else environ
    root = os.geteuid() == 0 if is_root is None else is_root
    return Environment(
        database_url=database_url_of(values),
        data_dir=folder_of(values, "OPTSYNC_DATA_DIR") or default_data_dir(values, root),
        key_file=folder_of(values, "OPTSYNC_KEY_FILE") or default_key_file(values, root),
        run_as=values.get("OPTSYNC_RUN_AS") or None,
        public_url=public_url_of(values),
        log_level=log_level_of(values),
        clock_offset_seconds=clock_offset_of(values),
        oidc=oidc_of(values),
        warnings=warnings_of(values),
        smtp=smtp_of(values),
        webhooks_to_loopback=is_on(values, "OPTSYNC_WEBHOOKS_TO_LOOPBACK"),
        trusted_proxies=trusted_proxies_of(values),
    )


def default_data_dir(values: Mapping[str, str], is_root: bool) -> Path:
    """As root a place every user can reach (the server runs as another user), else the user's own."""
    if is_root:
        return Path("/var/lib/optsync")
    return xdg_folder(values, "XDG_DATA_HOME", ".local/share") / "optsync"


def default_key_file(values: Mapping[str, str], is_root: bool) -> Path:
    """Never below the data folder: who copies the data must not get the key with it."""
    folder = Path("/etc/optsync") if is_root else xdg_folder(values, "XDG_CONFIG_HOME", ".config") / "optsync"
    return folder / "key.json"


def xdg_folder(values: Mapping[str, str], name: str, below_home: str) -> Path:
    """The XDG folder; the specification says to ignore relative ones."""
    chosen = Path(values.get(name, ""))
    return chosen if chosen.is_absolute() else Path(values.get("HOME") or Path.home()) / below_home


def folder_of(values: Mapping[str, str], name: str) -> Path | None:
    """A path as absolute path (relative ones hang on the current folder, `~` is the home folder); None when unset."""
    text = values.get(name)
    return Path(text).expanduser().absolute() if text else None


def database_url_of(values: Mapping[str, str]) -> str | None:
    """The address of an external PostgreSQL server; None means the embedded one."""
    url = secret_of(values, "OPTSYNC_DATABASE_URL")
    if url is not None and not url.startswith(("postgresql://", "postgres://")):
        refuse("OPTSYNC_DATABASE_URL", "not a PostgreSQL address", "postgresql://user@host:5432/database, or unset")
    return url


def secret_of(values: Mapping[str, str], name: str) -> str | None:
    """A secret from NAME or from the file that NAME_FILE points at; None when neither is set; both is an error."""
    value, file = values.get(name) or None, values.get(f"{name}_FILE")
    if not file:
        return value
    if value is not None:
        refuse(name, f"also given as {name}_FILE", "one of the two")
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise Problem(
            f"{name}_FILE points at {file}, which cannot be read ({reason})",
            "nothing was started, because the secret it should hold is missing",
            f"let this user read {file}, or set {name}",
            exit_code=2,
        ) from None


def public_url_of(values: Mapping[str, str]) -> str | None:
    """The address under which recipients reach us, without a slash at its end; None when unset."""
    text = (values.get("OPTSYNC_PUBLIC_URL") or "").rstrip("/")
    if not text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        refuse("OPTSYNC_PUBLIC_URL", "not a web address", "https://unsubscribe.example.com")
    if parts.path:  # links would lead there, and the buttons of the pages would not
        refuse("OPTSYNC_PUBLIC_URL", "has a path", "a name of its own: https://unsubscribe.example.com")
    return text


def trusted_proxies_of(values: Mapping[str, str]) -> Networks:
    """The proxies whose X-Forwarded-For counts; unset: this machine and private networks."""
    text = values.get("OPTSYNC_TRUSTED_PROXIES") or ""
    try:
        return networks_in(text) if text.strip() else INSIDE
    except ValueError as error:
        allowed = "addresses and networks, such as 127.0.0.1, 203.0.113.0/24, or unset"
        refuse("OPTSYNC_TRUSTED_PROXIES", f"no list of networks: {str(error)[:100]}", allowed)


def smtp_of(values: Mapping[str, str]) -> Smtp | None:
    """The mail server; None while OPTSYNC_SMTP_HOST is unset."""
    host, sender = values.get("OPTSYNC_SMTP_HOST"), values.get("OPTSYNC_SMTP_FROM") or ""
    if not host:
        return None
    security = (values.get("OPTSYNC_SMTP_SECURITY") or "starttls").lower()
    if security not in SMTP_PORTS:
        refuse("OPTSYNC_SMTP_SECURITY", f"not a way to send: {security}", ", ".join(SMTP_PORTS))
    port = values.get("OPTSYNC_SMTP_PORT") or str(SMTP_PORTS[security])
    if not port.isdecimal() or not 0 < int(port) < 65536:
        refuse("OPTSYNC_SMTP_PORT", f"not a port: {port}", "1 to 65535, or unset")
    if "@" not in sender or not sender.isprintable():
        refuse(
            "OPTSYNC_SMTP_FROM",
            "not an e-mail address",
            "the address that alerts come from, such as optsync@example.com",
        )
    user, password = values.get("OPTSYNC_SMTP_USER") or None, secret_of(values, "OPTSYNC_SMTP_PASSWORD")
    return Smtp(host, int(port), security, user, password, sender)


def is_on(values: Mapping[str, str], name: str) -> bool:
    """A switch: 1 is on; 0 and unset are off."""
    text = values.get(name) or "0"
    if text not in ("0", "1"):
        refuse(name, f"neither 0 nor 1: {text}", "1 for on; 0 or unset for off")
    return text == "1"


def oidc_of(values: Mapping[str, str]) -> Oidc | None:
    """The provider, from an issuer, a client id and its secret, which only make sense together; None without any."""
    issuer = (values.get("OPTSYNC_OIDC_ISSUER") or "").rstrip("/")
    client_id = values.get("OPTSYNC_OIDC_CLIENT_ID") or ""
    secret = secret_of(values, "OPTSYNC_OIDC_CLIENT_SECRET") or ""
    found = {"ISSUER": issuer, "CLIENT_ID": client_id, "CLIENT_SECRET": secret}
    if not any(found.values()):
        return None
    for name, value in found.items():
        if not value:
            refuse(
                f"OPTSYNC_OIDC_{name}", "missing", "OPTSYNC_OIDC_ISSUER, _CLIENT_ID and _CLIENT_SECRET, or none of them"
            )
    host = urlsplit(issuer).hostname or issuer
    if not issuer.startswith("https://") and not (issuer.startswith("http://") and host in OWN_HOSTS):
        refuse(
            "OPTSYNC_OIDC_ISSUER", "not an https address", "https://sign-in.example.com, as the provider calls itself"
        )
    return Oidc(issuer, client_id, secret, values.get("OPTSYNC_OIDC_NAME") or host)


def log_level_of(values: Mapping[str, str]) -> str:
    """One of LOG_LEVELS; info when unset."""
    level = (values.get("OPTSYNC_LOG_LEVEL") or "info").lower()
    if level not in LOG_LEVELS:
        refuse("OPTSYNC_LOG_LEVEL", f"not a level: {level}", ", ".join(LOG_LEVELS))
    return level


def clock_offset_of(values: Mapping[str, str]) -> float:
    """Seconds by which this process lives in the future (negative: in the past)."""
    text = values.get("OPTSYNC_CLOCK_OFFSET") or "0"
    try:
        offset = float(text)
    except ValueError:
        offset = float("nan")
    if not abs(offset) <= 100 * 366 * 86_400:  # also refuses nan
        refuse(
            "OPTSYNC_CLOCK_OFFSET", f"not a number of seconds: {text}", "seconds, for example -3600, at most 100 years"
        )
    return offset


def warnings_of(values: Mapping[str, str]) -> tuple[str, ...]:
    """A line for each OPTSYNC_ name that means nothing here, with the nearest one that does."""
    known = KNOWN | READ_ELSEWHERE | {f"{name}_FILE" for name in SECRETS}
    lines = []
    for name in sorted(values):
        if name.startswith("OPTSYNC_") and name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            lines.append(f"{name} means nothing to optsync" + (f"; did you mean {near[0]}?" if near else ""))
    return tuple(lines)


def refuse(name: str, what: str, allowed: str) -> NoReturn:
    """Stops the start over one setting."""
    raise Problem(f"{name} is {what}", "nothing was started", f"allowed: {allowed}", exit_code=2)
