"""The stage of the demo: database, practice org, worker and web as real processes in folders that end with it."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from optsync import seams
from optsync.cli.demo.org import PracticeUser
from optsync.cli.house import House
from optsync.cli.supervisor import Child, Supervisor, ending
from optsync.config.database import open_database
from optsync.config.environment import read_environment
from optsync.core.problems import Problem
from optsync.seams import Seams

LEADS, CONTACTS, OPTED_OUT_PERCENT = 20_000, 30_000, 2
START_SECONDS = 60.0
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 30.0
STOPPED = "the demo stopped there; no real Salesforce was touched"
THIS_COMMAND = (sys.executable, "-m", "optsync.cli")


@dataclass
class Stage:
    """Everything the story plays with."""

    house: House
    org: PracticeUser
    credentials: Path
    supervisor: Supervisor
    web: Child
    worker: Child
    url: str
    folder: Path
    org_process: "subprocess.Popen[bytes]"
    org_id: int = 0

    @property
    def seams(self) -> Seams:
        """Clock and patience."""
        return self.house.seams

    def wait_until(self, true: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Polls until something is true. Raises Problem, naming it, when that takes too long or a part has ended."""
        deadline = self.seams.monotonic() + seconds
        while not true():
            self.demand_alive()
            if self.seams.monotonic() > deadline:
                raise Problem(f"{what} did not happen within {seconds:.0f} s", STOPPED, look_into("worker.log"))
            self.seams.sleep(POLL_SECONDS / 4)

    def demand_alive(self) -> None:
        """Raises Problem, naming it, when a part of the stage has ended that the story did not end itself."""
        for name, log, process in (
            ("the web pages", "web.log", self.web.process),
            ("the worker", "worker.log", self.worker.process),
            ("the practice org", "org.log", self.org_process),
        ):
            if process is not None and process.poll() is not None:
                raise Problem(f"{name} ended ({ending(process.returncode)})", STOPPED, look_into(log))

    def post(self, path: str) -> str:
        """Presses the button of a page."""
        return self.request("POST", path)

    def get(self, path: str) -> str:
        """Opens a page."""
        return self.request("GET", path)

    def request(self, method: str, path: str) -> str:
        """One request to our own web pages. Raises Problem unless the answer is 200, OSError when there is none."""
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        try:
            connection.request(method, path, headers={"Accept-Language": "en"})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            raise Problem(f"our own page answered {response.status}", STOPPED, look_into("web.log"))
        return text


@contextmanager
def opened_stage(say: Callable[[str], None], keep: bool) -> Iterator[Stage]:
    """Builds the stage and takes it down: no process is left, and no folder unless `keep`."""
    with ExitStack() as stack:
        here = seams.real()
        folder, keys = (stack.enter_context(temporary_folder(kind, keep, say)) for kind in ("demo", "demo-key"))
        port = free_port()
        environ = environment_for(folder, keys, port)
        org_process = start_practice_org(folder, environ)
        stack.callback(end_process, org_process)
        environment = read_environment(environ)
        database = stack.enter_context(open_database(environment, say))
        database.migrate()
        conn = stack.enter_context(database.connect())
        web = Child("web", [*THIS_COMMAND, "serve", "--port", str(port)], environ, log=folder / "web.log")
        worker = Child("worker", [*THIS_COMMAND, "worker"], environ, log=folder / "worker.log")
        house = House(environment, database, conn, here)
        assert house.vault.link_keys  # made before web and worker look for them
        supervisor = Supervisor([web, worker], here, say)
        stack.callback(supervisor.end)
        for child in supervisor.children:
            supervisor.tend(child)
        credentials = folder / "org" / "credentials.json"
        url = f"http://127.0.0.1:{port}"
        stage = Stage(house, PracticeUser(""), credentials, supervisor, web, worker, url, folder, org_process)
        wait_for_org(stage)
        yield stage


def look_into(log: str) -> str:
    """Where to read on: the folder of this demo ends with it."""
    return f"run it again; if it stays: optsync demo --keep, and read {log} in the folder it names"


def wait_for_web(stage: Stage) -> None:
    """Returns when our pages answer."""

    def answers() -> bool:
        try:
            return "true" in stage.get("/health/live")
        except (OSError, Problem):
            return False

    stage.wait_until(answers, "the start of the web pages", START_SECONDS)


def wait_for_org(stage: Stage) -> None:
    """Returns when the practice org has written its credentials, which it does once it answers."""
    stage.wait_until(stage.credentials.exists, "the start of the practice org", START_SECONDS)
    stage.org.url = json.loads(stage.credentials.read_text())["instance_url"]


def start_practice_org(folder: Path, environ: dict[str, str]) -> "subprocess.Popen[bytes]":
    """The Salesforce stand-in, a program of its own; it ends with this process, however that ends."""
    (folder / "org").mkdir(mode=0o700)
    size = ["--leads", str(LEADS), "--contacts", str(CONTACTS), "--opted-out", str(OPTED_OUT_PERCENT)]
    options = ["--grant-opt-out", "--credentials", str(folder / "org" / "credentials.json")]
    program = [sys.executable, "-c", "from practice_org.cli import main; main()", "serve"]
    with (folder / "org.log").open("wb") as log:
        command = [*program, *size, *options, "--parent-pid", str(os.getpid())]
        return subprocess.Popen(command, stderr=log, stdout=log, env=environ, start_new_session=True)


def end_process(process: "subprocess.Popen[bytes]") -> None:
    """Asks it to stop, and waits."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def temporary_folder(kind: str, keep: bool, say: Callable[[str], None]) -> Iterator[Path]:
    """A folder that other users may pass through, because PostgreSQL never runs as root."""
    folder = Path(tempfile.mkdtemp(prefix=f"optsync-{kind}-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        if keep:
            say(f"  Kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def environment_for(folder: Path, keys: Path, port: int) -> dict[str, str]:
    """The environment of every process on the stage: nothing of a real installation shines through."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OPTSYNC_")}
    return own | {
        "OPTSYNC_DATA_DIR": str(folder / "data"),
        "OPTSYNC_KEY_FILE": str(keys / "key.json"),
        "OPTSYNC_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "OPTSYNC_LOG_LEVEL": "warning",
    }


def free_port() -> int:
    """A TCP port of this machine that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
