"""An installation as an operator has it: the real command as a process, on a database of the test's own."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from psycopg.conninfo import conninfo_to_dict

from optsync import seams
from optsync.config.database import Database
from optsync.config.vault import Vault
from tests.servers import environment

START_SECONDS = 30.0
COMMAND_SECONDS = 60.0


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What --json printed."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """The three parts of the error on stderr, by name; empty when there is none."""
        lines = [line.partition(":") for line in self.err.splitlines()]
        return {name: text.strip() for name, _, text in lines if name in ("error", "means", "next")}


class Installation:
    """A database and a key file; `run` runs the command on them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.environ = clean_environ() | {
            "OPTSYNC_DATABASE_URL": url_of(database),
            "OPTSYNC_DATA_DIR": str(folder / "data"),
            "OPTSYNC_KEY_FILE": str(folder / "keys" / "key.json"),
        }

    @property
    def vault(self) -> Vault:
        """The keys, made on first use."""
        return Vault.load_or_create(environment(self.folder), seams.real())

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> Done:
        """Runs `optsync` with these arguments to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "optsync.cli", *arguments],
            env=self.environ | environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **environ: str) -> "subprocess.Popen[str]":
        """Starts `optsync`; the caller ends it."""
        command = [sys.executable, "-m", "optsync.cli", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environ | environ, stdout=pipe, stderr=pipe, text=True)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Site:
    """A running web server of an installation."""

    installation: Installation
    url: str

    def request(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> "tuple[http.client.HTTPResponse, str]":
        """One request, no redirects followed, no cookies kept."""
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response, response.read().decode()
        finally:
            connection.close()


@contextmanager
def served(installation: Installation, workers: int = 1, **environ: str) -> Iterator[Site]:
    """The web pages over real HTTP, by so many processes; links carry the address of this very server unless `environ`
    says otherwise.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (installation.folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "optsync.cli", "serve", "--port", str(port), "--workers", str(workers)],
            env=installation.environ | {"OPTSYNC_PUBLIC_URL": url} | environ,
            stdout=log,
            stderr=log,
        )
    site = Site(installation, url)
    try:
        wait_until_live(site, process)
        yield site
    finally:
        process.terminate()
        process.wait(20)


def wait_until_live(site: Site, process: "subprocess.Popen[bytes]") -> None:
    """Returns when the server answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, (site.installation.folder / "web.log").read_text()
        try:
            if site.request("GET", "/health/live")[0].status == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the web pages did not start")


def url_of(database: Database) -> str:
    """The address of a test's database, as an operator would write it."""
    return f"postgresql:///?{urlencode(conninfo_to_dict(database.dsn))}"


def clean_environ() -> dict[str, str]:
    """This process's environment without anything that would change what optsync does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPTSYNC_", "PG"))}
    return kept | {"NO_COLOR": "1", "LC_ALL": "C.UTF-8"}


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
