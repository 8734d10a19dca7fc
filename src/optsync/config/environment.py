"""What the environment says, read once and checked: a wrong value stops the start and states the allowed ones."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from optsync.config.setting_list import KNOWN, SETTINGS, SMTP_PORTS, Setting
from optsync.core.problems import Problem
from optsync.core.proxies import INSIDE, Networks

OIDC = ("OPTSYNC_OIDC_ISSUER", "OPTSYNC_OIDC_CLIENT_ID", "OPTSYNC_OIDC_CLIENT_SECRET")


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
    found, wrong = values_in(values, is_root=is_root)
    for problem in wrong.values():
        raise problem
    return environment_of(found, tuple(told_unknown(name, near) for name, near in unknown_in(values).items()))


def environment_of(found: Mapping[str, Any], warnings: tuple[str, ...] = ()) -> Environment:
    """The settings by the names that code uses."""
    return Environment(
        database_url=found["OPTSYNC_DATABASE_URL"],
        data_dir=found["OPTSYNC_DATA_DIR"],
        key_file=found["OPTSYNC_KEY_FILE"],
        run_as=found["OPTSYNC_RUN_AS"],
        public_url=found["OPTSYNC_PUBLIC_URL"],
        log_level=found["OPTSYNC_LOG_LEVEL"],
        clock_offset_seconds=found["OPTSYNC_CLOCK_OFFSET"],
        oidc=oidc_of(found),
        warnings=warnings,
        smtp=smtp_of(found),
        webhooks_to_loopback=found["OPTSYNC_WEBHOOKS_TO_LOOPBACK"],
        trusted_proxies=found["OPTSYNC_TRUSTED_PROXIES"],
    )


def values_in(values: Mapping[str, str], *, is_root: bool | None = None) -> tuple[dict[str, Any], dict[str, Problem]]:
    """The value in force of each setting by name, and the problem of each wrong one, whose value is its fallback."""
    root = os.geteuid() == 0 if is_root is None else is_root
    found: dict[str, Any] = {setting.name: setting.fallback for setting in SETTINGS}
    wrong: dict[str, Problem] = {}
    for setting in SETTINGS:
        try:
            if text := text_of(setting, values):
                found[setting.name] = setting.read(text)
        except Problem as problem:
            wrong[setting.name] = problem
        except ValueError as error:
            wrong[setting.name] = refused(setting, str(error))
    found["OPTSYNC_DATA_DIR"] = found["OPTSYNC_DATA_DIR"] or default_data_dir(values, root)
    found["OPTSYNC_KEY_FILE"] = found["OPTSYNC_KEY_FILE"] or default_key_file(values, root)
    found["OPTSYNC_SMTP_PORT"] = found["OPTSYNC_SMTP_PORT"] or SMTP_PORTS[found["OPTSYNC_SMTP_SECURITY"]]
    if url := found["OPTSYNC_OIDC_ISSUER"]:
        found["OPTSYNC_OIDC_NAME"] = found["OPTSYNC_OIDC_NAME"] or urlsplit(url).hostname or url
    return found, missing_in(found) | wrong


def missing_in(found: Mapping[str, Any]) -> dict[str, Problem]:
    """What others make necessary: a sender with a mail server; of issuer, client id and its secret all or none."""
    problems = {}
    for some, needed in ((("OPTSYNC_SMTP_HOST",), ("OPTSYNC_SMTP_FROM",)), (OIDC, OIDC)):
        given = " and ".join(name for name in some if found[name])
        for name in needed:
            if given and not found[name]:
                means = f"it goes with {given}; nothing starts without it"
                problems[name] = Problem(f"{name} is missing", means, f"set it, or unset {given}", exit_code=2)
    return problems


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


def text_of(setting: Setting, values: Mapping[str, str]) -> str | None:
    """A setting's text, of a secret also from the file that NAME_FILE names; None when it is unset or empty.

    Raises Problem for a secret that is given both ways, or in a file that cannot be read.
    """
    name = setting.name
    value, file = values.get(name) or None, values.get(f"{name}_FILE")
    if not setting.secret or not file:
        return value
    if value is not None:
        raise Problem(f"{name} is also given as {name}_FILE", "nothing starts with both", "unset one of the two", 2)
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise Problem(
            f"{name}_FILE points at {file}, which cannot be read ({reason})",
            "nothing starts, because the secret it should hold is missing",
            f"let this user read {file}, or set {name}",
            exit_code=2,
        ) from None


def smtp_of(found: Mapping[str, Any]) -> Smtp | None:
    """The mail server; None while OPTSYNC_SMTP_HOST is unset."""
    names = ("HOST", "PORT", "SECURITY", "USER", "PASSWORD", "FROM")
    return Smtp(*(found[f"OPTSYNC_SMTP_{name}"] for name in names)) if found["OPTSYNC_SMTP_HOST"] else None


def oidc_of(found: Mapping[str, Any]) -> Oidc | None:
    """The provider; None while OPTSYNC_OIDC_ISSUER is unset."""
    names = (*OIDC, "OPTSYNC_OIDC_NAME")
    return Oidc(*(found[name] for name in names)) if found["OPTSYNC_OIDC_ISSUER"] else None


def unknown_in(values: Mapping[str, str]) -> dict[str, str]:
    """The OPTSYNC_ names that mean nothing here, with the nearest that does; "" when none is near."""
    unknown = sorted(name for name in values if name.startswith("OPTSYNC_") and name not in KNOWN)
    return {name: next(iter(difflib.get_close_matches(name, sorted(KNOWN), n=1)), "") for name in unknown}


def told_unknown(name: str, near: str) -> str:
    """A line about such a name."""
    return f"{name} means nothing to optsync" + (f"; did you mean {near}?" if near else "")


def refused(setting: Setting, what: str) -> Problem:
    """A wrong value: what it is, and what is allowed."""
    allowed = setting.allowed.replace("`", "")
    return Problem(f"{setting.name} is {what}", "nothing starts with it", f"allowed: {allowed}", exit_code=2)
