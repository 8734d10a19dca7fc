"""What it takes to sign in to one org, and the file it is read from.

JWT bearer is the default: nothing is rotated, so nothing can get lost. Client credentials and, for orgs where only a
person may let an app in, a refresh token (`web_flow`) stand beside it. A refresh token does not come out of a file:
after its first use the file would hold a spent one.

Sources: Salesforce Help, "OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration", "OAuth 2.0 Client Credentials
Flow", "OAuth 2.0 Web Server Flow", "OAuth 2.0 Refresh Token Flow".
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from optsync.salesforce.errors import BadCredential
from optsync.salesforce.hosts import check_login_url, is_loopback_url

Kind = Literal["jwt", "client_credentials", "refresh_token"]


@dataclass(frozen=True)
class Credential:
    """What it takes to sign in to one org. Its repr never shows the private key or the secret."""

    kind: Kind
    login_url: str
    client_id: str
    username: str | None = None
    private_key_pem: str | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)
    practice: bool = False
    """True: a practice org on this machine, plain http to loopback and nothing else. False: only Salesforce."""
    refresh_token: str | None = field(default=None, repr=False)
    """Of the web-server flow. Where refresh tokens rotate, each works once: whoever uses it keeps the next one."""

    def __post_init__(self) -> None:
        if self.kind == "jwt" and not (self.username and self.private_key_pem):
            raise bad_credential("a JWT sign-in needs username and private_key_pem (or private_key_file)")
        if self.kind == "client_credentials" and not self.client_secret:
            raise bad_credential("a client credentials sign-in needs client_secret")
        if self.kind == "refresh_token" and not self.refresh_token:
            raise bad_credential("a sign-in by refresh token needs refresh_token")
        if not self.client_id:
            raise bad_credential("client_id (the app's consumer key) is missing")

    def to_json(self) -> str:
        """Everything, secrets included: to be encrypted by whoever stores it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The credential that `to_json` wrote. Raises BadCredential."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise bad_credential("the stored credential cannot be read") from error

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Reads a credentials file. Raises BadCredential, and HostRefused for a login address that is not Salesforce's.

        The file is one JSON object:
          login_url          https://NAME.my.salesforce.com (best), https://login.salesforce.com or https://test....
          client_id          the app's consumer key
          username           the integration user (JWT)
          private_key_file   PEM file, relative to this file (JWT), or private_key_pem with its text
          client_secret      the app's secret (client credentials)
          kind               "jwt" or "client_credentials"; unset: jwt when there is a private key
        Other keys are ignored, so the file that `practice-org serve --credentials` writes is read as it is. A login
        address on this machine makes it a practice credential, unless the file says "practice": false.
        """
        values = read_object(path)
        key_pem = text_in(values, "private_key_pem") or _read_key(path, text_in(values, "private_key_file"))
        kind: Kind = "jwt" if key_pem else "client_credentials"
        match values.get("kind", kind):
            case "jwt" | "client_credentials" as named:
                kind = named
            case _:
                raise bad_credential('kind must be "jwt" or "client_credentials"')
        login_url = text_in(values, "login_url")
        practice = values.get("practice", True) is not False and is_loopback_url(login_url)
        return cls(
            kind=kind,
            login_url=check_login_url(login_url, practice),
            client_id=text_in(values, "client_id"),
            username=text_in(values, "username") or None,
            private_key_pem=key_pem if kind == "jwt" else None,
            client_secret=text_in(values, "client_secret") if kind == "client_credentials" else None,
            practice=practice,
        )


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object that a credentials file holds. Raises BadCredential."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise bad_credential(f"the file cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise bad_credential("the file is not JSON") from error
    if not isinstance(values, dict):
        raise bad_credential("the file holds no JSON object")
    return values


def text_in(values: dict[str, Any], name: str) -> str:
    """A text of it; empty when it is not there. Raises BadCredential for anything but text."""
    value = values.get(name)
    if not isinstance(value, str | None):
        raise bad_credential(f"{name} must be text in quotes")
    return value or ""


def _read_key(path: Path, name: str) -> str | None:
    if not name:
        return None
    try:
        return (path.parent / name).read_text("ascii")
    except OSError as error:
        raise bad_credential(f"private_key_file cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise bad_credential("private_key_file is not a PEM file") from error


def bad_credential(reason: str) -> BadCredential:
    """The credential is not what signing in needs; `reason` says why."""
    return BadCredential(
        f"these credentials cannot be used: {reason}",
        means="nothing was sent to Salesforce",
        next_step="give login_url, client_id and either username with private_key_file, or client_secret",
    )
