"""The control API of a running practice org, for the command line."""

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

TIMEOUT_SECONDS = 30
NOTHING_DONE = "nothing was changed"


class Problem(click.ClickException):
    """What went wrong, what it means, what to do next."""

    def __init__(self, what: str, means: str, do: str) -> None:
        super().__init__(what)
        self.means = means
        self.do = do


@dataclass(frozen=True)
class Remote:
    """A running practice org at an address on this machine."""

    url: str

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One control; its decoded answer. Raises Problem when the org refuses or is not there."""
        where = urlsplit(self.url)
        host, port = where.hostname or "", where.port
        connection = (
            http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=_trusting())
            if where.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        )
        try:
            connection.request(method, "/practice/api" + path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Problem(
                f"no practice org answers at {self.url}: {error}",
                NOTHING_DONE,
                "start one: practice-org serve --credentials FILE",
            ) from error
        finally:
            connection.close()
        if response.status != 200:
            told = answer.get("message") if isinstance(answer, dict) else answer
            raise Problem(f"the practice org refused: {told}", NOTHING_DONE, "see: practice-org --help")
        return answer


def _trusting() -> ssl.SSLContext:
    """Any certificate will do: only this machine is called, and nothing secret is told."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_FILE_HELP = "The file that the org was started with."
_HTTP_HELP = "Its address instead, such as 127.0.0.1:8200 or https://127.0.0.1:8443."


def address_options() -> list[click.Option]:
    """The two options that say which org is meant; `remote_of` reads them."""
    file = click.Path(dir_okay=False, path_type=Path)
    return [click.Option(["--credentials"], type=file, help=_FILE_HELP), click.Option(["--http"], help=_HTTP_HELP)]


def names_an_org(command: click.Command) -> click.Command:
    """Adds those options to a command."""
    command.params += address_options()
    return command


def remote_of(credentials: Path | None, http: str | None) -> Remote:
    """The org of one of the two options. Raises Problem."""
    if (credentials is None) == (http is None):
        raise Problem(
            "which practice org is not said" if http is None else "the practice org is named twice",
            NOTHING_DONE,
            "use either --credentials FILE or --http 127.0.0.1:PORT",
        )
    url = _url_in(credentials) if credentials is not None else str(http)
    if "://" not in url:
        url = f"http://{url}"
    if not _is_here(url):
        raise Problem(f"not an address on this machine: {url}", NOTHING_DONE, "use --http 127.0.0.1:PORT")
    return Remote(url)


def _url_in(file: Path) -> str:
    try:
        return str(json.loads(file.read_bytes())["instance_url"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"{file} is not the credentials file of a practice org: {error}"
        raise Problem(what, NOTHING_DONE, "name the FILE of: practice-org serve --credentials FILE") from error


def _is_here(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    here = host in ("127.0.0.1", "::1", "localhost") or host.endswith(".localhost")
    return here and port is not None and parts.scheme in ("http", "https")
