"""The web server: it ends completely, however it is ended, and says what is in its way."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from optsync.config.postgres_process import processes_in
from optsync.config.serve import refuse_taken
from optsync.core.problems import Problem
from tests.config.test_postgres import soon
from tests.servers import free_port, open_folder

SCRIPT = "import sys; from optsync.config.serve import serve; serve('127.0.0.1', int(sys.argv[1]), 2)"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_it_is_ended_no_worker_and_no_database_server_is_left(number: signal.Signals) -> None:
    with open_folder() as folder:
        data, port = folder / "data", free_port()
        settings = {"OPTSYNC_DATA_DIR": str(data), "OPTSYNC_KEY_FILE": str(folder / "keys" / "key.json")}
        command = [sys.executable, "-c", SCRIPT, str(port)]
        with subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.DEVNULL) as process:
            try:
                assert soon(lambda: is_answering(port), 60)
                process.send_signal(number)
            except BaseException:  # Popen waits for its process on the way out
                process.kill()
                raise
        assert soon(lambda: not processes_in(data / "server" / "data"))
        assert soon(lambda: not is_answering(port))


def is_answering(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Problem, match="cannot listen") as caught:
        refuse_taken("127.0.0.1", taken.getsockname()[1])
    assert "--port" in caught.value.next


def test_a_host_that_is_not_ours_is_told() -> None:
    with pytest.raises(Problem, match="cannot listen"):
        refuse_taken("192.0.2.1", 8000)
